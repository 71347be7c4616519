#include "trainer/models/model.h"

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/rand.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include <cmath>
#include <map>
#include <set>

namespace roost::trainer {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::unique_ptr<Classifier> MakeModel(const ModelOptions& options) {
  at::manual_seed(1);
  auto model = Classifier::Make(options);
  EXPECT_TRUE(model) << model.error().message;
  return std::move(*model);
}

at::Tensor Find(const ModelState& state, const std::string& name) {
  for (const auto& [key, tensor] : state) {
    if (key == name) return tensor;
  }
  ADD_FAILURE() << "no tensor is named " << name;
  return at::ones({1});
}

std::vector<std::string> NamesOf(const ModelState& state, std::size_t from, std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = from; i < from + count; ++i) names.push_back(state.at(i).first);
  return names;
}

double Deviation(const at::Tensor& tensor) { return tensor.std().item<double>(); }

TEST(Model, AnUnknownNameOrOptionIsRefused) {
  const auto model = Classifier::Make({.name = "vgg16"});
  ASSERT_FALSE(model);
  EXPECT_THAT(model.error().message, HasSubstr("'vgg16' is not a supported model"));
}

TEST(Model, ResNetHasTorchvisionsNamesInItsOrder) {
  const ModelState state = MakeModel({.name = "resnet18"})->State();
  ASSERT_THAT(state, SizeIs(122));
  EXPECT_THAT(
      NamesOf(state, 0, 8),
      ElementsAre("conv1.weight", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var",
                  "bn1.num_batches_tracked", "layer1.0.conv1.weight", "layer1.0.bn1.weight"));
  EXPECT_THAT(NamesOf(state, 42, 7),
              ElementsAre("layer2.0.downsample.0.weight", "layer2.0.downsample.1.weight",
                          "layer2.0.downsample.1.bias", "layer2.0.downsample.1.running_mean",
                          "layer2.0.downsample.1.running_var",
                          "layer2.0.downsample.1.num_batches_tracked", "layer2.1.conv1.weight"));
  EXPECT_THAT(NamesOf(state, 120, 2), ElementsAre("fc.weight", "fc.bias"));
  EXPECT_THAT(Find(state, "fc.weight").sizes(), ElementsAre(1000, 512));
}

TEST(Model, DenseNetHasTorchvisionsNamesInItsOrder) {
  const ModelState state = MakeModel({.name = "densenet121", .num_classes = 7})->State();
  ASSERT_THAT(state, SizeIs(727));
  EXPECT_THAT(NamesOf(state, 0, 2), ElementsAre("features.conv0.weight", "features.norm0.weight"));
  EXPECT_EQ(state[6].first, "features.denseblock1.denselayer1.norm1.weight");
  EXPECT_EQ(state[11].first, "features.denseblock1.denselayer1.conv1.weight");
  EXPECT_EQ(state[17].first, "features.denseblock1.denselayer1.conv2.weight");
  EXPECT_THAT(
      NamesOf(state, 720, 7),
      ElementsAre("features.norm5.weight", "features.norm5.bias", "features.norm5.running_mean",
                  "features.norm5.running_var", "features.norm5.num_batches_tracked",
                  "classifier.weight", "classifier.bias"));
  EXPECT_THAT(Find(state, "features.transition1.conv.weight").sizes(), ElementsAre(128, 256, 1, 1));
  EXPECT_THAT(Find(state, "classifier.weight").sizes(), ElementsAre(7, 1024));
}

TEST(Model, BottlenecksStrideInTheirMiddleConvolution) {
  const Graph graph =
      MakeModel({.name = "resnext50_32x4d", .num_classes = 2})->Describe(224, 224).value();
  std::map<std::string, Layer> layers;
  for (const Layer& layer : graph.layers) layers.emplace(layer.name, layer);
  EXPECT_EQ(layers.at("layer2.0.conv1").stride, 1);
  EXPECT_EQ(layers.at("layer2.0.conv2").stride, 2);
  EXPECT_EQ(layers.at("layer2.0.conv2").groups, 32);
  EXPECT_THAT(layers.at("layer2.0.conv2").shape, ElementsAre(256, 28, 28));
}

TEST(Model, ConvolutionsStartWithHeNormalWeights) {
  const ModelState resnet = MakeModel({.name = "resnet50"})->State();
  // Over the outgoing connections: 512 channels, 3 x 3.
  EXPECT_NEAR(Deviation(Find(resnet, "layer4.1.conv2.weight")), std::sqrt(2.0 / (512 * 9)), 1e-4);
  EXPECT_NEAR(Deviation(Find(resnet, "layer4.0.downsample.0.weight")), std::sqrt(2.0 / 2048), 1e-4);
  EXPECT_TRUE(at::equal(Find(resnet, "layer1.0.bn3.weight"), at::ones({256})));
  EXPECT_EQ(Find(resnet, "layer1.0.bn3.bias").abs().max().item<float>(), 0);
  // Uniform within 1 / sqrt(inputs).
  EXPECT_NEAR(Deviation(Find(resnet, "fc.weight")), 1 / std::sqrt(2048 * 3.0), 1e-4);

  const ModelState densenet = MakeModel({.name = "densenet121"})->State();
  // Over the incoming ones.
  EXPECT_NEAR(Deviation(Find(densenet, "features.denseblock4.denselayer16.conv1.weight")),
              std::sqrt(2.0 / 992), 3e-4);
  EXPECT_EQ(Find(densenet, "classifier.bias").abs().max().item<float>(), 0);
}

