#include "cli/mlflow/import.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <unordered_set>

#include "base/strings.h"
#include "cli/format.h"
#include "cli/mlflow/wire.h"
#include "cli/terminal.h"
#include "roost/upload.h"

namespace roost::cli::mlflow {
namespace {

using nlohmann::json;

// What one request carries, at most: some 2 MB.
constexpr std::size_t kPointsAtOnce = 50'000;
constexpr std::size_t kRunsAtOnce = 200;
constexpr std::size_t kBytesAtOnce = 16 << 20;  // of texts
constexpr std::size_t kIdsAtOnce = 500;
constexpr std::size_t kFilesAtOnce = 5'000;
// Fetched files that wait for their sending.
constexpr std::uint64_t kFetchedAtOnce = 512ULL << 20;
constexpr std::size_t kMostReasons = 50;

const char* const kCounts[] = {
    "experiments", "runs",          "parameters",        "tags",          "points", "files",
    "bytes",       "logged models", "registered models", "model versions"};

// Reasons with how often they came.
class Reasons {
 public:
  void Add(const std::string& reason, const std::string& about) {
    auto& known = list_[reason];
    ++known.times;
    if (known.times == 1) known.about = about;
  }
  void Write(std::vector<std::string>* to) const {
    for (const auto& [reason, known] : list_) {
      if (to->size() == kMostReasons) return;
      to->push_back(known.times == 1 ? known.about + ": " + reason
                                     : known.about + " and " + std::to_string(known.times - 1) +
                                           " more: " + reason);
    }
  }

 private:
  struct Known {
    std::int64_t times = 0;
    std::string about;
  };
  std::map<std::string, Known> list_;
};

std::size_t PointsOf(const spec::ImportedRun& run) {
  std::size_t points = 0;
  for (const auto& series : run.series) points += series.points.size();
  return points;
}

std::size_t TextsOf(const spec::ImportedRun& run) {
  std::size_t bytes = run.description.size();
  for (const auto* pairs : {&run.tags, &run.params}) {
    for (const auto& [key, value] : *pairs) bytes += key.size() + value.size();
  }
  for (const auto& dataset : run.datasets) {
    bytes += dataset.source.size() + dataset.schema.value_or("").size() +
             dataset.profile.value_or("").size();
  }
  return bytes;
}

// What is here of a run, as POST /import/look tells it.
struct Kept {
  std::string digest;
  std::int64_t files = 0;
  std::string files_digest;
  std::map<std::string, json> series;
};

// What a run must be at the end.
struct Expected {
  std::optional<Digest> digest;  // none: its histories were not read again
  std::int64_t params = 0;
  std::int64_t tags = 0;
  std::int64_t points = 0;
};

class Importer {
 public:
  Importer(client::Client& client, Source& source, const ImportOptions& options)
      : client_(client), source_(source), options_(options), bar_("importing") {
    report_.dry_run = options.dry_run;
    report_.points_counted = !options.dry_run || !source.IsFar();
    for (const char* name : kCounts) report_.counts.emplace_back(name, Count{});
  }

  Result<ImportReport> Run() {
    ROOST_ASSIGN(experiments_, source_.Experiments());
    ROOST_TRY(PlaceExperiments());
    for (const Experiment& experiment : experiments_) {
      if (refused_.contains(experiment.id)) continue;
      ROOST_TRY(source_.Runs(experiment, [&](std::vector<mlflow::Run> runs) {
        return TakeRuns(experiment, std::move(runs));
      }));
    }
    ROOST_TRY(SendFiles());
    ROOST_TRY(TakeLoggedModels());
    ROOST_TRY(TakeModels());
    bar_.Finish();
    if (!options_.dry_run) ROOST_TRY(Verify());
    for (const std::string& note : source_.Notes()) report_.left_out.push_back(note);
    unreadable_.Write(&report_.left_out);
    different_.Write(&report_.differences);
    return std::move(report_);
  }

 private:
  Count& Of(std::string_view name) {
    for (auto& [known, count] : report_.counts) {
      if (known == name) return count;
    }
    return report_.counts.front().second;
  }

  // --- Experiments ---

