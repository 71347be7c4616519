#include "trainer/images/colour.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace roost::trainer {
namespace {

// ITU-R 601-2 luma in 16 fractional bits.
std::uint8_t LumaOf(const std::uint8_t* pixel) {
  return static_cast<std::uint8_t>(
      (pixel[0] * 19595U + pixel[1] * 38470U + pixel[2] * 7471U + 0x8000U) >> 16);
}

// Pillow's Image.blend for one byte, in single precision: cut off after the point.
std::uint8_t Blend(int from, int to, float factor) {
  const float value = static_cast<float>(from) + factor * static_cast<float>(to - from);
  return static_cast<std::uint8_t>(std::clamp(value, 0.0F, 255.0F));
}

// Blends every byte with the one number `from`: a table does.
Image BlendFrom(int from, const Image& image, double factor) {
  std::array<std::uint8_t, 256> table;
  for (int i = 0; i < 256; ++i) {
    table[static_cast<std::size_t>(i)] = Blend(from, i, static_cast<float>(factor));
  }
  Image out = image;
  for (std::uint8_t& value : out.pixels) value = table[value];
  return out;
}

struct Hsv {
  std::uint8_t hue;
  std::uint8_t saturation;
  std::uint8_t value;
};

// Single precision where Pillow has it, so that the bytes come out the same.
Hsv ToHsv(const std::uint8_t* pixel) {
  const int red = pixel[0], green = pixel[1], blue = pixel[2];
  const int most = std::max({red, green, blue});
  const int least = std::min({red, green, blue});
  if (most == least) return {0, 0, static_cast<std::uint8_t>(most)};
  const float range = static_cast<float>(most - least);
  const float from_red = static_cast<float>(most - red) / range;
  const float from_green = static_cast<float>(most - green) / range;
  const float from_blue = static_cast<float>(most - blue) / range;
  float sixths = 0;
  if (red == most) {
    sixths = from_blue - from_green;
  } else if (green == most) {
    sixths = static_cast<float>(2.0 + from_red - from_blue);
  } else {
    sixths = static_cast<float>(4.0 + from_green - from_red);
  }
  const float turns = static_cast<float>(std::fmod(sixths / 6.0 + 1.0, 1.0));
  const float saturation = range / static_cast<float>(most);
  return {static_cast<std::uint8_t>(std::clamp(static_cast<int>(turns * 255.0), 0, 255)),
          static_cast<std::uint8_t>(std::clamp(static_cast<int>(saturation * 255.0), 0, 255)),
          static_cast<std::uint8_t>(most)};
}

void FromHsv(const Hsv& hsv, std::uint8_t* pixel) {
  if (hsv.saturation == 0) {
    std::fill_n(pixel, 3, hsv.value);
    return;
  }
  const double sixths = static_cast<float>(hsv.hue) * 6.0 / 255.0;
  const int sector = static_cast<int>(std::floor(sixths));
  const float part = static_cast<float>(sixths - static_cast<double>(static_cast<float>(sector)));
  const float saturation = static_cast<float>(hsv.saturation / 255.0);
  const float value = hsv.value;
  const auto byte = [&](double share) {
    return static_cast<std::uint8_t>(
        std::clamp(static_cast<int>(std::round(static_cast<double>(value) * share)), 0, 255));
  };
  const std::uint8_t low = byte(1.0 - static_cast<double>(saturation));
  const std::uint8_t falling = byte(1.0 - static_cast<double>(saturation * part));
  const std::uint8_t rising = byte(1.0 - static_cast<double>(saturation) * (1.0 - part));
  const std::uint8_t high = hsv.value;
  const std::array<std::array<std::uint8_t, 3>, 6> sectors{{{high, rising, low},
                                                            {falling, high, low},
                                                            {low, high, rising},
                                                            {low, falling, high},
                                                            {rising, low, high},
                                                            {high, low, falling}}};
  std::copy_n(sectors[static_cast<std::size_t>(sector % 6)].begin(), 3, pixel);
}

}  // namespace

Image AdjustBrightness(const Image& image, double factor) { return BlendFrom(0, image, factor); }

Image AdjustContrast(const Image& image, double factor) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) sum += LumaOf(&image.pixels[i]);
  const double count = static_cast<double>(image.pixels.size() / 3);
  return BlendFrom(static_cast<int>(static_cast<double>(sum) / count + 0.5), image, factor);
}

Image AdjustSaturation(const Image& image, double factor) {
  Image out = image;
  for (std::size_t i = 0; i < out.pixels.size(); i += 3) {
    const std::uint8_t luma = LumaOf(&out.pixels[i]);
    for (std::size_t c = 0; c < 3; ++c) {
      out.pixels[i + c] = Blend(luma, out.pixels[i + c], static_cast<float>(factor));
    }
  }
  return out;
}

Image AdjustHue(const Image& image, double turns) {
  // Cut off after the point, then modulo 256.
  const std::uint8_t shift = static_cast<std::uint8_t>(static_cast<int>(turns * 255));
  Image out = image;
  for (std::size_t i = 0; i < out.pixels.size(); i += 3) {
    Hsv hsv = ToHsv(&out.pixels[i]);
    hsv.hue = static_cast<std::uint8_t>(hsv.hue + shift);
    FromHsv(hsv, &out.pixels[i]);
  }
  return out;
}

Image ToGrayscale(const Image& image) {
  Image out = image;
  for (std::size_t i = 0; i < out.pixels.size(); i += 3) {
    std::fill_n(&out.pixels[i], 3, LumaOf(&out.pixels[i]));
  }
  return out;
}

}  // namespace roost::trainer
