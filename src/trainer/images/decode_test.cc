#include "trainer/images/decode.h"

#include "base/files.h"
#include "trainer/images/encode.h"
#include "trainer/images/images_test_support.h"
#include "trainer/images/operations.h"

namespace roost::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Error ErrorOf(const std::string& bytes, const DecodeOptions& options = {}) {
  const Result<DecodedImage> decoded = DecodeImage(bytes, options);
  EXPECT_FALSE(decoded);
  return decoded ? Error{} : decoded.error();
}

TEST(DecodeTest, PngComesBackToTheBit) {
  const Image image = TestPicture(37, 23);
  for (const int level : {0, 6, 9}) {
    const DecodedImage decoded = ValueOf(DecodeImage(ValueOf(EncodePng(image, level))));
    EXPECT_EQ(decoded.image, image);
    EXPECT_EQ(decoded.format, ImageFormat::kPng);
    EXPECT_FALSE(decoded.truncated);
  }
}

TEST(DecodeTest, JpegComesBackCloseAndSmaller) {
  Image image = Image::Blank(64, 48);
  for (int y = 0; y < 48; ++y) std::fill_n(image.Row(y), 64 * 3, static_cast<std::uint8_t>(y * 5));
  const std::string good = ValueOf(EncodeJpeg(image, 95));
  EXPECT_LT(ValueOf(EncodeJpeg(image, 20)).size(), good.size());
  EXPECT_LE(LargestDifference(ValueOf(DecodeImage(good)).image, image), 4);
}

TEST(DecodeTest, HeadersTellSizeAndFormat) {
  const Image image = TestPicture(37, 23);
  for (const auto& [bytes, format] : {std::pair{ValueOf(EncodePng(image)), ImageFormat::kPng},
                                      {ValueOf(EncodeJpeg(image)), ImageFormat::kJpeg},
                                      {std::string("P6 37 23 255\n"), ImageFormat::kPnm}}) {
    const ImageInfo info = ValueOf(ProbeImage(bytes));
    EXPECT_EQ(info.width, 37);
    EXPECT_EQ(info.height, 23);
    EXPECT_EQ(info.format, format);
  }
}

TEST(DecodeTest, NetpbmByHand) {
  const DecodedImage text = ValueOf(DecodeImage("P3 # colours\n2 1\n10\n0 5 10  10 2 3\n"));
  EXPECT_THAT(text.image.pixels, ElementsAre(0, 128, 255, 255, 51, 76));
  EXPECT_THAT(ValueOf(DecodeImage("P1 3 1 010")).image.pixels,
              ElementsAre(255, 255, 255, 0, 0, 0, 255, 255, 255));
  EXPECT_THAT(ErrorOf("P2 2 1 9 1 12").message, HasSubstr("larger than the header allows"));
  EXPECT_THAT(ErrorOf("P2 2 1 9 1 x").message, HasSubstr("not a number"));
  EXPECT_THAT(ErrorOf("P5 2 2 70000 ").message, HasSubstr("from 1 to 65535"));
  EXPECT_THAT(ErrorOf("P5 0 2 255 ").message, HasSubstr("its size is 0 x 2"));
}

TEST(DecodeTest, OtherFormatsAreNamed) {
  EXPECT_THAT(ErrorOf("GIF89a......").message, HasSubstr("format GIF are not supported"));
  EXPECT_THAT(ErrorOf(std::string("\0\0\0\x1c"
                                  "ftypavif....",
                                  16))
                  .message,
              HasSubstr("AVIF"));
  EXPECT_THAT(ErrorOf("some text").message, HasSubstr("not an image of a known format"));
  EXPECT_THAT(ErrorOf("").message, HasSubstr("empty"));
  EXPECT_FALSE(ProbeImage("GIF89a......"));
}

TEST(DecodeTest, TooManyPixelsAreRefusedBeforeTheyAreRead) {
  DecodeOptions options;
  options.limits.max_pixels = 100;
  const Image image = TestPicture(11, 10);
  for (const std::string& bytes :
       {ValueOf(EncodePng(image)), ValueOf(EncodeJpeg(image)), std::string("P6 11 10 255\n")}) {
    EXPECT_EQ(ErrorOf(bytes, options).code, ErrorCode::kTooLarge);
  }
  // A header that promises more than any memory holds.
  EXPECT_EQ(ErrorOf("P6 4000000000 4000000000 255\n").code, ErrorCode::kTooLarge);
  options.limits.max_pixels = 110;
  EXPECT_TRUE(DecodeImage(ValueOf(EncodePng(image)), options));
}