  Status PlaceExperiments() {
    Of("experiments").in_source = static_cast<std::int64_t>(experiments_.size());
    for (const Experiment& experiment : experiments_) {
      ExperimentPlace place{experiment.name, experiment.id, "", "new"};
      if (options_.dry_run) {
        ROOST_ASSIGN(place.id, FindExperiment(experiment.name));
        if (!place.id.empty()) place.outcome = "unchanged";
      } else {
        ROOST_ASSIGN(
            const json answer,
            client_.PostRepeatable("/import/experiments",
                                   {{"experiments", json::array({ToJson(experiment, source_)})}}));
        const json& item = answer.at("items").at(0);
        if (item.contains("error")) {
          Refused("experiment " + experiment.name, item);
          refused_.insert(experiment.id);
          continue;
        }
        place.id = item.at("experiment_id").get<std::string>();
        place.outcome = item.at("outcome").get<std::string>();
        ++Of("experiments").here;
        if (place.outcome == "created") ++Of("experiments").added;
      }
      ids_[experiment.id] = place.id;
      report_.experiments.push_back(std::move(place));
    }
    return {};
  }

  Result<std::string> FindExperiment(const std::string& name) {
    if (!known_experiments_) {
      known_experiments_.emplace();
      for (const char* lifecycle : {"all", "deleted"}) {
        ROOST_ASSIGN(const json list,
                     client_.GetItems("/experiments", {{"lifecycle", lifecycle}}, 0));
        for (const json& item : list) {
          known_experiments_->emplace(item.at("name").get<std::string>(),
                                      item.at("experiment_id").get<std::string>());
        }
      }
    }
    const auto found = known_experiments_->find(name);
    return found == known_experiments_->end() ? std::string() : found->second;
  }

  // --- Runs ---

  Status TakeRuns(const Experiment& experiment, std::vector<mlflow::Run> runs) {
    Of("runs").in_source += static_cast<std::int64_t>(runs.size());
    for (mlflow::Run& run : runs) {
      const std::string& id = ids_[experiment.id];
      run.run.experiment = id.empty() ? 0 : std::stoll(id);
    }
    ROOST_ASSIGN(const auto kept, Look(runs));
    std::vector<mlflow::Run*> to_read;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      if (IsComplete(runs[i], kept[i])) {
        Expect(runs[i], std::nullopt);
      } else {
        to_read.push_back(&runs[i]);
      }
    }
    if (report_.points_counted) ROOST_TRY(source_.ReadPoints(to_read));
    for (std::size_t i = 0; i < runs.size(); ++i) {
      if (std::find(to_read.begin(), to_read.end(), &runs[i]) != to_read.end()) {
        ROOST_TRY(TakeRun(std::move(runs[i].run), kept[i]));
      }
    }
    std::vector<Owner> owners;
    for (const mlflow::Run& run : runs) owners.push_back(run.files);
    ROOST_TRY(TakeFiles(owners, kept));
    read_ += runs.size();
    bar_.Update(read_, 0);
    return {};
  }

  Result<std::vector<std::optional<Kept>>> Look(const std::vector<mlflow::Run>& runs) {
    std::vector<std::optional<Kept>> kept;
    for (std::size_t first = 0; first < runs.size(); first += kIdsAtOnce) {
      json ids = json::array();
      for (std::size_t i = first; i < std::min(runs.size(), first + kIdsAtOnce); ++i) {
        ids.push_back(runs[i].run.id);
      }
      ROOST_ASSIGN(const json answer,
                   client_.PostRepeatable("/import/look", {{"ids", std::move(ids)}}));
      for (const json& item : answer.at("items")) kept.push_back(ReadKept(item));
    }
    return kept;
  }

  static std::optional<Kept> ReadKept(const json& item) {
    if (item.is_null()) return std::nullopt;
    Kept kept;
    kept.digest = item.at("digest").get<std::string>();
    kept.files = item.at("files").get<std::int64_t>();
    kept.files_digest = item.at("files_digest").get<std::string>();
    for (const json& series : item.at("series")) {
      kept.series.emplace(series.at("name").get<std::string>(), series);
    }
    return kept;
  }

  // A run that is over and whose newest points are all here need not be read again from a source
  // whose histories are dear.
  static bool IsComplete(const mlflow::Run& run, const std::optional<Kept>& kept) {
    if (!kept || !run.last || !spec::IsFinal(run.run.state)) return false;
    if (run.last->size() != kept->series.size()) return false;
    return std::all_of(run.last->begin(), run.last->end(), [&](const LastPoint& last) {
      const auto found = kept->series.find(last.name);
      return found != kept->series.end() && found->second.at("last_step") == last.point.step &&
             found->second.at("last_time") == last.point.time;
    });
  }

