#include "trainer/models/resnet.h"

#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/max_pool2d.h>
#include <torch/nn/init.h>

#include <array>
#include <string>
#include <vector>

#include "base/check.h"
#include "trainer/models/layers.h"

namespace roost::trainer {
namespace {

using torch::nn::BatchNorm2d;
using torch::nn::Conv2d;

struct Architecture {
  std::string_view name;
  bool bottleneck;
  std::array<int, 4> blocks;
  std::int64_t groups = 1;
  std::int64_t width = 64;  // of one group of a bottleneck, in the first stage
};

constexpr std::array kArchitectures = {
    Architecture{"resnet18", false, {2, 2, 2, 2}},
    Architecture{"resnet34", false, {3, 4, 6, 3}},
    Architecture{"resnet50", true, {3, 4, 6, 3}},
    Architecture{"resnet101", true, {3, 4, 23, 3}},
    Architecture{"resnet152", true, {3, 8, 36, 3}},
    Architecture{"resnext50_32x4d", true, {3, 4, 6, 3}, 32, 4},
    Architecture{"resnext101_32x8d", true, {3, 4, 23, 3}, 32, 8},
    Architecture{"wide_resnet50_2", true, {3, 4, 6, 3}, 1, 128},
    Architecture{"wide_resnet101_2", true, {3, 4, 23, 3}, 1, 128},
};

// A projection for the shortcut where shapes change.
class Downsample : public torch::nn::Module {
 public:
  Downsample(std::int64_t in_channels, std::int64_t out_channels, std::int64_t stride)
      : conv_(register_module("0", MakeConv(in_channels, out_channels, 1, stride))),
        norm_(register_module("1", BatchNorm2d(out_channels))) {}

  at::Tensor forward(const at::Tensor& x) { return Norm(norm_, Convolve(conv_, x)); }
  int Describe(GraphBuilder& graph, int x, const std::string& prefix) const {
    return DescribeNorm(graph, DescribeConv(graph, x, prefix + "0", conv_), prefix + "1", norm_);
  }

 private:
  Conv2d conv_;
  BatchNorm2d norm_;
};

// relu(branch(x) + shortcut(x))
class Block : public torch::nn::Module {
 public:
  virtual at::Tensor forward(const at::Tensor& x) = 0;
  virtual int Describe(GraphBuilder& graph, int x, const std::string& prefix) const = 0;
  virtual at::Tensor LastNormWeight() const = 0;

 protected:
  // torch registers the shortcut after the branch but draws its weights first.
  void RegisterDownsample(std::shared_ptr<Downsample> downsample) {
    if (downsample) downsample_ = register_module("downsample", std::move(downsample));
  }
  at::Tensor Shortcut(const at::Tensor& x) { return downsample_ ? downsample_->forward(x) : x; }
  int DescribeSum(GraphBuilder& graph, int x, int branch, const std::string& prefix) const {
    const int shortcut = downsample_ ? downsample_->Describe(graph, x, prefix + "downsample.") : x;
    return graph.Relu(graph.Add(branch, shortcut, prefix + "add"), prefix + "relu_out");
  }

 private:
  std::shared_ptr<Downsample> downsample_;
};

class BasicBlock : public Block {
 public:
  static constexpr std::int64_t kExpansion = 1;

  BasicBlock(std::int64_t in_channels, std::int64_t planes, std::int64_t stride,
             const Architecture&, std::shared_ptr<Downsample> downsample)
      : conv1_(register_module("conv1", MakeConv(in_channels, planes, 3, stride, 1))),
        bn1_(register_module("bn1", BatchNorm2d(planes))),
        conv2_(register_module("conv2", MakeConv(planes, planes, 3, 1, 1))),
        bn2_(register_module("bn2", BatchNorm2d(planes))) {
    RegisterDownsample(std::move(downsample));
  }

  at::Tensor forward(const at::Tensor& x) override {
    at::Tensor y = NormRelu(bn1_, Convolve(conv1_, x));
    y = Convolve(conv2_, y);
    return NormAddRelu(bn2_, y, Shortcut(x));
  }

