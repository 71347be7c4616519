#pragma once

#include "base/files.h"
#include "base/result.h"
#include "trainer/images/decode.h"

namespace roost::trainer {

// What the file's header says, if it is that of an image that can be decoded; reads little of it
// and decodes nothing. The error's message says why not, without the file's name.
Result<ImageInfo> ProbeImageFile(const fs::path& path);

// "The image cat/1.png has 16-bit gray values up to 4095; ..." for one whose lower bits are
// dropped, else empty.
std::string GrayWarning(std::string_view name, const DecodedImage& decoded);

// True for .jpg .jpeg .png .ppm .bmp .pgm .tif .tiff .webp in any case.
bool HasImageExtension(const fs::path& path);

}  // namespace roost::trainer
