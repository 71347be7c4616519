#include "cli/mlflow/export.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/mlflow/folder_writer.h"
#include "cli/terminal.h"
#include "roost/download.h"
#include "spec/model_source.h"

namespace roost::cli::mlflow {
namespace {

constexpr std::size_t kMostReasons = 50;

class Exporter {
 public:
  Exporter(client::Client& client, Source& server, const fs::path& folder)
      : client_(client), server_(server), folder_(folder), writer_(folder), bar_("exporting") {}

  Result<ExportReport> Run() {
    ROOST_TRY(writer_.Begin());
    ROOST_ASSIGN(experiments_, server_.Experiments());
    for (const Experiment& experiment : experiments_) {
      ROOST_TRY(writer_.Write(experiment));
      ++report_.experiments;
      ROOST_TRY(server_.Runs(experiment, [&](std::vector<mlflow::Run> runs) {
        return WriteRuns(experiment, std::move(runs));
      }));
    }
    ROOST_TRY(WriteLoggedModels());
    ROOST_TRY(WriteModels());
    ROOST_TRY(Verify());
    bar_.Finish();
    for (const std::string& reason : writer_.left_out()) LeaveOut(reason);
    return std::move(report_);
  }

 private:
  Status WriteRuns(const Experiment& experiment, std::vector<mlflow::Run> runs) {
    std::vector<mlflow::Run*> all;
    for (mlflow::Run& run : runs) all.push_back(&run);
    ROOST_TRY(server_.ReadPoints(all));
    for (mlflow::Run& run : runs) {
      ++report_.runs;
      for (const auto& series : run.run.series) {
        report_.points += static_cast<std::int64_t>(series.points.size());
      }
      owners_[run.run.id] = writer_.FilesOf(experiment, run.files).string();
      expected_[run.run.id] = spec::DigestOfRun(run.run);
      if (writer_.HasRun(experiment, run.run.id)) {
        ++report_.already_there;
        continue;
      }
      ROOST_TRY(FetchFiles(run.files, writer_.FilesOf(experiment, run.files)));
      ROOST_TRY(writer_.Write(experiment, run));
    }
    written_ += runs.size();
    bar_.Update(written_, 0);
    return {};
  }

  Status FetchFiles(const Owner& owner, const fs::path& to) {
    const Source::FileList files = std::move(server_.ListFiles({&owner, 1}).front());
    if (!files) {
      LeaveOut("files of " + owner.id + ": " + files.error().message);
      return {};
    }
    std::vector<WantedFile> wanted;
    for (const SourceFile& file : *files) {
      if (IsSafeRelativePath(file.path)) {
        wanted.push_back({&owner, file.path, file.size});
      } else {
        LeaveOut(owner.id + "/" + OneLine(file.path) + " is no name of a file.");
      }
    }
    if (wanted.empty()) return {};
    ROOST_TRY(MakeFolders(to));
    const auto fetched = server_.GetFiles(wanted, to);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      ROOST_TRY(fetched[i]);
      const fs::path target = to / wanted[i].path;
      ROOST_TRY(MakeFolders(target.parent_path()));
      std::error_code error;
      fs::rename(*fetched[i], target, error);
      if (error) return Fail(ErrnoError("writing " + target.string(), error.value()));
      ++report_.files;
    }
    return {};
  }

  Status WriteLoggedModels() {
    ROOST_ASSIGN(const auto models, server_.LoggedModels(experiments_));
    for (const LoggedModel& model : models) {
      const auto experiment =
          std::find_if(experiments_.begin(), experiments_.end(),
                       [&](const Experiment& one) { return one.id == model.files.experiment_id; });
      if (experiment == experiments_.end()) continue;
      const fs::path place = writer_.FilesOf(*experiment, model.files);
      owners_[model.files.id] = place.string();
      ROOST_TRY(FetchFiles(model.files, place));
      ROOST_TRY(writer_.Write(*experiment, model));
      ++report_.logged_models;
    }
    return {};
  }