  int Describe(GraphBuilder& graph, int x, const std::string& prefix) const override {
    int y = DescribeConv(graph, x, prefix + "conv1", conv1_);
    y = graph.Relu(DescribeNorm(graph, y, prefix + "bn1", bn1_), prefix + "relu1");
    y = DescribeConv(graph, y, prefix + "conv2", conv2_);
    return DescribeSum(graph, x, DescribeNorm(graph, y, prefix + "bn2", bn2_), prefix);
  }

  at::Tensor LastNormWeight() const override { return bn2_->weight; }

 private:
  Conv2d conv1_;
  BatchNorm2d bn1_;
  Conv2d conv2_;
  BatchNorm2d bn2_;
};

class Bottleneck : public Block {
 public:
  static constexpr std::int64_t kExpansion = 4;

  Bottleneck(std::int64_t in_channels, std::int64_t planes, std::int64_t stride,
             const Architecture& architecture, std::shared_ptr<Downsample> downsample)
      : Bottleneck(in_channels, planes * architecture.width / 64 * architecture.groups,
                   planes * kExpansion, stride, architecture.groups, std::move(downsample)) {}

  at::Tensor forward(const at::Tensor& x) override {
    at::Tensor y = NormRelu(bn1_, Convolve(conv1_, x));
    y = NormRelu(bn2_, Convolve(conv2_, y));
    y = Convolve(conv3_, y);
    return NormAddRelu(bn3_, y, Shortcut(x));
  }

  int Describe(GraphBuilder& graph, int x, const std::string& prefix) const override {
    int y = DescribeConv(graph, x, prefix + "conv1", conv1_);
    y = graph.Relu(DescribeNorm(graph, y, prefix + "bn1", bn1_), prefix + "relu1");
    y = DescribeConv(graph, y, prefix + "conv2", conv2_);
    y = graph.Relu(DescribeNorm(graph, y, prefix + "bn2", bn2_), prefix + "relu2");
    y = DescribeConv(graph, y, prefix + "conv3", conv3_);
    return DescribeSum(graph, x, DescribeNorm(graph, y, prefix + "bn3", bn3_), prefix);
  }

  at::Tensor LastNormWeight() const override { return bn3_->weight; }

 private:
  Bottleneck(std::int64_t in_channels, std::int64_t width, std::int64_t out_channels,
             std::int64_t stride, std::int64_t groups, std::shared_ptr<Downsample> downsample)
      : conv1_(register_module("conv1", MakeConv(in_channels, width, 1))),
        bn1_(register_module("bn1", BatchNorm2d(width))),
        conv2_(register_module("conv2", MakeConv(width, width, 3, stride, 1, groups))),
        bn2_(register_module("bn2", BatchNorm2d(width))),
        conv3_(register_module("conv3", MakeConv(width, out_channels, 1))),
        bn3_(register_module("bn3", BatchNorm2d(out_channels))) {
    RegisterDownsample(std::move(downsample));
  }

  Conv2d conv1_;
  BatchNorm2d bn1_;
  Conv2d conv2_;
  BatchNorm2d bn2_;
  Conv2d conv3_;
  BatchNorm2d bn3_;
};

// Blocks named "0", "1", ...
class Stage : public torch::nn::Module {
 public:
  void Append(const std::shared_ptr<Block>& block) {
    blocks_.push_back(register_module(std::to_string(blocks_.size()), block));
  }
  at::Tensor forward(at::Tensor x) {
    for (const auto& block : blocks_) x = block->forward(x);
    return x;
  }
  int Describe(GraphBuilder& graph, int x, const std::string& prefix) const {
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      x = blocks_[i]->Describe(graph, x, prefix + std::to_string(i) + ".");
    }
    return x;
  }
  const std::vector<std::shared_ptr<Block>>& blocks() const { return blocks_; }

