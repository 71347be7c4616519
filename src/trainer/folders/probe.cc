#include "trainer/folders/probe.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace roost::trainer {

Status ProbeImageFile(const fs::path& path) {
  ROOST_ASSIGN(const std::string head, ReadRange(path, 0, 16));
  for (const std::string_view magic :
       {"\xff\xd8", "\x89PNG", "RIFF", "BM", "P5", "P6", "P2", "P3", "II*", "MM"}) {
    if (head.starts_with(magic)) return {};
  }
  return Fail(ErrorCode::kInvalidArgument, "its header is that of no known image format");
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
