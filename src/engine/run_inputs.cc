#include "engine/run_inputs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "base/log.h"
#include "base/strings.h"
#include "engine/data_trees.h"
#include "launch/mounts.h"
#include "store/datasets.h"
#include "store/datastores.h"

namespace roost::engine {
namespace {

using spec::InputMode;
using spec::RunInput;

// A problem of the request, or the store's own error.
template <class T>
Status Judge(const Result<T>& looked, const std::string& field, std::vector<Problem>* problems) {
  if (looked) return {};
  const ErrorCode code = looked.error().code;
  if (code != ErrorCode::kNotFound && code != ErrorCode::kInvalidArgument) {
    return Fail(looked.error());
  }
  problems->push_back({field, looked.error().message});
  return {};
}

Status CheckPlace(store::Store& store, const spec::DataPath& place, const std::string& field,
                  std::vector<Problem>* problems) {
  const auto datastore = store.datastores().Get(place.datastore);
  if (!datastore) return Judge(datastore, field + ".datastore", problems);
  bool there = true;
  if (datastore->is_folder()) {
    there = place.path.empty() || store::FileInFolder(*datastore, place.path).has_value();
  } else {
    ROOST_ASSIGN(const auto below,
                 store.datastores().ListFiles(place.datastore,
                                              place.path.empty() ? "" : place.path + "/", "", 1));
    there = !below.empty() || store.datastores().GetFile(place.datastore, place.path).has_value();
  }
  if (!there) {
    problems->push_back({field + ".path", fmt::format("there is no file at '{}' in {}", place.path,
                                                      place.datastore)});
  }
  return {};
}

store::RunDataItem ItemOf(const std::string& name, const RunInput& input) {
  store::RunDataItem item;
  item.name = name;
  item.dataset_id = input.dataset;
  item.mode = ToString(input.mode);
  item.datastore = input.place.datastore;
  item.path = input.place.path;
  return item;
}

const char* Word(MountMeans means) {
  return means == MountMeans::kBind ? "bind" : means == MountMeans::kLinks ? "links" : "copy";
}

bool IsWithin(const std::string& path, const std::string& folder) {
  return path == folder || path.starts_with(folder == "/" ? folder : folder + "/");
}

// One input's files would lie in another's, which may be read-only.
void CheckPlacesOnCompute(const std::map<std::string, RunInput>& inputs,
                          std::vector<Problem>* problems) {
  const auto has_place = [](const RunInput& input) {
    return !input.path_on_compute.empty() && input.mode != InputMode::kDirect;
  };
  for (const auto& [name, input] : inputs) {
    if (!has_place(input)) continue;
    for (const auto& [other, its] : inputs) {
      if (name == other || !has_place(its)) continue;
      if (!IsWithin(input.path_on_compute, its.path_on_compute)) continue;
      if (input.path_on_compute == its.path_on_compute && name < other) continue;  // said once
      problems->push_back(
          {"inputs." + name + ".path_on_compute",
           fmt::format("'{}' is where the input '{}' is, or in it; choose another place",
                       input.path_on_compute, other)});
    }
  }
}

// Prepares one run's data, input by input.
class Preparation {
 public:
  Preparation(store::Store& store, const PrepareDataJob& job) : store_(store), job_(job) {}

  Status Run() {
    ROOST_ASSIGN(const auto known, store_.run_data().Of(job_.run));
    for (const store::RunDataItem& item : known) items_[item.name] = item;
    for (const auto& [name, input] : job_.definition.inputs) {
      Status prepared = Prepare(name, input);
      if (!prepared) {
        Error error = prepared.error();
        error.message = fmt::format("the input '{}': {}", name, error.message);
        return Fail(std::move(error));
      }
    }
    for (const auto& [name, output] : job_.definition.outputs) {
      ROOST_TRY(MakeOutput(name, output));
    }
    ROOST_TRY(WriteDataPlan(job_.layout, plan_));
    return WriteLog();
  }

