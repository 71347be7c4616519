#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "trainer/folders/component_error.h"
#include "trainer/images/operations.h"

namespace roost::trainer {

// The typed folder TransformationDirectory: _transforms.json, a list of
// [<class of torchvision.transforms>, <arguments>], and _meta.yaml with transform_type: Image.
// Arguments are a map by name, a list by position, or a single value.

// The component Init Image Transformation: its switches and options with the designer's defaults.
// The operations come in this order. Sizes are 1 to 65,535 pixels, padding 0 to 65,535, degrees 0
// to 180; anything else is error 8 with the designer's name of the parameter, also where the switch
// is off.
struct TransformationOptions {
  bool resize = true;  // the shorter side becomes `size`
  int size = 256;
  bool center_crop = true;
  int crop_size = 224;
  bool pad = false;
  int padding = 0;
  // Brightness, contrast and saturation change by up to this share. Azure writes no ranges at all,
  // by which the operation does nothing.
  bool color_jitter = false;
  double color_jitter_strength = 0.4;  // 0 to 1
  bool grayscale = false;
  bool random_resized_crop = false;
  int random_resized_crop_size = 256;  // "Random size"
  bool random_crop = false;
  int random_crop_size = 224;
  bool random_horizontal_flip = true;
  bool random_vertical_flip = false;
  bool random_rotation = false;
  double random_rotation_degrees = 0;
  bool random_affine = false;
  double random_affine_degrees = 0;
  bool random_grayscale = false;
  bool random_perspective = false;
};

Result<std::vector<Operation>> OperationsOf(const TransformationOptions& options);

// Writes the folder, which must be new or empty. Errors: 8, 160.
Status InitImageTransformation(const TransformationOptions& options, const fs::path& output);

// Errors: 158 with the reason: no transformation of images, an operation that is unknown or needs
// tensors, an argument that is wrong or not supported.
Result<std::vector<Operation>> ReadTransformation(const fs::path& folder);

enum class ApplyMode {
  kTraining,   // "For training": all operations
  kInference,  // "For inference": without those whose name begins with "Random"; ColorJitter stays
};
// Errors: 8 "Mode" for any other text.
Result<ApplyMode> ParseApplyMode(const std::string& text);

struct ApplyOptions {
  ApplyMode mode = ApplyMode::kTraining;
  // Image number i draws from Random(seed, 0, i), so the result depends on the seed alone. Azure
  // has no seed.
  std::uint64_t seed = 42;
  int threads = 0;  // 0: one for each core
  // Images that cannot be decoded are left out by name; with more of them it fails with error 18.
  std::size_t max_unreadable = 100;
};

struct ApplyReport {
  std::size_t images = 0;
  Warnings warnings{};
};

// The component Apply Image Transformation: writes an ImageDirectory of the same rows whose images
// are PNG (8-bit RGB). The random operations are carried out once, here, and not in each epoch.
// Errors: 158, 18 (no image directory, a crop larger than an image, no image that can be read), 127
// (an image with too many pixels), 160.
Result<ApplyReport> ApplyImageTransformation(const fs::path& transformation, const fs::path& input,
                                             const fs::path& output,
                                             const ApplyOptions& options = {});

}  // namespace roost::trainer
