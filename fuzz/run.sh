#!/usr/bin/env bash
# Coverage-guided fuzzing of the sanitised core, beside the oracle: fuzz/run.sh [MINUTES [TARGET...]]
#
# Builds the package with clang and libFuzzer's instrumentation into build/fuzz (apt-get install clang libclang-rt-14-dev),
# atheris and what it runs on into build/fuzz/venv, and fuzzes each target for its share of the minutes. What a run learns
# stays in build/fuzz/corpus; a case that differs or crashes is written to build/fuzz/found and ends the run.
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=${1:-10}
shift || true
targets=("$@")
(( ${#targets[@]} )) || targets=(grammar text numbers definitions jobs archive export journal dataset number row_text label suspect stopped events
    stream_state forged_state stream_threads)
folder=$PWD/build/fuzz
venv=$folder/venv
clang=${CLANG:-$(command -v clang || command -v clang-14)}

if [[ ! -x $venv/bin/python ]]; then
    "${PYTHON:-python3.11}" -m venv "$venv"
    "$venv/bin/python" -m pip --quiet install 'atheris>=3' 'setuptools>=77' 'Cython>=3.1,<4' click numpy pyarrow pyyaml regex rich
fi
rm -rf "$folder/lib"
CC=$clang LDSHARED="$clang -shared" METRICSCAN_FUZZ=1 METRICSCAN_SANITIZE=1 METRICSCAN_DEBUG=1 \
    "$venv/bin/python" setup.py --quiet build --build-base "$folder/objects" --build-lib "$folder/lib"
rm -f metricscan/*.c # a checked build's would look up to date to the next one

sites=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
mkdir -p "$folder/found"
for target in "${targets[@]}"; do
    mkdir -p "$folder/corpus/$target"
    echo "== $target"
    # Python's own allocations at exit are no leaks of the core
    PYTHONPATH=$folder/lib LD_PRELOAD=$sites/asan_with_fuzzer.so ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 \
        "$venv/bin/python" fuzz/fuzz.py "$target" \
        -max_total_time=$((minutes * 60 / ${#targets[@]})) -max_len=600 -timeout=30 -rss_limit_mb=4096 -print_final_stats=1 \
        -artifact_prefix="$folder/found/$target-" ${FUZZ_FLAGS:-} "$folder/corpus/$target" "fuzz/corpus/$target"
done
