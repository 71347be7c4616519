#pragma once

#include <string>
#include <vector>

#include "base/files.h"
#include "environments/build_settings.h"
#include "environments/command_runner.h"
#include "environments/install_plan.h"

namespace roost::environments {

// For a plan that conda, mamba or micromamba could not install: of the packages that it asks of
// them with a version, those that are not to be had as asked, each with the versions that are:
// "ffmpeg=99 (there are 4.3.1, 6.1)". Empty when each by itself is there, or nothing is known.
std::vector<std::string> CondaPackagesNotThere(const InstallPlan& plan, const fs::path& conda,
                                               const BuildSettings& settings, CommandRunner& runner,
                                               const Cancellation& cancel);

// The versions in the answer to `search --json NAME`, each once, in its order.
std::vector<std::string> ParseCondaSearch(const std::string& answer, const std::string& name);

}  // namespace roost::environments
