#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "base/result.h"

namespace roost::cli {

// A completion script for "bash", "zsh" or "fish", made from the commands themselves, so it cannot
// fall behind them. kInvalidArgument for other shells.
Result<std::string> CompletionScript(const CLI::App& app, const std::string& shell);

}  // namespace roost::cli
