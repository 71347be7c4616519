#include "trainer/folders/folder_meta.h"

#include <yaml-cpp/yaml.h>

#include "trainer/folders/component_error.h"

namespace roost::trainer {
namespace {

constexpr std::uint64_t kMetaLimit = 1 << 20;

}  // namespace

std::string FolderMeta::Get(const std::string& key, const std::string& fallback) const {
  const auto found = fields.find(key);
  return found == fields.end() ? fallback : found->second;
}

Result<FolderMeta> ReadFolderMeta(const fs::path& folder) {
  const fs::path path = folder / "_meta.yaml";
  ROOST_ASSIGN(const std::string text, ReadFile(path, kMetaLimit));
  FolderMeta meta;
  try {
    const YAML::Node root = YAML::Load(text);
    if (!root.IsMap()) {
      return Fail(ErrorCode::kInvalidArgument, path.string() + " does not hold a map.");
    }
    for (const auto& entry : root) {
      if (entry.first.IsScalar() && entry.second.IsScalar()) {
        meta.fields[entry.first.Scalar()] = entry.second.Scalar();
      }
    }
  } catch (const std::exception& problem) {
    return Fail(ErrorCode::kInvalidArgument,
                path.string() + " is no YAML that can be read: " + problem.what());
  }
  return meta;
}

Status WriteFolderMeta(const fs::path& folder, const std::string& type,
                       const std::vector<std::pair<std::string, std::string>>& fields,
                       const std::vector<std::string>& true_fields) {
  YAML::Emitter out;
  out.SetOutputCharset(YAML::EscapeNonAscii);
  out << YAML::BeginMap << YAML::Key << "type" << YAML::Value << type;
  out << YAML::Key << "extension" << YAML::Value << YAML::Flow << YAML::BeginMap << YAML::EndMap;
  for (const auto& [key, value] : fields) {
    out << YAML::Key << key << YAML::Value << value;
  }
  for (const std::string& key : true_fields) out << YAML::Key << key << YAML::Value << true;
  out << YAML::EndMap;
  const Status written =
      WriteFileAtomic(folder / "_meta.yaml", std::string(out.c_str(), out.size()) + "\n");
  if (!written) return Fail(AsOutputError(written.error()));
  return {};
}

Status PrepareOutputFolder(const fs::path& folder) {
  if (const Status made = MakeFolders(folder); !made) {
    return FailModule(
        FailedToWriteOutputs(made.error().message, "Choose an output folder that you may write."));
  }
  std::error_code problem;
  const bool empty = fs::is_empty(folder, problem);
  if (problem) return Fail(ErrnoError("reading " + folder.string(), problem.value()));
  if (!empty) {
    return FailModule(FailedToWriteOutputs("the output folder " + folder.string() + " is not empty",
                                           "Choose a new or an empty folder."));
  }
  return {};
}

OutputGuard::~OutputGuard() {
  for (const fs::path& output : outputs_) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(output, ignored)) {
      (void)RemoveTree(entry.path());
    }
  }
}

Result<fs::path> FileInFolder(const fs::path& folder, const std::string& name) {
  if (!IsSafeRelativePath(name)) {
    return Fail(ErrorCode::kInvalidArgument,
                "The name '" + name + "' does not lead to a file below " + folder.string() + ".");
  }
  return folder / name;
}

}  // namespace roost::trainer