  void Expect(const mlflow::Run& run, std::optional<Digest> digest) {
    Expected expected;
    expected.digest = digest;
    expected.params = static_cast<std::int64_t>(run.run.params.size());
    expected.tags = static_cast<std::int64_t>(run.run.tags.size());
    expected_[run.run.id] = expected;
    Of("parameters").in_source += expected.params;
    Of("tags").in_source += expected.tags;
  }

  Status TakeRun(spec::ImportedRun run, const std::optional<Kept>& kept) {
    const Digest digest = spec::DigestOfRun(run);
    Expected expected;
    expected.digest = digest;
    expected.params = static_cast<std::int64_t>(run.params.size());
    expected.tags = static_cast<std::int64_t>(run.tags.size());
    expected.points = static_cast<std::int64_t>(PointsOf(run));
    Of("parameters").in_source += expected.params;
    Of("tags").in_source += expected.tags;
    Of("points").in_source += expected.points;
    expected_[run.id] = expected;
    if (kept && kept->digest == digest.ToText()) return {};
    if (options_.dry_run) {
      Count& runs = Of("runs");
      if (!kept) ++runs.added;
      return {};
    }
    if (kept) KeepOnlyNews(*kept, &run);
    return Queue(std::move(run));
  }

  // Goes on where the histories here end.
  static void KeepOnlyNews(const Kept& kept, spec::ImportedRun* run) {
    for (auto& series : run->series) {
      const auto known = kept.series.find(series.name);
      if (known == kept.series.end()) continue;
      const auto count = known->second.at("count").get<std::int64_t>();
      const auto known_points = std::min(static_cast<std::size_t>(count), series.points.size());
      series.offset = static_cast<std::int64_t>(known_points);
      series.points.erase(series.points.begin(),
                          series.points.begin() + static_cast<std::ptrdiff_t>(known_points));
    }
    std::erase_if(run->series, [](const auto& series) { return series.points.empty(); });
  }

  Status Queue(spec::ImportedRun run) {
    const std::size_t points = PointsOf(run);
    if (points > kPointsAtOnce) return SendInPieces(std::move(run));
    const std::size_t bytes = TextsOf(run);
    const bool full = waiting_points_ + points > kPointsAtOnce || waiting_.size() == kRunsAtOnce ||
                      waiting_bytes_ + bytes > kBytesAtOnce;
    if (full) ROOST_TRY(SendRuns());
    waiting_points_ += points;
    waiting_bytes_ += bytes;
    waiting_.push_back(std::move(run));
    return {};
  }

  // A long history goes in several requests, all with the same run.
  Status SendInPieces(spec::ImportedRun run) {
    ROOST_TRY(SendRuns());
    std::vector<spec::ImportedSeries> all = std::exchange(run.series, {});
    std::size_t room = kPointsAtOnce;
    for (spec::ImportedSeries& series : all) {
      for (std::size_t from = 0; from < series.points.size();) {
        const std::size_t count = std::min(room, series.points.size() - from);
        const auto first = series.points.begin() + static_cast<std::ptrdiff_t>(from);
        run.series.push_back({series.name,
                              series.offset + static_cast<std::int64_t>(from),
                              {first, first + static_cast<std::ptrdiff_t>(count)}});
        from += count;
        room -= count;
        if (room > 0) continue;
        waiting_.push_back(run);
        ROOST_TRY(SendRuns());
        run.series.clear();
        room = kPointsAtOnce;
      }
    }
    if (run.series.empty()) return {};
    waiting_.push_back(std::move(run));
    return SendRuns();
  }

  Status SendRuns() {
    waiting_points_ = 0;
    waiting_bytes_ = 0;
    if (waiting_.empty()) return {};
    json runs = json::array();
    for (const spec::ImportedRun& run : waiting_) runs.push_back(spec::ToJson(run));
    ROOST_ASSIGN(const json answer,
                 client_.PostRepeatable("/import/runs", {{"runs", std::move(runs)}}));
    for (const json& item : answer.at("items")) {
      if (item.contains("error")) {
        Refused("run " + item.at("id").get<std::string>(), item);
      } else if (item.at("outcome") == "created") {
        ++Of("runs").added;
      }
    }
    waiting_.clear();
    return {};
  }