 private:
  std::vector<std::shared_ptr<Block>> blocks_;
};

class ResNet : public Network {
 public:
  ResNet(const Architecture& architecture, std::int64_t num_classes, bool zero_init_residual)
      : conv1_(register_module("conv1", MakeConv(3, 64, 7, 2, 3))),
        bn1_(register_module("bn1", BatchNorm2d(64))) {
    std::int64_t channels = 64;
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      const std::int64_t planes = std::int64_t{64} << i;
      stages_[i] = register_module(
          "layer" + std::to_string(i + 1),
          architecture.bottleneck ? MakeStage<Bottleneck>(architecture, channels, planes,
                                                          architecture.blocks[i], i == 0 ? 1 : 2)
                                  : MakeStage<BasicBlock>(architecture, channels, planes,
                                                          architecture.blocks[i], i == 0 ? 1 : 2));
    }
    fc_ = register_module("fc", torch::nn::Linear(channels, num_classes));
    Initialise(zero_init_residual);
  }

  at::Tensor forward(const at::Tensor& images) override {
    at::Tensor x = NormRelu(bn1_, Convolve(conv1_, images));
    x = at::max_pool2d(x, 3, 2, 1);
    for (const auto& stage : stages_) x = stage->forward(x);
    return fc_->forward(at::adaptive_avg_pool2d(x, {1, 1}).flatten(1));
  }

  int Describe(GraphBuilder& graph, int input, const std::string& prefix) const override {
    int x = DescribeConv(graph, input, prefix + "conv1", conv1_);
    x = graph.Relu(DescribeNorm(graph, x, prefix + "bn1", bn1_), prefix + "relu");
    x = graph.MaxPool(x, prefix + "maxpool", 3, 2, 1);
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      x = stages_[i]->Describe(graph, x, prefix + "layer" + std::to_string(i + 1) + ".");
    }
    x = graph.Flatten(graph.GlobalAveragePool(x, prefix + "avgpool"), prefix + "flatten");
    return DescribeLinear(graph, x, prefix + "fc", fc_);
  }

 private:
  template <class B>
  static std::shared_ptr<Stage> MakeStage(const Architecture& architecture, std::int64_t& channels,
                                          std::int64_t planes, int blocks, std::int64_t stride) {
    auto stage = std::make_shared<Stage>();
    for (int i = 0; i < blocks; ++i) {
      std::shared_ptr<Downsample> downsample;
      if (i == 0 && (stride != 1 || channels != planes * B::kExpansion)) {
        downsample = std::make_shared<Downsample>(channels, planes * B::kExpansion, stride);
      }
      stage->Append(std::make_shared<B>(channels, planes, i == 0 ? stride : 1, architecture,
                                        std::move(downsample)));
      channels = planes * B::kExpansion;
    }
    return stage;
  }

  // He initialisation over the outgoing connections; norms start as 1 and 0, the last layer as
  // torch's linear layers do.
  void Initialise(bool zero_init_residual) {
    for (const auto& module : modules(/*include_self=*/false)) {
      if (auto* conv = module->as<torch::nn::Conv2dImpl>()) {
        torch::nn::init::kaiming_normal_(conv->weight, 0, torch::kFanOut, torch::kReLU);
      }
    }
    if (!zero_init_residual) return;
    for (const auto& stage : stages_) {
      for (const auto& block : stage->blocks()) torch::nn::init::zeros_(block->LastNormWeight());
    }
  }

  Conv2d conv1_;
  BatchNorm2d bn1_;
  std::array<std::shared_ptr<Stage>, 4> stages_;
  torch::nn::Linear fc_{nullptr};
};

}  // namespace

std::shared_ptr<Network> MakeResNet(std::string_view name, std::int64_t num_classes,
                                    bool zero_init_residual) {
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.name == name) {
      return std::make_shared<ResNet>(architecture, num_classes, zero_init_residual);
    }
  }
  ROOST_CHECK(!"a ResNet");
  return nullptr;
}

}  // namespace roost::trainer
