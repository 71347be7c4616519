#include "environments/relax.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "base/strings.h"
#include "environments/tool_arguments.h"
#include "spec/requirement.h"
#include "spec/version_spec.h"

namespace roost::environments {
namespace {

constexpr int kOldestMinor = 8;   // what Roost's own package needs
constexpr int kNewestMinor = 14;  // what uv is asked for
constexpr std::chrono::seconds kAskLimit{60};
constexpr std::chrono::minutes kSearchLimit{10};
constexpr std::uint64_t kReadBack = 1 << 20;

spec::Requirement Parsed(const std::string& line) {
  return spec::ParseRequirement(line).value_or(spec::Requirement{});
}

std::string WithVersions(const std::string& line, const std::string& versions) {
  spec::Requirement requirement = Parsed(line);
  requirement.versions = versions;
  requirement.hashes.clear();  // they are those of the pinned version
  return requirement.ToText();
}

// 6 of "python=3.6.2"; -1 when it tells none.
int MinorOf(const std::string& text) {
  const auto at = text.find("3.");
  if (at == std::string::npos || at + 2 >= text.size()) return -1;
  const char first = text[at + 2];
  return first >= '0' && first <= '9' ? std::atoi(text.c_str() + at + 2) : -1;
}

int DistanceOf(const FoundPython& python, int wanted) {
  return wanted < 0 ? 0 : std::abs(MinorOf(python.version) - wanted);
}

bool IsAtLeast(const std::string& version, const std::string& least) {
  const std::string plain = version.substr(0, version.find('+'));
  const auto spec = spec::VersionSpec::Parse(">=" + least);
  return spec && spec->Matches(plain);
}

// A word up to what cannot stand in a package's name.
std::string NameAt(const std::string& text, std::size_t begin) {
  const auto end = text.find_first_not_of(
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", begin);
  std::string name = text.substr(begin, end == std::string::npos ? end : end - begin);
  while (name.ends_with('.')) name.pop_back();
  return spec::NormalizePackageName(name);
}

}  // namespace

bool IsOfTorchFamily(const std::string& name) {
  return name == "torch" || name == "torchvision" || name == "torchaudio";
}

std::string PinnedVersion(const std::string& versions) {
  std::string found;
  for (const std::string& part : Split(versions, ',')) {
    const std::string_view clause = Trim(part);
    if (clause.starts_with("!=")) continue;
    const auto begin = clause.find_first_not_of("=<>~");
    if (begin == std::string_view::npos) continue;
    std::string version(Trim(clause.substr(begin)));
    if (version.ends_with(".*")) version.resize(version.size() - 2);
    version = version.substr(0, version.find('+'));
    const bool is_lower =
        clause.starts_with('>') || clause.starts_with("==") || clause.starts_with("~=");
    if (is_lower) return version;
    found = version;
  }
  return found;
}

std::set<std::string> FailedSourceBuilds(const std::string& output) {
  std::set<std::string> names;
  for (std::string_view sentence : {"Failed to build `", "Failed building wheel for ",
                                    "Could not build wheels for ", "Failed to build "}) {
    for (auto at = output.find(sentence); at != std::string::npos;
         at = output.find(sentence, at + 1)) {
      const std::string name = NameAt(output, at + sentence.size());
      if (!name.empty() && name != "installable") names.insert(name);
    }
  }
  return names;
}

bool IndexUnreachable(const std::string& output) {
  for (std::string_view sentence :
       {"Failed to fetch", "error sending request", "dns error", "connection broken by",
        "Temporary failure in name resolution", "Connection refused"}) {
    if (output.find(sentence) != std::string::npos) return true;
  }
  return false;
}

PinRelaxer::PinRelaxer(const BuildSettings& settings, const Tools& tools, CommandRunner& runner,
                       BuildLog& log, const BuildStep& step, const Cancellation& cancel,
                       fs::path scratch)
    : settings_(settings),
      tools_(tools),
      runner_(runner),
      log_(log),
      step_(step),
      cancel_(cancel),
      resolver_(settings, tools, runner, step, std::move(scratch)) {}

ResolveQuestion PinRelaxer::Question(const InstallPlan& plan,
                                     const std::set<std::string>& wheels) const {
  return {.requirements = plan.requirements,
          .options = plan.options,
          .only_wheels = {wheels.begin(), wheels.end()}};
}

// The closest version that uv can fetch, when nothing as close is here.
std::optional<FoundPython> PinRelaxer::Download(const InstallPlan& plan,
                                                const std::vector<FoundPython>& pythons) {
  const int wanted = MinorOf(plan.python_asked);
  const auto never = settings_.variables.find("UV_PYTHON_DOWNLOADS");
  if (!tools_.uv || wanted < 0 || settings_.no_index ||
      (never != settings_.variables.end() && never->second == "never")) {
    return std::nullopt;
  }
  const int closest = std::clamp(wanted, kOldestMinor, kNewestMinor);
  const bool is_here = std::any_of(pythons.begin(), pythons.end(), [&](const FoundPython& one) {
    return MinorOf(one.version) == closest;
  });
  if (is_here) return std::nullopt;
  const std::string version = fmt::format("3.{}", closest);
  const std::string uv = tools_.uv->string();
  std::map<std::string, std::string> variables = settings_.variables;
  variables["UV_PYTHON_INSTALL_BIN"] = "0";  // no links among the user's programs
  if (!step_.Run("fetching Python " + version, {uv, "python", "install", version}, settings_.folder,
                 variables)) {
    return std::nullopt;
  }
  const auto found = runner_.Ask({.argv = {uv, "python", "find", "--no-project", version},
                                  .environment = settings_.variables,
                                  .working_folder = settings_.folder},
                                 kAskLimit);
  if (!found || found->status.code != 0) return std::nullopt;
  const auto python =
      AskPython(fs::path(std::string(Trim(found->output))), settings_.variables, runner_);
  return python ? std::optional(*python) : std::nullopt;
}

// Those that fit first (their number in `fitting`), then the others, nearest first.
std::vector<FoundPython> PinRelaxer::Pythons(const InstallPlan& plan, std::size_t* fitting) {
  std::vector<FoundPython> all = FindPythons(settings_.python, settings_.variables, runner_);
  const auto fits = [&](const FoundPython& one) { return plan.python.Matches(one.version); };
  auto others = std::stable_partition(all.begin(), all.end(), fits);
  *fitting = static_cast<std::size_t>(others - all.begin());
  all.erase(
      std::remove_if(others, all.end(),
                     [](const FoundPython& one) { return MinorOf(one.version) < kOldestMinor; }),
      all.end());
  if (*fitting == 0) {
    if (auto fetched = Download(plan, all)) all.push_back(std::move(*fetched));
  }
  const int wanted = MinorOf(plan.python_asked);
  std::stable_sort(all.begin() + static_cast<std::ptrdiff_t>(*fitting), all.end(),
                   [&](const FoundPython& a, const FoundPython& b) {
                     return DistanceOf(a, wanted) < DistanceOf(b, wanted);
                   });
  return all;
}

Status PinRelaxer::GoOn() const {
  if (cancel_.IsCanceled()) {
    return Fail(ErrorCode::kUnavailable, "The build of the environment was canceled.");
  }
  if (std::chrono::steady_clock::now() < end_) return {};
  return Fail(ErrorCode::kDeadline, "No versions that go together were found in ten minutes.");
}

Result<RelaxedPlan> PinRelaxer::FindNearest(const InstallPlan& plan,
                                            const std::set<std::string>& broken) {
  end_ = std::chrono::steady_clock::now() + kSearchLimit;
  log_.Line("Looking for the nearest versions that can be had.");
  std::size_t fitting = 0;
  const std::vector<FoundPython> pythons = Pythons(plan, &fitting);
  const auto middle = pythons.begin() + static_cast<std::ptrdiff_t>(fitting);
  if (fitting > 0) {
    Result<RelaxedPlan> found = SearchAmong(plan, broken, {pythons.begin(), middle});
    if (found) return found;
    // Another Python helps where the pins cannot be had, and nowhere else.
    if (found.error().code != ErrorCode::kNotFound) return found;
  }
  return SearchAmong(plan, broken, {middle, pythons.end()});
}

Result<RelaxedPlan> PinRelaxer::SearchAmong(const InstallPlan& plan,
                                            const std::set<std::string>& broken,
                                            const std::vector<FoundPython>& pythons) {
  for (const FoundPython& python : pythons) {
    std::error_code error;
    const std::uint64_t begin = fs::file_size(log_.path(), error);
    Result<RelaxedPlan> found = TryWith(python, plan, {}, broken);
    if (found) return found;
    ROOST_TRY(GoOn());
    if (IndexUnreachable(ReadRange(log_.path(), begin, kReadBack).value_or(""))) {
      return Fail(ErrorCode::kUnavailable, "An index of packages cannot be reached.");
    }
  }
  std::set<std::string> all;
  for (const std::string& line : plan.requirements) {
    const spec::Requirement requirement = Parsed(line);
    if (!requirement.versions.empty() && requirement.address.empty()) all.insert(requirement.name);
  }
  std::vector<std::set<std::string>> missing;
  for (const FoundPython& python : pythons) {
    missing.push_back(Missing(python, plan, broken));
    Result<RelaxedPlan> found = missing.back().empty()
                                    ? Result<RelaxedPlan>(Fail(ErrorCode::kNotFound, ""))
                                    : TryWith(python, plan, missing.back(), broken);
    if (found) return found;
    ROOST_TRY(GoOn());
  }
  for (std::size_t i = 0; i < pythons.size() && !all.empty(); ++i) {
    if (missing[i] == all) continue;
    Result<RelaxedPlan> found = TryWith(pythons[i], plan, all, broken);
    if (found) return found;
    ROOST_TRY(GoOn());
  }
  return Fail(ErrorCode::kNotFound, "No versions of its packages go together on this machine.");
}

// The pins that cannot be had whatever the others are, and torch's family with each of it.
std::set<std::string> PinRelaxer::Missing(const FoundPython& python, const InstallPlan& plan,
                                          const std::set<std::string>& broken) {
  std::set<std::string> missing;
  for (const std::string& line : plan.requirements) {
    const spec::Requirement requirement = Parsed(line);
    if (requirement.versions.empty() || !requirement.address.empty()) continue;
    ResolveQuestion question = Question(plan, broken);
    question.requirements = {line};
    question.no_deps = true;
    const bool is_there = resolver_.Resolve(python, question).has_value();
    if (!GoOn()) return missing;
    if (!is_there) missing.insert(requirement.name);
  }
  if (std::none_of(missing.begin(), missing.end(), IsOfTorchFamily)) return missing;
  for (const std::string& line : plan.requirements) {
    const spec::Requirement requirement = Parsed(line);
    if (IsOfTorchFamily(requirement.name) && !requirement.versions.empty()) {
      missing.insert(requirement.name);
    }
  }
  return missing;
}

std::optional<std::vector<std::string>> PinRelaxer::Loosen(const FoundPython& python,
                                                           const InstallPlan& plan,
                                                           const std::set<std::string>& relaxed,
                                                           const std::set<std::string>& wheels,
                                                           Slack slack) {
  std::vector<std::string> loosened;
  std::vector<std::string> pins;  // what is looked for at its lowest, and what stays exact
  for (const std::string& line : plan.requirements) {
    const spec::Requirement requirement = Parsed(line);
    if (relaxed.count(requirement.name) == 0) {
      loosened.push_back(line);
      if (requirement.versions.starts_with("==")) pins.push_back(line);
      continue;
    }
    const std::string pin = PinnedVersion(requirement.versions);
    const std::string above = pin.empty() || slack == Slack::kAny ? "" : ">=" + pin;
    std::string versions = above;
    // pip has no search for the lowest; torch's version decides about its family's.
    const bool follows = IsOfTorchFamily(requirement.name) && requirement.name != "torch";
    if (slack == Slack::kLowestAbove && !resolver_.has_lowest() && !follows && !pin.empty()) {
      const auto there = resolver_.Versions(python, requirement.name, Question(plan, wheels), log_);
      if (!there) return std::nullopt;
      const auto first = std::find_if(there->begin(), there->end(),
                                      [&](const std::string& one) { return IsAtLeast(one, pin); });
      if (first == there->end()) return std::nullopt;
      versions = "==" + *first;
    }
    loosened.push_back(WithVersions(line, versions));
    pins.push_back(loosened.back());
  }
  ResolveQuestion question = Question(plan, wheels);
  question.requirements = loosened;
  std::map<std::string, std::string> chosen;
  if (slack == Slack::kLowestAbove && resolver_.has_lowest()) {
    // Only the pins are looked for at their lowest; what is not pinned stays current.
    question.requirements = pins;
    question.lowest = true;
    const auto lowest = resolver_.Resolve(python, question);
    if (!lowest) return std::nullopt;
    chosen = lowest->versions;
    question.lowest = false;
    question.requirements = loosened;
    for (std::string& line : question.requirements) {
      const std::string name = Parsed(line).name;
      if (relaxed.count(name) != 0 && !chosen[name].empty()) {
        line = WithVersions(line, "==" + chosen[name]);
      }
    }
  }
  const auto resolved = resolver_.Resolve(python, question);
  if (!resolved) return std::nullopt;
  for (std::string& line : loosened) {
    const std::string name = Parsed(line).name;
    const auto version = resolved->versions.find(name);
    // One that a marker excludes has no version.
    if (relaxed.count(name) == 0 || version == resolved->versions.end()) continue;
    line = WithVersions(line, "==" + version->second);
  }
  return loosened;
}

Result<RelaxedPlan> PinRelaxer::TryWith(const FoundPython& python, const InstallPlan& plan,
                                        const std::set<std::string>& relaxed,
                                        const std::set<std::string>& broken) {
  RelaxedPlan found{plan, {}};
  if (relaxed.empty()) {
    if (!plan.requirements.empty()) ROOST_TRY(resolver_.Resolve(python, Question(plan, broken)));
  } else {
    // Wheels before sources, which may not build.
    std::set<std::string> wheels = relaxed;
    wheels.insert(broken.begin(), broken.end());
    std::vector<std::set<std::string>> kinds = {wheels};
    if (wheels != broken) kinds.push_back(broken);
    std::optional<std::vector<std::string>> lines;
    for (const std::set<std::string>& kind : kinds) {
      for (Slack slack : {Slack::kLowestAbove, Slack::kNewestAbove, Slack::kAny}) {
        if (!lines && GoOn()) lines = Loosen(python, plan, relaxed, kind, slack);
      }
    }
    if (!lines) return Fail(ErrorCode::kNotFound, "nothing resolves with Python " + python.version);
    for (std::size_t i = 0; i < lines->size(); ++i) {
      if ((*lines)[i] == plan.requirements[i]) continue;
      found.changes.push_back(plan.requirements[i] + " -> " + (*lines)[i]);
    }
    found.plan.requirements = *lines;
  }
  for (const std::string& name : broken) found.plan.options.push_back({"--only-binary", name});
  if (!plan.python.Matches(python.version)) {
    found.changes.insert(found.changes.begin(),
                         (plan.python_asked.empty() ? "python" : plan.python_asked) +
                             " -> python=" + python.version);
  }
  if (found.changes.empty()) {
    for (const std::string& name : broken) found.changes.push_back(name + " -> its wheels alone");
  }
  ROOST_ASSIGN(found.plan.python, spec::VersionSpec::Parse("==" + python.version));
  found.plan.python_asked = "python=" + python.version;
  return found;
}

}  // namespace roost::environments