TEST(Model, ZeroInitResidualZeroesTheLastNormOfEachBranch) {
  for (const auto& [name, last] : {std::pair{"resnet18", "bn2"}, std::pair{"resnet50", "bn3"}}) {
    int zeroed = 0;
    const auto model = MakeModel({.name = name, .zero_init_residual = true});
    for (const auto& [key, tensor] : model->Parameters()) {
      if (!key.ends_with("weight") || tensor.abs().max().item<float>() != 0) continue;
      EXPECT_THAT(key, HasSubstr(last));
      ++zeroed;
    }
    EXPECT_EQ(zeroed, name == std::string("resnet18") ? 8 : 16);
  }
}

TEST(Model, PretrainedKeepsThe1000ClassesAndAddsALayer) {
  const auto model = MakeModel({.name = "resnet18", .pretrained = true, .num_classes = 3});
  EXPECT_TRUE(model->has_added_layer());
  const ModelState state = model->State();
  EXPECT_THAT(Find(state, "fc.weight").sizes(), ElementsAre(1000, 512));
  EXPECT_EQ(state.back().first, "out_linear_model.bias");
  EXPECT_THAT(Find(state, "out_linear_model.weight").sizes(), ElementsAre(3, 1000));
  const ModelState designer = model->State(StateNames::kDesigner);
  EXPECT_EQ(designer.front().first, "model.conv1.weight");
  EXPECT_EQ(designer.back().first, "out_linear_model.bias");

  model->SetTraining(false);
  const at::NoGradGuard no_history;
  EXPECT_THAT(model->Forward(at::rand({2, 3, 32, 32})).sizes(), ElementsAre(2, 3));

  // ImageNet's weights go below the added layer, which stays.
  const auto imagenet = MakeModel({.name = "resnet18"});
  EXPECT_FALSE(imagenet->has_added_layer());
  Find(imagenet->State(), "fc.bias").fill_(0.25);
  const at::Tensor added = Find(state, "out_linear_model.weight").detach().clone();
  ASSERT_TRUE(model->LoadBackbone(imagenet->CopiedState(), "resnet18.pth"));
  EXPECT_TRUE(at::equal(Find(state, "fc.bias"), at::ones({1000}) * 0.25));
  EXPECT_TRUE(at::equal(Find(state, "out_linear_model.weight"), added));
}

TEST(Model, StateTravelsBetweenModels) {
  const auto from = MakeModel({.name = "resnet18", .num_classes = 3});
  const auto to = MakeModel({.name = "resnet18", .num_classes = 3});
  const at::Tensor images = at::rand({2, 3, 32, 32});
  const at::NoGradGuard no_history;
  Find(from->State(), "fc.bias").fill_(1);
  (void)from->Forward(images);  // moves the running statistics
  EXPECT_EQ(Find(from->State(), "bn1.num_batches_tracked").item<std::int64_t>(), 1);
  for (const StateNames names : {StateNames::kTorchvision, StateNames::kDesigner}) {
    ASSERT_TRUE(to->LoadState(from->CopiedState(names), "a copy"));
  }
  from->SetTraining(false);
  to->SetTraining(false);
  EXPECT_TRUE(at::equal(from->Forward(images), to->Forward(images)));
}

TEST(Model, ACopiedStateIsNoLongerTheModels) {
  const auto model = MakeModel({.name = "resnet18", .num_classes = 3});
  model->ToChannelsLast();
  const at::Tensor copy = Find(model->CopiedState(), "layer1.0.conv1.weight");
  EXPECT_TRUE(copy.is_contiguous());
  EXPECT_FALSE(copy.requires_grad());
  EXPECT_FALSE(Find(model->State(), "layer1.0.conv1.weight").is_contiguous());
  EXPECT_TRUE(at::equal(copy, Find(model->State(), "layer1.0.conv1.weight")));
  copy.fill_(3);
  EXPECT_FALSE(at::equal(copy, Find(model->State(), "layer1.0.conv1.weight")));
}