 private:
  Status Prepare(const std::string& name, const RunInput& input) {
    store::RunDataItem& item = items_.try_emplace(name, ItemOf(name, input)).first->second;
    if (!input.dataset.empty()) {
      plan_.modes +=
          fmt::format("{}{}:{}", plan_.modes.empty() ? "" : ",", name, ToString(input.mode));
    }
    if (input.mode == InputMode::kDirect) {
      plan_.values[name] = input.dataset;
      log_ += fmt::format("Input {}: dataset {} is read by its id.\n", name, input.dataset);
      return {};
    }
    ROOST_ASSIGN(const store::FoundData found, Find(input));
    const fs::path target = TargetOf(name, input.path_on_compute);
    const fs::path real_folder = RealFolder(found);
    MountMeans means =
        input.mode == InputMode::kDownload || job_.in_image ? MountMeans::kCopy : job_.means;
    if (job_.in_image && input.path_on_compute.starts_with('/')) return NotInImage();
    // Files of a folder are not ours to protect; a part of one cannot be bound as a whole.
    if (!found.pinned && (means == MountMeans::kLinks || real_folder.empty())) {
      means = MountMeans::kCopy;
    }
    item.mechanism = input.mode == InputMode::kDownload ? "download" : Word(means);
    const TreeFiles kind =
        means == MountMeans::kBind ? TreeFiles::kForMounts : TreeFiles::kOwnCopies;
    item.tree = found.pinned && means != MountMeans::kCopy ? TreeName(found.files, kind) : "";
    const fs::path local =
        found.single_file && !found.files.empty() ? target / found.files.front().path : target;
    item.path_on_compute = local.string();
    // Before the tree is looked for: from then on collection spares it.
    ROOST_TRY(store_.run_data().Put(job_.run, {item}));

    fs::path tree = real_folder;
    if (!item.tree.empty()) {
      ROOST_ASSIGN(tree, MakeTree(store_, item.tree, found.files, kind, job_.stop));
    }
    if (means == MountMeans::kBind) {
      ROOST_TRY(CheckFree(input, target));  // a mount hides what is below it
      ROOST_TRY(MakeFolders(target));
      plan_.mounts.push_back({tree.string(), target.string()});
    } else {
      ROOST_ASSIGN(const fs::path place, PlaceFor(name, input, target));
      if (means == MountMeans::kLinks) {
        ROOST_TRY(LinkFiles(tree, found.files, place, job_.stop));
      } else {
        ROOST_TRY(CopyFiles(store_, found.files, place, job_.stop));
      }
    }
    plan_.values[name] = local.string();
    log_ += fmt::format("Input {}: {} {} ({}) at {} by {}.\n", name, found.files.size(),
                        found.files.size() == 1 ? "file" : "files", FormatBytes(found.bytes),
                        local.string(), Describe(item.mechanism));
    return {};
  }

  static Status NotInImage() {
    return Fail(ErrorCode::kInvalidArgument,
                "a run in a container image sees its own folders only; choose a relative path");
  }

  static std::string Describe(const std::string& mechanism) {
    if (mechanism == "bind") return "a read-only mount of the run's own";
    if (mechanism == "links") return "links to read-only files (this user may not mount)";
    if (mechanism == "copy") return "a copy (it cannot be mounted here)";
    return "download";
  }

  Result<store::FoundData> Find(const RunInput& input) const {
    if (!input.dataset.empty()) {
      ROOST_ASSIGN(const store::Dataset dataset, store_.datasets().GetById(input.dataset));
      return FindData(store_.datastores(), store_.datasets(), dataset);
    }
    return FindData(store_.datastores(), {{input.place, "", {}, 0}});
  }

  // The folder of a datastore that has exactly the files; empty: there is none.
  fs::path RealFolder(const store::FoundData& found) const {
    if (found.pinned || found.paths.size() != 1) return {};
    const store::DatasetPath& path = found.paths.front();
    if (path.place.path != path.base || spec::HasWildcard(path.place.path)) return {};
    const auto datastore = store_.datastores().Get(path.place.datastore);
    if (!datastore || !datastore->is_folder()) return {};
    return path.base.empty() ? datastore->folder : datastore->folder / path.base;
  }

  fs::path TargetOf(const std::string& name, const std::string& path_on_compute) const {
    if (path_on_compute.empty()) return job_.layout.inputs_folder() / name;
    // An absolute path replaces what it is appended to.
    return job_.layout.working_folder() / path_on_compute;
  }

  static Status CheckFree(const RunInput& input, const fs::path& target) {
    std::error_code error;
    const bool empty = !fs::exists(target, error) ||
                       (fs::is_directory(target, error) && fs::is_empty(target, error));
    if (empty || input.overwrite) return {};
    const char* const where = input.path_on_compute.starts_with('/')
                                  ? "has files on this machine already"
                                  : "is in the submitted folder already";
    return Fail(ErrorCode::kConflict,
                fmt::format("'{}' {}; choose another path_on_compute, or set overwrite",
                            input.path_on_compute, where));
  }

  // Where files are written that shall be seen at `target`: there, or in the scratch folder with a
  // link to it when the target is outside.
  Result<fs::path> PlaceFor(const std::string& name, const RunInput& input,
                            const fs::path& target) {
    if (!input.path_on_compute.starts_with('/')) {
      ROOST_TRY(CheckFree(input, target));
      return target;
    }
    std::error_code error;
    const fs::path place = job_.layout.inputs_folder() / name;
    const fs::path ours = store_.data_folder() / "runs";
    if (fs::is_symlink(target, error) &&
        fs::read_symlink(target, error).string().starts_with(ours.string()) &&
        !fs::exists(target, error)) {
      fs::remove(target, error);  // of a run that is gone
    }
    if (fs::exists(fs::symlink_status(target, error))) {
      return Fail(ErrorCode::kConflict,
                  fmt::format("{} is there already on this machine; choose another "
                              "path_on_compute",
                              target.string()));
    }
    ROOST_TRY(MakeFolders(target.parent_path()));
    // Noted first: whatever happens from here on, the link is found again.
    plan_.links.push_back(target.string());
    ROOST_TRY(WriteDataPlan(job_.layout, plan_));
    if (symlink(place.c_str(), target.c_str()) != 0) {
      const Error why = ErrnoError("linking " + target.string(), errno);
      plan_.links.pop_back();  // it is somebody else's
      ROOST_TRY(WriteDataPlan(job_.layout, plan_));
      return Fail(why);
    }
    return place;
  }

