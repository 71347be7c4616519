#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "trainer/models/graph.h"
#include "trainer/models/model_options.h"
#include "trainer/models/model_state.h"

namespace torch::nn {
class Module;
}

namespace roost::trainer {

class Network;

// How the names of a state dictionary are written.
enum class StateNames {
  kTorchvision,  // "conv1.weight"; the added layer is "out_linear_model.weight"
  kDesigner,  // "model.conv1.weight", "out_linear_model.weight": as the designer's trained models
};

// A network that classifies images. Without `pretrained` it is torchvision's with `num_classes`
// outputs. With it, the network keeps ImageNet's 1000 outputs, and a new linear layer
// (out_linear_model) goes from these to `num_classes`, as the designer's components do; its weights
// are those of a fresh torch::nn::Linear. The ImageNet weights are put in with LoadBackbone.
//
// Owned and used by one thread at a time. Weights are drawn from torch's default generator.
class Classifier {
 public:
  static Result<std::unique_ptr<Classifier>> Make(const ModelOptions& options);
  ~Classifier();
  Classifier(const Classifier&) = delete;
  Classifier& operator=(const Classifier&) = delete;

  // N x 3 x H x W to logits N x num_outputs(). Throws c10::Error as torch's operations do.
  at::Tensor Forward(const at::Tensor& images);

  void SetTraining(bool training);  // batch statistics or running ones; training at first
  bool training() const;
  // Weights in place; parameters stay the same tensors. Not while gradients are held.
  void ToDtype(at::ScalarType dtype);
  void ToDevice(const at::Device& device);
  // Weights of convolutions stored N x H x W x C; give Forward images in the same format. Results
  // are the same up to rounding. Before an optimizer is made.
  void ToChannelsLast();

  const ModelOptions& options() const { return options_; }
  std::int64_t num_outputs() const;
  // The trained tensors themselves, in the order of model.parameters() in Python.
  std::vector<std::pair<std::string, at::Tensor>> Parameters() const;
  // Parameters and buffers, the tensors themselves, in the order of model.state_dict().
  ModelState State(StateNames names = StateNames::kTorchvision) const;
  // Copies on the CPU, contiguous, without history: what a file gets.
  ModelState CopiedState(StateNames names = StateNames::kTorchvision) const;

  // Takes all weights from `state`, whose names may be written in any way that
  // WithTorchvisionNames knows; strict, see CopyState. `source` is for the error.
  Status LoadState(const ModelState& state, std::string_view source);
  // The same for the network below the added layer: takes torchvision's ImageNet weights.
  // Requires: has_added_layer() or 1000 outputs.
  Status LoadBackbone(const ModelState& state, std::string_view source);
  bool has_added_layer() const;

  // The operations on one image; kInvalidArgument when it is too small for the network.
  Result<Graph> Describe(std::int64_t height, std::int64_t width) const;

  // For hooks and optimizers that want the modules. Names below it are the designer's.
  torch::nn::Module& module();

 private:
  class Wrapper;
  Classifier(ModelOptions options, std::shared_ptr<Wrapper> wrapper);

  ModelOptions options_;
  std::shared_ptr<Wrapper> wrapper_;
};

}  // namespace roost::trainer
