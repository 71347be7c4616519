#include "trainer/models/graph.h"

#include <fmt/format.h>

#include <numeric>
#include <utility>

#include "base/check.h"

namespace roost::trainer {

std::string_view ToString(LayerKind kind) {
  switch (kind) {
    case LayerKind::kInput:
      return "Input";
    case LayerKind::kConv:
      return "Conv2d";
    case LayerKind::kBatchNorm:
      return "BatchNorm2d";
    case LayerKind::kRelu:
      return "ReLU";
    case LayerKind::kAdd:
      return "Add";
    case LayerKind::kConcat:
      return "Concat";
    case LayerKind::kMaxPool:
      return "MaxPool2d";
    case LayerKind::kAveragePool:
      return "AvgPool2d";
    case LayerKind::kGlobalAveragePool:
      return "AdaptiveAvgPool2d";
    case LayerKind::kFlatten:
      return "Flatten";
    case LayerKind::kLinear:
      return "Linear";
  }
  return "?";
}

std::int64_t Graph::Parameters() const {
  return std::accumulate(
      layers.begin(), layers.end(), std::int64_t{0},
      [](std::int64_t sum, const Layer& layer) { return sum + layer.parameters; });
}

std::int64_t Graph::Macs() const {
  return std::accumulate(layers.begin(), layers.end(), std::int64_t{0},
                         [](std::int64_t sum, const Layer& layer) { return sum + layer.macs; });
}

GraphBuilder::GraphBuilder(std::int64_t channels, std::int64_t height, std::int64_t width) {
  if (height < 1 || width < 1) {
    problem_ = fmt::format("An image of {} x {} pixels is empty.", width, height);
  }
  Append({.kind = LayerKind::kInput, .name = "input", .shape = {channels, height, width}});
}

int GraphBuilder::Conv(int input, std::string name, std::int64_t out_channels, std::int64_t kernel,
                       std::int64_t stride, std::int64_t padding, std::int64_t groups, bool bias) {
  const std::int64_t in_channels = ShapeOf(input).at(0);
  const int index = Window(LayerKind::kConv, input, std::move(name), kernel, stride, padding);
  Layer& layer = graph_.layers.back();
  layer.groups = groups;
  layer.bias = bias;
  layer.shape[0] = out_channels;
  const std::int64_t weights = out_channels * (in_channels / groups) * kernel * kernel;
  layer.parameters = weights + (bias ? out_channels : 0);
  layer.macs = weights * layer.shape[1] * layer.shape[2];
  return index;
}

int GraphBuilder::BatchNorm(int input, std::string name, double epsilon) {
  const std::vector<std::int64_t> shape = ShapeOf(input);
  return Append({.kind = LayerKind::kBatchNorm,
                 .name = std::move(name),
                 .inputs = {input},
                 .shape = shape,
                 .epsilon = epsilon,
                 .parameters = 2 * shape[0]});
}

int GraphBuilder::Relu(int input, std::string name) {
  return Append({.kind = LayerKind::kRelu,
                 .name = std::move(name),
                 .inputs = {input},
                 .shape = ShapeOf(input)});
}

int GraphBuilder::Add(int left, int right, std::string name) {
  if (problem_.empty()) ROOST_CHECK(ShapeOf(left) == ShapeOf(right));
  return Append({.kind = LayerKind::kAdd,
                 .name = std::move(name),
                 .inputs = {left, right},
                 .shape = ShapeOf(left)});
}

int GraphBuilder::Concat(std::vector<int> inputs, std::string name) {
  std::vector<std::int64_t> shape = ShapeOf(inputs.at(0));
  for (std::size_t i = 1; i < inputs.size(); ++i) shape[0] += ShapeOf(inputs[i])[0];
  return Append({.kind = LayerKind::kConcat,
                 .name = std::move(name),
                 .inputs = std::move(inputs),
                 .shape = std::move(shape)});
}

int GraphBuilder::MaxPool(int input, std::string name, std::int64_t kernel, std::int64_t stride,
                          std::int64_t padding) {
  return Window(LayerKind::kMaxPool, input, std::move(name), kernel, stride, padding);
}

int GraphBuilder::AveragePool(int input, std::string name, std::int64_t kernel,
                              std::int64_t stride) {
  return Window(LayerKind::kAveragePool, input, std::move(name), kernel, stride, 0);
}

int GraphBuilder::GlobalAveragePool(int input, std::string name) {
  return Append({.kind = LayerKind::kGlobalAveragePool,
                 .name = std::move(name),
                 .inputs = {input},
                 .shape = {ShapeOf(input)[0], 1, 1}});
}

int GraphBuilder::Flatten(int input, std::string name) {
  const auto& shape = ShapeOf(input);
  return Append({.kind = LayerKind::kFlatten,
                 .name = std::move(name),
                 .inputs = {input},
                 .shape = {shape[0] * shape[1] * shape[2]}});
}

int GraphBuilder::Linear(int input, std::string name, std::int64_t out_features, bool bias) {
  const std::int64_t weights = ShapeOf(input).at(0) * out_features;
  return Append({.kind = LayerKind::kLinear,
                 .name = std::move(name),
                 .inputs = {input},
                 .shape = {out_features},
                 .bias = bias,
                 .parameters = weights + (bias ? out_features : 0),
                 .macs = weights});
}

Result<Graph> GraphBuilder::Finish() {
  if (!problem_.empty()) return Invalid("image_size", problem_);
  return std::move(graph_);
}

const std::vector<std::int64_t>& GraphBuilder::ShapeOf(int layer) const {
  return graph_.layers.at(static_cast<std::size_t>(layer)).shape;
}

std::int64_t GraphBuilder::Side(std::int64_t side, std::int64_t kernel, std::int64_t stride,
                                std::int64_t padding, const std::string& name) {
  if (side + 2 * padding < kernel) {
    if (problem_.empty()) {
      const auto& image = graph_.layers.front().shape;
      problem_ = fmt::format(
          "Images of {} x {} pixels are too small for this model: nothing is left for layer '{}'. "
          "Use larger images.",
          image[2], image[1], name);
    }
    return 1;
  }
  return (side + 2 * padding - kernel) / stride + 1;
}

int GraphBuilder::Window(LayerKind kind, int input, std::string name, std::int64_t kernel,
                         std::int64_t stride, std::int64_t padding) {
  const std::vector<std::int64_t> shape = ShapeOf(input);
  const std::int64_t height = Side(shape.at(1), kernel, stride, padding, name);
  const std::int64_t width = Side(shape.at(2), kernel, stride, padding, name);
  return Append({.kind = kind,
                 .name = std::move(name),
                 .inputs = {input},
                 .shape = {shape[0], height, width},
                 .kernel = kernel,
                 .stride = stride,
                 .padding = padding});
}

int GraphBuilder::Append(Layer layer) {
  graph_.layers.push_back(std::move(layer));
  return static_cast<int>(graph_.layers.size()) - 1;
}

}  // namespace roost::trainer
