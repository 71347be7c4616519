#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace roost::trainer {

enum class LayerKind {
  kInput,
  kConv,
  kBatchNorm,
  kRelu,
  kAdd,
  kConcat,
  kMaxPool,
  kAveragePool,
  kGlobalAveragePool,
  kFlatten,
  kLinear,
};
std::string_view ToString(LayerKind kind);  // "Conv2d", as torch names the module

// One operation of a network on one image. `inputs` are indices of earlier layers.
struct Layer {
  LayerKind kind = LayerKind::kInput;
  // Of the module in torch's notation ("layer1.0.conv1"); its weights are `name`.weight and so on.
  // Without weights it only tells operations apart.
  std::string name;
  std::vector<int> inputs{};
  std::vector<std::int64_t> shape{};  // of the output without the batch: {64, 56, 56} or {1000}
  // Square windows: convolutions and pools.
  std::int64_t kernel = 0;
  std::int64_t stride = 0;
  std::int64_t padding = 0;
  std::int64_t groups = 1;
  bool bias = false;
  double epsilon = 0;           // batch norm
  std::int64_t parameters = 0;  // trained ones; running statistics do not count
  // Multiply-accumulates of convolutions and linear layers without their biases. What else a
  // network does (norms, sums, pools) is not counted, as the figures published for these models do
  // it.
  std::int64_t macs = 0;
};

// A network as the list of its operations in an order in which they can run. Made by walking the
// modules with the shape of one image; nothing is computed. layers.front() is the input.
struct Graph {
  std::vector<Layer> layers;
  std::int64_t Parameters() const;
  std::int64_t Macs() const;
};

// Grows a graph. Every function appends one layer and returns its index. A window that does not fit
// the image makes Finish fail with the layer's name; until then the shapes stay valid.
class GraphBuilder {
 public:
  GraphBuilder(std::int64_t channels, std::int64_t height, std::int64_t width);

  int Conv(int input, std::string name, std::int64_t out_channels, std::int64_t kernel,
           std::int64_t stride, std::int64_t padding, std::int64_t groups, bool bias);
  int BatchNorm(int input, std::string name, double epsilon);
  int Relu(int input, std::string name);
  int Add(int left, int right, std::string name);
  int Concat(std::vector<int> inputs, std::string name);
  int MaxPool(int input, std::string name, std::int64_t kernel, std::int64_t stride,
              std::int64_t padding);
  int AveragePool(int input, std::string name, std::int64_t kernel, std::int64_t stride);
  int GlobalAveragePool(int input, std::string name);
  int Flatten(int input, std::string name);
  int Linear(int input, std::string name, std::int64_t out_features, bool bias);

  static constexpr int kInput = 0;
  Result<Graph> Finish();  // Requires: called once.

 private:
  const std::vector<std::int64_t>& ShapeOf(int layer) const;
  // The side of a window's output: floor((side + 2 padding - kernel) / stride) + 1.
  std::int64_t Side(std::int64_t side, std::int64_t kernel, std::int64_t stride,
                    std::int64_t padding, const std::string& name);
  int Window(LayerKind kind, int input, std::string name, std::int64_t kernel, std::int64_t stride,
             std::int64_t padding);
  int Append(Layer layer);

  Graph graph_;
  std::string problem_;
};

}  // namespace roost::trainer
