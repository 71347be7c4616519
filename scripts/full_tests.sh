#!/usr/bin/env bash
# The parts of ./test.sh --full:  full_tests.sh tsan | fuzz PYTHON | kills PYTHON | files | libfuzzer
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
  # The same readers, led by what their code does with an input. Inputs of each.
  libfuzzer)
    cmake -S . -B build/libfuzzer -G Ninja -DCMAKE_BUILD_TYPE=Debug "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g1" -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ \
      -DROOST_SANITIZE=fuzzer-no-link,address,undefined -DROOST_TRAINER_ONLY=ON -DROOST_TORCH=OFF >build/cmake-libfuzzer.log
    cmake --build build/libfuzzer --target decode_fuzz decode_libfuzzer archive_fuzz archive_libfuzzer pth_fuzz pth_libfuzzer
    fuzzed=$(mktemp -d)
    trap 'rm -rf "$fuzzed"' EXIT
    # fuzz ROOM NAME INPUTS
    fuzz() {
      mkdir "$fuzzed/$2"
      "build/libfuzzer/src/trainer/$1/$2_fuzz" --seeds "$fuzzed/$2"
      TMPDIR=/dev/shm "build/libfuzzer/src/trainer/$1/$2_libfuzzer" -runs="$3" -max_len=20000 -timeout=60 -rss_limit_mb=4096 -print_final_stats=1 \
        -artifact_prefix="build/$2-" "$fuzzed/$2" 2>&1 | tail -8
    }
    fuzz images decode 500000
    fuzz folders archive 200000
    fuzz state pth 1000000 ;;
  *) echo "unknown part $1" >&2; exit 2 ;;
esac
