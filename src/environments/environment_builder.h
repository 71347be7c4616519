#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "environments/build_log.h"
#include "environments/build_settings.h"
#include "environments/build_step.h"
#include "environments/command_runner.h"
#include "environments/install_plan.h"
#include "environments/python_finder.h"
#include "environments/relax.h"
#include "spec/environment_definition.h"

namespace roost::environments {

// What a finished build can tell.
struct BuildReport {
  std::string python_version;                   // "3.11.7"
  std::string tool;                             // "uv", "pip", "conda"
  std::map<std::string, std::string> packages;  // everything installed, with its version
  std::vector<std::string> notes;               // what was taken otherwise than the definition says
};

// Builds one environment into one folder: plan, interpreter, packages, import check. Where the
// definition cannot be had as written it looks for the nearest that can (relax.h): with
// settings.relax_pins that is built, else the error tells it. It knows nothing of marks, locks and
// sharing; after an error the folder is in any state.
class EnvironmentBuilder {
 public:
  // All outlive the builder. `stdin_fd` is every program's standard input: a lock's descriptor
  // keeps the lock held until the last of them is gone, even when the server is not there any more.
  EnvironmentBuilder(const BuildSettings& settings, CommandRunner& runner, BuildLog& log,
                     const Cancellation& cancel, int stdin_fd);

  // Requires: a kind of kConda or kPip; `folder` is absolute and not there, its parent is.
  Result<BuildReport> Build(const spec::EnvironmentDefinition& definition, const fs::path& folder);

 private:
  Result<InstallPlan> Plan(const spec::EnvironmentDefinition& definition);
  Result<BuildReport> BuildPlan(const InstallPlan& plan);
  Error TellConda(const InstallPlan& plan, Error error);
  // After `error`, whose log begins at `log_begin`.
  Result<BuildReport> BuildNearest(const InstallPlan& plan, Error error, std::uint64_t log_begin);
  Result<BuildReport> TellNearest(const Result<RelaxedPlan>& found, Error error,
                                  const std::string& output);
  std::string LogSince(std::uint64_t begin) const;
  Status MakeFolder(const InstallPlan& plan);
  Status MakeWithConda(const std::vector<std::string>& packages, const InstallPlan& plan);
  Status MakeVenv(const FoundPython& python);
  Status InstallPackages(const InstallPlan& plan);
  Status InstallRequirements(const InstallPlan& plan, const fs::path& requirements);
  // Gives what the other packages' installation keeps to.
  Result<std::vector<std::string>> InstallTorchSet(const InstallPlan& plan);
  std::vector<std::string> PipCommand() const;
  Result<BuildReport> CheckImports(const InstallPlan& plan);
  // Fails with a sentence about `doing` when the program ends with another code than 0.
  Status RunStep(const std::string& doing, std::vector<std::string> argv);
  fs::path Python() const { return folder_ / "bin" / "python"; }
  fs::path Notes() const { return folder_ / ".roost"; }

  const BuildSettings& settings_;
  CommandRunner& runner_;
  BuildLog& log_;
  const Cancellation& cancel_;
  const BuildStep step_;
  Tools tools_;
  fs::path folder_;
  std::string tool_;
  bool cannot_be_had_ = false;  // the last failure was that of an interpreter or installation
};

}  // namespace roost::environments
