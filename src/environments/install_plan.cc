#include "environments/install_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/strings.h"
#include "environments/conda_names.h"

namespace roost::environments {
namespace {

using spec::CondaSpec;
using spec::Requirement;
using spec::VersionSpec;

// True when the package is one of the SDK's and left out.
bool LeaveOutSdk(const std::string& name, InstallPlan& plan) {
  switch (ClassifySdkPackage(spec::NormalizePackageName(name))) {
    case SdkPackage::kNone:
      return false;
    case SdkPackage::kSatisfied:
      plan.notes.push_back(name +
                           " is not installed: Roost's own package, which every run imports, "
                           "takes its place.");
      return true;
    case SdkPackage::kAbsent:
      plan.notes.push_back(name +
                           " is not installed, since it would bring Azure ML's SDK along, whose "
                           "place Roost's own package takes; what imports it will fail.");
      return true;
  }
  return false;
}

void AddRequirement(const Requirement& requirement, InstallPlan& plan) {
  if (LeaveOutSdk(requirement.name, plan)) return;
  plan.requirements.push_back(requirement.ToText());
  if (requirement.name.empty()) {
    plan.notes.push_back(requirement.ToText() +
                         " does not tell a package's name, so it is not imported as a check.");
  } else if (requirement.marker.empty()) {
    plan.imports.push_back(requirement.name);
  } else {
    plan.imports_if_there.push_back(requirement.name);
  }
}

void AddPipLines(const std::vector<std::string>& lines, InstallPlan& plan) {
  const spec::PipList list = spec::ParsePipList(lines);
  plan.options = list.options;
  for (const Requirement& requirement : list.requirements) AddRequirement(requirement, plan);
}

// Two sources of one package (conda's part translated, and the pip list) would conflict for pip, as
// two lines with different versions do; in conda's world the pip list comes second and wins.
void AddTranslated(const Requirement& requirement, const std::vector<std::string>& pip_names,
                   InstallPlan& plan) {
  if (std::find(pip_names.begin(), pip_names.end(), requirement.name) != pip_names.end()) {
    plan.notes.push_back(requirement.ToText() +
                         " of the conda part gives way to the pip list, which names it too.");
    return;
  }
  AddRequirement(requirement, plan);
}

// What conda would install, for pip. Gives a sentence when that is not possible.
std::string Translate(const CondaSpec& package, const std::vector<std::string>& pip_names,
                      InstallPlan& plan) {
  const std::optional<PipName> pip = PipNameOfConda(package.name);
  if (!pip) return package.ToText() + " is not known to be on PyPI under that name";
  if (pip->name.empty()) {
    plan.notes.push_back(package.ToText() + " is left out without conda: " + pip->note + ".");
    return "";
  }
  if (!package.brackets.empty()) return package.ToText() + " has conditions that only conda reads";
  std::string wanted = package.versions;
  // With a build, conda takes the version as exact.
  const bool fuzzy = wanted.starts_with('=') && !wanted.starts_with("==");
  if (!package.build.empty() && fuzzy && !wanted.ends_with('*')) wanted.insert(0, 1, '=');
  const Result<VersionSpec> versions = VersionSpec::ParseConda(wanted);
  if (!versions) return package.ToText() + " has a version that only conda reads";
  if (!package.build.empty()) {
    plan.notes.push_back(package.ToText() + " names a build of conda, which pip does not have; " +
                         "the version is taken.");
  }
  Requirement requirement;
  requirement.name = pip->name;
  requirement.versions = versions->ToText();
  if (pip->name != package.name) {
    plan.notes.push_back(package.ToText() + " is taken as " + requirement.ToText() +
                         " from pip, without conda.");
  }
  AddTranslated(requirement, pip_names, plan);
  return "";
}

Status TakePython(const CondaSpec& package, InstallPlan& plan) {
  plan.python_asked = package.ToText();
  const Result<VersionSpec> versions = VersionSpec::ParseConda(package.versions);
  if (!versions || !package.brackets.empty()) {
    return Invalid("python.conda.packages",
                   package.ToText() + ": write Python's version like python=3.10 or python>=3.8");
  }
  plan.python = *versions;
  return {};
}

// The packages of the conda part other than python, without the SDK's.
Result<std::vector<CondaSpec>> TakeCondaPart(const spec::CondaSection& conda, InstallPlan& plan) {
  std::vector<CondaSpec> packages;
  for (const std::string& text : conda.packages) {
    ROOST_ASSIGN(CondaSpec package, spec::ParseCondaSpec(text));
    if (package.name == "python") {
      ROOST_TRY(TakePython(package, plan));
    } else if (!LeaveOutSdk(package.name, plan)) {
      packages.push_back(std::move(package));
    }
  }
  return packages;
}

void PlanChannels(const spec::CondaSection& conda, InstallPlan& plan) {
  for (const std::string& channel : conda.channels) {
    if (channel == "nodefaults") {
      plan.only_these_channels = true;
    } else {
      plan.channels.push_back(channel);
    }
  }
}

void PlanWithConda(const spec::CondaSection& conda, const std::vector<CondaSpec>& packages,
                   InstallPlan& plan) {
  PlanChannels(conda, plan);
  plan.conda_packages.push_back(plan.python_asked.empty() ? "python" : plan.python_asked);
  if (plan.python_asked.empty()) {
    plan.notes.push_back("The conda part names no Python, so conda chooses its version.");
  }
  bool has_pip = false;
  for (const CondaSpec& package : packages) {
    plan.conda_packages.push_back(package.ToText());
    has_pip = has_pip || package.name == "pip";
    const std::optional<PipName> pip = PipNameOfConda(package.name);
    const std::string name = pip && !pip->name.empty() ? pip->name : package.name;
    plan.imports_if_there.push_back(spec::NormalizePackageName(name));
  }
  if (!has_pip) plan.conda_packages.push_back("pip");
}

Status PlanWithoutConda(const spec::CondaSection& conda, const std::vector<CondaSpec>& packages,
                        InstallPlan& plan) {
  std::vector<std::string> pip_names;
  for (const Requirement& one : spec::ParsePipList(conda.pip).requirements) {
    pip_names.push_back(one.name);
  }
  std::vector<std::string> reasons;
  for (const CondaSpec& package : packages) {
    const std::string reason = Translate(package, pip_names, plan);
    if (!reason.empty()) reasons.push_back(reason);
  }
  if (!reasons.empty()) {
    Error error{ErrorCode::kInvalidArgument,
                "The environment needs conda, and there is no conda, mamba or micromamba in the "
                "server's PATH: " +
                    Join(reasons, "; ") +
                    ". Install micromamba on the server's machine, or list what PyPI has under "
                    "`pip`.",
                {}};
    for (const std::string& reason : reasons) {
      error.details.push_back({"python.conda.packages", reason});
    }
    return Fail(std::move(error));
  }
  if (!packages.empty() && !conda.channels.empty()) {
    plan.notes.push_back("The channels " + Join(conda.channels, ", ") +
                         " are not used without conda.");
  }
  return {};
}

Status PlanConda(const spec::CondaSection& conda, bool has_conda, InstallPlan& plan) {
  ROOST_ASSIGN(const std::vector<CondaSpec> packages, TakeCondaPart(conda, plan));
  // Python and pip alone are had without conda as well, and faster.
  const bool needs_conda =
      std::any_of(packages.begin(), packages.end(),
                  [](const CondaSpec& package) { return package.name != "pip"; });
  if (needs_conda && has_conda) {
    PlanWithConda(conda, packages, plan);
  } else {
    ROOST_TRY(PlanWithoutConda(conda, packages, plan));
  }
  AddPipLines(conda.pip, plan);
  return {};
}

}  // namespace

Result<InstallPlan> PlanInstall(const spec::EnvironmentDefinition& definition, bool has_conda) {
  InstallPlan plan;
  if (definition.conda) {
    ROOST_TRY(PlanConda(*definition.conda, has_conda, plan));
    return plan;
  }
  ROOST_CHECK(definition.pip.has_value());
  if (!definition.pip->python_version.empty()) {
    plan.python_asked = "python" + definition.pip->python_version;
    ROOST_ASSIGN(plan.python, VersionSpec::Parse(definition.pip->python_version));
  }
  AddPipLines(definition.pip->requirements, plan);
  return plan;
}

}  // namespace roost::environments
