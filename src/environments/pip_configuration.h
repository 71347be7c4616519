#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/files.h"

namespace roost::environments {

// uv does not read pip's settings. So that both find the same packages, what pip's configuration
// files (the machine's, the user's, PIP_CONFIG_FILE's; sections global and install) and PIP_...
// variables say about places and certificates is given to uv as variables, unless uv has settings
// of its own for them. `variables` are those of the server.
std::map<std::string, std::string> UvVariablesOfPip(
    const std::map<std::string, std::string>& variables);

// The files that pip would read, the weakest first.
std::vector<fs::path> PipConfigurationFiles(const std::map<std::string, std::string>& variables);

// "key" -> value of the sections global and install, the latter on top; a value of several lines
// has them joined by blanks.
std::map<std::string, std::string> ParsePipConfiguration(std::string_view text);

}  // namespace roost::environments
