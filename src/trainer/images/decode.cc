#include "trainer/images/decode.h"

#include <algorithm>

#include "base/files.h"
#include "trainer/images/codecs.h"

namespace roost::trainer {
namespace {

using std::string_view_literals::operator""sv;

bool StartsWith(std::string_view bytes, std::string_view magic, std::size_t at = 0) {
  return bytes.size() >= at + magic.size() && bytes.substr(at, magic.size()) == magic;
}

// Formats that are known by sight but not read.
std::string_view NameOfOther(std::string_view bytes) {
  if (StartsWith(bytes, "ftypavif", 4) || StartsWith(bytes, "ftypavis", 4)) return "AVIF";
  if (StartsWith(bytes, "ftyphei", 4) || StartsWith(bytes, "ftypmif1", 4)) return "HEIC";
  if (StartsWith(bytes, "\x00\x00\x00\x0CjP  \r\n"sv)) return "JPEG 2000";
  if (StartsWith(bytes, "\xFF\x4F\xFF\x51")) return "JPEG 2000";
  if (StartsWith(bytes, "\x00\x00\x00\x0CJXL "sv) || StartsWith(bytes, "\xFF\x0A"))
    return "JPEG XL";
  if (StartsWith(bytes, "8BPS")) return "Photoshop";
  if (StartsWith(bytes, "\x00\x00\x01\x00"sv)) return "ICO";
  if (StartsWith(bytes, "%PDF")) return "PDF";
  if (StartsWith(bytes, "<svg") || StartsWith(bytes, "<?xml")) return "SVG or XML";
  return "";
}

tl::unexpected<Error> NotReadable(std::string_view bytes) {
  const std::string_view readable = " Convert it to JPEG, PNG, WebP, BMP, PPM or TIFF.";
  if (bytes.empty()) return Fail(ErrorCode::kInvalidArgument, "The image is empty (0 bytes).");
  std::string name(IdentifyImage(bytes) == ImageFormat::kGif ? "GIF" : NameOfOther(bytes));
  if (name.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                "The data are not an image of a known format." + std::string(readable));
  }
  return Fail(ErrorCode::kInvalidArgument,
              "Images of the format " + name + " are not supported." + std::string(readable));
}

}  // namespace

std::string_view ToString(ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg:
      return "JPEG";
    case ImageFormat::kPng:
      return "PNG";
    case ImageFormat::kWebp:
      return "WebP";
    case ImageFormat::kBmp:
      return "BMP";
    case ImageFormat::kPnm:
      return "PPM";
    case ImageFormat::kTiff:
      return "TIFF";
    case ImageFormat::kGif:
      return "GIF";
    case ImageFormat::kOther:
      return "other";
    case ImageFormat::kUnknown:
      break;
  }
  return "unknown";
}

ImageFormat IdentifyImage(std::string_view bytes) {
  if (StartsWith(bytes, "\xFF\xD8\xFF")) return ImageFormat::kJpeg;
  if (StartsWith(bytes, "\x89PNG\r\n\x1A\n")) return ImageFormat::kPng;
  if (StartsWith(bytes, "RIFF") && StartsWith(bytes, "WEBP", 8)) return ImageFormat::kWebp;
  if (StartsWith(bytes, "BM")) return ImageFormat::kBmp;
  if (bytes.size() > 2 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' &&
      (bytes[2] == '#' || bytes[2] == ' ' || (bytes[2] >= '\t' && bytes[2] <= '\r'))) {
    return ImageFormat::kPnm;
  }
  if (StartsWith(bytes, "II\x2A\x00"sv) || StartsWith(bytes, "MM\x00\x2A"sv) ||
      StartsWith(bytes, "II\x2B\x00"sv) || StartsWith(bytes, "MM\x00\x2B"sv)) {
    return ImageFormat::kTiff;
  }
  if (StartsWith(bytes, "GIF8")) return ImageFormat::kGif;
  return NameOfOther(bytes).empty() ? ImageFormat::kUnknown : ImageFormat::kOther;
}

