#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <string>

#include "trainer/models/graph.h"

namespace roost::trainer {

// A network from images to logits. Modules, parameters and buffers have torchvision's names and
// order, so that state dictionaries can be exchanged.
class Network : public torch::nn::Module {
 public:
  // N x 3 x H x W to N x classes. Throws c10::Error as torch's operations do. `images` is not
  // changed; its memory format carries through.
  virtual at::Tensor forward(const at::Tensor& images) = 0;
  // Appends the operations of forward to `graph`, names after `prefix` ("" or "model."); returns
  // the index of the logits.
  virtual int Describe(GraphBuilder& graph, int input, const std::string& prefix) const = 0;
};

}  // namespace roost::trainer