TEST(Model, AllThatDoesNotFitIsReportedAndNothingChanges) {
  const auto model = MakeModel({.name = "resnet18", .num_classes = 3});
  ModelState state = model->CopiedState();
  state.erase(state.begin());                        // conv1.weight
  state.emplace_back("head.weight", at::ones({1}));  // not expected
  state.emplace_back("bn1.bias", at::ones({64}));    // twice
  for (auto& [name, tensor] : state) {
    if (name == "fc.weight") tensor = at::ones({4, 512});
    if (name == "layer1.0.conv1.weight") tensor = at::ones_like(tensor) * 9;
    if (name == "fc.bias") tensor = tensor.to(at::kComplexFloat);
  }
  const Status status = model->LoadState(state, "the file weights.pth");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(
      status.error().message,
      AllOf(HasSubstr("the file weights.pth do not fit resnet18"),
            HasSubstr("1 missing (conv1.weight)"), HasSubstr("1 not expected (head.weight)"),
            HasSubstr("1 there twice (bn1.bias)"), HasSubstr("fc.weight: [4, 512], not [3, 512]"),
            HasSubstr("no real number (fc.bias)")));
  EXPECT_THAT(status.error().details, SizeIs(5));
  EXPECT_LT(Find(model->State(), "layer1.0.conv1.weight").max().item<float>(), 9);

  // Long lists are cut in the message, not in the details.
  const Status none = model->LoadState({}, "nothing");
  EXPECT_THAT(none.error().message, HasSubstr("102 missing (conv1.weight, bn1.weight, bn1.bias, "
                                              "bn1.running_mean, ...)"));
  EXPECT_THAT(none.error().details, SizeIs(102));  // batch counters may be missing together
}

TEST(Model, NamesOfOlderFilesAndWrappersAreUnderstood) {
  const auto model = MakeModel({.name = "densenet121", .num_classes = 3});
  const auto other = MakeModel({.name = "densenet121", .num_classes = 3});
  ModelState old;
  for (auto [name, tensor] : other->CopiedState()) {
    if (name.ends_with("num_batches_tracked")) continue;
    const std::size_t layer = name.find(".denselayer");
    for (const char* part : {".norm", ".conv"}) {
      const std::size_t at = layer == std::string::npos ? layer : name.find(part, layer);
      if (at != std::string::npos) name.insert(at + 5, ".");
    }
    old.emplace_back("module." + name, tensor.fill_(0.5));
  }
  Find(model->State(), "features.norm0.num_batches_tracked").fill_(7);
  const Status status = model->LoadState(old, "an old file");
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(Find(model->State(), "features.norm0.num_batches_tracked").item<std::int64_t>(), 0);
  EXPECT_EQ(
      Find(model->State(), "features.denseblock2.denselayer3.conv2.weight").mean().item<float>(),
      0.5F);

  // Counters may be missing together, not one alone.
  ModelState partial = other->CopiedState();
  std::erase_if(
      partial, [](const auto& item) { return item.first == "features.norm5.num_batches_tracked"; });
  EXPECT_THAT(model->LoadState(partial, "x").error().message,
              HasSubstr("1 missing (features.norm5.num_batches_tracked)"));
}

TEST(Model, ChannelsLastAndDoublePrecisionGiveTheSameLogits) {
  const auto model = MakeModel({.name = "resnext50_32x4d", .num_classes = 3});
  model->SetTraining(false);
  const at::NoGradGuard no_history;
  const at::Tensor images = at::rand({2, 3, 40, 48});
  const at::Tensor logits = model->Forward(images);
  const auto before = model->Parameters();
  model->ToChannelsLast();
  EXPECT_TRUE(before[0].second.is_same(model->Parameters()[0].second));
  EXPECT_TRUE(before[0].second.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(at::allclose(model->Forward(images.contiguous(at::MemoryFormat::ChannelsLast)),
                           logits, 1e-4, 1e-4));
  model->ToDtype(at::kDouble);
  EXPECT_TRUE(
      at::allclose(model->Forward(images.to(at::kDouble)), logits.to(at::kDouble), 1e-4, 1e-4));
}

TEST(Model, GradientsReachEveryParameter) {
  for (const char* name : {"resnet18", "densenet121"}) {
    const auto model = MakeModel({.name = name, .pretrained = true, .num_classes = 3});
    model->Forward(at::rand({2, 3, 64, 64})).square().sum().backward();
    for (const auto& [key, tensor] : model->Parameters()) {
      ASSERT_TRUE(tensor.grad().defined()) << key;
      EXPECT_GT(tensor.grad().abs().max().item<float>(), 0) << key;
    }
  }
}

TEST(Model, NamesAreUniqueAndTheModulesAreReachable) {
  const auto model = MakeModel({.name = "resnet34", .num_classes = 2});
  std::set<std::string> names;
  for (const auto& [name, tensor] : model->State()) EXPECT_TRUE(names.insert(name).second) << name;
  EXPECT_EQ(model->module().parameters().size(), model->Parameters().size());
  EXPECT_TRUE(model->training());
}

}  // namespace
}  // namespace roost::trainer
