#pragma once

#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "trainer/folders/archive.h"
#include "trainer/folders/component_error.h"

namespace roost::trainer {

// The component Convert to Image Directory. It has no parameters of its own in the designer.
struct ConvertOptions {
  ArchiveLimits archive{};
  int threads = 0;  // that copy; 0: one for each core. The result does not depend on it.
};

enum class ImageLayout { kImageDirectory, kCoco, kClassFolders, kFlat };

struct ConvertReport {
  ImageLayout layout = ImageLayout::kFlat;
  std::vector<std::string> classes{};       // empty: without labels
  std::vector<std::size_t> class_counts{};  // images of each class
  std::size_t images = 0;
  Warnings warnings{};  // each file that was left out, by name
};

// Reads a folder, or an archive (.zip, .tar, .gz, .bz2), or a folder with an archive at its top
// (the first by name is taken), and writes an ImageDirectory into `output`, which must be empty or
// new. In archives __MACOSX is left out and chains of single folders are descended. What is in it
// is found in this order:
//   * an ImageDirectory: its rows, unchanged;
//   * COCO, when there is a *.json at the top with "images" and "annotations" (the first by name):
//     an image gets the one category that its annotations name; with none or several it gets no
//     label (with a warning for several). Categories are sorted by id and numbered from 0;
//   * class folders, <class>/<image>: classes and files in the order of their bytes. Deeper and
//     stray files are left out with a warning. A class folder without a readable image is error 18;
//   * a flat folder: all images below it, without labels.
// The extensions .jpg .jpeg .png .ppm .bmp .pgm .tif .tiff .webp are taken (any case). A file of
// another kind, or one whose header is not that of a readable image, is left out with a warning
// that names it. Bytes are copied unchanged. Errors: 18, 102 (no zip), 160 (disk full, output not
// empty).
Result<ConvertReport> ConvertToImageDirectory(const fs::path& input, const fs::path& output,
                                              const ConvertOptions& options = {});

}  // namespace roost::trainer
