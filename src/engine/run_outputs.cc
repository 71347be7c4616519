#include "engine/run_outputs.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/run_data.h"
#include "engine/take_files.h"
#include "spec/glob.h"
#include "store/data_files.h"
#include "store/data_folder.h"
#include "store/datasets.h"
#include "store/datastores.h"
#include "store/run_data.h"

namespace roost::engine {
namespace {

void ReplaceAll(std::string* text, std::string_view what, const std::string& with) {
  for (auto at = text->find(what); at != std::string::npos; at = text->find(what, at)) {
    text->replace(at, what.size(), with);
    at += with.size();
  }
}

std::string Destination(const spec::RunOutput& output, const std::string& name,
                        const std::string& run_id) {
  if (output.path.empty()) return "dataset/" + run_id + "/" + name;
  std::string path = output.path;
  ReplaceAll(&path, "{run-id}", run_id);
  ReplaceAll(&path, "{output-name}", name);
  return path;
}

// A pattern without a folder fits names anywhere.
bool Fits(const std::vector<std::string>& globs, const std::string& path) {
  if (globs.empty()) return true;
  return std::any_of(globs.begin(), globs.end(), [&](const std::string& text) {
    const bool anywhere = text.find('/') == std::string::npos;
    return spec::Glob(anywhere ? "**/" + text : text).Matches(path);
  });
}

// Worth another try later: the disk is full, the server stops.
bool IsForLater(const Error& error) {
  return error.code == ErrorCode::kExhausted || error.code == ErrorCode::kUnavailable;
}

class OutputKeeper {
 public:
  OutputKeeper(store::Store& store, const FinalizeJob& job, bool completed)
      : store_(store),
        job_(job),
        completed_(completed),
        run_id_(job.layout.run_folder().filename().string()) {}

  Result<std::vector<std::string>> Run() {
    ROOST_ASSIGN(const RunDataPlan plan, ReadDataPlan(job_.layout));
    std::vector<Uploaded> all;
    for (const auto& [name, output] : job_.definition.outputs) {
      const auto folder = plan.output_folders.find(name);
      if (folder == plan.output_folders.end()) continue;  // never prepared, or kept already
      Uploaded uploaded{name, &output, Destination(output, name, run_id_), folder->second, 0};
      const auto count = Upload(output, uploaded.path, uploaded.folder);
      if (count) {
        uploaded.count = *count;
        all.push_back(std::move(uploaded));
      } else {
        ROOST_TRY(Note(name, count.error()));
      }
    }
    // Only now: the outputs of a run that one of them fails are not registered.
    const bool may_register = completed_ && problems_.empty();
    for (const Uploaded& output : all) {
      if (const Status described = Describe(output, may_register); !described) {
        ROOST_TRY(Note(output.name, described.error()));
      }
    }
    return std::move(problems_);
  }

 private:
  struct Uploaded {
    std::string name;
    const spec::RunOutput* output;
    std::string path;  // in the datastore
    fs::path folder;
    std::size_t count;  // files
  };

  Status Note(const std::string& name, const Error& error) {
    if (IsForLater(error)) return Fail(error);
    problems_.push_back(fmt::format("the output '{}' could not be kept: {}", name, error.message));
    return {};
  }

  // Its dataset and its lineage.
  Status Describe(const Uploaded& uploaded, bool may_register) {
    const spec::RunOutput& output = *uploaded.output;
    store::RunDataItem item;
    item.is_output = true;
    item.name = uploaded.name;
    item.mode = ToString(output.mode);
    item.mechanism = "upload";
    item.path_on_compute = uploaded.folder.string();
    item.datastore = output.datastore;
    item.path = uploaded.path;
    if (uploaded.count > 0) {
      store::NewDataset asked;
      if (may_register && output.register_as) {
        asked.name = output.register_as->name;
        asked.description = output.register_as->description;
        asked.tags = output.register_as->tags;
        asked.create_new_version = true;
      }
      store::DatasetPath place;
      place.place.datastore = output.datastore;
      place.place.path = uploaded.path;
      ROOST_ASSIGN(const auto made, MakeDataset(store_, {place}, asked));
      item.dataset_id = made.dataset.id;
      item.dataset_name = made.dataset.name;
      item.version = made.dataset.version;
    }
    return store_.run_data().Put(job_.run, {item});
  }

  Result<std::size_t> Upload(const spec::RunOutput& output, const std::string& path,
                             const fs::path& folder) {
    ROOST_ASSIGN(const store::Datastore datastore, store_.datastores().Get(output.datastore));
    ROOST_ASSIGN(const std::vector<TreeEntry> entries, ListTree(folder));
    std::vector<FileToTake> files;
    for (const TreeEntry& entry : entries) {
      if (!Fits(output.source_globs, entry.path)) continue;
      files.push_back({folder / entry.path, path + "/" + entry.path, entry.size});
    }
    ROOST_ASSIGN(const TakenFiles taken, TakeFilesIntoBlobs(store_, files, job_.now, job_.stop));
    for (const std::string& skipped : taken.skipped) {
      problems_.push_back("a file of an output could not be kept: " + skipped);
    }
    std::vector<store::DatastoreFile> rows;
    for (std::size_t i = 0; i < taken.artifacts.size(); ++i) {
      const store::Artifact& file = taken.artifacts[i];
      rows.push_back({file.path, file.digest, file.size, 0});
      if (rows.size() < spec::kMaxUploadFiles && i + 1 < taken.artifacts.size()) continue;
      ROOST_ASSIGN(const auto added,
                   AddToDatastore(store_, datastore, rows,
                                  output.overwrite ? store::Datastores::Overwrite::kReplace
                                                   : store::Datastores::Overwrite::kRefuse));
      if (!added.missing.empty()) {
        return Fail(ErrorCode::kUnavailable, "its contents were removed meanwhile");
      }
      rows.clear();
    }
    return taken.artifacts.size();
  }

  store::Store& store_;
  const FinalizeJob& job_;
  const bool completed_;
  const std::string run_id_;
  std::vector<std::string> problems_;
};

}  // namespace

Result<std::vector<std::string>> KeepDataOutputs(store::Store& store, const FinalizeJob& job,
                                                 bool completed) {
  if (job.definition.outputs.empty()) return std::vector<std::string>{};
  return OutputKeeper(store, job, completed).Run();
}

}  // namespace roost::engine
