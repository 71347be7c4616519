#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "environments/build_settings.h"
#include "environments/build_step.h"
#include "environments/install_plan.h"
#include "environments/resolver.h"

namespace roost::environments {

// torch, torchvision and torchaudio in versions that go together, all from one place: a torchvision
// of one index does not load with the torch of another that was compiled otherwise.
struct TorchSet {
  std::vector<std::string> pins;    // "torch==2.1.0+cpu"
  std::vector<std::string> source;  // the tool's arguments for that place alone
  std::string place;                // for the log, without passwords
};

// nullopt when the tool's own choice is one set already, or there is no set from one place: then
// the import check decides, and `log` says so. Asks nothing unless torchvision or torchaudio is
// named and packages come from several places.
Result<std::optional<TorchSet>> MatchTorchSet(const InstallPlan& plan,
                                              const BuildSettings& settings,
                                              const FoundPython& python, Resolver& resolver,
                                              BuildLog& log, const Cancellation& cancel);

}  // namespace roost::environments