TEST(DecodeTest, FilesAreNamedInErrors) {
  TempFolder folder;
  const fs::path path = folder.path() / "a.jpg";
  ASSERT_TRUE(WriteFileAtomic(path, ValueOf(EncodePng(TestPicture(11, 10)))));
  EXPECT_EQ(ValueOf(DecodeImageFile(path)).format, ImageFormat::kPng);

  DecodeOptions options;
  options.limits.max_pixels = 100;
  const Result<DecodedImage> large = DecodeImageFile(path, options);
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(large.error().message,
            "Image pixel size in the file '" + path.string() + "' exceeds allowed limit: '100'.");

  ASSERT_TRUE(WriteFileAtomic(path, "GIF89a"));
  EXPECT_THAT(DecodeImageFile(path).error().message, HasSubstr(path.string() + ": Images of"));
  EXPECT_EQ(DecodeImageFile(folder.path() / "none").error().code, ErrorCode::kNotFound);
}

TEST(DecodeTest, TruncatedImagesAreTakenOrRefused) {
  DecodeOptions strict;
  strict.accept_truncated = false;
  const Image image = TestPicture(120, 90);
  for (const std::string& whole : {ValueOf(EncodePng(image)), ValueOf(EncodeJpeg(image))}) {
    EXPECT_FALSE(ValueOf(DecodeImage(whole, strict)).truncated);
    const std::string half = whole.substr(0, whole.size() / 2);
    const DecodedImage decoded = ValueOf(DecodeImage(half));
    EXPECT_TRUE(decoded.truncated);
    // The upper rows are there, the lowest are filled: a JPEG's with gray, a PNG's with black.
    EXPECT_EQ(CropImage(decoded.image, {0, 0, 120, 8}),
              CropImage(ValueOf(DecodeImage(whole)).image, {0, 0, 120, 8}));
    const std::uint8_t filling = decoded.format == ImageFormat::kJpeg ? 128 : 0;
    EXPECT_EQ(CropImage(decoded.image, {0, 89, 120, 1}), Image::Blank(120, 1, filling));
    EXPECT_EQ(ErrorOf(half, strict).code, ErrorCode::kInvalidArgument);
    EXPECT_FALSE(DecodeImage(whole.substr(0, 20)));  // without its header there is nothing to take
  }
}

TEST(DecodeTest, PartOfAJpegEqualsTheWhole) {
  const std::string bytes = ValueOf(EncodeJpeg(TestPicture(203, 157), 90));
  const Image whole = ValueOf(DecodeImage(bytes)).image;
  JpegRegion region;
  for (const Rect& crop : {Rect{0, 0, 203, 157}, Rect{1, 1, 30, 40}, Rect{16, 16, 32, 32},
                           Rect{100, 90, 103, 67}, Rect{202, 156, 1, 1}, Rect{0, 150, 3, 7}}) {
    ASSERT_TRUE(DecodeJpegRegion(bytes, crop, crop.width, crop.height, {}, region));
    EXPECT_EQ(region.scale, 1);
    EXPECT_EQ(region.box, (Box{0, 0, double(crop.width), double(crop.height)}));
    for (int y = 0; y < crop.height; ++y) {
      const std::uint8_t* expected = whole.Row(crop.top + y) + crop.left * 3;
      EXPECT_TRUE(std::equal(expected, expected + crop.width * 3, region.view.Row(y)));
    }
  }
}

TEST(DecodeTest, PartOfAJpegIsScaledWhereLessWillDo) {
  const std::string bytes = ValueOf(EncodeJpeg(TestPicture(400, 400), 90));
  JpegRegion region;
  const auto scale = [&](const Rect& crop, int least) {
    EXPECT_TRUE(DecodeJpegRegion(bytes, crop, least, least, {}, region));
    EXPECT_GE(region.box.right - region.box.left, least);
    EXPECT_NEAR(region.box.right - region.box.left, double(crop.width) / region.scale, 1e-9);
    EXPECT_LE(region.box.right, region.view.width);
    return region.scale;
  };
  EXPECT_EQ(scale({3, 5, 199, 300}, 100), 1);
  EXPECT_EQ(scale({3, 5, 200, 300}, 100), 2);
  EXPECT_EQ(scale({0, 0, 400, 400}, 100), 4);
  EXPECT_EQ(scale({0, 0, 400, 400}, 20), 8);
}

TEST(DecodeTest, CropOutsideAJpegIsRefused) {
  const std::string bytes = ValueOf(EncodeJpeg(TestPicture(40, 30)));
  JpegRegion region;
  for (const Rect& crop :
       {Rect{0, 0, 41, 30}, Rect{-1, 0, 5, 5}, Rect{0, 0, 0, 5}, Rect{30, 0, 2147483647, 5}}) {
    const Status status = DecodeJpegRegion(bytes, crop, 8, 8, {}, region);
    ASSERT_FALSE(status);
    EXPECT_THAT(status.error().message, HasSubstr("outside the image of 40 x 30"));
  }
}

}  // namespace
}  // namespace roost::trainer
