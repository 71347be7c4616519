#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace roost::cli {

// What stands on the command line of `submit` beside its options.
struct SubmitWords {
  std::vector<std::string> words = {};  // [FOLDER] [SCRIPT] [ARGUMENTS...]
  bool has_separator = false;           // there was a "--"
  std::vector<std::string> behind_separator = {};
  std::string folder = {};   // --folder; empty: not given
  std::string command = {};  // --command; empty: a script is run
};

// What is run, and from which folder.
struct Work {
  std::string folder;
  std::string script;  // relative to the folder; empty: a command is run
  std::vector<std::string> arguments;
};

// Tells folder, script and arguments apart. Without "--", all that follows the script is its own;
// with it, options of `submit` may stand behind the script too, and what follows "--" is its own.
Result<Work> ReadSubmitWords(const SubmitWords& words);

// Those of the script's arguments that were most likely meant for `submit`: its options that
// scripts hardly have.
std::vector<std::string> OptionsAmongArguments(const Work& work);

}  // namespace roost::cli
