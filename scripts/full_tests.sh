#!/usr/bin/env bash
# The parts of ./test.sh --full:  full_tests.sh tsan | fuzz PYTHON | kills PYTHON
set -euo pipefail
cd "$(dirname "$0")/.."
case $1 in
  tsan)
    cmake --preset tsan >build/cmake-tsan.log && cmake --build --preset tsan && ctest --preset tsan -j2 ;;
  fuzz) "$2" -m pytest -c tests/pytest.ini tests/api/test_openapi.py -q -p no:cacheprovider --full ;;
  kills) "$2" -m pytest -c tests/pytest.ini tests/e2e/test_restart.py -q -p no:cacheprovider --full ;;
  *) echo "unknown part $1" >&2; exit 2 ;;
esac
