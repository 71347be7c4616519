#include "trainer/train/image_source.h"

#include <algorithm>
#include <cstring>

#include "trainer/folders/component_error.h"
#include "trainer/images/decode.h"
#include "trainer/images/operations.h"
#include "trainer/images/resize.h"

namespace roost::trainer {
namespace {

// Validation looks at 224 of 256 pixels, as is usual, and the same share of other sizes.
constexpr double kMiddleShare = 224.0 / 256.0;
constexpr std::uint64_t kLargestFile = 1ULL << 30;
// Images that are tried for the size of all, before a directory counts as unreadable.
constexpr std::size_t kTries = 100;

// Working memory that each loader thread keeps.
struct Workspace {
  JpegRegion region{};
  Resizer resizer{};
};
Workspace& ThisThreads() {
  thread_local Workspace workspace;
  return workspace;
}

}  // namespace

Result<std::unique_ptr<ImageSource>> ImageSource::Open(const ImageDirectory& images,
                                                       const Options& options) {
  std::unique_ptr<ImageSource> source(new ImageSource(images, options));
  if (options.crop > 0) {
    source->height_ = source->width_ = options.crop;
    return source;
  }
  std::string last;
  for (std::size_t i = 0; i < std::min(images.size(), kTries); ++i) {
    const Result<DecodedImage> image = DecodeImageFile(images.PathOf(i));
    if (image) {
      source->height_ = image->image.height;
      source->width_ = image->image.width;
      return source;
    }
    last = image.error().message;
  }
  return FailModule(InvalidDataset(options.dataset,
                                   "none of its first images can be read, the last: " + last,
                                   "Convert it with Convert to Image Directory."));
}

Status ImageSource::Fill(std::size_t index, std::uint8_t* to) const {
  if (options_.crop == 0) return FillWhole(index, to);
  return options_.random ? FillRandomCrop(index, to) : FillMiddle(index, to);
}

Status ImageSource::FillWhole(std::size_t index, std::uint8_t* to) const {
  ROOST_ASSIGN(const DecodedImage decoded, DecodeImageFile(images_.PathOf(index)));
  const Image& image = decoded.image;
  if (image.width != width_ || image.height != height_) {
    return FailModule(InvalidDataset(
        options_.dataset,
        std::string(images_.FileName(index)) + " has " + std::to_string(image.width) + " x " +
            std::to_string(image.height) + " pixels, others " + std::to_string(width_) + " x " +
            std::to_string(height_),
        "Bring all images to one size with Init and Apply Image Transformation, or cut them while "
        "training (random resized crop)."));
  }
  std::memcpy(to, image.pixels.data(), image.pixels.size());
  return {};
}

Status ImageSource::FillRandomCrop(std::size_t index, std::uint8_t* to) const {
  const fs::path path = images_.PathOf(index);
  const int side = static_cast<int>(options_.crop);
  const std::size_t stride = static_cast<std::size_t>(side) * 3;
  Workspace& workspace = ThisThreads();
  Random random(options_.seed, epoch_, index);
  const operations::RandomResizedCrop crop{.size = side};

  ROOST_ASSIGN(const std::string bytes, ReadFile(path, kLargestFile));
  const Result<ImageInfo> info = ProbeImage(bytes);
  if (info && info->format == ImageFormat::kJpeg) {
    const Rect cut = operations::Draw(crop, info->width, info->height, random);
    const bool mirror = random.Chance(0.5);
    const Status decoded = DecodeJpegRegion(bytes, cut, side, side, {}, workspace.region);
    if (!decoded) return Fail(decoded.error().code, path.string() + ": " + decoded.error().message);
    workspace.resizer.Resize(workspace.region.view, workspace.region.box, side, side,
                             Filter::kBilinear, to, stride, mirror);
    return {};
  }
  ROOST_ASSIGN(const DecodedImage decoded, DecodeImageFile(path));
  const Image& image = decoded.image;
  const Rect cut = operations::Draw(crop, image.width, image.height, random);
  const bool mirror = random.Chance(0.5);
  const Box whole{0, 0, static_cast<double>(cut.width), static_cast<double>(cut.height)};
  workspace.resizer.Resize(ViewOf(ViewOf(image), cut), whole, side, side, Filter::kBilinear, to,
                           stride, mirror);
  return {};
}

Status ImageSource::FillMiddle(std::size_t index, std::uint8_t* to) const {
  ROOST_ASSIGN(const DecodedImage decoded, DecodeImageFile(images_.PathOf(index)));
  const int side = static_cast<int>(options_.crop);
  const int shorter = static_cast<int>(static_cast<double>(side) / kMiddleShare + 0.5);
  const auto [width, height] = ShorterSideTo(decoded.image.width, decoded.image.height, shorter);
  if (static_cast<std::uint64_t>(width) * static_cast<std::uint64_t>(height) >
      DecodeLimits{}.max_pixels) {
    return Fail(ErrorCode::kTooLarge, images_.PathOf(index).string() +
                                          ": it is so narrow that it would have " +
                                          std::to_string(width) + " x " + std::to_string(height) +
                                          " pixels with the shorter side that is asked for");
  }
  const Image middle =
      CenterCropImage(ResizeImage(decoded.image, width, height, Filter::kBilinear), side, side);
  std::memcpy(to, middle.pixels.data(), middle.pixels.size());
  return {};
}

}  // namespace roost::trainer
