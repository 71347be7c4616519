#include "trainer/images/warp.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "trainer/images/flip.h"

namespace roost::trainer {
namespace {

std::uint8_t* PixelAt(Image& image, int x, int y) {
  return image.Row(y) + static_cast<std::size_t>(x) * 3;
}
const std::uint8_t* PixelAt(const Image& image, int x, int y) {
  return image.Row(y) + static_cast<std::size_t>(x) * 3;
}

// --- Affine, nearest ---

// Pillow steps through the picture in 16.16 fixed point where all mapped corners fit it.
bool FitsFixedPoint(const AffineMap& m, double width, double height) {
  for (const double x : {0.0, width}) {
    for (const double y : {0.0, height}) {
      if (!(std::abs(m[0] * x + m[1] * y + m[2]) < 32768.0)) return false;
      if (!(std::abs(m[3] * x + m[4] * y + m[5]) < 32768.0)) return false;
    }
  }
  return true;
}

std::int64_t ToFixedPoint(double value) {
  return static_cast<std::int64_t>(std::floor(value * 65536.0 + 0.5));
}

void WarpFixed(const Image& image, const AffineMap& m, Image& out) {
  const std::int64_t x_by_x = ToFixedPoint(m[0]), x_by_y = ToFixedPoint(m[1]);
  const std::int64_t y_by_x = ToFixedPoint(m[3]), y_by_y = ToFixedPoint(m[4]);
  std::int64_t row_x = ToFixedPoint(m[2] + m[0] * 0.5 + m[1] * 0.5);
  std::int64_t row_y = ToFixedPoint(m[5] + m[3] * 0.5 + m[4] * 0.5);
  for (int y = 0; y < out.height; ++y, row_x += x_by_y, row_y += y_by_y) {
    std::int64_t at_x = row_x;
    std::int64_t at_y = row_y;
    std::uint8_t* to = out.Row(y);
    for (int x = 0; x < out.width; ++x, at_x += x_by_x, at_y += y_by_x, to += 3) {
      const std::int64_t from_x = at_x >> 16;
      const std::int64_t from_y = at_y >> 16;
      if (from_x < 0 || from_x >= image.width || from_y < 0 || from_y >= image.height) continue;
      std::memcpy(to, PixelAt(image, static_cast<int>(from_x), static_cast<int>(from_y)), 3);
    }
  }
}

void WarpFloating(const Image& image, const AffineMap& m, Image& out) {
  double row_x = m[2] + m[0] * 0.5 + m[1] * 0.5;
  double row_y = m[5] + m[3] * 0.5 + m[4] * 0.5;
  for (int y = 0; y < out.height; ++y, row_x += m[1], row_y += m[4]) {
    double at_x = row_x;
    double at_y = row_y;
    for (int x = 0; x < out.width; ++x, at_x += m[0], at_y += m[3]) {
      if (!(at_x >= 0 && at_x < image.width && at_y >= 0 && at_y < image.height)) continue;
      std::memcpy(PixelAt(out, x, y),
                  PixelAt(image, static_cast<int>(at_x), static_cast<int>(at_y)), 3);
    }
  }
}

// --- Perspective, bilinear ---

// Requires: (x, y) is inside the image. Pixels outside repeat the edge; the result is rounded down.
void Interpolate(const Image& image, double x, double y, std::uint8_t* to) {
  const double left = std::floor(x - 0.5);
  const double top = std::floor(y - 0.5);
  const double right_part = x - 0.5 - left;
  const double bottom_part = y - 0.5 - top;
  const auto column = [&](double at) {
    return std::clamp(static_cast<int>(at), 0, image.width - 1);
  };
  const auto row = [&](double at) { return std::clamp(static_cast<int>(at), 0, image.height - 1); };
  const std::uint8_t* upper_left = PixelAt(image, column(left), row(top));
  const std::uint8_t* upper_right = PixelAt(image, column(left + 1), row(top));
  const std::uint8_t* lower_left = PixelAt(image, column(left), row(top + 1));
  const std::uint8_t* lower_right = PixelAt(image, column(left + 1), row(top + 1));
  for (int c = 0; c < 3; ++c) {
    const double upper = upper_left[c] + (upper_right[c] - upper_left[c]) * right_part;
    const double lower = lower_left[c] + (lower_right[c] - lower_left[c]) * right_part;
    to[c] = static_cast<std::uint8_t>(upper + (lower - upper) * bottom_part);
  }
}

}  // namespace

Image WarpAffine(const Image& image, const AffineMap& map) {
  Image out = Image::Blank(image.width, image.height);
  if (FitsFixedPoint(map, image.width, image.height)) {
    WarpFixed(image, map, out);
  } else {
    WarpFloating(image, map, out);
  }
  return out;
}

Image WarpPerspective(const Image& image, const PerspectiveMap& map) {
  Image out = Image::Blank(image.width, image.height);
  for (int j = 0; j < out.height; ++j) {
    for (int i = 0; i < out.width; ++i) {
      const double x = i + 0.5;
      const double y = j + 0.5;
      const double by = map[6] * x + map[7] * y + 1;
      const double from_x = (map[0] * x + map[1] * y + map[2]) / by;
      const double from_y = (map[3] * x + map[4] * y + map[5]) / by;
      // Also false for what is not a number.
      if (!(from_x >= 0 && from_x < image.width && from_y >= 0 && from_y < image.height)) continue;
      Interpolate(image, from_x, from_y, PixelAt(out, i, j));
    }
  }
  return out;
}

Image Rotate(const Image& image, double degrees) {
  degrees = std::fmod(degrees, 360.0);
  if (degrees < 0) degrees += 360.0;
  // Pillow turns by these without a map, so without its rounding.
  if (degrees == 0) return image;
  if (degrees == 180) return FlipVertically(FlipHorizontally(image));
  const double angle = -degrees * std::numbers::pi / 180;
  // Pillow rounds to 15 decimals, so that a quarter turn has no 6e-17 in its map.
  const auto round15 = [](double value) { return std::round(value * 1e15) / 1e15; };
  const double cosine = round15(std::cos(angle));
  const double sine = round15(std::sin(angle));
  const double x = image.width / 2.0;
  const double y = image.height / 2.0;
  if ((degrees == 90 || degrees == 270) && image.width == image.height) {
    return degrees == 90 ? FlipVertically(Transpose(image)) : FlipHorizontally(Transpose(image));
  }
  return WarpAffine(image, {cosine, sine, cosine * -x + sine * -y + x, -sine, cosine,
                            -sine * -x + cosine * -y + y});
}

AffineMap AffineOf(int width, int height, double degrees) {
  const double angle = degrees * std::numbers::pi / 180;
  const double cosine = std::cos(angle);
  const double sine = std::sin(angle);
  const double x = width * 0.5;
  const double y = height * 0.5;
  return {cosine, sine, cosine * -x + sine * -y + x, -sine, cosine, -sine * -x + cosine * -y + y};
}

// The eight equations of torchvision, one pair for each corner, solved by elimination with pivots.
bool PerspectiveOf(const Corners& from, const Corners& to, PerspectiveMap& map) {
  std::array<std::array<double, 9>, 8> rows;
  for (std::size_t i = 0; i < 4; ++i) {
    const Point a = from[i];
    const Point b = to[i];
    rows[2 * i] = {b.x, b.y, 1, 0, 0, 0, -a.x * b.x, -a.x * b.y, a.x};
    rows[2 * i + 1] = {0, 0, 0, b.x, b.y, 1, -a.y * b.x, -a.y * b.y, a.y};
  }
  for (std::size_t k = 0; k < 8; ++k) {
    std::size_t pivot = k;
    for (std::size_t i = k + 1; i < 8; ++i) {
      if (std::abs(rows[i][k]) > std::abs(rows[pivot][k])) pivot = i;
    }
    if (std::abs(rows[pivot][k]) < 1e-9) return false;
    std::swap(rows[k], rows[pivot]);
    for (std::size_t i = 0; i < 8; ++i) {
      if (i == k) continue;
      const double factor = rows[i][k] / rows[k][k];
      for (std::size_t j = k; j < 9; ++j) rows[i][j] -= factor * rows[k][j];
    }
  }
  for (std::size_t k = 0; k < 8; ++k) map[k] = rows[k][8] / rows[k][k];
  return true;
}

}  // namespace roost::trainer
