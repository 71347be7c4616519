#pragma once

#include "trainer/images/image.h"

namespace roost::trainer {

// As torchvision does on Pillow images, by Pillow's ImageEnhance and its HSV of whole bytes. A
// factor of 1 changes nothing, 0 gives black, the mean gray, or gray.
Image AdjustBrightness(const Image& image, double factor);
Image AdjustContrast(const Image& image, double factor);
Image AdjustSaturation(const Image& image, double factor);
// Turns the hue by `turns` of the colour circle, -0.5 to 0.5; 0 still goes by HSV and back, which
// rounds.
Image AdjustHue(const Image& image, double turns);
// Pillow's convert("L") (ITU-R 601-2 luma), in all three channels.
Image ToGrayscale(const Image& image);

}  // namespace roost::trainer