  void Refused(const std::string& about, const json& item) {
    different_.Add(item.at("error").at("message").get<std::string>(), about);
  }

  // --- Files ---

  struct Pending {
    const Owner* owner;
    std::vector<client::BlobSource> contents;
    std::vector<std::string> paths;
  };

  // The files of some owners; `kept` says what is here of them.
  Status TakeFiles(const std::vector<Owner>& owners, const std::vector<std::optional<Kept>>& kept) {
    std::vector<Owner> asked;
    std::vector<const Kept*> here;
    for (std::size_t i = 0; i < owners.size(); ++i) {
      if (source_.StaysThere(owners[i].uri)) {
        unreadable_.Add("its files stay where they are, and clients read them from there",
                        owners[i].uri);
      } else {
        asked.push_back(owners[i]);
        here.push_back(kept[i] ? &*kept[i] : nullptr);
      }
    }
    const auto lists = source_.ListFiles(asked);
    for (std::size_t i = 0; i < asked.size(); ++i) {
      if (lists[i]) {
        Want(asked[i], *lists[i], here[i]);
      } else {
        unreadable_.Add(lists[i].error().message, asked[i].id);
      }
      if (wanted_.size() >= kFilesAtOnce || wanted_bytes_ >= kFetchedAtOnce) ROOST_TRY(SendFiles());
    }
    return {};
  }

  void Want(const Owner& owner, const std::vector<SourceFile>& files, const Kept* kept) {
    if (files.empty()) return;
    ExpectedFiles& expected = expected_files_[owner.id];
    expected.owner = owner;
    for (const SourceFile& file : files) {
      ++Of("files").in_source;
      Of("bytes").in_source += static_cast<std::int64_t>(file.size);
    }
    if (options_.dry_run) return;
    // A source that has to be asked over the network is not asked again for what is here.
    if (kept != nullptr && source_.IsFar() &&
        kept->files == static_cast<std::int64_t>(files.size())) {
      expected.known_digest = kept->files_digest;
      return;
    }
    for (const SourceFile& file : files) {
      if (!IsSafeRelativePath(file.path) || !IsValidUtf8(file.path)) {
        unreadable_.Add("the name of this file is not taken: " + OneLine(file.path), owner.id);
        continue;
      }
      wanted_.push_back({&expected.owner, file.path, file.size});
      wanted_bytes_ += file.size;
    }
  }

  Status SendFiles() {
    ROOST_TRY(SendRuns());
    // One file that is larger than what waits at once goes alone.
    std::span<const WantedFile> rest(wanted_);
    while (!rest.empty()) {
      std::size_t count = 0;
      for (std::uint64_t bytes = 0; count < rest.size(); ++count) {
        bytes += rest[count].size;
        if (count > 0 && bytes > kFetchedAtOnce) break;
      }
      GetFiles(rest.first(count));
      ROOST_TRY(SendPending());
      rest = rest.subspan(count);
    }
    wanted_.clear();
    wanted_bytes_ = 0;
    return {};
  }

  void GetFiles(std::span<const WantedFile> files) {
    const auto paths = source_.GetFiles(files, scratch_.path());
    for (std::size_t i = 0; i < files.size(); ++i) {
      const WantedFile& file = files[i];
      const auto digest = paths[i] ? DigestOfFile(*paths[i]) : tl::unexpected(paths[i].error());
      if (!digest) {
        unreadable_.Add(digest.error().message, file.owner->id + "/" + file.path);
        continue;
      }
      std::error_code error;
      const std::uint64_t size = fs::file_size(*paths[i], error);
      if (pending_.empty() || pending_.back().owner->id != file.owner->id) {
        pending_.push_back({file.owner, {}, {}});
      }
      pending_.back().contents.push_back({*digest, size, *paths[i]});
      pending_.back().paths.push_back(file.path);
      expected_files_[file.owner->id].files.emplace(file.path, *digest);
    }
  }

  Status SendPending() {
    if (pending_.empty()) return {};
    // The second round follows the contents. A third one can be needed when the server's gc removed
    // old ones in between.
    for (int round = 0; round < 3; ++round) {
      ROOST_ASSIGN(const json answer, client_.PostRepeatable("/import/files", FilesBody()));
      if (answer.contains("added")) {
        Of("files").added += answer.at("added").get<std::int64_t>();
        for (const Pending& pending : pending_) RemoveFetched(pending);
        pending_.clear();
        return {};
      }
      ROOST_TRY(SendMissing(answer.at("missing")));
    }
    return Fail(ErrorCode::kUnavailable,
                "The server did not keep the files that were sent. Import again; if it goes on, "
                "look at the server's log.");
  }

