// For tests: `onnx_probe FILE` writes a model that has every operator the writer knows, with
// weights that look random and are the same each time.
#include <fmt/format.h>

#include <cstdio>
#include <deque>
#include <numeric>
#include <random>

#include "trainer/onnx/onnx_writer.h"

namespace roost::trainer {
namespace {

class Weights {
 public:
  explicit Weights(OnnxGraph* graph) : graph_(*graph) {}
  std::string Add(const std::string& name, std::vector<std::int64_t> dims, float low = -0.5F,
                  float high = 0.5F) {
    const auto count = std::accumulate(dims.begin(), dims.end(), std::int64_t{1},
                                       [](std::int64_t a, std::int64_t b) { return a * b; });
    std::vector<float>& data = kept_.emplace_back(static_cast<std::size_t>(count));
    for (float& each : data) {
      each = low + (high - low) * static_cast<float>(random_() % 10'000) / 10'000.0F;
    }
    return graph_.AddInitializer(name, std::move(dims), data);
  }
  std::string Scalar(const std::string& name, float value) {
    return graph_.AddInitializer(name, {}, kept_.emplace_back(std::vector<float>{value}));
  }

 private:
  OnnxGraph& graph_;
  std::mt19937 random_{5};
  std::deque<std::vector<float>> kept_;
};

std::string NormRelu(OnnxGraph& graph, Weights& weights, const std::string& name,
                     const std::string& input, std::int64_t channels) {
  const std::string norm = graph.BatchNormalization(
      name, input, weights.Add(name + ".weight", {channels}, 0.5F, 1.5F),
      weights.Add(name + ".bias", {channels}), weights.Add(name + ".running_mean", {channels}),
      weights.Add(name + ".running_var", {channels}, 0.5F, 2.0F), 1e-3F);
  return graph.Relu(name + ".relu", norm);
}

Status Write(const fs::path& path) {
  OnnxGraph graph("probe");
  Weights weights(&graph);
  graph.SetMetadata("classes", "ants, Bienen \xC3\xA4");
  std::string x = graph.AddInput("image", {"N", 3, 33, 29});
  x = graph.Conv("stem", x, weights.Add("stem.weight", {8, 3, 7, 7}, -0.2F, 0.2F), "",
                 {.strides = {2, 2}, .padding = {3, 3}});
  x = NormRelu(graph, weights, "norm1", x, 8);
  x = graph.MaxPool("maxpool", x, {.kernel = {3, 3}, .strides = {2, 2}, .padding = {1, 1}});
  const std::string shortcut = x;
  x = graph.Conv("grouped", x, weights.Add("grouped.weight", {8, 4, 3, 3}),
                 weights.Add("grouped.bias", {8}),
                 {.padding = {2, 2}, .dilations = {2, 2}, .groups = 2});
  x = graph.Add("sum", x, shortcut);
  x = graph.Concat("concat", {x, shortcut});
  x = NormRelu(graph, weights, "norm2", x, 16);
  x = graph.AveragePool("avgpool", x, {.kernel = {2, 2}, .strides = {2, 2}});
  const std::string padded = graph.AveragePool(
      "avgpool.padded", x,
      {.kernel = {3, 3}, .strides = {1, 1}, .padding = {1, 1}, .count_padding = false});
  x = graph.Add1("swish", "HardSwish", {padded});
  // Squeeze and excitation, as MobileNetV3 has it.
  std::string gate = graph.GlobalAveragePool("gate.pool", x);
  gate = graph.Conv("gate.fc", gate, weights.Add("gate.fc.weight", {16, 16, 1, 1}), "", {});
  gate = graph.Add1("gate.sigmoid", "HardSigmoid", {gate}, {{"alpha", 1.0F / 6.0F}});
  x = graph.Add1("gated", "Mul", {x, gate});
  x = graph.Add1("clip", "Clip", {x, weights.Scalar("low", 0.0F), weights.Scalar("high", 6.0F)});
  x = graph.Flatten("flatten", graph.GlobalAveragePool("pool", x));
  x = graph.Gemm("fc", x, weights.Add("fc.weight", {5, 16}), weights.Add("fc.bias", {5}));
  graph.AddOutput(x, {"N", 5});
  return graph.Write(path);
}

}  // namespace
}  // namespace roost::trainer

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "Usage: onnx_probe FILE\n");
    return 2;
  }
  const roost::Status status = roost::trainer::Write(argv[1]);
  if (!status) fmt::print(stderr, "{}\n", status.error().message);
  return status ? 0 : 1;
}
