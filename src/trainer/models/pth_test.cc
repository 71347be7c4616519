#include "trainer/models/pth.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/files.h"
#include "trainer/state/pth_writer.h"

namespace roost::trainer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::unique_ptr<Classifier> MakeModel(std::int64_t classes, bool pretrained = false) {
  return Classifier::Make({.name = "resnet18", .pretrained = pretrained, .num_classes = classes})
      .value();
}

TEST(Pth, WeightsComeBackFromAFile) {
  const TempFolder folder;
  at::manual_seed(1);
  const auto from = MakeModel(3);
  const at::NoGradGuard no_history;
  (void)from->Forward(at::rand({2, 3, 32, 32}));
  from->ToChannelsLast();  // a file has them in torch's default order all the same
  for (const StateNames names : {StateNames::kTorchvision, StateNames::kDesigner}) {
    const auto to = MakeModel(3);
    const fs::path path = folder.path() / "model.pth";
    ASSERT_TRUE(SavePth(*from, path, names));
    const Status loaded = LoadPth(*to, path);
    ASSERT_TRUE(loaded) << loaded.error().message;
    const ModelState expected = from->State();
    const ModelState found = to->State();
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_TRUE(at::equal(found[i].second, expected[i].second)) << found[i].first;
    }
  }
}

TEST(Pth, ACheckpointsWeightsAreFoundInIt) {
  const TempFolder folder;
  const auto from = MakeModel(1000);
  StateDict checkpoint;
  checkpoint.Set("epoch", 3);
  checkpoint.Set("state_dict", FromTorch(from->State()).value());
  const fs::path path = folder.path() / "checkpoint.pth";
  ASSERT_TRUE(WritePth(path, checkpoint));
  const auto to = MakeModel(5, /*pretrained=*/true);
  const Status loaded = LoadBackbonePth(*to, path);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_TRUE(at::equal(to->State()[0].second, from->State()[0].second));
}

TEST(Pth, WhatDoesNotFitNamesTheFile) {
  const TempFolder folder;
  const auto from = MakeModel(3);
  const auto to = MakeModel(4);
  const fs::path path = folder.path() / "three.pth";
  ASSERT_TRUE(SavePth(*from, path));
  EXPECT_THAT(LoadPth(*to, path).error().message,
              AllOf(HasSubstr("three.pth"), HasSubstr("fc.weight: [3, 512], not [4, 512]")));
  EXPECT_THAT(LoadPth(*to, folder.path() / "none.pth").error().message, HasSubstr("none.pth"));
  std::ofstream(folder.path() / "text.pth") << "hello";
  EXPECT_THAT(LoadPth(*to, folder.path() / "text.pth").error().message, HasSubstr("text.pth"));
  StateDict numbers;
  numbers.Set("a", 1);
  ASSERT_TRUE(WritePth(folder.path() / "numbers.pth", numbers));
  EXPECT_THAT(LoadPth(*to, folder.path() / "numbers.pth").error().message,
              HasSubstr("numbers.pth"));
}

TEST(Pth, TensorsOfAllTypesKeepTheirValues) {
  for (const at::ScalarType type :
       {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kByte, at::kChar, at::kShort,
        at::kInt, at::kLong, at::kBool, at::kUInt16, at::kUInt32, at::kUInt64}) {
    const at::Tensor tensor = at::arange(6).view({2, 3}).to(type).t();  // not contiguous
    const StateTensor stored = FromTorch(tensor).value();
    EXPECT_EQ(stored.sizes, (std::vector<std::int64_t>{3, 2}));
    const at::Tensor back = ToTorch(stored);
    EXPECT_EQ(back.scalar_type(), type);
    EXPECT_TRUE(at::equal(back.to(at::kLong), tensor.to(at::kLong))) << at::toString(type);
  }
  EXPECT_EQ(ToTorch(FromTorch(at::scalar_tensor(7, at::kLong)).value()).item<std::int64_t>(), 7);
  EXPECT_EQ(ToTorch(FromTorch(at::empty({0, 3})).value()).sizes(),
            (std::vector<std::int64_t>{0, 3}));
  EXPECT_FALSE(FromTorch(at::ones({2}, at::kComplexFloat)));

  // Bytes that no tensor may point into are copied.
  const std::vector<std::byte> bytes(9, std::byte{1});
  const auto odd = StateTensor::Borrow(DType::kInt32, {2}, std::span(bytes).subspan(1, 8));
  EXPECT_EQ(ToTorch(odd)[1].item<int>(), 0x01010101);
}

}  // namespace
}  // namespace roost::trainer