  Status WriteModels() {
    ROOST_ASSIGN(const auto models, server_.Models());
    for (const RegisteredModel& model : models) {
      std::vector<std::string> places;
      for (const Version& version : model.versions) {
        ROOST_ASSIGN(places.emplace_back(), PlaceOf(model, version));
      }
      ROOST_TRY(writer_.Write(model, places));
      ++report_.registered_models;
      report_.versions += static_cast<std::int64_t>(model.versions.size());
    }
    return {};
  }

  // With the run or the logged model that it was made from, where that is in the folder; else in a
  // folder of its own.
  Result<std::string> PlaceOf(const RegisteredModel& model, const Version& version) {
    for (const std::string& address : {version.location, version.source}) {
      const spec::ModelSource source = spec::ParseModelSource(address);
      std::string id, path;
      if (const auto* run = std::get_if<spec::RunSource>(&source)) {
        id = run->run_id;
        path = run->path;
      } else if (const auto* logged = std::get_if<spec::LoggedModelSource>(&source)) {
        id = logged->id;
        path = logged->path;
      }
      const auto owner = owners_.find(id);
      const std::string place =
          owner == owners_.end() ? "" : owner->second + (path.empty() ? "" : "/" + path);
      std::error_code error;
      if (!place.empty() && fs::exists(place, error)) return place;
    }
    return FetchVersion(model, version);
  }

  Result<std::string> FetchVersion(const RegisteredModel& model, const Version& version) {
    const std::string number = std::to_string(version.version);
    const auto files = client::ListModelFiles(client_, model.name, number);
    if (!files && files.error().code == ErrorCode::kNotFound) return std::string();
    ROOST_TRY(files);
    const fs::path place = writer_.FilesOf(model, version);
    const std::string base =
        "/models/" + client::EncodePart(model.name) + "/versions/" + number + "/files/";
    for (const client::RemoteFile& file : *files) {
      if (!IsSafeRelativePath(file.path)) continue;
      ROOST_TRY(MakeFolders((place / file.path).parent_path()));
      ROOST_TRY(client::DownloadFile(client_,
                                     {base + client::EncodePath(file.path), file.digest, file.size},
                                     place / file.path));
      ++report_.files;
    }
    return files->empty() ? std::string() : place.string();
  }

  // The folder as MLflow's users will read it.
  Status Verify() {
    ROOST_ASSIGN(const auto written, OpenFolderSource(folder_, {}));
    ROOST_ASSIGN(const auto experiments, written->Experiments());
    std::size_t found = 0;
    for (const Experiment& experiment : experiments) {
      const Status read = written->Runs(experiment, [&](std::vector<mlflow::Run> runs) -> Status {
        std::vector<mlflow::Run*> all;
        for (mlflow::Run& run : runs) all.push_back(&run);
        ROOST_TRY(written->ReadPoints(all));
        for (const mlflow::Run& run : runs) found += Compare(run.run) ? 1 : 0;
        return {};
      });
      ROOST_TRY(read);
    }
    if (found != expected_.size()) {
      Differ(std::to_string(expected_.size() - found) + " runs are not in the folder.");
    }
    return {};
  }

  // Whether the run was to be in the folder.
  bool Compare(const spec::ImportedRun& run) {
    const auto expected = expected_.find(run.id);
    if (expected == expected_.end()) return false;
    if (spec::DigestOfRun(run) != expected->second) {
      Differ("Run " + run.id + " is not as the server has it; remove its folder and export again.");
    }
    return true;
  }

  void LeaveOut(const std::string& reason) {
    if (report_.left_out.size() < kMostReasons) report_.left_out.push_back(reason);
  }
  void Differ(const std::string& what) {
    if (report_.differences.size() < kMostReasons) report_.differences.push_back(what);
  }

  client::Client& client_;
  Source& server_;
  const fs::path folder_;
  FolderWriter writer_;
  ProgressBar bar_;
  ExportReport report_;
  std::uint64_t written_ = 0;
  std::vector<Experiment> experiments_;
  std::map<std::string, std::string> owners_;  // runs and logged models, and where their files are
  std::map<std::string, Digest> expected_;     // of the runs
};

}  // namespace

Result<ExportReport> Export(client::Client& client, Source& server, const fs::path& folder) {
  return Exporter(client, server, folder).Run();
}

}  // namespace roost::cli::mlflow
