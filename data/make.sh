#!/usr/bin/env bash
# Trains everything again: data/make.sh [CORPUS...]. Values come out the same on the same kind of machine, times do not.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${METRICSCAN_DATA_VENV:-build/data-venv}
test -x "$venv/bin/python" || python3.11 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r data/requirements.txt
(( $# )) || set -- gan xgboost lightgbm sklearn pytorch keras tqdm sagemaker
for corpus in "$@"; do
    "$venv/bin/python" -m "data.$corpus.make"
done
