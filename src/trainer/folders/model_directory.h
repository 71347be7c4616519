#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "trainer/folders/component_error.h"

namespace roost::trainer {

// The typed folders of models, both of type ModelDirectory:
//
//   _meta.yaml           type, and model: model_spec.yaml
//   model_spec.yaml      how the network is built again
//   model                its weights, a PyTorch state file (written by others)
// and only when trained
//   index_to_label.csv   ",label", then "0,ants", ...
//   _schema.json, _samples.json   those of the training data, for a service
//   score.py, conda_env.yaml      a service that needs torch and torchvision alone
//
// Azure's classes DenseNet and ResNet hold torchvision's network as `model` and, when pretrained, a
// layer `out_linear_model` of 1000 x classes after it; so the names in their state file begin with
// "model." and "out_linear_model.". Other networks are told as functions of torchvision.models.
struct ModelSpec {
  std::string model_name;   // torchvision's: "densenet201", "resnet18", "mobilenet_v3_small"
  bool pretrained = false;  // starts from ImageNet's weights
  std::optional<bool> memory_efficient{};    // DenseNet
  std::optional<bool> zero_init_residual{};  // ResNet
  bool is_cuda = false;                      // the weights were saved from a GPU
  std::vector<std::string> labels{};         // class of each index; empty: untrained
  std::string time_created{};  // "2026-01-31T12:00:00.000000+0000"; empty: now, when writing

  bool trained() const { return !labels.empty(); }
};

inline constexpr const char* kWeightsFile = "model";

// Writes all but the weights, and _meta.yaml too: so put the weights at folder/model first, that a
// folder with _meta.yaml is complete. `training_data`, for a trained one, is the image directory
// whose _schema.json and _samples.json are taken over. The folder is made; files that are there are
// replaced. Errors: 160.
Status WriteModelDirectory(const fs::path& folder, const ModelSpec& spec,
                           const std::optional<fs::path>& training_data = {});

// Makes a folder for a model and says before any work is done that it cannot be written, or that it
// holds something that is no model and would be lost. Errors: 160.
Status PrepareModelFolder(const fs::path& folder);

// Errors: 159 with the reason: no model directory, not a PyTorch state dictionary, not for
// multi-class classification, a class or option that is unknown, labels that are missing. Whether
// the network's name is known and the weights fit is for the caller to say.
Result<ModelSpec> ReadModelDirectory(const fs::path& folder);
// The same, and error 159 unless it is trained.
Result<ModelSpec> ReadTrainedModelDirectory(const fs::path& folder);
// Where the weights are: folder/<model_file of the spec>.
Result<fs::path> WeightsPath(const fs::path& folder);

}  // namespace roost::trainer
