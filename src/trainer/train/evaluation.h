#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "trainer/folders/image_directory.h"
#include "trainer/models/model.h"
#include "trainer/train/image_source.h"

namespace roost::trainer {

// The model's probabilities for one image, in the order of its classes. `row` counts in the
// directory.
using ScoreVisitor = std::function<Status(std::size_t row, const float* probabilities)>;

struct EvaluationOptions {
  std::int64_t batch_size = 16;
  int threads = 1;
  bool channels_last = true;
  const std::atomic<bool>* interrupt = nullptr;  // ends an evaluation early; null: nothing does
};

// Sentences name images that were left out.
Result<std::vector<std::string>> ScoreImages(Classifier& model, const ImageDirectory& images,
                                             const ImageSource& source,
                                             const EvaluationOptions& options,
                                             const ScoreVisitor& visit);

// Sums over images, which may be added up over several parts of a directory.
struct EvaluationSums {
  double images = 0;
  double loss = 0;        // cross entropy, without label smoothing
  double right = 0;       // whose likeliest class is right
  double near = 0;        // the same for the five likeliest, or all where there are fewer
  double interrupts = 0;  // 1: told to end, so that the numbers are of a part of the images
  std::vector<std::string> unreadable{};
};
// Over `rows` of the directory. Sets the model to evaluation.
Result<EvaluationSums> SumOver(Classifier& model, const ImageDirectory& images,
                               const std::vector<std::size_t>& rows, const ImageSource& source,
                               const EvaluationOptions& options);

struct Evaluation {
  std::int64_t images = 0;
  double loss = 0;  // mean cross entropy, without label smoothing
  double top1 = 0;  // share of images whose likeliest class is right
  double top5 = 0;  // the same for the five likeliest, or all where there are fewer
  std::vector<std::string> unreadable{};
};
// Errors: 18 when there are no images.
Result<Evaluation> MeanOf(EvaluationSums sums);

}  // namespace roost::trainer
