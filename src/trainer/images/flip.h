#pragma once

#include "trainer/images/image.h"

namespace roost::trainer {

Image FlipHorizontally(const Image& image);  // left to right
Image FlipVertically(const Image& image);    // top to bottom
Image Transpose(const Image& image);         // rows become columns

}  // namespace roost::trainer
