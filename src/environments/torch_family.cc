#include "environments/torch_family.h"

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "environments/relax.h"
#include "environments/tool_arguments.h"
#include "spec/requirement.h"

namespace roost::environments {
namespace {

struct Place {
  std::string name;
  std::vector<std::string> arguments;
};

void AddIndex(const std::string& url, std::vector<Place>& places) {
  places.push_back({url, {"--index-url", url}});
}

// Further indexes first: they are given for torch more often than not. The main one comes last.
std::vector<Place> PlacesOf(const InstallPlan& plan, const BuildSettings& settings) {
  std::vector<Place> places;
  std::vector<std::string> folders = settings.find_links;
  std::string main = settings.index_url.empty() ? "https://pypi.org/simple" : settings.index_url;
  bool no_index = settings.no_index;
  for (const spec::PipOption& option : plan.options) {
    if (option.name == "--extra-index-url") AddIndex(option.value, places);
    if (option.name == "--find-links") folders.push_back(option.value);
    if (option.name == "--index-url") main = option.value;
    if (option.name == "--no-index") no_index = true;
  }
  for (const std::string& url : settings.extra_index_urls) AddIndex(url, places);
  for (const std::string& folder : folders) {
    places.push_back({folder, {"--no-index", "--find-links", folder}});
  }
  if (no_index) {
    std::erase_if(places, [](const Place& one) { return one.arguments[0] == "--index-url"; });
  } else {
    AddIndex(main, places);
  }
  return places;
}

std::string LabelOf(const std::string& version) {
  const auto plus = version.find('+');
  return plus == std::string::npos ? "" : version.substr(plus);
}

bool IsOneSet(const Resolved& resolved) {
  std::set<std::pair<std::string, std::string>> kinds;
  for (const auto& [name, version] : resolved.versions) {
    if (!IsOfTorchFamily(name)) continue;
    const auto source = resolved.sources.find(name);
    kinds.emplace(LabelOf(version), source == resolved.sources.end() ? "" : source->second);
  }
  return kinds.size() <= 1;
}

}  // namespace

Result<std::optional<TorchSet>> MatchTorchSet(const InstallPlan& plan,
                                              const BuildSettings& settings,
                                              const FoundPython& python, Resolver& resolver,
                                              BuildLog& log, const Cancellation& cancel) {
  std::vector<std::string> family;
  bool has_torch = false;
  bool has_others = false;
  for (const std::string& line : plan.requirements) {
    const auto requirement = spec::ParseRequirement(line);
    if (!requirement || !IsOfTorchFamily(requirement->name)) continue;
    if (!requirement->address.empty()) return std::nullopt;
    family.push_back(line);
    (requirement->name == "torch" ? has_torch : has_others) = true;
  }
  const std::vector<Place> places = PlacesOf(plan, settings);
  if (!has_others || places.size() < 2) return std::nullopt;
  if (!has_torch) family.push_back("torch");
  const auto canceled = [&]() -> Error {
    return {ErrorCode::kUnavailable, "The build of the environment was canceled.", {}};
  };
  // What the installation would give; one that fails tells its own reason later.
  const auto whole =
      resolver.Resolve(python, {.requirements = plan.requirements, .options = plan.options});
  if (cancel.IsCanceled()) return Fail(canceled());
  if (!whole || IsOneSet(*whole)) return std::nullopt;
  log.Line("torch and what goes with it would come from different places; looking for one.");
  for (const Place& place : places) {
    const auto alone =
        resolver.Resolve(python, {.requirements = family, .source = place.arguments});
    if (cancel.IsCanceled()) return Fail(canceled());
    if (!alone || !IsOneSet(*alone)) continue;
    TorchSet set{.pins = {}, .source = place.arguments, .place = WithoutSecrets(place.name)};
    for (const auto& [name, version] : alone->versions) {
      if (IsOfTorchFamily(name)) set.pins.push_back(name + "==" + version);
    }
    log.Line(Join(set.pins, ", ") + " are taken as one set from " + set.place + ".");
    return set;
  }
  log.Line("Warning: no place has all of " + Join(family, ", ") +
           ", so they come from several; whether they go together shows when they are imported.");
  return std::nullopt;
}

}  // namespace roost::environments
