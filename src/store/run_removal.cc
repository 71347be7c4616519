#include "store/run_removal.h"

#include <unistd.h>

#include <charconv>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/files.h"
#include "spec/run_layout.h"
#include "store/database.h"
#include "store/metrics.h"
#include "store/store.h"

namespace roost::store {

namespace {

// A step of a few milliseconds on the writer's thread.
constexpr std::int64_t kMetricRowsAtOnce = 1000;
constexpr int kRunsAtOnce = 100;

fs::path RemovedFolder(const Store& store) { return store.data_folder() / "removed"; }

fs::path RunFolder(const Store& store, const std::string& id) {
  return spec::RunLayout(store.data_folder(), RunId(id), 1).run_folder();
}

bool Exists(const fs::path& path) { return access(path.c_str(), F_OK) == 0; }

Status Rename(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (!error) return {};
  return Fail(ErrnoError("moving " + from.string() + " to " + to.string(), error.value()));
}

using KeyAndId = std::pair<RunKey, std::string>;

Result<std::vector<KeyAndId>> SomeDeletedRuns(Connection& db) {
  ROOST_ASSIGN(auto query,
               db.Prepare("SELECT key, id FROM runs WHERE lifecycle = 'deleted' LIMIT ?1"));
  query.Bind(1, kRunsAtOnce);
  std::vector<KeyAndId> runs;
  while (true) {
    ROOST_ASSIGN(const bool row, query.Step());
    if (!row) return runs;
    runs.emplace_back(RunKey(query.Int(0)), query.Text(1));
  }
}

Result<std::optional<std::string>> IdOf(Store& store, RunKey run) {
  using Id = std::optional<std::string>;
  return store.database().Read<Id>([&](Connection& db) -> Result<Id> {
    ROOST_ASSIGN(auto query, db.Prepare("SELECT id FROM runs WHERE key = ?1"));
    ROOST_ASSIGN(const bool found, query.Bind(1, run.value()).Step());
    return found ? Id(query.Text(0)) : Id();
  });
}

std::uint64_t BytesBelow(const fs::path& folder) {
  std::uint64_t bytes = 0;
  if (const auto files = ListTree(folder)) {
    for (const TreeEntry& file : *files) bytes += file.size;
  }
  return bytes;
}

// On the writer's thread. The mark must be durable before the row goes.
Status PutAside(const fs::path& run_folder, const fs::path& aside) {
  if (Exists(run_folder)) {
    ROOST_TRY(Rename(run_folder, aside));
  } else {
    ROOST_TRY(MakeFolders(aside, 0700));
  }
  return SyncFolder(aside.parent_path());
}

// The run is still there after all: its folder goes back to its place.
Status PutBack(const fs::path& run_folder, const fs::path& aside) {
  if (!Exists(aside)) return {};
  if (Exists(run_folder)) return RemoveTree(aside);  // an empty mark
  ROOST_TRY(MakeFolders(run_folder.parent_path(), 0700));
  return Rename(aside, run_folder);
}

Status FinishRemoval(Store& store, RunKey run, const fs::path& aside) {
  bool done = false;
  while (!done) {
    ROOST_ASSIGN(done, store.database().Write<bool>(Lane::kBulk, [&](WriteContext& context) {
      return store.metrics().Remove(context, run, kMetricRowsAtOnce);
    }));
  }
  return RemoveTree(aside);
}

// False: somebody has restored the run in between.
Result<bool> RemoveRow(Store& store, const KeyAndId& run, const fs::path& aside) {
  const fs::path folder = RunFolder(store, run.second);
  const Result<bool> removed =
      store.database().Write<bool>(Lane::kBulk, [&](WriteContext& context) -> Result<bool> {
        ROOST_ASSIGN(auto remove, context.db.Prepare(
                                      "DELETE FROM runs WHERE key = ?1 AND lifecycle = 'deleted'"));
        ROOST_TRY(remove.Bind(1, run.first.value()).Run());
        if (context.db.Changes() == 0) return false;
        ROOST_TRY(PutAside(folder, aside));
        return true;
      });
  if (!removed) ROOST_TRY(PutBack(folder, aside));
  return removed;
}

}  // namespace

Result<RunRemoval> RemoveDeletedRuns(Store& store) {
  ROOST_TRY(MakeFolders(RemovedFolder(store), 0700));
  ROOST_TRY(FinishRunRemovals(store));
  RunRemoval removal;
  while (true) {
    ROOST_ASSIGN(const std::vector<KeyAndId> runs,
                 store.database().Read<std::vector<KeyAndId>>(SomeDeletedRuns));
    if (runs.empty()) return removal;
    for (const KeyAndId& run : runs) {
      const fs::path aside = RemovedFolder(store) / std::to_string(run.first.value());
      ROOST_ASSIGN(const bool removed, RemoveRow(store, run, aside));
      if (!removed) continue;
      ++removal.runs;
      removal.bytes += BytesBelow(aside);
      ROOST_TRY(FinishRemoval(store, run.first, aside));
    }
  }
}

Status FinishRunRemovals(Store& store) {
  std::error_code error;
  std::vector<fs::path> marks;
  for (fs::directory_iterator entry(RemovedFolder(store), error), end; !error && entry != end;
       entry.increment(error)) {
    marks.push_back(entry->path());
  }
  for (const fs::path& aside : marks) {
    const std::string name = aside.filename().string();
    std::int64_t key = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), key);
    if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size()) continue;
    ROOST_ASSIGN(const std::optional<std::string> id, IdOf(store, RunKey(key)));
    if (id) {
      ROOST_TRY(PutBack(RunFolder(store, *id), aside));
    } else {
      ROOST_TRY(FinishRemoval(store, RunKey(key), aside));
    }
  }
  return {};
}

}  // namespace roost::store
