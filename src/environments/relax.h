#pragma once

#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "environments/build_settings.h"
#include "environments/build_step.h"
#include "environments/install_plan.h"
#include "environments/resolver.h"

namespace roost::environments {

// A plan that resolves, and what it changes: a sentence for each pin, such as
// "torch==1.6.0 -> torch==1.13.0".
struct RelaxedPlan {
  InstallPlan plan;
  std::vector<std::string> changes;
};

// Finds the nearest plan that resolves for one that does not. Nearest is, in this order: another
// Python where the asked one is not to be had (the closest minor version of 3.8 and newer, which
// Roost's own package needs) with all pins as they are; of the pins that cannot be had the lowest
// version above them that goes with the rest (with pip, which cannot look for that: the lowest
// above, then the newest); then the newest below; then the same for all pins, since they may
// exclude each other. torch, torchvision and torchaudio are changed together or not at all.
class PinRelaxer {
 public:
  // All outlive it. `scratch` is a folder for its files.
  PinRelaxer(const BuildSettings& settings, const Tools& tools, CommandRunner& runner,
             BuildLog& log, const BuildStep& step, const Cancellation& cancel, fs::path scratch);

  // `broken`: packages that only a source build could supply, and that failed: of these only
  // wheels will do. An error when nothing resolves, an index cannot be reached (kUnavailable), the
  // search takes longer than ten minutes, or the build was canceled.
  // Requires: a plan without conda packages.
  Result<RelaxedPlan> FindNearest(const InstallPlan& plan, const std::set<std::string>& broken);

 private:
  // How far a pin is let go.
  enum class Slack { kLowestAbove, kNewestAbove, kAny };

  // Why the search ends early; success: it goes on.
  Status GoOn() const;
  std::vector<FoundPython> Pythons(const InstallPlan& plan, std::size_t* fitting);
  std::optional<FoundPython> Download(const InstallPlan& plan,
                                      const std::vector<FoundPython>& pythons);
  Result<RelaxedPlan> SearchAmong(const InstallPlan& plan, const std::set<std::string>& broken,
                                  const std::vector<FoundPython>& pythons);
  std::set<std::string> Missing(const FoundPython& python, const InstallPlan& plan,
                                const std::set<std::string>& broken);
  Result<RelaxedPlan> TryWith(const FoundPython& python, const InstallPlan& plan,
                              const std::set<std::string>& relaxed,
                              const std::set<std::string>& broken);
  // The requirements of `plan` with those of `relaxed` loosened; nullopt when they do not resolve.
  std::optional<std::vector<std::string>> Loosen(const FoundPython& python, const InstallPlan& plan,
                                                 const std::set<std::string>& relaxed,
                                                 const std::set<std::string>& wheels, Slack slack);
  ResolveQuestion Question(const InstallPlan& plan, const std::set<std::string>& wheels) const;

  const BuildSettings& settings_;
  const Tools& tools_;
  CommandRunner& runner_;
  BuildLog& log_;
  const BuildStep& step_;
  const Cancellation& cancel_;
  Resolver resolver_;
  std::chrono::steady_clock::time_point end_;
};

// "<2,>=1.18" -> "1.18": the version that a pin means. Empty when it means none.
std::string PinnedVersion(const std::string& versions);
// The packages whose source build failed, as uv and pip say it.
std::set<std::string> FailedSourceBuilds(const std::string& output);
// Whether uv or pip said that an index cannot be reached, which says nothing about pins.
bool IndexUnreachable(const std::string& output);
// torch, torchvision and torchaudio.
bool IsOfTorchFamily(const std::string& name);

}  // namespace roost::environments
