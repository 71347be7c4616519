#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "store/models.h"
#include "store/runs.h"
#include "store/store.h"

namespace roost::engine {

struct RegisterFromRun {
  std::string run_id;
  std::string model_name;
  std::string model_path;  // prefix of the run's artifacts; empty: the model's name
  std::string description;
  std::map<std::string, std::string> tags;
  std::map<std::string, std::string> properties;
  std::string framework;
  std::string framework_version;
  std::string idempotency_key;
};

// Registers a run's artifacts as the next version of a model. `model_path` is normalised
// ("./outputs/x" is "outputs/x", a trailing slash is dropped) and names a file or a folder of
// artifacts; nothing there is kNotFound with Azure's sentence and the list of files. While the run
// is still going, outputs that were not uploaded yet are taken from the working folder.
Result<store::Models::Registered> RegisterModel(store::Store& store, const RegisterFromRun& request,
                                                const std::string& submitter);

// What lies below `path` of a run's files, by path: its artifacts, and outputs that are only in the
// working folder yet. Empty: all artifacts. Nothing there is no error.
Result<std::vector<store::ModelFile>> FilesOfRun(store::Store& store, const store::Run& run,
                                                 const std::string& path);

// The path of a file inside a model that `path` names, if it belongs to it: a model of one file is
// named by its last part, a folder's files keep their place below it. Empty: everything belongs.
std::optional<std::string> PathInModel(const std::string& model_path, const std::string& file);

}  // namespace roost::engine
