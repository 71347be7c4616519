#pragma once

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>

#include "trainer/images/image.h"

namespace roost::trainer {

// The value of a Result, or a failed test.
template <class T>
T ValueOf(tl::expected<T, Error> result) {
  if (!result) {
    ADD_FAILURE() << result.error().message;
    std::abort();
  }
  return std::move(*result);
}

// Slopes with some structure; the same each time.
inline Image TestPicture(int width, int height) {
  Image image = Image::Blank(width, height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      std::uint8_t* pixel = image.Row(y) + x * 3;
      pixel[0] = static_cast<std::uint8_t>(x * 5 % 256);
      pixel[1] = static_cast<std::uint8_t>(y * 7 % 256);
      pixel[2] = static_cast<std::uint8_t>((x * y) % 256);
    }
  }
  return image;
}

inline int LargestDifference(const Image& a, const Image& b) {
  EXPECT_EQ(a.width, b.width);
  EXPECT_EQ(a.height, b.height);
  if (a.pixels.size() != b.pixels.size()) return 256;
  int largest = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    largest = std::max(largest, std::abs(a.pixels[i] - b.pixels[i]));
  }
  return largest;
}

}  // namespace roost::trainer
