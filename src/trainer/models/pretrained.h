#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "trainer/models/download.h"

namespace roost::trainer {

// A weight file of torchvision: its name carries the first eight digits of its SHA-256.
struct WeightFile {
  std::string name;  // "resnet18-f37072fd.pth"
  std::string Sha256Prefix() const;
};

// The ImageNet weights of a model that are known, in the order of preference; the first is what
// torchvision calls IMAGENET1K_V1 and the one that is downloaded, the others are newer recipes and
// older uploads of it. Empty for an unknown model.
std::vector<WeightFile> KnownWeightFiles(std::string_view model);

struct WeightSource {
  std::filesystem::path folder;  // see WeightFolder
  std::string base_url = "https://download.pytorch.org/models";
  bool offline = false;  // only what is in the folder
  DownloadOptions download{};
};

// Where weight files are kept: `chosen`, else ROOST_WEIGHTS, else PyTorch's own cache
// (TORCH_HOME/hub/checkpoints, ~/.cache/torch/hub/checkpoints). kInvalidArgument when the
// environment names no home either.
Result<std::filesystem::path> WeightFolder(const std::optional<std::filesystem::path>& chosen,
                                           const std::map<std::string, std::string>& environment);

// The file with the ImageNet weights of `model`: the first known one that is in the folder, else
// the preferred one, downloaded into it. The checksum is checked either way. Errors: kNotFound
// (offline, or built without libcurl) names file, folder and address; kUnavailable begins `Failed
// to download "ADDRESS" due to internet error`; kInvalidArgument names a file in the folder whose
// content is damaged.
Result<std::filesystem::path> FindPretrainedWeights(const std::string& model,
                                                    const WeightSource& source);
// The same with a list of files of one's own. Requires: at least one.
Result<std::filesystem::path> FindWeights(const std::string& model,
                                          const std::vector<WeightFile>& files,
                                          const WeightSource& source);

}  // namespace roost::trainer
