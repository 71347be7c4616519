#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace roost::trainer {

// A picture in memory: `height` rows of `width` pixels, three bytes each (red, green, blue),
// without gaps.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> pixels{};  // width * height * 3

  std::uint8_t* Row(int y) {
    return pixels.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(width) * 3;
  }
  const std::uint8_t* Row(int y) const { return const_cast<Image*>(this)->Row(y); }
  static Image Blank(int width, int height, std::uint8_t value = 0) {
    return {width, height,
            std::vector<std::uint8_t>(
                static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3, value)};
  }
  bool operator==(const Image&) const = default;
};

}  // namespace roost::trainer
