#include "cli/sdk_copy.h"

#include <fcntl.h>

#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"

namespace roost::cli {

namespace {

constexpr std::size_t kDigitsOfName = 16;  // enough to tell versions of one program apart

using Files = std::vector<std::pair<std::string, std::string>>;  // path, content

Result<Files> ReadPackages(const fs::path& sdk) {
  Files files;
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

Status WritePackages(const Files& files, const fs::path& to) {
  for (const auto& [path, content] : files) {
    ROOST_TRY(MakeFolders((to / path).parent_path()));
    ROOST_ASSIGN(const Fd file, OpenFile(to / path, O_WRONLY | O_CREAT | O_EXCL));
    ROOST_TRY(WriteAll(file.get(), content, to / path));
  }
  return {};
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
  // Not synced, which would be most of a first start: a copy that a crash of the machine has hurt
  // is made again.
  if (const auto there = ReadPackages(copy); there && *there == *files) return copy;

  fs::path part = copy;
  part += ".part";
  ROOST_TRY(RemoveTree(part));
  ROOST_TRY(WritePackages(*files, part));
  ROOST_TRY(RemoveTree(copy));
  std::error_code error;
  fs::rename(part, copy, error);
  if (error) return Fail(ErrnoError("naming " + copy.string(), error.value()));
  return copy;
}

}  // namespace roost::cli
