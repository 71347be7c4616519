#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "trainer/models/model.h"

namespace roost::trainer {

struct OnnxExportOptions {
  std::int64_t height = 224;  // of the images; the batch is free
  std::int64_t width = 224;
  std::string input_name = "input";    // float32, N x 3 x height x width, normalised
  std::string output_name = "logits";  // N x classes, before softmax
  // Kept in the file as text: class names, how images are normalised.
  std::vector<std::pair<std::string, std::string>> metadata{};
};

// Writes the model as it computes in evaluation mode as an ONNX file, opset 17. Weights are kept in
// float32 under their names in PyTorch; norms stay nodes of their own. Atomic.
// kInvalidArgument: images too small, an empty or doubled name. kTooLarge: over 2 GiB.
Status ExportOnnx(const Classifier& model, const std::filesystem::path& path,
                  const OnnxExportOptions& options);

}  // namespace roost::trainer
