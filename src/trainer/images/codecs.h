#pragma once

// The readers of each format, as DecodeImage and ProbeImage use them. Not for other rooms.

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/images/decode.h"

namespace roost::trainer {

Result<DecodedImage> DecodeJpeg(std::string_view bytes, const DecodeOptions& options);
Result<DecodedImage> DecodePng(std::string_view bytes, const DecodeOptions& options);
Result<DecodedImage> DecodeWebp(std::string_view bytes, const DecodeOptions& options);
Result<DecodedImage> DecodeBmp(std::string_view bytes, const DecodeOptions& options);
Result<DecodedImage> DecodePnm(std::string_view bytes, const DecodeOptions& options);
Result<DecodedImage> DecodeTiff(std::string_view bytes, const DecodeOptions& options);

Result<ImageInfo> ProbeJpeg(std::string_view bytes);
Result<ImageInfo> ProbePng(std::string_view bytes);
Result<ImageInfo> ProbeWebp(std::string_view bytes);
Result<ImageInfo> ProbeBmp(std::string_view bytes);
Result<ImageInfo> ProbePnm(std::string_view bytes);
Result<ImageInfo> ProbeTiff(std::string_view bytes);

// Empty and oversized pictures; every reader asks before it allocates.
Status CheckSize(std::int64_t width, std::int64_t height, ImageFormat format,
                 const DecodeLimits& limits);

// "The JPEG data cannot be decoded: <reason>."
tl::unexpected<Error> BadImage(ImageFormat format, std::string_view reason);

// 16-bit gray as pixels of 8 bits, as DecodeImage says. Requires: one value for each pixel.
void NarrowGray(const std::vector<std::uint16_t>& values, DecodedImage& decoded);

// The data ended early or are damaged: an error, or a mark on what has been read.
Result<DecodedImage> Truncated(DecodedImage decoded, std::string_view reason,
                               const DecodeOptions& options);

// --- Reading numbers out of bytes. Requires: they are there. ---

inline unsigned ByteAt(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}
inline std::uint32_t Little16(std::string_view bytes, std::size_t at) {
  return ByteAt(bytes, at) | ByteAt(bytes, at + 1) << 8;
}
inline std::uint32_t Little32(std::string_view bytes, std::size_t at) {
  return Little16(bytes, at) | Little16(bytes, at + 2) << 16;
}
inline const std::uint8_t* Unsigned(std::string_view bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

}  // namespace roost::trainer
