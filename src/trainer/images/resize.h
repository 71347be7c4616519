#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "trainer/images/image.h"

namespace roost::trainer {

// Pillow's filters of these names. Bilinear and bicubic (a = -0.5) widen their support when they
// shrink, so that no pixel is left out ("antialias"); nearest takes the pixel under the centre.
enum class Filter { kNearest, kBilinear, kBicubic };

// The source pixels of each output pixel along one axis, and their weights times 2^22.
struct ResizeAxis {
  struct Span {
    int first = 0;
    int count = 0;
  };
  int taps = 0;  // places for weights of each output pixel, a multiple of four; the unused are 0
  std::vector<Span> spans{};
  std::vector<std::int32_t> weights{};
  // The same as pairs of 16-bit numbers for a multiply-and-add: weight = high * 2^11 + low.
  std::vector<std::int32_t> high{};
  std::vector<std::int32_t> low{};
};

// Resizes as Pillow's Image.resize does, to the bit: a horizontal pass, then a vertical one, with
// weights of 22 fractional bits and 8-bit pixels between the passes. Pillow 13 makes the vertical
// pass first where the height shrinks by more than twice the pixels that the width does; there we
// keep the order of the versions before it, and were seen to differ from 13 by one level with
// bilinear and by up to six with bicubic, on noise. Weights outside the view count as nothing and
// the rest is normalised. On x86 the passes use AVX2 where the processor has it.
//
// A Resizer keeps its working memory from call to call; it belongs to one thread at a time.
class Resizer {
 public:
  // Writes `height` rows of `width` pixels at `out`, `out_stride` bytes apart, from the part `box`
  // of `view`; `flip` mirrors the result left to right. As with Pillow's argument, pixels around
  // the box take part where the filter reaches them: to resize a crop as if it were a picture of
  // its own, pass the view of the crop. Requires: positive sizes; an empty box or one outside the
  // view is a mistake of ours.
  void Resize(const PixelView& view, const Box& box, int width, int height, Filter filter,
              std::uint8_t* out, std::size_t out_stride, bool flip = false);

  // Only for comparing: the passes without AVX2.
  void set_portable(bool portable) { portable_ = portable; }

 private:
  static void Prepare(int size, double from, double to, int out_size, Filter filter, bool flip,
                      ResizeAxis& axis);
  void Nearest(const PixelView& view, const Box& box, int width, int height, std::uint8_t* out,
               std::size_t out_stride, bool flip);
  void HorizontalPass(const PixelView& view, int width, std::uint8_t* out, std::size_t out_stride);
  void VerticalPass(const PixelView& view, int first_row, int height, std::uint8_t* out,
                    std::size_t out_stride);

  bool portable_ = false;
  ResizeAxis horizontal_{};
  ResizeAxis vertical_{};
  std::vector<std::uint8_t> rows_{};    // two padded source rows
  std::vector<std::uint8_t> middle_{};  // between the passes
  std::vector<int> columns_{};          // of Nearest
};

// The whole image. Requires: it is not empty, and neither is the result.
Image ResizeImage(const Image& image, int width, int height, Filter filter);
// The crop alone, as Pillow's crop() followed by resize(). Requires: it lies inside the image.
Image ResizeCrop(const Image& image, const Rect& crop, int width, int height, Filter filter,
                 bool flip = false);

}  // namespace roost::trainer
