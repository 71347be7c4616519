#pragma once

#include <functional>

#include "base/result.h"

namespace CLI {
class App;
}

namespace roost::trainer {

// What a subcommand does once its words are read. 0, or kInterruptedExit; an error is printed by
// the program.
using Command = std::function<Result<int>()>;

// The exit status of a training that was told to end (SIGTERM, SIGINT) and can go on.
inline constexpr int kInterruptedExit = 75;

// Each adds its subcommands to `app`; the one that the user names sets `chosen`.
void AddFolderCommands(CLI::App& app, Command* chosen);  // convert, init, apply, split, evaluate
void AddModelCommands(CLI::App& app, Command* chosen);   // densenet, resnet, inspect, export-onnx
void AddTrainCommand(CLI::App& app, Command* chosen);
void AddScoreCommand(CLI::App& app, Command* chosen);

}  // namespace roost::trainer
