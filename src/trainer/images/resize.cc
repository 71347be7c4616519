#include "trainer/images/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "trainer/images/resize_kernels.h"

namespace roost::trainer {
namespace {

double Support(Filter filter) { return filter == Filter::kBicubic ? 2.0 : 1.0; }

double Weight(Filter filter, double x) {
  x = std::abs(x);
  if (filter == Filter::kBilinear) return x < 1.0 ? 1.0 - x : 0.0;
  constexpr double a = -0.5;
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
  return 0.0;
}

std::int32_t ToFixed(double weight) {
  return static_cast<std::int32_t>(weight * (1 << kWeightBits) + (weight < 0 ? -0.5 : 0.5));
}

std::size_t Size(int value) { return static_cast<std::size_t>(value); }

// Nothing but a choice of whole pixels.
bool IsIdentity(double from, double to, int out_size) {
  return from == std::floor(from) && to - from == out_size;
}

}  // namespace

void Resizer::Prepare(int size, double from, double to, int out_size, Filter filter, bool flip,
                      ResizeAxis& axis) {
  const double scale = (to - from) / out_size;
  const double filter_scale = std::max(scale, 1.0);
  const double support = Support(filter) * filter_scale;
  const int most = static_cast<int>(std::ceil(support)) * 2 + 1;
  axis.taps = (most + 3) / 4 * 4;
  axis.spans.resize(Size(out_size));
  axis.weights.assign(Size(out_size) * Size(axis.taps), 0);
  std::vector<double> exact(Size(most));
  for (int i = 0; i < out_size; ++i) {
    const double centre = from + (i + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(centre - support + 0.5));
    const int count = std::min(size, static_cast<int>(centre + support + 0.5)) - first;
    double sum = 0;
    for (int k = 0; k < count; ++k) {
      exact[Size(k)] = Weight(filter, (k + first - centre + 0.5) / filter_scale);
      sum += exact[Size(k)];
    }
    const int place = flip ? out_size - 1 - i : i;
    axis.spans[Size(place)] = {first, count};
    std::int32_t* weights = axis.weights.data() + Size(place) * Size(axis.taps);
    for (int k = 0; k < count; ++k) {
      weights[k] = ToFixed(sum != 0 ? exact[Size(k)] / sum : exact[Size(k)]);
    }
  }
  SplitWeights(axis.weights, axis.high, axis.low);
}

void Resizer::Nearest(const PixelView& view, const Box& box, int width, int height,
                      std::uint8_t* out, std::size_t out_stride, bool flip) {
  // Steps are added up, not multiplied, as Pillow does, so that ties fall to the same side.
  columns_.resize(Size(width));
  double x = box.left + (box.right - box.left) / width * 0.5;
  for (int i = 0; i < width; ++i, x += (box.right - box.left) / width) {
    columns_[Size(flip ? width - 1 - i : i)] = std::min(static_cast<int>(x), view.width - 1);
  }
  double y = box.top + (box.bottom - box.top) / height * 0.5;
  for (int j = 0; j < height; ++j, y += (box.bottom - box.top) / height) {
    const std::uint8_t* row = view.Row(std::min(static_cast<int>(y), view.height - 1));
    std::uint8_t* to = out + Size(j) * out_stride;
    for (int i = 0; i < width; ++i, to += 3) std::memcpy(to, row + Size(columns_[Size(i)]) * 3, 3);
  }
}

void Resizer::HorizontalPass(const PixelView& view, int width, std::uint8_t* out,
                             std::size_t out_stride) {
  const ResizeAxis& axis = horizontal_;
  const std::size_t row_bytes = Size(view.width) * 3;
  if (portable_ || !HasFastKernels()) {
    for (int y = 0; y < view.height; ++y) {
      std::uint8_t* to = out + Size(y) * out_stride;
      for (int x = 0; x < width; ++x, to += 3) {
        const ResizeAxis::Span span = axis.spans[Size(x)];
        SumPixels(view.Row(y) + Size(span.first) * 3, span.count,
                  axis.weights.data() + Size(x) * Size(axis.taps), to);
      }
    }
    return;
  }
  // The fast kernel takes two rows at a time, and reads past the end of what it needs: the rows are
  // copied to where there is room.
  const std::size_t padded = row_bytes + kOverread;
  rows_.resize(2 * padded);
  for (int y = 0; y < view.height; y += 2) {
    const int second = std::min(y + 1, view.height - 1);
    std::memcpy(rows_.data(), view.Row(y), row_bytes);
    std::memcpy(rows_.data() + padded, view.Row(second), row_bytes);
    FastSumPixels(rows_.data(), rows_.data() + padded, axis, width, out + Size(y) * out_stride,
                  out + Size(second) * out_stride);
  }
}

void Resizer::VerticalPass(const PixelView& view, int first_row, int height, std::uint8_t* out,
                           std::size_t out_stride) {
  const ResizeAxis& axis = vertical_;
  const bool fast = !portable_ && HasFastKernels();
  const std::size_t row_bytes = Size(view.width) * 3;
  for (int y = 0; y < height; ++y) {
    const ResizeAxis::Span span = axis.spans[Size(y)];
    const std::uint8_t* from = view.Row(span.first - first_row);
    const std::size_t at = Size(y) * Size(axis.taps);
    std::uint8_t* to = out + Size(y) * out_stride;
    std::size_t done = 0;
    if (fast) {
      done = FastSumRows(from, view.stride, span.count, axis.high.data() + at / 2,
                         axis.low.data() + at / 2, row_bytes, to);
    }
    SumRows(from + done, view.stride, span.count, axis.weights.data() + at, row_bytes - done,
            to + done);
  }
}

void Resizer::Resize(const PixelView& view, const Box& box, int width, int height, Filter filter,
                     std::uint8_t* out, std::size_t out_stride, bool flip) {
  ROOST_CHECK(width > 0 && height > 0 && view.width > 0 && view.height > 0);
  ROOST_CHECK(box.left >= 0 && box.top >= 0 && box.left < box.right && box.top < box.bottom &&
              box.right <= view.width && box.bottom <= view.height);
  if (filter == Filter::kNearest) {
    Nearest(view, box, width, height, out, out_stride, flip);
    return;
  }
  const bool vertical = !IsIdentity(box.top, box.bottom, height);
  int first_row = static_cast<int>(box.top);
  int rows = height;
  if (vertical) {
    Prepare(view.height, box.top, box.bottom, height, filter, false, vertical_);
    first_row = vertical_.spans.front().first;
    rows = vertical_.spans.back().first + vertical_.spans.back().count - first_row;
  }
  const PixelView needed = ViewOf(view, {0, first_row, view.width, rows});
  if (!flip && IsIdentity(box.left, box.right, width)) {
    const PixelView part = ViewOf(needed, {static_cast<int>(box.left), 0, width, rows});
    if (vertical) {
      VerticalPass(part, first_row, height, out, out_stride);
      return;
    }
    for (int y = 0; y < height; ++y) {
      std::memcpy(out + Size(y) * out_stride, part.Row(y), Size(width) * 3);
    }
    return;
  }
  Prepare(view.width, box.left, box.right, width, filter, flip, horizontal_);
  if (!vertical) {
    HorizontalPass(needed, width, out, out_stride);
    return;
  }
  const std::size_t stride = Size(width) * 3;
  middle_.resize(stride * Size(rows));
  HorizontalPass(needed, width, middle_.data(), stride);
  VerticalPass({middle_.data(), width, rows, stride}, first_row, height, out, out_stride);
}

Image ResizeImage(const Image& image, int width, int height, Filter filter) {
  return ResizeCrop(image, {0, 0, image.width, image.height}, width, height, filter);
}

Image ResizeCrop(const Image& image, const Rect& crop, int width, int height, Filter filter,
                 bool flip) {
  ROOST_CHECK(crop.left >= 0 && crop.top >= 0 && crop.left + crop.width <= image.width &&
              crop.top + crop.height <= image.height);
  Image resized = Image::Blank(width, height);
  Resizer().Resize(ViewOf(ViewOf(image), crop),
                   {0, 0, static_cast<double>(crop.width), static_cast<double>(crop.height)}, width,
                   height, filter, resized.pixels.data(), Size(width) * 3, flip);
  return resized;
}

}  // namespace roost::trainer
