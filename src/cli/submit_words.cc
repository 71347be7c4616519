#include "cli/submit_words.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/files.h"

namespace roost::cli {
namespace {

Status CheckForOptions(const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (word.size() > 1 && word.front() == '-') {
      return Fail(
          ErrorCode::kInvalidArgument,
          fmt::format("`submit` has no option '{}'. Write the script's own arguments behind "
                      "the script, or behind `--`.",
                      word));
    }
  }
  return {};
}

}  // namespace

Result<Work> ReadSubmitWords(const SubmitWords& given) {
  Work work{given.folder, "", given.behind_separator};
  if (given.has_separator) {
    ROOST_TRY(CheckForOptions(given.words));
  } else if (!given.words.empty()) {
    ROOST_TRY(CheckForOptions({given.words.front()}));
  }
  auto word = given.words.begin();
  const auto end = given.words.end();
  if (work.folder.empty() && word != end && fs::is_directory(*word)) work.folder = *word++;
  if (work.folder.empty()) work.folder = ".";
  if (!given.command.empty()) {
    if (word != end || !work.arguments.empty()) {
      return Fail(ErrorCode::kInvalidArgument,
                  "With --command there is neither script nor arguments: write them into the "
                  "command.");
    }
    return work;
  }
  if (word == end) {
    return Fail(ErrorCode::kInvalidArgument,
                "What shall run? Name a script (`roost submit FOLDER SCRIPT`) or a --command.");
  }
  work.script = *word++;
  if (given.has_separator && word != end) {
    const bool folder_missing = given.folder.empty() && word == given.words.begin() + 1;
    return Fail(
        ErrorCode::kInvalidArgument,
        folder_missing
            ? fmt::format("There is no folder '{}': before `--` stand at most a folder and "
                          "a script.",
                          work.script)
            : fmt::format("'{}' stands before `--` and is neither folder nor script.", *word));
  }
  work.arguments.insert(work.arguments.begin(), word, end);
  const fs::path script = fs::path(work.folder) / work.script;
  if (!fs::is_regular_file(script)) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("There is no script '{}' in the folder "
                                                         "'{}'.",
                                                         work.script, work.folder));
  }
  work.script = fs::path(work.script).lexically_normal().generic_string();
  return work;
}

std::vector<std::string> OptionsAmongArguments(const Work& work) {
  std::vector<std::string> found;
  for (const char* option :
       {"--watch", "--experiment", "--cpus", "--gpus", "--time-limit", "--python"}) {
    if (std::find(work.arguments.begin(), work.arguments.end(), option) != work.arguments.end()) {
      found.emplace_back(option);
    }
  }
  return found;
}

}  // namespace roost::cli
