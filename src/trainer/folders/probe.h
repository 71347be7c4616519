#pragma once

#include "base/files.h"
#include "base/result.h"

namespace roost::trainer {

// Whether the file's header is that of an image that can be decoded; reads little of it and decodes
// nothing. The error's message says why not, without the file's name.
Status ProbeImageFile(const fs::path& path);

// True for .jpg .jpeg .png .ppm .bmp .pgm .tif .tiff .webp in any case.
bool HasImageExtension(const fs::path& path);

}  // namespace roost::trainer
