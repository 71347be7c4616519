#include "trainer/images/operations.h"

#include <cmath>
#include <map>

#include "trainer/images/colour.h"
#include "trainer/images/flip.h"
#include "trainer/images/images_test_support.h"

namespace roost::trainer {
namespace {

namespace op = operations;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Image Pixel(std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  return {1, 1, {red, green, blue}};
}

// Golden values of Pillow 13.
TEST(OperationsTest, ColoursAsPillow) {
  const Image pixel = Pixel(200, 100, 50);
  EXPECT_EQ(ToGrayscale(pixel), Pixel(124, 124, 124));
  EXPECT_EQ(AdjustBrightness(pixel, 0.5), Pixel(100, 50, 25));
  EXPECT_EQ(AdjustBrightness(pixel, 2), Pixel(255, 200, 100));
  EXPECT_EQ(AdjustSaturation(pixel, 0), Pixel(124, 124, 124));
  EXPECT_EQ(AdjustContrast(pixel, 0), Pixel(124, 124, 124));
  EXPECT_EQ(AdjustContrast(pixel, 1), pixel);
  // Half a circle on, orange is a blue.
  const Image turned = AdjustHue(pixel, 0.5);
  EXPECT_GT(turned.pixels[2], turned.pixels[0]);
  EXPECT_EQ(turned.pixels[2], 200);
}

TEST(OperationsTest, SizesAsTorchvision) {
  EXPECT_THAT(ShorterSideTo(500, 375, 256), ElementsAre(341, 256));
  EXPECT_THAT(ShorterSideTo(375, 500, 256), ElementsAre(256, 341));
  EXPECT_THAT(ShorterSideTo(100, 100, 7), ElementsAre(7, 7));
}

TEST(OperationsTest, CropsAndPads) {
  const Image image = TestPicture(7, 5);
  EXPECT_EQ(CropImage(image, {0, 0, 7, 5}), image);
  EXPECT_EQ(CropImage(PadImage(image, 1, 2, 3, 4), {1, 2, 7, 5}), image);
  EXPECT_EQ(CropImage(image, {20, 20, 2, 2}), Image::Blank(2, 2));
  // 7 - 4 = 3 leaves 1.5 on each side, which rounds to the even 2; 5 - 4 leaves 0.5, so 0.
  EXPECT_EQ(CenterCropImage(image, 4, 4), CropImage(image, {2, 0, 4, 4}));
  // One of three missing rows goes above.
  EXPECT_EQ(CenterCropImage(image, 7, 8), CropImage(image, {0, -1, 7, 8}));
}

TEST(OperationsTest, TurnsByQuarters) {
  const Image square = TestPicture(6, 6);
  EXPECT_EQ(Rotate(square, 360), square);
  EXPECT_EQ(Rotate(Rotate(square, 90), -90), square);
  EXPECT_EQ(Rotate(square, 90).Row(5)[0], square.Row(0)[0]);  // counter-clockwise
  EXPECT_EQ(Rotate(square, 180), FlipVertically(FlipHorizontally(square)));
  EXPECT_EQ(WarpAffine(square, AffineOf(6, 6, 90)), Rotate(square, -90));  // clockwise
  EXPECT_EQ(Rotate(Image::Blank(20, 20, 200), 45).Row(0)[0], 0);           // black outside
}

TEST(OperationsTest, PerspectiveMovesCorners) {
  const Image image = TestPicture(40, 30);
  const Corners same{{{0, 0}, {39, 0}, {39, 29}, {0, 29}}};
  EXPECT_LE(LargestDifference(MoveCorners(image, same), image), 1);
  PerspectiveMap map;
  const Corners moved{{{4, 3}, {35, 1}, {38, 27}, {2, 25}}};
  ASSERT_TRUE(PerspectiveOf(same, moved, map));
  for (std::size_t i = 0; i < 4; ++i) {
    const auto [x, y] = moved[i];
    const double by = map[6] * x + map[7] * y + 1;
    EXPECT_NEAR((map[0] * x + map[1] * y + map[2]) / by, same[i].x, 1e-9);
    EXPECT_NEAR((map[3] * x + map[4] * y + map[5]) / by, same[i].y, 1e-9);
  }
  EXPECT_EQ(MoveCorners(TestPicture(1, 9), {}), TestPicture(1, 9));
}

TEST(OperationsTest, RandomResizedCropKeepsScaleAndRatio) {
  const op::RandomResizedCrop crop{224};
  double shares = 0;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    Random random(1, 0, i);
    const Rect rect = Draw(crop, 500, 375, random);
    ASSERT_TRUE(rect.left >= 0 && rect.top >= 0 && rect.left + rect.width <= 500 &&
                rect.top + rect.height <= 375);
    const double share = rect.width * rect.height / (500.0 * 375);
    const double ratio = double(rect.width) / rect.height;
    EXPECT_TRUE(share > 0.079 && share < 1.001 && ratio > 0.73 && ratio < 1.36);
    shares += share;
  }
  // The mean of 40,000 draws of torchvision's algorithm in Python; large crops fit less often, so
  // it is below the middle of the scale.
  EXPECT_NEAR(shares / 2000, 0.434, 0.02);
  // What fits no ratio is cut from the middle.
  Random random(1, 0, 0);
  EXPECT_EQ(Draw(crop, 1000, 10, random), (Rect{493, 0, 13, 10}));
}

TEST(OperationsTest, RandomCropsReachAllPlaces) {
  std::map<int, int> lefts;
  for (std::uint64_t i = 0; i < 3000; ++i) {
    Random random(1, 0, i);
    ++lefts[Draw(op::RandomCrop{4}, 6, 4, random).left];
  }
  ASSERT_EQ(lefts.size(), 3U);
  for (const auto& [left, count] : lefts) EXPECT_NEAR(count, 1000, 120) << left;
}

TEST(OperationsTest, ColorJitterDrawsWhatItHas) {
  std::map<int, int> firsts;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    Random random(1, 0, i);
    const op::ColorChange change = Draw(op::ColorJitter::Of(0.4, 0, 2, 0.1), random);
    EXPECT_TRUE(*change.brightness >= 0.6 && *change.brightness <= 1.4);
    EXPECT_FALSE(change.contrast);
    EXPECT_TRUE(*change.saturation >= 0 && *change.saturation <= 3);
    EXPECT_TRUE(std::abs(*change.hue) <= 0.1);
    ++firsts[change.order[0]];
  }
  ASSERT_EQ(firsts.size(), 4U);
  for (const auto& [which, count] : firsts) EXPECT_NEAR(count, 500, 90) << which;
  Random random(1, 0, 0);
  EXPECT_EQ(ValueOf(Apply(op::ColorJitter{}, TestPicture(9, 9), random)), TestPicture(9, 9));
}

