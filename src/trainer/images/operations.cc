#include "trainer/images/operations.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "trainer/images/colour.h"
#include "trainer/images/decode.h"
#include "trainer/images/flip.h"
#include "trainer/images/resize.h"

namespace roost::trainer {
namespace operations {
namespace {

std::optional<Range> Around(double centre, double reach, double least) {
  if (reach == 0) return {};
  return Range{std::max(least, centre - reach), centre + reach};
}

std::optional<double> DrawFrom(const std::optional<Range>& range, Random& random) {
  if (!range) return {};
  return random.Uniform(range->low, range->high);
}

int Draw(std::int64_t low, std::int64_t high, Random& random) {
  return static_cast<int>(random.Integer(low, high));
}

// Python's round(): ties to even, as the processor does unless told otherwise.
int RoundToEven(double value) { return static_cast<int>(std::nearbyint(value)); }

}  // namespace

ColorJitter ColorJitter::Of(double brightness, double contrast, double saturation, double hue) {
  return {Around(1, brightness, 0), Around(1, contrast, 0), Around(1, saturation, 0),
          Around(0, hue, -0.5)};
}

ColorChange Draw(const ColorJitter& jitter, Random& random) {
  ColorChange change;
  for (std::size_t i = 3; i > 0; --i) {  // Fisher and Yates
    std::swap(change.order[i], change.order[static_cast<std::size_t>(
                                   random.Integer(0, static_cast<std::int64_t>(i) + 1))]);
  }
  change.brightness = DrawFrom(jitter.brightness, random);
  change.contrast = DrawFrom(jitter.contrast, random);
  change.saturation = DrawFrom(jitter.saturation, random);
  change.hue = DrawFrom(jitter.hue, random);
  return change;
}

Rect Draw(const RandomResizedCrop& crop, int width, int height, Random& random) {
  const double area = static_cast<double>(width) * height;
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = area * random.Uniform(crop.scale.low, crop.scale.high);
    const double ratio =
        std::exp(random.Uniform(std::log(crop.ratio.low), std::log(crop.ratio.high)));
    const double exact_width = std::nearbyint(std::sqrt(target * ratio));
    const double exact_height = std::nearbyint(std::sqrt(target / ratio));
    if (!(exact_width > 0 && exact_width <= width && exact_height > 0 && exact_height <= height)) {
      continue;
    }
    Rect rect{0, 0, static_cast<int>(exact_width), static_cast<int>(exact_height)};
    rect.top = Draw(0, height - rect.height + 1, random);
    rect.left = Draw(0, width - rect.width + 1, random);
    return rect;
  }
  // None fits: the largest part of an allowed ratio, from the middle.
  Rect rect{0, 0, width, height};
  const double ratio = static_cast<double>(width) / height;
  if (ratio < crop.ratio.low) rect.height = RoundToEven(width / crop.ratio.low);
  if (ratio > crop.ratio.high) rect.width = RoundToEven(height * crop.ratio.high);
  rect.width = std::clamp(rect.width, 1, width);
  rect.height = std::clamp(rect.height, 1, height);
  rect.top = (height - rect.height) / 2;
  rect.left = (width - rect.width) / 2;
  return rect;
}

Rect Draw(const RandomCrop& crop, int width, int height, Random& random) {
  ROOST_CHECK(width >= crop.size && height >= crop.size);
  const int top = Draw(0, height - crop.size + 1, random);
  const int left = Draw(0, width - crop.size + 1, random);
  return {left, top, crop.size, crop.size};
}

std::optional<Corners> Draw(const RandomPerspective& perspective, int width, int height,
                            Random& random) {
  if (!random.Chance(perspective.probability)) return {};
  // A corner moves inwards by up to half of the image times the distortion.
  const int across = static_cast<int>(perspective.distortion * (width / 2)) + 1;
  const int down = static_cast<int>(perspective.distortion * (height / 2)) + 1;
  const auto near = [&](int reach) { return Draw(0, reach, random); };
  const auto far = [&](int reach, int size) { return Draw(size - reach, size, random); };
  Corners corners;
  corners[0] = {double(near(across)), double(near(down))};
  corners[1] = {double(far(across, width)), double(near(down))};
  corners[2] = {double(far(across, width)), double(far(down, height))};
  corners[3] = {double(near(across)), double(far(down, height))};
  return corners;
}

}  // namespace operations

