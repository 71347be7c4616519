#include "trainer/models/densenet.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/max_pool2d.h>
#include <torch/nn/init.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "trainer/models/layers.h"
#include "trainer/models/recomputed.h"

namespace roost::trainer {
namespace {

using torch::nn::BatchNorm2d;
using torch::nn::Conv2d;

struct Architecture {
  std::string_view name;
  std::int64_t growth_rate;
  std::array<int, 4> layers;  // of each dense block
  std::int64_t first_channels;
};

constexpr std::array kArchitectures = {
    Architecture{"densenet121", 32, {6, 12, 24, 16}, 64},
    Architecture{"densenet161", 48, {6, 12, 36, 24}, 96},
    Architecture{"densenet169", 32, {6, 12, 32, 32}, 64},
    Architecture{"densenet201", 32, {6, 12, 48, 32}, 64},
};
constexpr std::int64_t kBottleneckSize = 4;  // times the growth rate

// From all earlier feature maps of its block to `growth_rate` new ones.
class DenseLayer : public torch::nn::Module {
 public:
  DenseLayer(std::int64_t in_channels, std::int64_t growth_rate, bool memory_efficient)
      : norm1_(register_module("norm1", BatchNorm2d(in_channels))),
        conv1_(register_module("conv1", MakeConv(in_channels, kBottleneckSize * growth_rate, 1))),
        norm2_(register_module("norm2", BatchNorm2d(kBottleneckSize * growth_rate))),
        conv2_(register_module("conv2",
                               MakeConv(kBottleneckSize * growth_rate, growth_rate, 3, 1, 1))),
        memory_efficient_(memory_efficient) {}

  at::Tensor forward(FeatureMaps& features) {
    if (memory_efficient_ && at::GradMode::is_enabled()) {
      FeatureMaps narrow(Recomputed(features, norm1_, conv1_));
      return Recomputed(narrow, norm2_, conv2_);
    }
    const at::Tensor narrow = Convolve(conv1_, NormRelu(norm1_, features));
    return Convolve(conv2_, NormRelu(norm2_, narrow));
  }

  int Describe(GraphBuilder& graph, const std::vector<int>& features,
               const std::string& prefix) const {
    int x = features.size() == 1 ? features.front() : graph.Concat(features, prefix + "concat");
    x = graph.Relu(DescribeNorm(graph, x, prefix + "norm1", norm1_), prefix + "relu1");
    x = DescribeConv(graph, x, prefix + "conv1", conv1_);
    x = graph.Relu(DescribeNorm(graph, x, prefix + "norm2", norm2_), prefix + "relu2");
    return DescribeConv(graph, x, prefix + "conv2", conv2_);
  }

 private:
  static at::Tensor Recomputed(FeatureMaps& features, BatchNorm2d& norm, const Conv2d& conv) {
    const bool training = norm->is_training();
    if (training) norm->num_batches_tracked += 1;
    return RecomputedNormReluConv(
        features.maps(),
        {.norm = ParametersOf(norm),
         .moments = FusesNorm(norm, features.maps()) ? features.moments() : ChannelMoments(),
         .conv_weight = conv->weight,
         .padding = conv->weight.size(2) / 2,
         .training = training});
  }

  BatchNorm2d norm1_;
  Conv2d conv1_;
  BatchNorm2d norm2_;
  Conv2d conv2_;
  bool memory_efficient_;
};

// Layers named "denselayer1", "denselayer2", ...; the output is the input and all new feature maps.
class DenseBlock : public torch::nn::Module {
 public:
  DenseBlock(int layers, std::int64_t in_channels, std::int64_t growth_rate,
             bool memory_efficient) {
    for (int i = 0; i < layers; ++i) {
      layers_.push_back(
          register_module("denselayer" + std::to_string(i + 1),
                          std::make_shared<DenseLayer>(in_channels + i * growth_rate, growth_rate,
                                                       memory_efficient)));
    }
  }

  FeatureMaps forward(const at::Tensor& x) {
    FeatureMaps features(x);
    for (const auto& layer : layers_) features.Append(layer->forward(features));
    return features;
  }

  int Describe(GraphBuilder& graph, int x, const std::string& prefix) const {
    std::vector<int> features = {x};
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      features.push_back(layers_[i]->Describe(graph, features,
                                              prefix + "denselayer" + std::to_string(i + 1) + "."));
    }
    return graph.Concat(features, prefix + "concat");
  }

 private:
  std::vector<std::shared_ptr<DenseLayer>> layers_;
};

// Halves the side of the feature maps and their number.
class Transition : public torch::nn::Module {
 public:
  Transition(std::int64_t in_channels, std::int64_t out_channels)
      : norm_(register_module("norm", BatchNorm2d(in_channels))),
        conv_(register_module("conv", MakeConv(in_channels, out_channels, 1))) {}

