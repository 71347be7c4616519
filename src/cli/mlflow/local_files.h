#pragma once

#include <string>
#include <vector>

#include "cli/mlflow/source.h"

namespace roost::cli::mlflow {

// Files of runs and models in folders of this machine.
class LocalFiles {
 public:
  // `store`: the mlruns folder itself, which may have been moved; `artifacts`: what a server keeps
  // for its clients. Both may be empty.
  LocalFiles(fs::path store, fs::path artifacts)
      : store_(std::move(store)), artifacts_(std::move(artifacts)) {}

  std::vector<Source::FileList> List(std::span<const Owner> owners) const;
  std::vector<Result<fs::path>> Get(std::span<const WantedFile> files) const;
  static bool StaysThere(const std::string& location);

 private:
  Source::FileList ListOf(const Owner& owner) const;
  // Empty: it has none.
  Result<fs::path> FolderOf(const Owner& owner) const;

  const fs::path store_;
  const fs::path artifacts_;
};

}  // namespace roost::cli::mlflow