  json FilesBody() const {
    json owners = json::array();
    for (const Pending& pending : pending_) {
      json files = json::array();
      for (std::size_t i = 0; i < pending.paths.size(); ++i) {
        files.push_back({{"path", pending.paths[i]},
                         {"digest", pending.contents[i].digest.ToText()},
                         {"size", pending.contents[i].size}});
      }
      const bool is_run = pending.owner->kind == Owner::Kind::kRun;
      owners.push_back(
          {{is_run ? "run_id" : "model_id", pending.owner->id}, {"files", std::move(files)}});
    }
    return {{"owners", std::move(owners)}};
  }

  Status SendMissing(const json& missing) {
    std::unordered_set<std::string> wanted;
    for (const json& digest : missing) wanted.insert(digest.get<std::string>());
    std::vector<client::BlobSource> blobs;
    for (const Pending& pending : pending_) {
      for (const client::BlobSource& content : pending.contents) {
        if (wanted.erase(content.digest.ToText()) > 0) blobs.push_back(content);
      }
    }
    return client::SendBlobs(client_, blobs, {});
  }

  void RemoveFetched(const Pending& pending) const {
    for (const client::BlobSource& content : pending.contents) {
      std::error_code error;
      if (content.file.parent_path() == scratch_.path()) fs::remove(content.file, error);
    }
  }

  // --- Models ---

  Status TakeLoggedModels() {
    ROOST_ASSIGN(const auto models, source_.LoggedModels(experiments_));
    Of("logged models").in_source = static_cast<std::int64_t>(models.size());
    std::vector<Owner> owners;
    for (const LoggedModel& model : models) {
      const auto place = ids_.find(model.files.experiment_id);
      if (place == ids_.end()) continue;
      if (!options_.dry_run) {
        json body = ToJson(model);
        body["experiment_id"] = place->second;
        ROOST_ASSIGN(const json answer,
                     client_.PostRepeatable("/import/logged-models",
                                            {{"models", json::array({std::move(body)})}}));
        const json& item = answer.at("items").at(0);
        if (item.contains("error")) {
          Refused("logged model " + model.files.id, item);
          continue;
        }
        ++Of("logged models").here;
        if (item.at("outcome") == "created") ++Of("logged models").added;
        if (item.at("points_left_out") != 0) {
          different_.Add("points of runs that are not here were left out",
                         "logged model " + model.files.id);
        }
      }
      owners.push_back(model.files);
    }
    ROOST_TRY(TakeFiles(owners, std::vector<std::optional<Kept>>(owners.size())));
    return SendFiles();
  }

  Status TakeModels() {
    ROOST_ASSIGN(const auto models, source_.Models());
    Of("registered models").in_source = static_cast<std::int64_t>(models.size());
    for (const RegisteredModel& model : models) {
      const auto versions = static_cast<std::int64_t>(model.versions.size());
      Of("model versions").in_source += versions;
      if (options_.dry_run) continue;
      ROOST_ASSIGN(
          const json answer,
          client_.PostRepeatable("/import/models", {{"models", json::array({ToJson(model)})}}));
      const json& item = answer.at("items").at(0);
      if (item.contains("error")) {
        Refused("registered model " + model.name, item);
        continue;
      }
      ++Of("registered models").here;
      if (item.at("outcome") == "created") ++Of("registered models").added;
      ROOST_TRY(CountVersions(model));
    }
    return {};
  }

  Status CountVersions(const RegisteredModel& model) {
    ROOST_ASSIGN(const json here, client_.Get("/models/" + client::EncodePart(model.name)));
    std::unordered_set<std::string> numbers;
    for (const json& version : here.at("versions")) {
      numbers.insert(PlainText(version.at("version")));
    }
    for (const Version& version : model.versions) {
      if (numbers.contains(std::to_string(version.version))) {
        ++Of("model versions").here;
      } else {
        different_.Add("is not here",
                       "version " + std::to_string(version.version) + " of model " + model.name);
      }
    }
    return {};
  }

  // --- The end ---

