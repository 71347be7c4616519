#include "environments/conda_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/strings.h"
#include "environments/tool_arguments.h"
#include "spec/requirement.h"
#include "spec/version_spec.h"

namespace roost::environments {
namespace {

constexpr std::chrono::seconds kSearchLimit{60};  // the first question fetches the channels' lists
constexpr std::size_t kMostAsked = 10;
constexpr std::size_t kShown = 8;

std::string TextOf(const nlohmann::json& object, const char* name) {
  if (!object.is_object() || !object.contains(name) || !object[name].is_string()) return "";
  return object[name].get<std::string>();
}

std::string VersionsText(std::vector<std::string> versions) {
  if (versions.empty()) return "there is no such package in its channels";
  std::string text = "there are ";
  if (versions.size() > kShown) {
    text += versions.front() + " ... ";
    versions.erase(versions.begin(), versions.end() - (kShown - 1));
  }
  return text + Join(versions, ", ");
}

}  // namespace

std::vector<std::string> ParseCondaSearch(const std::string& answer, const std::string& name) {
  const auto json = nlohmann::json::parse(answer, nullptr, /*allow_exceptions=*/false);
  std::vector<std::string> versions;
  const auto take = [&](const nlohmann::json& packages) {
    if (!packages.is_array()) return;
    for (const auto& package : packages) {
      const std::string version = TextOf(package, "version");
      const std::string its_name = TextOf(package, "name");
      const bool known = std::find(versions.begin(), versions.end(), version) != versions.end();
      if (version.empty() || known || (!its_name.empty() && its_name != name)) continue;
      versions.push_back(version);
    }
  };
  if (!json.is_object()) return versions;
  if (json.contains(name)) take(json[name]);  // conda
  // mamba and micromamba
  if (json.contains("result") && json["result"].is_object() && json["result"].contains("pkgs")) {
    take(json["result"]["pkgs"]);
  }
  return versions;
}

std::vector<std::string> CondaPackagesNotThere(const InstallPlan& plan, const fs::path& conda,
                                               const BuildSettings& settings, CommandRunner& runner,
                                               const Cancellation& cancel) {
  std::vector<std::string> missing;
  std::size_t asked = 0;
  for (const std::string& text : plan.conda_packages) {
    const auto package = spec::ParseCondaSpec(text);
    if (!package || package->versions.empty()) continue;
    const auto wanted = spec::VersionSpec::ParseConda(package->versions);
    if (!wanted || cancel.IsCanceled() || ++asked > kMostAsked) continue;
    std::vector<std::string> argv = {conda.string(), "search", "--json"};
    if (plan.only_these_channels) argv.push_back("--override-channels");
    for (const std::string& channel : plan.channels) Append(argv, {"--channel", channel});
    argv.push_back(package->name);
    const auto answer = runner.Ask({.argv = argv, .environment = settings.variables}, kSearchLimit);
    if (!answer) continue;
    const std::vector<std::string> versions = ParseCondaSearch(answer->output, package->name);
    // A search that failed for want of a network says nothing of the package.
    const bool is_unknown = versions.empty() && answer->status.code != 0 &&
                            answer->output.find("PackagesNotFound") == std::string::npos;
    const bool is_there =
        std::any_of(versions.begin(), versions.end(),
                    [&](const std::string& version) { return wanted->Matches(version); });
    if (is_unknown || is_there) continue;
    missing.push_back(fmt::format("{} ({})", package->ToText(), VersionsText(versions)));
  }
  return missing;
}

}  // namespace roost::environments
