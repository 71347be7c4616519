#include "cli/sdk_copy.h"

#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"

namespace roost::cli {

namespace {

constexpr std::size_t kDigitsOfName = 16;  // enough to tell versions of one program apart

Result<std::vector<std::pair<std::string, std::string>>> ReadPackages(const fs::path& sdk) {
  std::vector<std::pair<std::string, std::string>> files;
  for (const char* package : {"azureml", "roost"}) {
    const Result<std::vector<TreeEntry>> entries = ListTree(sdk / package);
    ROOST_TRY(entries);
    for (const TreeEntry& entry : *entries) {
      if (!entry.path.ends_with(".py")) continue;
      ROOST_ASSIGN(std::string content, ReadFile(sdk / package / entry.path));
      files.emplace_back(std::string(package) + "/" + entry.path, std::move(content));
    }
  }
  return files;
}

}  // namespace

Result<fs::path> CopySdk(const fs::path& sdk, const fs::path& data_folder) {
  const auto files = ReadPackages(sdk);
  ROOST_TRY(files);
  Hasher hasher;
  for (const auto& [path, content] : *files) {
    hasher.Update(path + "\n" + std::to_string(content.size()) + "\n");
    hasher.Update(content);
  }
  const fs::path copy = data_folder / "sdk" / hasher.Finish().Hex().substr(0, kDigitsOfName);
  std::error_code ignored;
  if (fs::exists(copy, ignored)) return copy;

  fs::path part = copy;
  part += ".part";
  ROOST_TRY(RemoveTree(part));
  for (const auto& [path, content] : *files) {
    ROOST_TRY(MakeFolders((part / path).parent_path()));
    ROOST_TRY(WriteFileAtomic(part / path, content));
  }
  std::error_code error;
  fs::rename(part, copy, error);
  if (error) return Fail(ErrnoError("naming " + copy.string(), error.value()));
  return copy;
}

}  // namespace roost::cli