Result<DecodedImage> DecodeImage(std::string_view bytes, const DecodeOptions& options) {
  switch (IdentifyImage(bytes)) {
    case ImageFormat::kJpeg:
      return DecodeJpeg(bytes, options);
    case ImageFormat::kPng:
      return DecodePng(bytes, options);
    case ImageFormat::kWebp:
      return DecodeWebp(bytes, options);
    case ImageFormat::kBmp:
      return DecodeBmp(bytes, options);
    case ImageFormat::kPnm:
      return DecodePnm(bytes, options);
    case ImageFormat::kTiff:
      return DecodeTiff(bytes, options);
    case ImageFormat::kGif:
    case ImageFormat::kOther:
    case ImageFormat::kUnknown:
      break;
  }
  return NotReadable(bytes);
}

Result<ImageInfo> ProbeImage(std::string_view bytes) {
  switch (IdentifyImage(bytes)) {
    case ImageFormat::kJpeg:
      return ProbeJpeg(bytes);
    case ImageFormat::kPng:
      return ProbePng(bytes);
    case ImageFormat::kWebp:
      return ProbeWebp(bytes);
    case ImageFormat::kBmp:
      return ProbeBmp(bytes);
    case ImageFormat::kPnm:
      return ProbePnm(bytes);
    case ImageFormat::kTiff:
      return ProbeTiff(bytes);
    case ImageFormat::kGif:
    case ImageFormat::kOther:
    case ImageFormat::kUnknown:
      break;
  }
  return NotReadable(bytes);
}

Result<DecodedImage> DecodeImageFile(const fs::path& path, const DecodeOptions& options) {
  ROOST_ASSIGN(const std::string bytes, ReadFile(path, options.limits.max_file_bytes));
  Result<DecodedImage> decoded = DecodeImage(bytes, options);
  if (decoded) return decoded;
  Error error = std::move(decoded.error());
  error.message = error.code == ErrorCode::kTooLarge
                      ? "Image pixel size in the file '" + path.string() +
                            "' exceeds allowed limit: '" +
                            std::to_string(options.limits.max_pixels) + "'."
                      : path.string() + ": " + error.message;
  return Fail(std::move(error));
}

// --- What the readers share ---

Status CheckSize(std::int64_t width, std::int64_t height, ImageFormat format,
                 const DecodeLimits& limits) {
  constexpr std::int64_t kLargestSide = 1 << 30;  // so that products fit 64 bits
  const std::string size = std::to_string(width) + " x " + std::to_string(height);
  if (width <= 0 || height <= 0) return BadImage(format, "its size is " + size);
  if (width > kLargestSide || height > kLargestSide ||
      static_cast<std::uint64_t>(width) * static_cast<std::uint64_t>(height) > limits.max_pixels) {
    return Fail(ErrorCode::kTooLarge, "The image has " + size + " pixels, more than the limit of " +
                                          std::to_string(limits.max_pixels) + ".");
  }
  return {};
}

tl::unexpected<Error> BadImage(ImageFormat format, std::string_view reason) {
  return Fail(ErrorCode::kInvalidArgument, "The " + std::string(ToString(format)) +
                                               " data cannot be decoded: " + std::string(reason) +
                                               ".");
}

void NarrowGray(const std::vector<std::uint16_t>& values, DecodedImage& decoded) {
  const std::uint16_t largest = *std::max_element(values.begin(), values.end());
  const int shift = largest > 255 ? 8 : 0;
  if (shift > 0) decoded.largest_gray = largest;
  std::uint8_t* to = decoded.image.pixels.data();
  for (const std::uint16_t value : values) {
    to = std::fill_n(to, 3, static_cast<std::uint8_t>(value >> shift));
  }
}

Result<DecodedImage> Truncated(DecodedImage decoded, std::string_view reason,
                               const DecodeOptions& options) {
  if (!options.accept_truncated) return BadImage(decoded.format, reason);
  decoded.truncated = true;
  return decoded;
}

}  // namespace roost::trainer
