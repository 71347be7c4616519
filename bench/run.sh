#!/usr/bin/env bash
# Builds the release with the load clients and runs every benchmark:  bench/run.sh [NAME...]   (names: submit metrics runs logs snapshot import environment_hit data mlflow_search environments mlflow decode train data_parallel step;
# environments needs uv, mlflow needs the tests' packages; each is left out of all where they are missing)
# Prints one JSON object each; docs/performance.md says what they mean.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
cmake --preset release -DROOST_BENCH=ON >build/cmake-bench.log
cmake --build --preset release --target roost roost-shim http_load images_bench roost-trainer step_bench >build/build-bench.log
[ -x "$venv/bin/python" ] && python=$venv/bin/python || python=python3
[ $# -gt 0 ] || set -- submit metrics runs logs snapshot import environment_hit data mlflow_search $(command -v uv >/dev/null && echo environments) $("$python" -c 'import mlflow.version' 2>/dev/null && echo mlflow) decode train data_parallel step
for name in "$@"; do
  program=bench/bench_$name.py
  [ "$name" != mlflow ] || program=bench/mlflow/run.py
  "$python" "$program"
done
