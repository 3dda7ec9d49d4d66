# build   the package in .venv, its compiled core in place
# debug   a checked build of the core (bounds, asserts, small batches and blocks), and the tests on it
# check   the tests of the inner loop    lint    ruff, its formatting, cython-lint
# test    all but the integration tests  types   mypy --strict, and the core's stub against the core
# bench   the pytest-benchmark suites    demo    what it does, on data/
# integration  tests that need a server, a browser or a heavy package
# clean   removes what the others made, all but .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PYTEST := $(BIN)/python -m pytest
TESTS := $(PYTEST) -n 2 --dist worksteal -p no:benchmark
METRICSCAN := $(BIN)/metricscan
BUILT := .venv/.built
CORE := $(wildcard metricscan/*.pyx metricscan/*/*.pyx metricscan/*.pxi metricscan/*/*.pxi metricscan/*.pxd metricscan/*/*.pxd metricscan/kernel/*.h)
# Lists a table of pyproject.toml, one requirement a line: what it says is installed once, and no rebuild needs a network.
REQUIRES := $(PYTHON) -c "import functools, sys, tomllib; project = tomllib.load(open('pyproject.toml', 'rb')); \
	print(*functools.reduce(dict.__getitem__, sys.argv[1:], project), sep='\n')"

.PHONY: build debug check test integration bench lint types clean demo

build: $(BUILT)
	$(BIN)/python setup.py --quiet build_ext --inplace  # by what files hold, where their times say that nothing changed

$(BUILT): pyproject.toml setup.py $(CORE)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(REQUIRES) build-system requires > .venv/requires.txt
	$(PIP) install -r .venv/requires.txt
	$(PIP) install --no-build-isolation -e '.[test,lint]'
	touch $@

debug: $(BUILT)
	rm $(BUILT)  # so that the next build is an optimised one again
	METRICSCAN_DEBUG=1 $(PIP) install --no-build-isolation --no-deps -e .
	$(TESTS) -m 'not integration'

check: $(BUILT)
	METRICSCAN_HYPOTHESIS=quick $(TESTS) -m 'not slow and not integration'

test: $(BUILT)
	$(TESTS) -m 'not integration'

integration: $(BUILT)
	$(REQUIRES) project optional-dependencies engines > .venv/requires.txt
	$(REQUIRES) project optional-dependencies trainings >> .venv/requires.txt
	$(REQUIRES) project optional-dependencies browser >> .venv/requires.txt
	$(PIP) install -r .venv/requires.txt
	$(PYTEST) -p no:benchmark -m integration

bench: $(BUILT)
	$(REQUIRES) project optional-dependencies bench > .venv/requires.txt
	$(PIP) install -r .venv/requires.txt
	$(PYTEST) benchmarks --benchmark-only

lint: $(BUILT)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/cython-lint metricscan/*.pyx metricscan/*/*.pyx

types: $(BUILT)
	$(BIN)/mypy
	$(BIN)/stubtest --mypy-config-file pyproject.toml metricscan._core metricscan.datasets._row_text metricscan.datasets._packing metricscan.logs._reading metricscan.logs._first_line metricscan.logs._events metricscan.logs._natural metricscan.live._inotify metricscan.live._digest

demo: $(BUILT)
	$(METRICSCAN) check data/gan/gan.log -d data/gan/gan.definitions.json
	$(METRICSCAN) replay data/xgboost/logs -d data/xgboost/xgboost-builtin.definitions.json --escape syslog --minimize validation:rmse
	$(METRICSCAN) replay data/lightgbm/logs -d data/lightgbm/lightgbm.definitions.json --minimize valid_l2
	$(METRICSCAN) replay data/sklearn/logs -d data/sklearn/sklearn.definitions.json --jobs data/sklearn/jobs.csv --maximize accuracy
	$(METRICSCAN) replay data/pytorch/logs -d data/pytorch/pytorch.definitions.yaml --minimize valid_loss
	$(METRICSCAN) replay data/keras/logs -d data/keras/keras.definitions.json --jobs data/keras/jobs.jsonl --minimize val_loss
	$(METRICSCAN) replay data/sagemaker/events.json --tuning-job data/sagemaker/request.json
	$(METRICSCAN) replay data/tqdm/logs -d data/tqdm/tqdm.definitions.json --minimize val_loss --out build/demo --overwrite

clean:
	rm -rf build dist *.egg-info metricscan/*.c metricscan/*/*.c metricscan/*.html metricscan/*.so metricscan/*/*.so $(BUILT)
	rm -rf .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