namespace {

using namespace operations;

Image ResizeTo(const Image& image, int width, int height) {
  if (image.width == width && image.height == height) return image;
  return ResizeImage(image, width, height, Filter::kBilinear);
}

Status CheckPixels(std::int64_t width, std::int64_t height, std::string_view name) {
  const std::uint64_t limit = DecodeLimits{}.max_pixels;
  if (static_cast<std::uint64_t>(width) * static_cast<std::uint64_t>(height) <= limit) return {};
  return Fail(ErrorCode::kTooLarge, std::string(name) + " would make an image of " +
                                        std::to_string(width) + " x " + std::to_string(height) +
                                        " pixels, more than the limit of " + std::to_string(limit) +
                                        "; choose a smaller size.");
}

// --- Carrying out, one function for each operation ---

Result<Image> Run(const Resize& operation, const Image& image, Random&) {
  const double ratio = static_cast<double>(std::max(image.width, image.height)) /
                       std::min(image.width, image.height);
  ROOST_TRY(
      CheckPixels(operation.size, static_cast<std::int64_t>(operation.size * ratio), "Resize"));
  const auto [width, height] = ShorterSideTo(image.width, image.height, operation.size);
  return ResizeTo(image, width, height);
}
Result<Image> Run(const CenterCrop& operation, const Image& image, Random&) {
  return CenterCropImage(image, operation.size, operation.size);
}
Result<Image> Run(const Pad& operation, const Image& image, Random&) {
  const int by = operation.padding;
  ROOST_TRY(CheckPixels(image.width + 2LL * by, image.height + 2LL * by, "Pad"));
  return PadImage(image, by, by, by, by);
}
Result<Image> Run(const ColorJitter& operation, const Image& image, Random& random) {
  return ChangeColours(image, Draw(operation, random));
}
Result<Image> Run(const Grayscale&, const Image& image, Random&) { return ToGrayscale(image); }
Result<Image> Run(const RandomResizedCrop& operation, const Image& image, Random& random) {
  const Rect crop = Draw(operation, image.width, image.height, random);
  return ResizeCrop(image, crop, operation.size, operation.size, Filter::kBilinear);
}
Result<Image> Run(const RandomCrop& operation, const Image& image, Random& random) {
  if (image.width < operation.size || image.height < operation.size) {
    const std::string size = std::to_string(operation.size);
    return Fail(ErrorCode::kInvalidArgument,
                "The random crop of " + size + " x " + size +
                    " pixels is larger than the image of " + std::to_string(image.width) + " x " +
                    std::to_string(image.height) +
                    "; put a Resize before it or choose a smaller size.");
  }
  return CropImage(image, Draw(operation, image.width, image.height, random));
}
Result<Image> Run(const RandomHorizontalFlip& operation, const Image& image, Random& random) {
  return random.Chance(operation.probability) ? FlipHorizontally(image) : image;
}
Result<Image> Run(const RandomVerticalFlip& operation, const Image& image, Random& random) {
  return random.Chance(operation.probability) ? FlipVertically(image) : image;
}
Result<Image> Run(const RandomRotation& operation, const Image& image, Random& random) {
  return Rotate(image, random.Uniform(-operation.degrees, operation.degrees));
}
Result<Image> Run(const RandomAffine& operation, const Image& image, Random& random) {
  const double degrees = random.Uniform(-operation.degrees, operation.degrees);
  return WarpAffine(image, AffineOf(image.width, image.height, degrees));
}
Result<Image> Run(const RandomGrayscale& operation, const Image& image, Random& random) {
  return random.Chance(operation.probability) ? ToGrayscale(image) : image;
}
Result<Image> Run(const RandomPerspective& operation, const Image& image, Random& random) {
  const std::optional<Corners> corners = Draw(operation, image.width, image.height, random);
  return corners ? MoveCorners(image, *corners) : image;
}

// --- Checking arguments. A result is what is wrong, or nothing. ---

// So that sums and products of sizes stay far from overflow; square it is about the pixel limit.
constexpr int kLargestSize = 13377;

std::string CheckSizeOf(int size) {
  if (size >= 1 && size <= kLargestSize) return "";
  return "its size is " + std::to_string(size) + ", not from 1 to " + std::to_string(kLargestSize);
}
std::string CheckProbability(double value) {
  return value >= 0 && value <= 1 ? "" : "its probability is not from 0 to 1";
}
std::string CheckDegrees(double value) {
  return value >= 0 && std::isfinite(value) ? "" : "its degrees are not a number from 0";
}
std::string CheckRange(const std::optional<Range>& range, double low, double high,
                       std::string_view name) {
  if (!range || (range->low >= low && range->low <= range->high && range->high <= high)) return "";
  return "its " + std::string(name) + " is not a range within the allowed one";
}

struct Problems {
  std::string operator()(const Resize& o) const { return CheckSizeOf(o.size); }
  std::string operator()(const CenterCrop& o) const { return CheckSizeOf(o.size); }
  std::string operator()(const Pad& o) const {
    return o.padding >= 0 && o.padding <= kLargestSize
               ? ""
               : "its padding is not from 0 to " + std::to_string(kLargestSize);
  }
  std::string operator()(const ColorJitter& o) const {
    constexpr double kMost = 1e6;
    for (const auto& [range, name] : {std::pair{&o.brightness, "brightness"},
                                      {&o.contrast, "contrast"},
                                      {&o.saturation, "saturation"}}) {
      if (std::string problem = CheckRange(*range, 0, kMost, name); !problem.empty()) {
        return problem;
      }
    }
    return CheckRange(o.hue, -0.5, 0.5, "hue");
  }
  std::string operator()(const Grayscale&) const { return ""; }
  std::string operator()(const RandomResizedCrop& o) const {
    if (std::string problem = CheckSizeOf(o.size); !problem.empty()) return problem;
    if (std::string problem = CheckRange(o.scale, 1e-9, 1e9, "scale"); !problem.empty()) {
      return problem;
    }
    return CheckRange(o.ratio, 1e-9, 1e9, "ratio");
  }
  std::string operator()(const RandomCrop& o) const { return CheckSizeOf(o.size); }
  std::string operator()(const RandomHorizontalFlip& o) const {
    return CheckProbability(o.probability);
  }
  std::string operator()(const RandomVerticalFlip& o) const {
    return CheckProbability(o.probability);
  }
  std::string operator()(const RandomRotation& o) const { return CheckDegrees(o.degrees); }
  std::string operator()(const RandomAffine& o) const { return CheckDegrees(o.degrees); }
  std::string operator()(const RandomGrayscale& o) const { return CheckProbability(o.probability); }
  std::string operator()(const RandomPerspective& o) const {
    if (!(o.distortion >= 0 && o.distortion <= 1)) return "its distortion is not from 0 to 1";
    return CheckProbability(o.probability);
  }
};

}  // namespace

