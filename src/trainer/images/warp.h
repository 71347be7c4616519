#pragma once

#include <array>

#include "trainer/images/image.h"

namespace roost::trainer {

// Maps that say for each output pixel where it comes from; both act on pixel centres (x + 0.5,
// y + 0.5), as Pillow's Image.transform. What falls outside the image is black.

// x' = m0 x + m1 y + m2, y' = m3 x + m4 y + m5.
using AffineMap = std::array<double, 6>;
// x' = (c0 x + c1 y + c2) / (c6 x + c7 y + 1), y' = (c3 x + c4 y + c5) / (c6 x + c7 y + 1).
using PerspectiveMap = std::array<double, 8>;
struct Point {
  double x = 0;
  double y = 0;
};
using Corners = std::array<Point, 4>;

// The pixel under each mapped centre.
Image WarpAffine(const Image& image, const AffineMap& map);
// Bilinear between the pixels around each mapped centre.
Image WarpPerspective(const Image& image, const PerspectiveMap& map);

// Turns counter-clockwise about the centre, in the same frame: Pillow's Image.rotate(degrees), and
// so torchvision's rotate on Pillow images.
Image Rotate(const Image& image, double degrees);
// torchvision's affine(angle=degrees, translate 0, scale 1, shear 0): turns clockwise.
AffineMap AffineOf(int width, int height, double degrees);
// The map under which the corners `from` of the image come to lie at `to`: torchvision's
// perspective(startpoints=from, endpoints=to). False when the corners determine none.
bool PerspectiveOf(const Corners& from, const Corners& to, PerspectiveMap& map);

}  // namespace roost::trainer
