#include "trainer/models/inspect.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "trainer/models/graph_run_test_support.h"
#include "trainer/models/model.h"

namespace roost::trainer {
namespace {

using ::testing::HasSubstr;

struct Published {
  const char* name;
  std::int64_t parameters;
  double giga_macs;  // at 224 x 224, as torchvision's tables have it
};

TEST(Inspect, TotalsAreThePublishedOnes) {
  for (const Published& model : {Published{"resnet18", 11'689'512, 1.814},
                                 {"resnet34", 21'797'672, 3.664},
                                 {"resnet50", 25'557'032, 4.089},
                                 {"resnet101", 44'549'160, 7.801},
                                 {"resnet152", 60'192'808, 11.514},
                                 {"resnext50_32x4d", 25'028'904, 4.230},
                                 {"resnext101_32x8d", 88'791'336, 16.414},
                                 {"wide_resnet50_2", 68'883'240, 11.398},
                                 {"wide_resnet101_2", 126'886'696, 22.753},
                                 {"densenet121", 7'978'856, 2.834},
                                 {"densenet161", 28'681'000, 7.728},
                                 {"densenet169", 14'149'480, 3.360},
                                 {"densenet201", 20'013'928, 4.291}}) {
    const auto classifier = Classifier::Make({.name = model.name});
    ASSERT_TRUE(classifier);
    const ModelFigures figures = Sum((*classifier)->Describe(224, 224).value());
    EXPECT_EQ(figures.parameters, model.parameters) << model.name;
    EXPECT_NEAR(static_cast<double>(figures.macs) * 1e-9, model.giga_macs, 0.0006) << model.name;
    EXPECT_EQ(figures.flops, 2 * figures.macs);
    std::int64_t held = 0;
    for (const auto& [name, tensor] : (*classifier)->Parameters()) held += tensor.numel();
    EXPECT_EQ(figures.parameters, held) << model.name;
  }
}

// The description is what forward does: run operation by operation it gives the same logits, and
// each output has the announced shape.
TEST(Inspect, TheDescriptionComputesWhatTheModelComputes) {
  const at::NoGradGuard no_history;
  for (const ModelOptions& options :
       {ModelOptions{.name = "resnet18", .num_classes = 4},
        ModelOptions{.name = "resnext50_32x4d", .pretrained = true, .num_classes = 4},
        ModelOptions{.name = "densenet121", .memory_efficient = true, .num_classes = 4}}) {
    at::manual_seed(5);
    const auto model = Classifier::Make(options).value();
    const at::Tensor images = at::rand({2, 3, 50, 71});
    (void)model->Forward(images);  // moves the running statistics
    model->SetTraining(false);
    const Graph graph = model->Describe(50, 71).value();
    const at::Tensor logits = RunGraph(graph, model->State(), images);
    EXPECT_TRUE(at::allclose(logits, model->Forward(images), 1e-5, 1e-5)) << options.name;
  }
}

TEST(Inspect, TheTableShowsLayersAndTotals) {
  const auto model =
      Classifier::Make({.name = "resnet18", .pretrained = true, .num_classes = 3}).value();
  const std::string table = FormatSummary(model->Describe(64, 96).value(), "resnet18");
  EXPECT_THAT(table, HasSubstr("resnet18 on one image of 96 x 64 pixels"));
  EXPECT_THAT(table, HasSubstr("64 x 32 x 48"));
  EXPECT_THAT(table, HasSubstr("layer4.0.downsample.0"));
  EXPECT_THAT(table, HasSubstr("out_linear_model"));
  EXPECT_THAT(table, HasSubstr("11,692,515 parameters"));
}

TEST(Inspect, ImagesThatAreTooSmallAreNamed) {
  const auto model = Classifier::Make({.name = "densenet121", .num_classes = 3}).value();
  EXPECT_TRUE(model->Describe(29, 29));
  const auto small = model->Describe(224, 28);
  ASSERT_FALSE(small);
  EXPECT_THAT(small.error().message, HasSubstr("28 x 224 pixels are too small"));
  EXPECT_THAT(small.error().message, HasSubstr("transition3.pool"));
  EXPECT_FALSE(model->Describe(0, 10));
  EXPECT_FALSE(model->Describe(-5, 10));
}

}  // namespace
}  // namespace roost::trainer
