#include "api/archive.h"
#include "api/handler_util.h"
#include "api/handlers.h"
#include "api/run_logs.h"
#include "store/artifacts.h"
#include "store/blobs.h"
#include "store/snapshots.h"

namespace roost::api {
namespace {

constexpr std::size_t kPointsAtOnce = 20'000;
const fs::path kExportFile = "the export";

ArchiveEntry TextEntry(std::string path, std::string text, Micros time) {
  return {.path = std::move(path),
          .open = [text = std::move(text)] { return MemoryFile(text); },
          .modified_at = time};
}

// metrics/points.csv: every point of every scalar, written when its turn in the archive comes.
Status WritePoints(store::Store& store, RunKey run, int fd) {
  ROOST_TRY(WriteAll(fd, "name,seq,step,time,value\n", kExportFile));
  ROOST_ASSIGN(const auto summaries, store.metrics().Summaries(run));
  for (const store::MetricSummary& summary : summaries) {
    if (summary.type != spec::MetricType::kScalar) continue;
    std::string name = "\"";
    for (const char c : summary.name) name += c == '"' ? "\"\"" : std::string(1, c);
    name += '"';
    std::int64_t after = 0;
    while (true) {
      ROOST_ASSIGN(const auto points,
                   store.metrics().History(run, summary.name, after, kPointsAtOnce));
      std::string text;
      for (const store::StoredPoint& point : points) {
        text += name + "," + std::to_string(point.seq) + "," + std::to_string(point.step) + "," +
                FormatTime(point.time) + "," + spec::FormatNumber(point.value) + "\n";
      }
      ROOST_TRY(WriteAll(fd, text, kExportFile));
      if (points.size() < kPointsAtOnce) break;
      after = points.back().seq;
    }
  }
  return {};
}

// metrics/entries.jsonl: one line for each table, list, image and so on.
Status WriteEntries(store::Store& store, RunKey run, int fd) {
  std::int64_t after = 0;
  while (true) {
    ROOST_ASSIGN(const auto entries, store.metrics().Entries(run, "", after, 1000));
    std::string text;
    for (const store::StoredEntry& entry : entries) text += Dump(EntryJson(entry)) + "\n";
    ROOST_TRY(WriteAll(fd, text, kExportFile));
    if (entries.size() < 1000) return {};
    after = entries.back().seq;
  }
}

// What `write` writes, held in memory.
Result<Fd> Written(Status (*write)(store::Store&, RunKey, int), store::Store& store, RunKey run) {
  ROOST_ASSIGN(Fd file, MemoryFile(""));
  ROOST_TRY(write(store, run, file.get()));
  return file;
}

Status AddFiles(Services& services, const store::Run& run, const std::string& root,
                std::vector<ArchiveEntry>* entries) {
  ROOST_ASSIGN(const auto artifacts,
               services.store.artifacts().List(run.key, "", "", SIZE_MAX >> 1));
  for (const store::Artifact& artifact : artifacts) {
    entries->push_back({.path = root + "files/" + artifact.path,
                        .open = FromBlob(services.store.blobs(), artifact.digest),
                        .modified_at = artifact.created_at});
  }
  ROOST_ASSIGN(const auto logs, ListRunLogs(services.store, run));
  for (const RunLog& log : logs) {
    ROOST_ASSIGN(const fs::path file, RunLogPath(services.store, run, log.path, log.attempt));
    entries->push_back(
        {.path = root + "logs/attempt-" + std::to_string(log.attempt) + "/" + log.path,
         .open = FromDisk(file),
         .modified_at = log.modified_at});
  }
  if (!run.snapshot) return {};
  ROOST_ASSIGN(const spec::SnapshotManifest snapshot,
               services.store.snapshots().Get(*run.snapshot));
  for (const spec::SnapshotFile& each : snapshot.files) {
    entries->push_back({.path = root + "snapshot/" + each.path,
                        .open = FromBlob(services.store.blobs(), each.digest),
                        .executable = each.executable,
                        .modified_at = run.created_at});
  }
  return {};
}

}  // namespace

Result<Response> GetRunExport(Services& services, Request& request) {
  ROOST_ASSIGN(const store::Run run, RequireRun(services, request));
  const Micros now = services.options.clock->Now();
  ROOST_ASSIGN(const auto summaries, services.store.metrics().Summaries(run.key));
  Json metrics = Json::array();
  for (const store::MetricSummary& summary : summaries) metrics.push_back(SummaryJson(summary));

  ROOST_ASSIGN(const auto params, services.store.runs().Params({run.key}));
  Json json = RunJson(run, now, {true, nullptr});
  json["params"] = params[0];

  const std::string root = run.id.value() + "/";
  std::vector<ArchiveEntry> entries;
  entries.push_back(TextEntry(root + "run.json", json.dump(2) + "\n", now));
  entries.push_back(TextEntry(root + "metrics/summary.json", metrics.dump(2) + "\n", now));
  store::Store& store = services.store;
  entries.push_back({.path = root + "metrics/points.csv",
                     .open = [&store, key = run.key] { return Written(WritePoints, store, key); },
                     .modified_at = now});
  entries.push_back({.path = root + "metrics/entries.jsonl",
                     .open = [&store, key = run.key] { return Written(WriteEntries, store, key); },
                     .modified_at = now});
  ROOST_TRY(AddFiles(services, run, root, &entries));
  return AnswerArchive(ArchiveFormat::kTarGz, run.id.value() + ".tar.gz", std::move(entries));
}

}  // namespace roost::api
