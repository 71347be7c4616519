#pragma once

#include <string>
#include <vector>

#include "cli/mlflow/source.h"

namespace roost::cli::mlflow {

// Writes an mlruns folder as MLflow's file store does. A thing's meta.yaml comes last, so what has
// one is whole.
class FolderWriter {
 public:
  explicit FolderWriter(fs::path folder) : folder_(std::move(folder)) {}

  // Makes the folder. kConflict when something else is in it.
  Status Begin();
  Status Write(const Experiment& experiment);
  bool HasRun(const Experiment& experiment, const std::string& id) const;
  // Requires: its files are in FilesOf.
  Status Write(const Experiment& experiment, const Run& run);
  Status Write(const Experiment& experiment, const LoggedModel& model);
  // `places`: where the files of its versions are, in their order; empty: nowhere.
  Status Write(const RegisteredModel& model, const std::vector<std::string>& places);

  fs::path FilesOf(const Experiment& experiment, const Owner& owner) const;
  fs::path FilesOf(const RegisteredModel& model, const Version& version) const;

  // Names that no path can have.
  const std::vector<std::string>& left_out() const { return left_out_; }

 private:
  fs::path PlaceOf(const Experiment& experiment) const;
  Status WritePairs(const fs::path& folder, const std::map<std::string, std::string>& pairs);
  Status WriteNamed(const fs::path& folder, const std::string& name, const std::string& text);
  Status WriteInputs(const Experiment& experiment, const fs::path& folder,
                     const spec::ImportedRun& run);

  const fs::path folder_;
  std::vector<std::string> left_out_;
};

}  // namespace roost::cli::mlflow
