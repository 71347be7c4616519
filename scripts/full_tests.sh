#!/usr/bin/env bash
# The parts of ./test.sh --full:  full_tests.sh tsan | fuzz PYTHON | kills PYTHON | files
set -euo pipefail
cd "$(dirname "$0")/.."
case $1 in
  tsan)
    cmake --preset tsan >build/cmake-tsan.log && cmake --build --preset tsan && ctest --preset tsan -j2 ;;
  fuzz) "$2" -m pytest -c tests/pytest.ini tests/api/test_openapi.py -q -p no:cacheprovider --full ;;
  kills) "$2" -m pytest -c tests/pytest.ini tests/e2e/test_restart.py -q -p no:cacheprovider --full ;;
  # Damaged images, archives and .pth files, under the sanitizers.
  files)
    cmake --preset asan >build/cmake-asan.log && cmake --build --preset asan --target decode_fuzz archive_fuzz pth_fuzz &&
      build/asan/src/trainer/images/decode_fuzz 200000 &&
      build/asan/src/trainer/folders/archive_fuzz --inputs 200000 &&
      build/asan/src/trainer/state/pth_fuzz --inputs 300000 ;;
  *) echo "unknown part $1" >&2; exit 2 ;;
esac
