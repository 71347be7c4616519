#include "engine/finalize.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/log_file.h"
#include "base/strings.h"
#include "engine/report.h"
#include "engine/run_inputs.h"
#include "engine/run_outputs.h"
#include "engine/take_files.h"
#include "spec/launch_format.h"
#include "store/artifacts.h"

namespace roost::engine {
namespace {

constexpr std::size_t kRowsAtOnce = 500;
constexpr std::uint64_t kTailLines = 400;
constexpr std::uint64_t kTailBytes = 128 << 10;

Status ListFolder(const fs::path& folder, const std::string& prefix,
                  std::vector<FileToTake>* files) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) return {};
  ROOST_ASSIGN(const std::vector<TreeEntry> entries, ListTree(folder));
  for (const TreeEntry& entry : entries) {
    files->push_back({folder / entry.path, prefix + entry.path, entry.size});
  }
  return {};
}

Status AddArtifacts(store::Store& store, RunKey run, const std::vector<store::Artifact>& all) {
  for (std::size_t at = 0; at < all.size(); at += kRowsAtOnce) {
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(at);
    const auto end =
        all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), at + kRowsAtOnce));
    ROOST_TRY(store.artifacts().Add(run, {begin, end}, store::Artifacts::Overwrite::kReplace));
  }
  return {};
}

// Gives the files that could not be kept.
Result<std::vector<std::string>> KeepFiles(store::Store& store, const FinalizeJob& job) {
  std::vector<FileToTake> files;
  ROOST_TRY(ListFolder(job.layout.outputs_folder(), "outputs/", &files));
  ROOST_TRY(ListFolder(job.layout.logs_folder(), "logs/", &files));
  ROOST_ASSIGN(TakenFiles taken, TakeFilesIntoBlobs(store, files, job.now, job.stop));
  ROOST_TRY(AddArtifacts(store, job.run, taken.artifacts));
  return std::move(taken.skipped);
}

std::string DriverLogTail(const spec::RunLayout& layout) {
  const fs::path log = layout.log_folder() / fs::path(spec::kDriverLog).filename();
  return TailOfLog(log, kTailLines, kTailBytes).value_or(std::string());
}

void MentionSkipped(const std::vector<std::string>& skipped, const fs::path& scratch,
                    Outcome* outcome) {
  outcome->reason +=
      fmt::format(". {} {} could not be kept ({}) and can be found in {}", skipped.size(),
                  skipped.size() == 1 ? "file" : "files", skipped.front(), scratch.string());
}

// A run that did not leave its data where it was asked to is no success.
void FailForOutputs(const std::vector<std::string>& problems, const fs::path& scratch,
                    Outcome* outcome) {
  std::string sentence = problems.front();
  if (problems.size() > 1) sentence += fmt::format(" (and {} more)", problems.size() - 1);
  sentence += fmt::format("; the files are still in {}", scratch.string());
  if (outcome->state != spec::RunState::kCompleted) {
    outcome->reason += ". " + sentence;
    return;
  }
  *outcome = {spec::RunState::kFailed, sentence, ErrorJson("UserError", sentence)};
}

void Step(const FinalizeJob& job, std::string_view name) {
  if (job.after_step) job.after_step(name);
}

}  // namespace

Result<Outcome> FinalizeRun(store::Store& store, const FinalizeJob& job) {
  ROOST_ASSIGN(const std::vector<std::string> skipped, KeepFiles(store, job));
  Step(job, "files_kept");
  ROOST_TRY(TakeInReport(store, job.run, job.layout.report_file(), job.now));
  Step(job, "report_taken_in");

  Outcome outcome =
      JudgeEnd(job.end, job.cancel_requested, job.definition, DriverLogTail(job.layout));
  ROOST_ASSIGN(const std::vector<std::string> problems,
               KeepDataOutputs(store, job, outcome.state == spec::RunState::kCompleted));
  RemoveDataLinks(job.layout);
  if (!problems.empty()) {
    FailForOutputs(problems, job.layout.scratch_folder(), &outcome);
    return outcome;
  }
  if (!skipped.empty()) {
    MentionSkipped(skipped, job.layout.scratch_folder(), &outcome);
    return outcome;
  }
  // The shim's own copy of its program is the largest file of a finished launch.
  std::error_code ignored;
  fs::remove(job.layout.launch_folder() / spec::launch_files::kShim, ignored);
  // The plan first: without it another pass does not look for outputs that were kept already.
  Status removed = RemoveDataPlan(job.layout);
  if (removed) removed = RemoveTree(job.layout.scratch_folder());
  if (!removed) {
    LogWarning("scratch_not_removed", {{"folder", job.layout.scratch_folder().string()},
                                       {"why", removed.error().message}});
  }
  Step(job, "scratch_removed");
  return outcome;
}

}  // namespace roost::engine
