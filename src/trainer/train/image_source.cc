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

Box WholeOf(const PixelView& view) {
  return {0, 0, static_cast<double>(view.width), static_cast<double>(view.height)};
}

}  // namespace

Result<std::unique_ptr<ImageSource>> ImageSource::Open(const ImageDirectory& images,
                                                       const Options& options) {
  std::unique_ptr<ImageSource> source(new ImageSource(images, options));
  if (options.crop > 0) {
    source->SetFullSize(options.crop, options.crop);
    return source;
  }
  std::string last;
  for (std::size_t i = 0; i < std::min(images.size(), kTries); ++i) {
    DecodedImage decoded;
    const Result<PixelView> image = source->PixelsOf(i, decoded);
    if (image) {
      source->SetFullSize(image->height, image->width);
      return source;
    }
    last = image.error().message;
  }
  return FailModule(InvalidDataset(options.dataset,
                                   "none of its first images can be read, the last: " + last,
                                   "Convert it with Convert to Image Directory."));
}

void ImageSource::SetFullSize(std::int64_t height, std::int64_t width) {
  full_height_ = height_ = height;
  full_width_ = width_ = width;
}

void ImageSource::SetSide(std::int64_t side) {
  const auto scaled = [&](std::int64_t full) {
    return (full * side + full_side() / 2) / full_side();
  };
  height_ = scaled(full_height_);
  width_ = scaled(full_width_);
}

Status ImageSource::Fill(std::size_t index, std::uint8_t* to) const {
  if (options_.crop == 0) return FillWhole(index, to);
  return options_.random ? FillRandomCrop(index, to) : FillMiddle(index, to);
}

Result<PixelView> ImageSource::PixelsOf(std::size_t index, DecodedImage& decoded) const {
  if (options_.cache != nullptr) {
    if (const std::optional<PixelView> cached = options_.cache->Find(index)) return *cached;
  }
  ROOST_ASSIGN(decoded, DecodeImageFile(images_.PathOf(index)));
  return ViewOf(decoded.image);
}

Status ImageSource::FillWhole(std::size_t index, std::uint8_t* to) const {
  DecodedImage decoded;
  ROOST_ASSIGN(const PixelView image, PixelsOf(index, decoded));
  if (image.width != full_width_ || image.height != full_height_) {
    return FailModule(InvalidDataset(
        options_.dataset,
        std::string(images_.FileName(index)) + " has " + std::to_string(image.width) + " x " +
            std::to_string(image.height) + " pixels, others " + std::to_string(full_width_) +
            " x " + std::to_string(full_height_),
        "Bring all images to one size with Init and Apply Image Transformation, or cut them while "
        "training (random resized crop)."));
  }
  if (height_ == full_height_ && width_ == full_width_) {
    std::memcpy(to, image.data, sample_bytes());
    return {};
  }
  ThisThreads().resizer.Resize(image, WholeOf(image), static_cast<int>(width_),
                               static_cast<int>(height_), Filter::kBilinear, to,
                               static_cast<std::size_t>(width_) * 3);
  return {};
}

Status ImageSource::FillRandomCrop(std::size_t index, std::uint8_t* to) const {
  const int side = static_cast<int>(width_);
  const std::size_t stride = static_cast<std::size_t>(side) * 3;
  Workspace& workspace = ThisThreads();
  Random random(options_.seed, epoch_, index);
  const operations::RandomResizedCrop crop{.size = side};
  const auto take_from = [&](const PixelView& image) {
    const Rect cut = operations::Draw(crop, image.width, image.height, random);
    const bool mirror = random.Chance(0.5);
    const PixelView part = ViewOf(image, cut);
    workspace.resizer.Resize(part, WholeOf(part), side, side, Filter::kBilinear, to, stride,
                             mirror);
  };
  if (options_.cache != nullptr) {
    if (const std::optional<PixelView> cached = options_.cache->Find(index)) {
      take_from(*cached);
      return {};
    }
  }

  const fs::path path = images_.PathOf(index);
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
  take_from(ViewOf(decoded.image));
  return {};
}

Status ImageSource::FillMiddle(std::size_t index, std::uint8_t* to) const {
  DecodedImage decoded;
  ROOST_ASSIGN(const PixelView image, PixelsOf(index, decoded));
  const int side = static_cast<int>(options_.crop);
  const int shorter = static_cast<int>(static_cast<double>(side) / kMiddleShare + 0.5);
  const auto [width, height] = ShorterSideTo(image.width, image.height, shorter);
  if (static_cast<std::uint64_t>(width) * static_cast<std::uint64_t>(height) >
      DecodeLimits{}.max_pixels) {
    return Fail(ErrorCode::kTooLarge, images_.PathOf(index).string() +
                                          ": it is so narrow that it would have " +
                                          std::to_string(width) + " x " + std::to_string(height) +
                                          " pixels with the shorter side that is asked for");
  }
  Image resized = Image::Blank(width, height);
  ThisThreads().resizer.Resize(image, WholeOf(image), width, height, Filter::kBilinear,
                               resized.pixels.data(), static_cast<std::size_t>(width) * 3);
  const Image middle = CenterCropImage(resized, side, side);
  std::memcpy(to, middle.pixels.data(), middle.pixels.size());
  return {};
}

}  // namespace roost::trainer
