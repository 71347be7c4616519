#include "trainer/models/export.h"

#include <map>
#include <span>

#include "base/check.h"
#include "trainer/onnx/onnx_writer.h"

namespace roost::trainer {
namespace {

class Exporter {
 public:
  Exporter(const Classifier& model, const OnnxExportOptions& options)
      : options_(options), onnx_(model.options().name) {
    for (auto& [name, tensor] : model.CopiedState()) {
      weights_.emplace(name, tensor.to(at::kFloat));
    }
    for (const auto& [key, value] : options.metadata) onnx_.SetMetadata(key, value);
  }

  Status Export(const Graph& graph, const std::filesystem::path& path) {
    for (const Layer& layer : graph.layers) {
      const bool last = &layer == &graph.layers.back();
      outputs_.push_back(Append(layer, last));
    }
    onnx_.AddOutput(outputs_.back(), {kBatch, graph.layers.back().shape.at(0)});
    return onnx_.Write(path);
  }

 private:
  static inline const std::string kBatch = "N";

  // Returns the name of the layer's output.
  std::string Append(const Layer& layer, bool last) {
    const std::string& name = layer.name;
    std::vector<std::string> in;
    for (const int input : layer.inputs) in.push_back(outputs_.at(static_cast<std::size_t>(input)));
    const OnnxPair strides{layer.stride, layer.stride};
    const OnnxPair padding{layer.padding, layer.padding};
    const OnnxPool pool{
        .kernel = {layer.kernel, layer.kernel}, .strides = strides, .padding = padding};
    switch (layer.kind) {
      case LayerKind::kInput:
        return onnx_.AddInput(options_.input_name,
                              {kBatch, layer.shape[0], layer.shape[1], layer.shape[2]});
      case LayerKind::kConv: {
        const OnnxConv conv{.strides = strides, .padding = padding, .groups = layer.groups};
        return onnx_.Conv(name, in[0], Weight(name + ".weight"),
                          layer.bias ? Weight(name + ".bias") : "", conv);
      }
      case LayerKind::kBatchNorm:
        return onnx_.BatchNormalization(name, in[0], Weight(name + ".weight"),
                                        Weight(name + ".bias"), Weight(name + ".running_mean"),
                                        Weight(name + ".running_var"),
                                        static_cast<float>(layer.epsilon));
      case LayerKind::kRelu:
        return onnx_.Relu(name, in[0]);
      case LayerKind::kAdd:
        return onnx_.Add(name, in[0], in[1]);
      case LayerKind::kConcat:
        return onnx_.Concat(name, std::move(in));
      case LayerKind::kMaxPool:
        return onnx_.MaxPool(name, in[0], pool);
      case LayerKind::kAveragePool:
        return onnx_.AveragePool(name, in[0], pool);
      case LayerKind::kGlobalAveragePool:
        return onnx_.GlobalAveragePool(name, in[0]);
      case LayerKind::kFlatten:
        return onnx_.Flatten(name, in[0]);
      case LayerKind::kLinear:
        return onnx_.Gemm(last ? options_.output_name : name, in[0], Weight(name + ".weight"),
                          layer.bias ? Weight(name + ".bias") : "");
    }
    ROOST_CHECK(!"a kind of layer");
    return "";
  }

  std::string Weight(const std::string& name) {
    const at::Tensor& tensor = weights_.at(name);
    return onnx_.AddInitializer(name, tensor.sizes().vec(),
                                std::span<const float>(tensor.const_data_ptr<float>(),
                                                       static_cast<std::size_t>(tensor.numel())));
  }

  const OnnxExportOptions& options_;
  std::map<std::string, at::Tensor> weights_;  // alive until the file is written
  OnnxGraph onnx_;
  std::vector<std::string> outputs_;  // of the layers
};

// Names of values are one space: the ends must not be called as anything in between.
Status CheckNames(const Graph& graph, const ModelState& state, const OnnxExportOptions& options) {
  const auto check = [&](const char* field, const std::string& name) -> Status {
    if (name.empty()) return Invalid(field, "The name of a model's input or output is empty.");
    bool taken = false;
    for (std::size_t i = 1; i < graph.layers.size(); ++i) {
      taken = taken || graph.layers[i].name == name;
    }
    for (const auto& [key, tensor] : state) taken = taken || key == name;
    if (taken) {
      return Invalid(field, "'" + name +
                                "' is a layer or a weight of the model; choose another "
                                "name for its input or output.");
    }
    return {};
  };
  ROOST_TRY(check("input_name", options.input_name));
  ROOST_TRY(check("output_name", options.output_name));
  if (options.input_name == options.output_name) {
    return Invalid("output_name", "Input and output are both named '" + options.input_name + "'.");
  }
  return {};
}

}  // namespace

Status ExportOnnx(const Classifier& model, const std::filesystem::path& path,
                  const OnnxExportOptions& options) {
  ROOST_ASSIGN(const Graph graph, model.Describe(options.height, options.width));
  ROOST_TRY(CheckNames(graph, model.State(), options));
  return Exporter(model, options).Export(graph, path);
}

}  // namespace roost::trainer
