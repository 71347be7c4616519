#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"

namespace roost::trainer {

struct CocoImage {
  std::int64_t id = 0;
  std::string file_name;
  int class_index = -1;          // -1: no annotation with a category
  bool several_classes = false;  // its annotations name different ones; class_index is -1
};

struct CocoDataset {
  std::vector<std::string> classes{};  // by category id; empty when there is no category list
  std::vector<CocoImage> images{};  // as in the file; ids differ, file names lead nowhere outside
  std::size_t orphans = 0;          // annotations of images that are not listed
};

// Reads a COCO file: "images" (id, file_name), "annotations" (image_id, category_id) and
// "categories" (id, name); the rest is skipped while parsing. Nothing when it is no JSON, or lacks
// images or annotations, so is no COCO file. Errors: 18 with the place of what is missing or wrong.
Result<std::optional<CocoDataset>> ReadCoco(const fs::path& file, std::string_view dataset);

}  // namespace roost::trainer