  Status MakeOutput(const std::string& name, const spec::RunOutput& output) {
    const fs::path folder = output.source.empty() ? job_.layout.data_outputs_folder() / name
                                                  : job_.layout.working_folder() / output.source;
    Status made;
    if (job_.in_image && output.source.starts_with('/')) made = NotInImage();
    if (made) made = MakeFolders(folder);
    if (!made) {
      return Fail(made.error().code,
                  fmt::format("the output '{}': {}", name, made.error().message));
    }
    plan_.values[name] = folder.string();
    plan_.output_folders[name] = folder.string();
    plan_.outputs += (plan_.outputs.empty() ? "" : ";") + name;
    log_ += fmt::format("Output {}: what is written to {} is kept in {} when the run ends.\n", name,
                        folder.string(), output.datastore);
    return {};
  }

  Status WriteLog() const {
    const fs::path file = job_.layout.log_folder() / fs::path(spec::kJobPrepLog).filename();
    ROOST_ASSIGN(const Fd log, OpenFile(file, O_WRONLY | O_CREAT | O_TRUNC));
    return WriteAll(log.get(), log_, file);
  }

  store::Store& store_;
  const PrepareDataJob& job_;
  std::map<std::string, store::RunDataItem> items_;
  RunDataPlan plan_;
  std::string log_;
};

}  // namespace

MountMeans FindMountMeans(const fs::path& data_folder) {
  if (launch::CanMount(data_folder)) return MountMeans::kBind;
  return geteuid() == 0 ? MountMeans::kCopy : MountMeans::kLinks;
}

Status CheckRunData(store::Store& store, spec::RunDefinition* definition,
                    std::vector<Problem>* problems) {
  CheckPlacesOnCompute(definition->inputs, problems);
  for (const auto& [name, input] : definition->inputs) {
    const std::string field = "inputs." + name;
    if (input.dataset.empty()) {
      ROOST_TRY(CheckPlace(store, input.place, field, problems));
    } else {
      ROOST_TRY(Judge(store.datasets().GetById(input.dataset), field + ".dataset", problems));
    }
  }
  for (auto& [name, output] : definition->outputs) {
    if (output.datastore.empty()) {
      ROOST_ASSIGN(const store::Datastore datastore, store.datastores().Default());
      output.datastore = datastore.name;
    }
    const auto datastore = store.datastores().Get(output.datastore);
    ROOST_TRY(Judge(datastore, "outputs." + name + ".datastore", problems));
    if (datastore && datastore->read_only) {
      problems->push_back({"outputs." + name + ".datastore",
                           fmt::format("the datastore {} is read only", datastore->name)});
    }
  }
  return {};
}

Result<std::vector<store::RunDataItem>> PlannedRunData(store::Store& store,
                                                       const spec::RunDefinition& definition) {
  std::vector<store::RunDataItem> items;
  for (const auto& [name, input] : definition.inputs) {
    store::RunDataItem item = ItemOf(name, input);
    if (!input.dataset.empty()) {
      ROOST_ASSIGN(const store::Dataset dataset, store.datasets().GetById(input.dataset));
      item.dataset_name = dataset.name;
      item.version = dataset.version;
    }
    items.push_back(std::move(item));
  }
  return items;
}

Status PrepareRunData(store::Store& store, const PrepareDataJob& job) {
  if (job.definition.inputs.empty() && job.definition.outputs.empty()) return {};
  return Preparation(store, job).Run();
}

void RemoveDataLinks(const spec::RunLayout& layout) {
  const auto plan = ReadDataPlan(layout);
  if (!plan) {
    LogWarning("data_links_unknown", {{"why", plan.error().message}});
    return;
  }
  std::error_code error;
  const fs::path ours = layout.inputs_folder();
  for (const std::string& link : plan->links) {
    // The run's user may have put something else there, and a restored backup has links of another
    // server's runs in its plans.
    const fs::path target = fs::read_symlink(link, error);
    if (!error && target.parent_path() == ours) fs::remove(link, error);
  }
}

void RemovePrepared(const spec::RunLayout& layout) {
  RemoveDataLinks(layout);
  if (const Status removed = RemoveTree(layout.scratch_folder()); !removed) {
    LogWarning("scratch_not_removed",
               {{"folder", layout.scratch_folder().string()}, {"why", removed.error().message}});
  }
}

}  // namespace roost::engine