std::array<int, 2> ShorterSideTo(int width, int height, int size) {
  const int shorter = std::min(width, height);
  const int longer = std::max(width, height);
  const int other = static_cast<int>(static_cast<double>(size) * longer / shorter);
  return width <= height ? std::array{size, other} : std::array{other, size};
}

Image CropImage(const Image& image, const Rect& rect) {
  Image out = Image::Blank(rect.width, rect.height);
  const int left = std::max(0, rect.left);
  const int right = std::min(image.width, rect.left + rect.width);
  const int top = std::max(0, rect.top);
  const int bottom = std::min(image.height, rect.top + rect.height);
  for (int y = top; y < bottom && left < right; ++y) {
    std::copy(image.Row(y) + static_cast<std::size_t>(left) * 3,
              image.Row(y) + static_cast<std::size_t>(right) * 3,
              out.Row(y - rect.top) + static_cast<std::size_t>(left - rect.left) * 3);
  }
  return out;
}

Image PadImage(const Image& image, int left, int top, int right, int bottom) {
  return CropImage(image, {-left, -top, image.width + left + right, image.height + top + bottom});
}

Image CenterCropImage(const Image& image, int width, int height) {
  // Padding first, as torchvision does, puts an odd pixel to the right and the bottom.
  const auto offset = [](int have, int want) {
    if (want > have) return -((want - have) / 2);
    return static_cast<int>(std::nearbyint((have - want) / 2.0));
  };
  return CropImage(image,
                   {offset(image.width, width), offset(image.height, height), width, height});
}

Image ChangeColours(const Image& image, const ColorChange& change) {
  Image out = image;
  for (const int which : change.order) {
    if (which == 0 && change.brightness) out = AdjustBrightness(out, *change.brightness);
    if (which == 1 && change.contrast) out = AdjustContrast(out, *change.contrast);
    if (which == 2 && change.saturation) out = AdjustSaturation(out, *change.saturation);
    if (which == 3 && change.hue) out = AdjustHue(out, *change.hue);
  }
  return out;
}

Image MoveCorners(const Image& image, const Corners& corners) {
  const double right = image.width - 1;
  const double bottom = image.height - 1;
  PerspectiveMap map;
  if (!PerspectiveOf({{{0, 0}, {right, 0}, {right, bottom}, {0, bottom}}}, corners, map)) {
    return image;
  }
  return WarpPerspective(image, map);
}

std::string_view NameOf(const Operation& operation) {
  constexpr std::array<std::string_view, std::variant_size_v<Operation>> kNames{
      "Resize",
      "CenterCrop",
      "Pad",
      "ColorJitter",
      "Grayscale",
      "RandomResizedCrop",
      "RandomCrop",
      "RandomHorizontalFlip",
      "RandomVerticalFlip",
      "RandomRotation",
      "RandomAffine",
      "RandomGrayscale",
      "RandomPerspective"};
  return kNames[operation.index()];
}

Status Check(const Operation& operation) {
  const std::string problem = std::visit(Problems{}, operation);
  if (problem.empty()) return {};
  return Fail(ErrorCode::kInvalidArgument,
              "The operation " + std::string(NameOf(operation)) + " cannot run: " + problem + ".");
}

Result<Image> Apply(const Operation& operation, const Image& image, Random& random) {
  return std::visit([&](const auto& typed) { return Run(typed, image, random); }, operation);
}

}  // namespace roost::trainer
