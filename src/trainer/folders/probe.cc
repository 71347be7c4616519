#include "trainer/folders/probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace roost::trainer {
namespace {

constexpr std::uint64_t kHeadBytes = 64U << 10;

}  // namespace

Result<ImageInfo> ProbeImageFile(const fs::path& path) {
  ROOST_ASSIGN(std::string bytes, ReadRange(path, 0, kHeadBytes));
  auto info = ProbeImage(bytes);
  // A TIFF may describe itself at its end, and a JPEG can have large notes first.
  if (!info && bytes.size() == kHeadBytes && IdentifyImage(bytes) != ImageFormat::kUnknown) {
    ROOST_ASSIGN(bytes, ReadFile(path, DecodeLimits{}.max_file_bytes));
    info = ProbeImage(bytes);
  }
  if (!info) {
    std::string reason = info.error().message;
    if (reason.ends_with('.')) reason.pop_back();
    return Fail(info.error().code, reason);
  }
  const std::uint64_t limit = DecodeLimits{}.max_pixels;
  const auto pixels =
      static_cast<std::uint64_t>(info->width) * static_cast<std::uint64_t>(info->height);
  if (pixels > limit) {
    return Fail(ErrorCode::kTooLarge, fmt::format("its {} x {} pixels exceed the limit of {}",
                                                  info->width, info->height, limit));
  }
  return info;
}

std::string GrayWarning(std::string_view name, const DecodedImage& decoded) {
  if (decoded.largest_gray == 0) return {};
  const std::uint8_t lightest =
      *std::max_element(decoded.image.pixels.begin(), decoded.image.pixels.end());
  return fmt::format("The image {} has gray values up to {}; as 8 bits they become 0 to {}.{}",
                     name, decoded.largest_gray, lightest,
                     lightest < 64 ? " It is very dark: stretch its values first." : "");
}

bool HasImageExtension(const fs::path& path) {
  static constexpr std::array<std::string_view, 9> kExtensions = {
      ".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"};
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

}  // namespace roost::trainer
