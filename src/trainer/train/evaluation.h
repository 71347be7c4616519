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

struct Evaluation {
  std::int64_t images = 0;
  double loss = 0;  // mean cross entropy, without label smoothing
  double top1 = 0;  // share of images whose likeliest class is right
  double top5 = 0;  // the same for the five likeliest, or all where there are fewer
  std::vector<std::string> unreadable{};
  bool interrupted = false;  // the numbers are of a part of the images, perhaps of none
};
// Sets the model to evaluation. Errors: 18 when no image can be read, and as the source's.
Result<Evaluation> Evaluate(Classifier& model, const ImageDirectory& images,
                            const ImageSource& source, const EvaluationOptions& options);

}  // namespace roost::trainer
