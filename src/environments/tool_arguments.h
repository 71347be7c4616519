#pragma once

#include <string>
#include <vector>

#include "environments/build_settings.h"
#include "environments/install_plan.h"

namespace roost::environments {

// Where packages come from: the operator's settings first, then the definition's options, of which
// the last of a kind wins; in the words of uv or of pip.
std::vector<std::string> SourceArguments(const BuildSettings& settings,
                                         const std::vector<spec::PipOption>& options, bool uv);
// The operator's alone.
std::vector<std::string> IndexArguments(const BuildSettings& settings);

void Append(std::vector<std::string>& argv, const std::vector<std::string>& more);

}  // namespace roost::environments
