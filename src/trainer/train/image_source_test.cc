#include "trainer/train/image_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <sstream>

#include "trainer/images/resize.h"
#include "trainer/train/images_test_fixture.h"

namespace roost::trainer {
namespace {

std::vector<std::uint8_t> Fill(const ImageSource& source, std::size_t index) {
  std::vector<std::uint8_t> sample(source.sample_bytes());
  EXPECT_OK(source.Fill(index, sample.data()));
  return sample;
}

class ImageSourceTest : public ImagesTest {
 protected:
  std::unique_ptr<const ImageCache> Cache(const ImageDirectory& images, int short_side = 0) {
    const std::atomic<bool> interrupt = false;
    return ROOST_VALUE(ImageCache::Open(folder_.path() / "cache" / "images", images,
                                        {.short_side = short_side}, interrupt,
                                        [](const std::string&) {}));
  }
};

TEST_F(ImageSourceTest, ASmallerSideShrinksWholeImagesInProportion) {
  const Image image = Noise(96, 64, 1);
  const ImageDirectory directory = Directory({image});
  const auto source = ROOST_VALUE(ImageSource::Open(directory, {}));
  EXPECT_EQ(source->full_side(), 64);
  EXPECT_EQ(Fill(*source, 0), image.pixels);
  source->SetSide(32);
  EXPECT_EQ(source->width(), 48);
  EXPECT_EQ(source->height(), 32);
  EXPECT_EQ(Fill(*source, 0), ResizeImage(image, 48, 32, Filter::kBilinear).pixels);
  source->SetSide(64);
  EXPECT_EQ(Fill(*source, 0), image.pixels);
}

TEST_F(ImageSourceTest, ASmallerSideTakesTheSameCropsAndResizesThemToLess) {
  const ImageDirectory directory = Directory({Image::Blank(90, 70, 200), Noise(50, 80, 2)});
  const auto large =
      ROOST_VALUE(ImageSource::Open(directory, {.crop = 64, .random = true, .seed = 3}));
  const auto small =
      ROOST_VALUE(ImageSource::Open(directory, {.crop = 32, .random = true, .seed = 3}));
  large->SetSide(32);
  EXPECT_EQ(Fill(*large, 0), std::vector<std::uint8_t>(32 * 32 * 3, 200));
  EXPECT_EQ(Fill(*large, 1), Fill(*small, 1));
}

TEST_F(ImageSourceTest, ACacheGivesTheSameSamplesAsTheFiles) {
  const ImageDirectory directory = Directory({Noise(90, 70, 1), Noise(90, 70, 2)});
  const auto cache = Cache(directory);
  for (const auto& [crop, random] : {std::pair{0, false}, {24, false}, {24, true}}) {
    const ImageSource::Options options{.crop = crop, .random = random, .seed = 3};
    ImageSource::Options cached = options;
    cached.cache = cache.get();
    const auto plain = ROOST_VALUE(ImageSource::Open(directory, options));
    const auto source = ROOST_VALUE(ImageSource::Open(directory, cached));
    for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
      plain->SetEpoch(epoch);
      source->SetEpoch(epoch);
      for (const std::size_t i : {0, 1}) EXPECT_EQ(Fill(*source, i), Fill(*plain, i));
    }
  }
}

// Smooth, so that what a JPEG's crop loses by being decoded smaller is little.
Image Smooth(int width, int height) {
  Image image = Image::Blank(width, height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      std::uint8_t* pixel = image.Row(y) + x * 3;
      pixel[0] = static_cast<std::uint8_t>(255 * x / width);
      pixel[1] = static_cast<std::uint8_t>(255 * y / height);
      pixel[2] = static_cast<std::uint8_t>(255 * (x + y) / (width + height));
    }
  }
  return image;
}

int LargestDifference(const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b) {
  int largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

TEST_F(ImageSourceTest, AJpegsSmallCropsAreTheSameAndItsLargeOnesClose) {
  const ImageDirectory directory = Directory({Image::Blank(2, 2)});
  Spill(directory.PathOf(0), ROOST_VALUE(EncodeJpeg(Smooth(320, 240), 90)));
  const auto cache = Cache(directory);
  for (const int crop : {200, 32}) {
    const auto plain =
        ROOST_VALUE(ImageSource::Open(directory, {.crop = crop, .random = true, .seed = 3}));
    const auto source = ROOST_VALUE(ImageSource::Open(
        directory, {.crop = crop, .random = true, .seed = 3, .cache = cache.get()}));
    for (std::uint64_t epoch = 0; epoch < 10; ++epoch) {
      plain->SetEpoch(epoch);
      source->SetEpoch(epoch);
      // A crop is decoded smaller from twice its samples' side on, which none of 400 pixels is.
      EXPECT_LE(LargestDifference(Fill(*source, 0), Fill(*plain, 0)), crop == 200 ? 0 : 4);
    }
  }
}

TEST_F(ImageSourceTest, AShrunkCacheOfTheMiddlesSizeGivesTheSameMiddle) {
  const ImageDirectory directory = Directory({Smooth(300, 200)});
  const auto cache = Cache(directory, 64);
  const auto plain = ROOST_VALUE(ImageSource::Open(directory, {.crop = 56}));
  const auto source = ROOST_VALUE(ImageSource::Open(directory, {.crop = 56, .cache = cache.get()}));
  EXPECT_EQ(Fill(*source, 0), Fill(*plain, 0));
}

std::size_t ResidentBytes() {
  std::size_t size = 0;
  std::size_t resident = 0;
  std::istringstream(Slurp("/proc/self/statm")) >> size >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

TEST_F(ImageSourceTest, ReadingManyImagesTakesTheMemoryOfFew) {
  constexpr std::size_t kImages = 200'000;
  constexpr std::size_t kRead = 40'000;
  const fs::path folder = folder_.path() / "many";
  {
    auto writer =
        ROOST_VALUE(ImageDirectoryWriter::Create(folder, ImageSchema::Classification({"a"})));
    Spill(folder / "image" / "1.ppm", TinyPpm());
    for (std::size_t i = 0; i < kImages; ++i) {
      ASSERT_TRUE(writer.Add({"image/1.ppm", 0, static_cast<std::int64_t>(i)}));
    }
    ASSERT_TRUE(writer.Finish());
  }
  const ImageDirectory images = ROOST_VALUE(ImageDirectory::Open(folder, "Training dataset"));
  // 20 bytes and the name, and as much again where the vectors have grown beyond it.
  EXPECT_LE(images.memory_bytes(), kImages * 2 * (20 + std::string("image/1.ppm").size()));
  const auto source = ROOST_VALUE(ImageSource::Open(images, {}));
  BatchLoader loader(*source, ShuffledOrder(images.size(), 1, 0),
                     {.batch_size = 100, .threads = 2});
  std::size_t before = 0;
  for (std::size_t read = 0; read < kRead; read += 100) {
    if (read == 2000) before = ResidentBytes();
    std::optional<Batch> batch = ROOST_VALUE(loader.Next());
    ASSERT_TRUE(batch);
    loader.Recycle(std::move(*batch));
  }
#ifndef __SANITIZE_ADDRESS__  // it keeps freed memory
  EXPECT_LT(ResidentBytes(), before + (1 << 20));
#endif
}

}  // namespace
}  // namespace roost::trainer
