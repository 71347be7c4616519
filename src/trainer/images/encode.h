#pragma once

#include <string>

#include "base/result.h"
#include "trainer/images/image.h"

namespace roost::trainer {

// A PNG of 8-bit RGB. `level` is zlib's, 0 (stored) to 9 (smallest). Requires: a level in that
// range and an image that is not empty. The error is kInternal: no memory, or more pixels than PNG
// holds.
Result<std::string> EncodePng(const Image& image, int level = 6);

// A baseline JPEG with 4:2:0 chroma. `quality` is libjpeg's, 1 to 100. Requires: a quality in that
// range and an image that is not empty. More than 65,500 pixels a side are kTooLarge.
Result<std::string> EncodeJpeg(const Image& image, int quality = 90);

}  // namespace roost::trainer
