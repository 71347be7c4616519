#include "api/run_logs.h"

#include "api/handler_util.h"
#include "spec/run_layout.h"
#include "store/artifacts.h"

namespace roost::api {

// An environment is ready before its attempt is launched.
bool LogIsComplete(const store::Run& run, int attempt, const std::string& path) {
  const int first_open = path == spec::kImageBuildLog ? run.attempt + 1 : run.attempt;
  return spec::IsFinal(run.state) || attempt < first_open;
}

Result<std::vector<RunLog>> ListRunLogs(store::Store& store, const store::Run& run) {
  std::vector<RunLog> logs;
  const int newest = std::max(1, run.attempt);
  for (int attempt = newest; attempt >= 1; --attempt) {
    const spec::RunLayout layout(store.data_folder(), run.id, attempt);
    std::error_code missing;
    if (!fs::is_directory(layout.log_folder(), missing)) continue;
    ROOST_ASSIGN(const auto files, ListTree(layout.log_folder()));
    for (const TreeEntry& file : files) {
      logs.push_back({spec::kLogPrefix + file.path, attempt, file.size,
                      LogIsComplete(run, attempt, spec::kLogPrefix + file.path), file.modified_us});
    }
  }
  return logs;
}

Result<std::vector<RunLog>> LogsBesideArtifacts(store::Store& store, const store::Run& run,
                                                const std::string& prefix,
                                                const std::string& after) {
  ROOST_ASSIGN(std::vector<RunLog> logs, ListRunLogs(store, run));
  const int newest = std::max(1, run.attempt);
  std::erase_if(logs, [&](const RunLog& log) {
    return log.attempt != newest || !log.path.starts_with(prefix) || log.path <= after ||
           store.artifacts().Get(run.key, log.path).has_value();
  });
  return logs;
}

Result<fs::path> RunLogPath(store::Store& store, const store::Run& run, const std::string& path,
                            int attempt) {
  ROOST_TRY(CheckFilePath(path));
  if (!path.starts_with(spec::kLogPrefix)) {
    return Fail(ErrorCode::kNotFound, "Run " + run.id.value() + " has no log \"" + path +
                                          "\"; logs are named " + spec::kLogPrefix +
                                          "..., other files are under files/.");
  }
  const spec::RunLayout layout(store.data_folder(), run.id,
                               attempt > 0 ? attempt : std::max(1, run.attempt));
  return layout.attempt_folder() / path;
}

}  // namespace roost::api