  at::Tensor forward(FeatureMaps features) {
    return at::avg_pool2d(Convolve(conv_, NormRelu(norm_, features)), 2, 2);
  }
  int Describe(GraphBuilder& graph, int x, const std::string& prefix) const {
    x = graph.Relu(DescribeNorm(graph, x, prefix + "norm", norm_), prefix + "relu");
    return graph.AveragePool(DescribeConv(graph, x, prefix + "conv", conv_), prefix + "pool", 2, 2);
  }

 private:
  BatchNorm2d norm_;
  Conv2d conv_;
};

class Features : public torch::nn::Module {
 public:
  Features(const Architecture& architecture, bool memory_efficient)
      : conv0_(register_module("conv0", MakeConv(3, architecture.first_channels, 7, 2, 3))),
        norm0_(register_module("norm0", BatchNorm2d(architecture.first_channels))),
        channels_(architecture.first_channels) {
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      blocks_[i] =
          register_module("denseblock" + std::to_string(i + 1),
                          std::make_shared<DenseBlock>(architecture.layers[i], channels_,
                                                       architecture.growth_rate, memory_efficient));
      channels_ += architecture.layers[i] * architecture.growth_rate;
      if (i < transitions_.size()) {
        transitions_[i] = register_module("transition" + std::to_string(i + 1),
                                          std::make_shared<Transition>(channels_, channels_ / 2));
        channels_ /= 2;
      }
    }
    norm5_ = register_module("norm5", BatchNorm2d(channels_));
  }

  // torchvision applies the last ReLU outside of its features.
  at::Tensor forward(const at::Tensor& images) {
    at::Tensor x = NormRelu(norm0_, Convolve(conv0_, images));
    x = at::max_pool2d(x, 3, 2, 1);
    for (std::size_t i = 0; i < transitions_.size(); ++i) {
      x = transitions_[i]->forward(blocks_[i]->forward(x));
    }
    FeatureMaps features = blocks_.back()->forward(x);
    return NormRelu(norm5_, features);
  }

  int Describe(GraphBuilder& graph, int input, const std::string& prefix) const {
    int x = DescribeConv(graph, input, prefix + "conv0", conv0_);
    x = graph.Relu(DescribeNorm(graph, x, prefix + "norm0", norm0_), prefix + "relu0");
    x = graph.MaxPool(x, prefix + "pool0", 3, 2, 1);
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const std::string number = std::to_string(i + 1);
      x = blocks_[i]->Describe(graph, x, prefix + "denseblock" + number + ".");
      if (i < transitions_.size()) {
        x = transitions_[i]->Describe(graph, x, prefix + "transition" + number + ".");
      }
    }
    return graph.Relu(DescribeNorm(graph, x, prefix + "norm5", norm5_), prefix + "relu5");
  }

  std::int64_t channels() const { return channels_; }

 private:
  Conv2d conv0_;
  BatchNorm2d norm0_;
  std::array<std::shared_ptr<DenseBlock>, 4> blocks_;
  std::array<std::shared_ptr<Transition>, 3> transitions_;
  BatchNorm2d norm5_{nullptr};
  std::int64_t channels_;
};

class DenseNet : public Network {
 public:
  DenseNet(const Architecture& architecture, std::int64_t num_classes, bool memory_efficient)
      : features_(register_module("features",
                                  std::make_shared<Features>(architecture, memory_efficient))),
        classifier_(
            register_module("classifier", torch::nn::Linear(features_->channels(), num_classes))) {
    Initialise();
  }

  at::Tensor forward(const at::Tensor& images) override {
    const at::Tensor x = features_->forward(images);
    return classifier_->forward(at::adaptive_avg_pool2d(x, {1, 1}).flatten(1));
  }

  int Describe(GraphBuilder& graph, int input, const std::string& prefix) const override {
    int x = features_->Describe(graph, input, prefix + "features.");
    x = graph.Flatten(graph.GlobalAveragePool(x, prefix + "avgpool"), prefix + "flatten");
    return DescribeLinear(graph, x, prefix + "classifier", classifier_);
  }

 private:
  // He initialisation over the incoming connections; the last bias starts as zero.
  void Initialise() {
    for (const auto& module : modules(/*include_self=*/false)) {
      if (auto* conv = module->as<torch::nn::Conv2dImpl>()) {
        torch::nn::init::kaiming_normal_(conv->weight);
      }
    }
    torch::nn::init::zeros_(classifier_->bias);
  }

  std::shared_ptr<Features> features_;
  torch::nn::Linear classifier_;
};

}  // namespace

std::shared_ptr<Network> MakeDenseNet(std::string_view name, std::int64_t num_classes,
                                      bool memory_efficient) {
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.name == name) {
      return std::make_shared<DenseNet>(architecture, num_classes, memory_efficient);
    }
  }
  ROOST_CHECK(!"a DenseNet");
  return nullptr;
}

}  // namespace roost::trainer