  // Everything is read back from the store and compared.
  Status Verify() {
    std::vector<std::string> ids;
    for (const auto& [id, expected] : expected_) ids.push_back(id);
    for (std::size_t first = 0; first < ids.size(); first += kIdsAtOnce) {
      const auto last = std::min(ids.size(), first + kIdsAtOnce);
      const std::vector<std::string> part(ids.begin() + static_cast<std::ptrdiff_t>(first),
                                          ids.begin() + static_cast<std::ptrdiff_t>(last));
      ROOST_ASSIGN(const json answer, client_.PostRepeatable("/import/look", {{"ids", part}}));
      for (std::size_t i = 0; i < part.size(); ++i) Compare(part[i], answer.at("items").at(i));
    }
    return VerifyModelFiles();
  }

  void Compare(const std::string& id, const json& here) {
    if (here.is_null()) return different_.Add("is not here", "run " + id);
    const Expected& expected = expected_[id];
    ++Of("runs").here;
    Of("parameters").here += here.at("params").get<std::int64_t>();
    Of("tags").here += here.at("tags").get<std::int64_t>();
    const auto points = here.at("points").get<std::int64_t>();
    Of("points").here += points;
    if (!expected.digest) {
      Of("points").in_source += points;
      ++report_.runs_by_last_point;
    } else if (here.at("digest") == expected.digest->ToText()) {
      ++report_.runs_by_digest;
    } else {
      different_.Add("is not as in the source: it was changed here, or there while it was read",
                     "run " + id);
    }
    Of("files").here += here.at("files").get<std::int64_t>();
    const auto files = expected_files_.find(id);
    if (files == expected_files_.end()) return;
    const bool same = here.at("files_digest") == files->second.Text();
    if (!same) different_.Add("has other files than in the source", "run " + id);
  }

  // A model's files by their list.
  Status VerifyModelFiles() {
    for (const auto& [id, expected] : expected_files_) {
      if (expected.owner.kind != Owner::Kind::kModel || expected.files.empty()) continue;
      std::vector<std::string> paths;
      json files = json::array();
      for (const auto& [path, digest] : expected.files) {
        files.push_back({{"path", path}, {"digest", digest.ToText()}, {"size", 0}});
      }
      const json body = {
          {"owners", json::array({{{"model_id", id}, {"files", std::move(files)}}})}};
      ROOST_ASSIGN(const json answer, client_.PostRepeatable("/import/files", body));
      const bool same = answer.contains("unchanged") && answer.at("added") == 0;
      Of("files").here += same ? static_cast<std::int64_t>(expected.files.size()) : 0;
      if (!same) different_.Add("has other files than in the source", "logged model " + id);
    }
    return {};
  }

  struct ExpectedFiles {
    Owner owner;
    std::map<std::string, Digest> files;
    std::string known_digest;  // of a run whose files were not fetched again
    std::string Text() const {
      if (!known_digest.empty()) return known_digest;
      Hasher hasher;
      for (const auto& [path, content] : files) {
        hasher.Update(path);
        hasher.Update(std::string_view("\0", 1));
        hasher.Update({reinterpret_cast<const char*>(content.bytes.data()), content.bytes.size()});
      }
      return hasher.Finish().ToText();
    }
  };

  client::Client& client_;
  Source& source_;
  const ImportOptions& options_;
  ImportReport report_;
  ProgressBar bar_;
  std::uint64_t read_ = 0;
  TempFolder scratch_{"roost-import"};

  std::vector<Experiment> experiments_;
  std::map<std::string, std::string> ids_;  // of experiments: there, here
  std::unordered_set<std::string> refused_;
  std::optional<std::map<std::string, std::string>> known_experiments_;  // for a dry run

  std::vector<spec::ImportedRun> waiting_;
  std::size_t waiting_points_ = 0;
  std::size_t waiting_bytes_ = 0;
  std::vector<WantedFile> wanted_;  // not fetched yet; their owners are in `expected_files_`
  std::uint64_t wanted_bytes_ = 0;
  std::vector<Pending> pending_;  // fetched, not sent yet

  std::unordered_map<std::string, Expected> expected_;
  std::map<std::string, ExpectedFiles> expected_files_;
  Reasons unreadable_;
  Reasons different_;
};

}  // namespace

Result<ImportReport> Import(client::Client& client, Source& source, const ImportOptions& options) {
  return Importer(client, source, options).Run();
}

}  // namespace roost::cli::mlflow
