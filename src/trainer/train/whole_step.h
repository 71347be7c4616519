#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <memory>

#include "trainer/cuda/captured_step.h"
#include "trainer/models/model.h"
#include "trainer/train/batch_uploads.h"
#include "trainer/train/optimizer.h"
#include "trainer/train/options.h"

namespace roost::trainer {

// A step of the training, from the bytes of a full batch to the moved weights, that never waits for
// the GPU in between, so that it can be recorded once and launched as a whole. It computes what the
// loop computes operation by operation. One process, and one batch a step.
class WholeStep {
 public:
  // All must outlive it and stay where they are. `average` may be null.
  struct Parts {
    Classifier& model;
    Optimizer& optimizer;
    MovingAverage* average = nullptr;
    const TrainOptions& options;
  };
  // What changes from step to step.
  struct Settings {
    double learning_rate = 0;
    double mix_share = 1;   // mixup's, of each image itself
    double loss_scale = 1;  // with fp16, see GradScaler
  };
  struct Outcome {
    double loss = 0;
    double wrong = 0;  // images whose most likely class is another
    bool finite =
        true;  // false: with fp16, a gradient was infinite and the weights were left alone
  };

  WholeStep(const Parts& parts, const at::Device& device, std::int64_t height, std::int64_t width);
  bool Fits(std::int64_t height, std::int64_t width) const;

  // The two are called in turn. Between them the GPU computes.
  void Start(const DeviceBatch& batch, const Settings& settings);
  Outcome Finish();

 private:
  void Work();

  const Parts parts_;
  // Read and written by the recorded work: their memory stays.
  DeviceBatch batch_{};
  at::Tensor learning_rate_, mix_share_, mix_others_, loss_scale_, inverse_scale_;
  at::Tensor outcome_;  // loss, wrong, infinite
  std::unique_ptr<CapturedStep> step_;
};

}  // namespace roost::trainer
