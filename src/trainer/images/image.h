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

// Whole pixels of a picture; the first is (0, 0), at the top left.
struct Rect {
  int left = 0;
  int top = 0;
  int width = 0;
  int height = 0;
  bool operator==(const Rect&) const = default;
};

// Part of a picture with edges between or inside pixels, in pixels from the top left corner.
struct Box {
  double left = 0;
  double top = 0;
  double right = 0;
  double bottom = 0;
  bool operator==(const Box&) const = default;
};

// Somebody else's pixels, laid out as in Image but with `stride` bytes from row to row.
struct PixelView {
  const std::uint8_t* data = nullptr;
  int width = 0;
  int height = 0;
  std::size_t stride = 0;

  const std::uint8_t* Row(int y) const { return data + static_cast<std::size_t>(y) * stride; }
};

inline PixelView ViewOf(const Image& image) {
  return {image.pixels.data(), image.width, image.height,
          static_cast<std::size_t>(image.width) * 3};
}
// Requires: `rect` lies inside the view.
inline PixelView ViewOf(const PixelView& view, const Rect& rect) {
  return {view.Row(rect.top) + static_cast<std::size_t>(rect.left) * 3, rect.width, rect.height,
          view.stride};
}

}  // namespace roost::trainer
