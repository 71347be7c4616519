#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"
#include "trainer/images/image.h"

namespace roost::trainer {

// What a file is, told by its first bytes; its name does not matter.
enum class ImageFormat { kUnknown, kJpeg, kPng, kWebp, kBmp, kPnm, kTiff, kGif, kOther };

// "JPEG", "PNG", ...; "unknown" for kUnknown.
std::string_view ToString(ImageFormat format);
ImageFormat IdentifyImage(std::string_view bytes);

struct DecodeLimits {
  // Twice Pillow's MAX_IMAGE_PIXELS, the size from which Pillow refuses to open an image.
  std::uint64_t max_pixels = 178'956'970;
  std::uint64_t max_file_bytes = 1ULL << 30;  // of DecodeImageFile
};

struct DecodeOptions {
  DecodeLimits limits{};
  // Takes images whose data end early or are damaged, once some of their rows can be read, as
  // Pillow does with LOAD_TRUNCATED_IMAGES: a JPEG that ends early goes on in gray, the others in
  // black.
  bool accept_truncated = true;
};

struct DecodedImage {
  Image image{};
  ImageFormat format = ImageFormat::kUnknown;
  bool truncated = false;  // the data ended early or were damaged
  // The largest value of 16-bit gray whose lower bits were dropped; 0: nothing was lost this way.
  std::uint32_t largest_gray = 0;
};

struct ImageInfo {
  int width = 0;
  int height = 0;
  ImageFormat format = ImageFormat::kUnknown;
  bool wide_gray = false;  // more than 8 bits a pixel, without colours
};

// The pixels that Pillow's Image.open(...).convert("RGB") gives:
//  * alpha and transparency are dropped, not blended; colour profiles are not applied;
//  * EXIF orientation of JPEG, PNG and WebP is not applied, the orientation of TIFF is;
//  * CMYK JPEGs have Adobe's inverted values;
//  * 16-bit RGB keeps the high byte;
//  * of an animated WebP and a TIFF with several pages the first picture is taken.
// One thing is not Pillow's, which turns all 16-bit gray above 255 white: here gray keeps the high
// byte too, or the low one where no value of the picture is above 255, so that 8-bit gray in a
// 16-bit file stays as it is; PGM is scaled by the white that its header names.
// Reads JPEG, PNG, WebP, BMP, PBM/PGM/PPM and TIFF. Errors: kTooLarge when the image has more than
// `max_pixels` (nothing of that size is allocated before), kInvalidArgument for other formats,
// named in the message, and for data that cannot be decoded. A WebP that ends early is always
// refused.
Result<DecodedImage> DecodeImage(std::string_view bytes, const DecodeOptions& options = {});

// The same for a file; messages name the path. Too many pixels are kTooLarge with the message
// "Image pixel size in the file '<path>' exceeds allowed limit: '<limit>'."
Result<DecodedImage> DecodeImageFile(const std::filesystem::path& path,
                                     const DecodeOptions& options = {});

// Width, height and format from the header alone; the format may be one that DecodeImage refuses
// only where its header was understood, so a success means that decoding is worth a try.
Result<ImageInfo> ProbeImage(std::string_view bytes);

// A part of a JPEG for a crop that is then resized. The object is meant to be used again and again:
// its memory grows to the largest part seen.
struct JpegRegion {
  Image image{};     // what was decoded: the crop, and a few rows and columns around it
  PixelView view{};  // the part of `image` that belongs to the crop
  Box box{};         // the crop inside `view`, in pixels of `view`; fractional when scaled
  int scale = 1;     // 1, 2, 4 or 8: `image` has 1/scale of the JPEG's width and height
  bool truncated = false;
};

// Decodes what a crop of `crop` (in pixels of the whole JPEG) needs so that it can be resized to
// min_width x min_height: at 1/2, 1/4 or 1/8 where the crop is at least that much larger (by the
// inverse DCT, which is a box filter), and only its rows and columns. Without scaling the pixels
// equal those of DecodeImage. Progressive and CMYK files are decoded in whole, with scaling.
// Requires: `crop` lies inside the image (ProbeImage gives the size) and is not empty.
Status DecodeJpegRegion(std::string_view bytes, const Rect& crop, int min_width, int min_height,
                        const DecodeOptions& options, JpegRegion& region);

}  // namespace roost::trainer
