#pragma once

#include <ATen/Functions.h>

#include <vector>

#include "trainer/models/graph.h"
#include "trainer/models/model_state.h"

namespace roost::trainer {

// Computes a graph in evaluation mode, one torch operation for each layer, and checks the shapes.
inline at::Tensor RunGraph(const Graph& graph, const ModelState& state, const at::Tensor& images) {
  const auto weight = [&state](const std::string& name) {
    for (const auto& [key, tensor] : state) {
      if (key == name) return tensor;
    }
    return at::Tensor();
  };
  std::vector<at::Tensor> values;
  for (const Layer& layer : graph.layers) {
    std::vector<at::Tensor> in;
    for (const int input : layer.inputs) in.push_back(values.at(static_cast<std::size_t>(input)));
    const std::string& name = layer.name;
    at::Tensor out;
    switch (layer.kind) {
      case LayerKind::kInput:
        out = images;
        break;
      case LayerKind::kConv:
        out = at::conv2d(in[0], weight(name + ".weight"), {}, layer.stride, layer.padding, 1,
                         layer.groups);
        break;
      case LayerKind::kBatchNorm:
        out = at::batch_norm(in[0], weight(name + ".weight"), weight(name + ".bias"),
                             weight(name + ".running_mean"), weight(name + ".running_var"), false,
                             0, layer.epsilon, false);
        break;
      case LayerKind::kRelu:
        out = at::relu(in[0]);
        break;
      case LayerKind::kAdd:
        out = at::add(in[0], in[1]);
        break;
      case LayerKind::kConcat:
        out = at::cat(in, 1);
        break;
      case LayerKind::kMaxPool:
        out = at::max_pool2d(in[0], layer.kernel, layer.stride, layer.padding);
        break;
      case LayerKind::kAveragePool:
        out = at::avg_pool2d(in[0], layer.kernel, layer.stride, layer.padding);
        break;
      case LayerKind::kGlobalAveragePool:
        out = at::adaptive_avg_pool2d(in[0], {1, 1});
        break;
      case LayerKind::kFlatten:
        out = in[0].flatten(1);
        break;
      case LayerKind::kLinear:
        out = at::linear(in[0], weight(name + ".weight"), weight(name + ".bias"));
        break;
    }
    TORCH_CHECK(out.sizes().slice(1) == at::IntArrayRef(layer.shape), layer.name, " has the shape ",
                out.sizes());
    values.push_back(out);
  }
  return values.back();
}

}  // namespace roost::trainer
