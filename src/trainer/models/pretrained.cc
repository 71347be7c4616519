#include "trainer/models/pretrained.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/files.h"
#include "base/strings.h"
#include "trainer/models/sha256.h"

namespace roost::trainer {
namespace {

struct KnownFiles {
  std::string_view model;
  std::vector<std::string_view> checksums;
};

const std::vector<KnownFiles>& Table() {
  static const std::vector<KnownFiles> table = {
      {"resnet18", {"f37072fd", "5c106cde"}},
      {"resnet34", {"b627a593", "333f7ec4"}},
      {"resnet50", {"0676ba61", "11ad3fa6", "19c8e357"}},
      {"resnet101", {"63fe2227", "cd907fc2", "5d3b4d8f"}},
      {"resnet152", {"394f9c45", "f82ba261", "b121ed2d"}},
      {"resnext50_32x4d", {"7cdf4587", "1a0047aa"}},
      {"resnext101_32x8d", {"8ba56ff5", "110c445d"}},
      {"wide_resnet50_2", {"95faca4d", "9ba9bcbe"}},
      {"wide_resnet101_2", {"32ee1156", "d733dc28"}},
      {"densenet121", {"a639ec97"}},
      {"densenet161", {"8d451a50"}},
      {"densenet169", {"b2777c0a"}},
      {"densenet201", {"c1103571"}},
  };
  return table;
}

std::string ValueOf(const std::map<std::string, std::string>& environment,
                    const std::string& name) {
  const auto at = environment.find(name);
  return at == environment.end() ? "" : at->second;
}

Status CheckChecksum(const fs::path& path, const std::string& prefix) {
  ROOST_ASSIGN(const std::string sha256, Sha256OfFile(path));
  if (sha256.starts_with(prefix)) return {};
  return Invalid("weights",
                 fmt::format("The weight file {} is damaged: its SHA-256 is {}, which does not "
                             "begin with {}. Remove it, or put the right file in its place.",
                             path.string(), sha256, prefix));
}

}  // namespace

std::string WeightFile::Sha256Prefix() const {
  const std::size_t dash = name.rfind('-');
  const std::size_t dot = name.rfind('.');
  if (dash == std::string::npos || dot == std::string::npos || dot < dash) return "";
  return name.substr(dash + 1, dot - dash - 1);
}

std::vector<WeightFile> KnownWeightFiles(std::string_view model) {
  for (const KnownFiles& known : Table()) {
    if (known.model != model) continue;
    std::vector<WeightFile> files;
    for (const std::string_view checksum : known.checksums) {
      files.push_back({fmt::format("{}-{}.pth", model, checksum)});
    }
    return files;
  }
  return {};
}

Result<std::filesystem::path> WeightFolder(const std::optional<std::filesystem::path>& chosen,
                                           const std::map<std::string, std::string>& environment) {
  if (chosen) return *chosen;
  if (const std::string named = ValueOf(environment, "ROOST_WEIGHTS"); !named.empty()) {
    return fs::path(named);
  }
  if (const std::string torch = ValueOf(environment, "TORCH_HOME"); !torch.empty()) {
    return fs::path(torch) / "hub" / "checkpoints";
  }
  if (const std::string home = ValueOf(environment, "HOME"); !home.empty()) {
    return fs::path(home) / ".cache" / "torch" / "hub" / "checkpoints";
  }
  return Invalid("weights",
                 "The folder of pretrained weights is not known, as neither ROOST_WEIGHTS nor HOME "
                 "is set. Set ROOST_WEIGHTS to a folder.");
}

Result<std::filesystem::path> FindPretrainedWeights(const std::string& model,
                                                    const WeightSource& source) {
  const std::vector<WeightFile> files = KnownWeightFiles(model);
  if (files.empty()) {
    return Invalid("name", fmt::format("No pretrained weights are known for '{}'.", model));
  }
  return FindWeights(model, files, source);
}

Result<std::filesystem::path> FindWeights(const std::string& model,
                                          const std::vector<WeightFile>& files,
                                          const WeightSource& source) {
  ROOST_CHECK(!files.empty());
  for (const WeightFile& file : files) {
    const fs::path path = source.folder / file.name;
    std::error_code ignored;
    if (!fs::exists(path, ignored)) continue;
    ROOST_TRY(CheckChecksum(path, file.Sha256Prefix()));
    return path;
  }

  const std::string& name = files.front().name;
  const std::string url = source.base_url + "/" + name;
  if (source.offline || !CanDownload()) {
    return Fail(ErrorCode::kNotFound,
                fmt::format("The pretrained weights of {} are not in {}, and {}. Put the file {} "
                            "there (from {}), or set ROOST_WEIGHTS to the folder that has it.",
                            model, source.folder.string(),
                            source.offline
                                ? "nothing is downloaded offline"
                                : "this roost-trainer was built without libcurl to download them",
                            name, url));
  }
  ROOST_TRY(MakeFolders(source.folder));
  DownloadOptions download = source.download;
  download.sha256_prefix = files.front().Sha256Prefix();
  if (Status done = DownloadFile(url, source.folder / name, download); !done) {
    Error error = std::move(done.error());
    if (error.code == ErrorCode::kUnavailable) {
      error.message = fmt::format(
          "Failed to download \"{}\" due to internet error: {}. Put the file {} into {}, "
          "or set ROOST_WEIGHTS to the folder that has it.",
          url, error.message, name, source.folder.string());
    }
    return Fail(std::move(error));
  }
  return source.folder / name;
}

}  // namespace roost::trainer
