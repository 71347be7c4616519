#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace roost::trainer {

enum class ModelFamily { kResNet, kDenseNet };

// What the DenseNet and ResNet components record of a model before its classes are known.
struct ModelOptions {
  std::string name = "resnet18";
  bool pretrained = false;          // ImageNet weights under a new last layer, see model.h
  bool memory_efficient = false;    // DenseNet: recompute in the backward pass what is cheap
  bool zero_init_residual = false;  // ResNet: every residual branch starts as zero
  // 0: not known yet. Such a model has ImageNet's 1000 classes and no further layer.
  std::int64_t num_classes = 0;
};

inline constexpr std::int64_t kImageNetClasses = 1000;

// In the order in which the components list them.
const std::vector<std::string>& ModelNames(ModelFamily family);
// kInvalidArgument (field "name") names the known ones: "'NAME' is not a supported model".
Result<ModelFamily> FamilyOf(std::string_view name);
// The same for a component that takes one family: "'NAME' is not a supported densenet".
Status CheckModelName(std::string_view name, ModelFamily family);
// All problems at once: the name, options of the other family, a negative class count.
Status CheckModelOptions(const ModelOptions& options);

}  // namespace roost::trainer
