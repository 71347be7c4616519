#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "trainer/images/image.h"
#include "trainer/images/random.h"
#include "trainer/images/warp.h"

namespace roost::trainer {

// Image operations with the names, arguments, defaults and distributions of torchvision's
// transforms on Pillow images. Each random one is split in two: Draw gives its parameters for an
// image of some size, and pure functions (here, in colour.h, flip.h, resize.h and warp.h) carry
// them out. The pixels are Pillow's; the random numbers are those of random.h, not torch's.
namespace operations {

struct Range {
  double low = 0;
  double high = 0;
  bool operator==(const Range&) const = default;
};

struct Resize {  // the shorter side, keeping the ratio; bilinear
  int size = 256;
};
struct CenterCrop {
  int size = 224;
};
struct Pad {  // black, on all four sides
  int padding = 0;
};
struct ColorJitter {  // factors to draw from; without a range nothing is drawn
  std::optional<Range> brightness{};
  std::optional<Range> contrast{};
  std::optional<Range> saturation{};
  std::optional<Range> hue{};  // within [-0.5, 0.5]

  // torchvision's single numbers: [max(0, 1 - x), 1 + x], and [-x, x] for the hue; 0 is no range.
  static ColorJitter Of(double brightness, double contrast, double saturation, double hue);
};
struct Grayscale {};        // three equal channels
struct RandomResizedCrop {  // bilinear, size x size
  int size = 256;
  Range scale{0.08, 1.0};             // share of the image's area
  Range ratio{3.0 / 4.0, 4.0 / 3.0};  // width / height, drawn evenly on a logarithmic scale
};
struct RandomCrop {
  int size = 224;
};
struct RandomHorizontalFlip {
  double probability = 0.5;
};
struct RandomVerticalFlip {
  double probability = 0.5;
};
struct RandomRotation {  // by an angle of [-degrees, degrees]; nearest, same frame, black outside
  double degrees = 0;
};
struct RandomAffine {  // its rotation alone; nearest, black outside
  double degrees = 0;
};
struct RandomGrayscale {
  double probability = 0.1;
};
struct RandomPerspective {  // bilinear, black outside
  double distortion = 0.5;
  double probability = 0.5;
};

// What ColorJitter has drawn. `order` says which comes when: 0 brightness, 1 contrast, 2
// saturation, 3 hue.
struct ColorChange {
  std::array<int, 4> order{0, 1, 2, 3};
  std::optional<double> brightness{};
  std::optional<double> contrast{};
  std::optional<double> saturation{};
  std::optional<double> hue{};
};

// Requires, for all: a size of at least one pixel.
ColorChange Draw(const ColorJitter& jitter, Random& random);
Rect Draw(const RandomResizedCrop& crop, int width, int height, Random& random);
// Requires: the image is at least as large as the crop.
Rect Draw(const RandomCrop& crop, int width, int height, Random& random);
// Where the corners go: top left, top right, bottom right, bottom left. Nothing: left as it is.
std::optional<Corners> Draw(const RandomPerspective& perspective, int width, int height,
                            Random& random);

}  // namespace operations

// --- The functions that no other header has ---

// torchvision's size for Resize(size): {width, height}; the longer side is cut off after the point.
std::array<int, 2> ShorterSideTo(int width, int height, int size);
// The pixels of `rect`; where it is outside the image they are black.
Image CropImage(const Image& image, const Rect& rect);
Image PadImage(const Image& image, int left, int top, int right, int bottom);
// torchvision's center_crop: ties of the offset are rounded to even; a smaller image is padded.
Image CenterCropImage(const Image& image, int width, int height);
Image ChangeColours(const Image& image, const operations::ColorChange& change);
// Moves the corner pixels of the image to `corners`; an image that this leaves without area (one
// pixel wide or high) stays as it is.
Image MoveCorners(const Image& image, const Corners& corners);

// --- Operations as values ---

using Operation = std::variant<
    operations::Resize, operations::CenterCrop, operations::Pad, operations::ColorJitter,
    operations::Grayscale, operations::RandomResizedCrop, operations::RandomCrop,
    operations::RandomHorizontalFlip, operations::RandomVerticalFlip, operations::RandomRotation,
    operations::RandomAffine, operations::RandomGrayscale, operations::RandomPerspective>;

// torchvision's class, e.g. "CenterCrop".
std::string_view NameOf(const Operation& operation);

// Refuses arguments that no image allows: sizes below 1, probabilities outside 0..1, negative
// degrees or padding, ranges that are upside down. Apply expects that this was asked.
Status Check(const Operation& operation);

// Draws and carries out. Fails with kInvalidArgument when a RandomCrop is larger than the image,
// and with kTooLarge when the result would have more pixels than DecodeLimits allows.
Result<Image> Apply(const Operation& operation, const Image& image, Random& random);

}  // namespace roost::trainer
