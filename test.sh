#!/usr/bin/env bash
# Installs what the tests need, builds everything and runs every test:
#
#   ./test.sh [--full]
#
#   --full   also what takes longer: thread sanitizer, long fuzzing, 100 random kills, soak. Its last result is
#            recorded in docs/full-tests.md.
#
# Prints the time that each part took beside its budget. Exit status 0 only when everything passed.
set -euo pipefail
cd "$(dirname "$0")"
. scripts/common.sh

full=no
case ${1:-} in
  '') ;;
  --full) full=yes ;;
  -h | --help) sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' "$0"; exit 0 ;;
  *) die "unknown argument $1 (see ./test.sh --help)" ;;
esac

mkdir -p build
export CTEST_OUTPUT_ON_FAILURE=1 CMAKE_COLOR_DIAGNOSTICS=ON
times=() failed=()
roost=$project/build/release/src/cli/roost
# Every network is compared with Python in --full; one of each kind daily. So with large data.
if [ "$full" = yes ]; then chosen_tests=(); else chosen_tests=(-m "not slow"); fi

# part NAME BUDGET_MINUTES COMMAND...: runs it, goes on when it fails, remembers both.
part() {
  local name=$1 budget=$2 started=$SECONDS status=0
  shift 2
  say "$name"
  "$@" || status=$?
  times+=("$(printf '%-34s %5d s of %5d s' "$name" $((SECONDS - started)) $((budget * 60)))")
  [ "$status" = 0 ] || { failed+=("$name"); printf 'FAILED: %s (status %d)\n' "$name" "$status"; }
}

installs() {
  install_packages "${build_packages[@]}" "${python_packages[@]}" clang-format chromium &&
    prepare_python &&
    pip_install "$project/examples/requirements.txt" &&
    pip_install "$project/tests/requirements.txt"
}

server_build() {
  scripts/check_format.sh &&
    cmake --preset release -DROOST_TRAINER=OFF >build/cmake.log && cmake --build --preset release &&
    PATH=$PATH:$venv/bin ctest --preset release -j2 # where uv is
}

sanitised() {
  cmake --preset asan >build/cmake-asan.log && cmake --build --preset asan &&
    ctest --preset asan -j2
}

# One thread: torch's own threads slow each other down a hundredfold where tests share the cores.
trainer() {
  cmake --preset release -DROOST_TRAINER=ON -DROOST_TORCH_PYTHON="$python" >build/cmake-trainer.log &&
    cmake --build --preset release &&
    OMP_NUM_THREADS=1 ctest --preset release -R '^trainer_' -j2 &&
    OMP_WAIT_POLICY=passive ROOST_BINARY=$roost ROOST_TRAINER_BUILD=$project/build/release/src/trainer \
      "$python" -m pytest -c tests/pytest.ini tests/trainer -q -p no:cacheprovider "${chosen_tests[@]}"
}

end_to_end() {
  ROOST_BINARY=$roost "$python" -m pytest -c tests/pytest.ini tests/api tests/e2e tests/sdk tests/mlflow_clients -q -p no:cacheprovider "${chosen_tests[@]}"
}

browser() {
  scripts/run_browser_tests.sh "$venv" "$roost"
}

part "installs" 7 installs
part "server build and tests" 11 server_build
part "sanitised server" 6 sanitised
part "trainer" 6 trainer
part "end to end" 8 end_to_end
part "browser" 2 browser
if [ "$full" = yes ]; then
  part "thread sanitizer" 30 scripts/full_tests.sh tsan
  part "long fuzzing" 20 scripts/full_tests.sh fuzz "$python"
  part "kills under load" 20 scripts/full_tests.sh kills "$python"
  part "damaged files" 10 scripts/full_tests.sh files
  install_packages clang libclang-rt-dev
  part "damaged files by libFuzzer" 20 scripts/full_tests.sh libfuzzer
fi

echo
say "Time"
printf '    %s\n' "${times[@]}"
echo
total=${#times[@]}
if [ ${#failed[@]} -gt 0 ]; then
  printf 'failed: %s\n' "${failed[@]}"
fi
printf 'parts: %d passed, %d failed\n' $((total - ${#failed[@]})) ${#failed[@]}
[ ${#failed[@]} = 0 ]
