#include "trainer/images/flip.h"

#include <algorithm>
#include <cstring>

namespace roost::trainer {

Image FlipHorizontally(const Image& image) {
  Image out = Image::Blank(image.width, image.height);
  for (int y = 0; y < image.height; ++y) {
    const std::uint8_t* from = image.Row(y) + static_cast<std::size_t>(image.width) * 3;
    std::uint8_t* to = out.Row(y);
    for (int x = 0; x < image.width; ++x, to += 3) std::memcpy(to, from -= 3, 3);
  }
  return out;
}

Image FlipVertically(const Image& image) {
  Image out = Image::Blank(image.width, image.height);
  for (int y = 0; y < image.height; ++y) {
    std::copy_n(image.Row(y), static_cast<std::size_t>(image.width) * 3,
                out.Row(image.height - 1 - y));
  }
  return out;
}

Image Transpose(const Image& image) {
  Image out = Image::Blank(image.height, image.width);
  for (int y = 0; y < out.height; ++y) {
    std::uint8_t* to = out.Row(y);
    for (int x = 0; x < out.width; ++x, to += 3) {
      std::memcpy(to, image.Row(x) + static_cast<std::size_t>(y) * 3, 3);
    }
  }
  return out;
}

}  // namespace roost::trainer
