#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "spec/environment_definition.h"
#include "spec/requirement.h"
#include "spec/version_spec.h"

namespace roost::environments {

// What a definition of kind conda or pip comes to on this machine: which tool installs what. Pure.
struct InstallPlan {
  spec::VersionSpec python;
  std::string python_asked;  // as the definition says it: "python=3.6.2"; empty: any

  // For conda: empty when it is not needed. Holds python, and pip where pip follows.
  std::vector<std::string> conda_packages;
  std::vector<std::string> channels;
  bool only_these_channels = false;  // the definition said `nodefaults`

  // For pip.
  std::vector<spec::PipOption> options;
  std::vector<std::string> requirements;

  // Distributions whose modules are imported after the build, and those of which one may be absent
  // (a marker excludes it, or it is no Python package).
  std::vector<std::string> imports;
  std::vector<std::string> imports_if_there;

  std::vector<std::string> notes;  // a sentence for everything that is taken otherwise than written
};

// `has_conda`: conda, mamba or micromamba is at hand. Without it the conda part is translated for
// pip; the error names every package that pip cannot supply.
// Requires: a kind of kConda or kPip.
Result<InstallPlan> PlanInstall(const spec::EnvironmentDefinition& definition, bool has_conda);

}  // namespace roost::environments
