#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/files.h"
#include "environments/build_settings.h"
#include "environments/command_runner.h"
#include "environments/environment_cache.h"
#include "spec/environment_definition.h"

namespace roost::environments {

// A folder of scripts that play uv, conda, podman, docker, apptainer and Python, for tests. Every
// call is a line of `calls`. A file in the folder changes what they do: `fail` makes installing
// fail, `no-import` the import check; `has-image` is an image of podman or docker, `no-python` one
// without Python, `no-run` one that does not start; while `hold` is there, installing does not go
// on. `no-create` makes conda's installing fail, `search.json` is what it tells of a package. uv
// resolves to `resolved` what has no line of `cannot-have`.
class FakeTools {
 public:
  FakeTools() { EXPECT_TRUE(WriteFileAtomic(bin() / "python3", kScript, 0755)); }
  const fs::path& folder() const { return folder_.path(); }
  fs::path bin() const {
    const fs::path bin = folder_.path() / "bin";
    EXPECT_TRUE(MakeFolders(bin));
    return bin;
  }
  fs::path python() const { return bin() / "python3"; }
  void Add(const std::string& name) const {
    EXPECT_TRUE(WriteFileAtomic(bin() / name, kScript, 0755));
  }
  void Set(const std::string& name) const { EXPECT_TRUE(WriteFileAtomic(folder() / name, "")); }
  void Unset(const std::string& name) const { fs::remove(folder() / name); }
  std::string Calls() const { return ReadFile(folder() / "calls").value_or(""); }
  int CountCalls(const std::string& part) const {
    const std::string calls = Calls();
    int count = 0;
    for (auto at = calls.find(part); at != std::string::npos; at = calls.find(part, at + 1)) {
      ++count;
    }
    return count;
  }

  BuildSettings Settings() const {
    BuildSettings settings;
    settings.folder = folder() / "environments";
    settings.python = python();
    // Only our scripts in PATH: the machine's own tools are none of these tests' business.
    settings.variables =
        BuildVariables({}, {{"PATH", bin().string()}, {"FAKE", folder().string()}});
    return settings;
  }

 private:
  static constexpr const char* kScript = R"SH(#!/bin/sh
PATH=/usr/bin:/bin
me=$(basename "$0")
for last; do :; done
make_prefix() {
  mkdir -p "$1/bin"
  cp "$FAKE/bin/python3" "$1/bin/python"
}
install() {
  echo "installing"
  while [ -e "$FAKE/hold" ]; do sleep 0.02; done
  if [ -e "$FAKE/fail" ]; then echo "ERROR: No matching distribution found for torch==1.6.0"; exit 3; fi
}
case "$me" in
  python*)
    case "$1 $2" in
      "-I -c")
        case "$3" in
          *importlib*)
            echo "$me import check" >> "$FAKE/calls"
            [ -e "$FAKE/no-import" ] && { echo "import torch ... failed"; exit 1; }
            echo '{"python": "3.11.7", "packages": {"tiny": "1.0"}}' > "$5" ;;
          *) printf "$(cat "$FAKE/$me.version" 2>/dev/null || echo 3.11.7)" ;;
        esac ;;
      "-m venv") echo "$me $*" >> "$FAKE/calls"; make_prefix "$3" ;;
      "-m pip") echo "$me $*" >> "$FAKE/calls"; install ;;
    esac ;;
  uv)
    echo "$me $*" >> "$FAKE/calls"
    case "$1" in
      venv)
        if [ -e "$FAKE/no-venv" ]; then echo "No interpreter found"; mkdir -p "$last"; exit 2; fi
        make_prefix "$last" ;;
      pip)
        if [ "$2" = compile ]; then
          for word; do [ "$before" = --output-file ] && output="$word"; before="$word"; done
          if grep -qxF -f "$FAKE/cannot-have" "$last"; then echo "No solution found"; exit 1; fi
          cp "$FAKE/resolved" "$output"
          exit 0
        fi
        if [ "$5" = pip ]; then
          [ -e "$FAKE/no-pip" ] && { echo "pip is not on this index"; exit 1; }
          exit 0
        fi
        install ;;
    esac ;;
  podman|docker|apptainer)
    echo "$me $*" >> "$FAKE/calls"
    case "$1" in
      image) [ -e "$FAKE/has-image" ] || exit 1 ;;
      pull) if [ "$me" = apptainer ]; then echo image > "$2"; else touch "$FAKE/has-image"; fi; install ;;
      build) touch "$FAKE/has-image"; install ;;
      run|exec)
        case "$*" in
          *"command -v python"*)
            [ -e "$FAKE/no-run" ] && { echo "exec format error" >&2; exit 126; }
            [ -e "$FAKE/no-python" ] || echo /opt/conda/bin/python ;;
          *importlib*)
            [ -e "$FAKE/no-import" ] && { echo "import torch ... failed"; exit 1; }
            echo '{"python": "3.8.1", "packages": {"tiny": "1.0"}}' > "$last" ;;
        esac ;;
    esac ;;
  *)
    echo "$me $*" >> "$FAKE/calls"
    case "$1" in
      env) cat "$FAKE/envs.json" ;;
      search) cat "$FAKE/search.json" ;;
      create)
        [ -e "$FAKE/no-create" ] && { echo "PackagesNotFoundError: not available"; exit 1; }
        make_prefix "$4"; install ;;
    esac ;;
esac
exit 0
)SH";

  TempFolder folder_;
};

inline spec::EnvironmentDefinition Define(const std::string& text) {
  auto parsed = spec::ParseEnvironmentDefinition(nlohmann::json::parse(text));
  EXPECT_TRUE(parsed) << parsed.error().message;
  return parsed ? *parsed : spec::EnvironmentDefinition{};
}

// Waits for what another thread brings about; fails the test when it does not come at all.
template <class Condition>
void WaitUntil(Condition condition) {
  for (int i = 0; i < 6000; ++i) {
    if (condition()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  FAIL() << "what the test waits for did not come";
}

// One call of Prepare and its answer.
struct Asked {
  std::shared_ptr<EnvironmentCache::Request> request;
  std::future<Result<ReadyEnvironment>> answer;

  Asked(EnvironmentCache& cache, const spec::EnvironmentDefinition& definition,
        const fs::path& log = {}) {
    auto promise = std::make_shared<std::promise<Result<ReadyEnvironment>>>();
    answer = promise->get_future();
    request = cache.Prepare(definition, log, [promise](Result<ReadyEnvironment> result) {
      promise->set_value(std::move(result));
    });
  }
  Result<ReadyEnvironment> Get() { return answer.get(); }
  bool IsAnswered() const {
    return answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }
};

}  // namespace roost::environments