TEST(OperationsTest, PerspectiveCornersStayInTheirQuarter) {
  int left_alone = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    Random random(1, 0, i);
    const auto corners = Draw(op::RandomPerspective{}, 100, 60, random);
    if (!corners) {
      ++left_alone;
      continue;
    }
    EXPECT_TRUE((*corners)[0].x <= 25 && (*corners)[0].y <= 15);
    EXPECT_TRUE((*corners)[2].x >= 74 && (*corners)[2].x <= 99);
    EXPECT_TRUE((*corners)[2].y >= 44 && (*corners)[2].y <= 59);
  }
  EXPECT_NEAR(left_alone, 500, 70);
}

TEST(OperationsTest, EveryOperationRunsOnEverySize) {
  const std::vector<Operation> all{op::Resize{12},
                                   op::CenterCrop{8},
                                   op::Pad{3},
                                   op::ColorJitter::Of(1, 1, 1, 0.5),
                                   op::Grayscale{},
                                   op::RandomResizedCrop{10},
                                   op::RandomCrop{1},
                                   op::RandomHorizontalFlip{1},
                                   op::RandomVerticalFlip{1},
                                   op::RandomRotation{90},
                                   op::RandomAffine{90},
                                   op::RandomGrayscale{1},
                                   op::RandomPerspective{0.5, 1}};
  ASSERT_EQ(all.size(), std::variant_size_v<Operation>);
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].index(), i);
    EXPECT_TRUE(Check(all[i]));
    for (const auto& [width, height] : {std::pair{1, 1}, {1, 30}, {2, 3}, {41, 17}}) {
      Random random(1, 0, 0);
      const Image image = ValueOf(Apply(all[i], TestPicture(width, height), random));
      EXPECT_GT(image.width * image.height, 0) << NameOf(all[i]);
    }
  }
  EXPECT_EQ(NameOf(all[0]), "Resize");
  EXPECT_EQ(NameOf(all[5]), "RandomResizedCrop");
  EXPECT_EQ(NameOf(all[12]), "RandomPerspective");
}

TEST(OperationsTest, ApplyDependsOnTheKeyAlone) {
  const Image image = TestPicture(60, 50);
  Random a(1, 2, 3), b(1, 2, 3), c(1, 2, 4);
  const Operation crop = op::RandomResizedCrop{32};
  const Image first = ValueOf(Apply(crop, image, a));
  EXPECT_EQ(ValueOf(Apply(crop, image, b)), first);
  EXPECT_NE(ValueOf(Apply(crop, image, c)), first);
}

TEST(OperationsTest, WhatCannotRunSaysWhy) {
  Random random(1, 0, 0);
  const Result<Image> crop = Apply(op::RandomCrop{224}, TestPicture(100, 300), random);
  ASSERT_FALSE(crop);
  EXPECT_THAT(crop.error().message, HasSubstr("larger than the image of 100 x 300"));
  const Result<Image> resize = Apply(op::Resize{256}, Image::Blank(1, 60000), random);
  ASSERT_FALSE(resize);
  EXPECT_EQ(resize.error().code, ErrorCode::kTooLarge);

  for (const Operation& wrong : std::vector<Operation>{
           op::Resize{0}, op::CenterCrop{-1}, op::Pad{-1}, op::RandomCrop{20000},
           op::RandomHorizontalFlip{1.5}, op::RandomRotation{-1}, op::RandomAffine{NAN},
           op::RandomPerspective{2, 0.5}, op::RandomResizedCrop{10, {1, 0.5}},
           op::ColorJitter{{}, {}, {}, op::Range{-0.7, 0.1}}}) {
    const Status status = Check(wrong);
    ASSERT_FALSE(status) << NameOf(wrong);
    EXPECT_THAT(status.error().message, HasSubstr("The operation " + std::string(NameOf(wrong))));
  }
}

}  // namespace
}  // namespace roost::trainer
