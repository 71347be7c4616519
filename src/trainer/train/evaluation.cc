#include "trainer/train/evaluation.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/softmax.h>

#include <algorithm>
#include <numeric>

#include "trainer/folders/component_error.h"
#include "trainer/train/batch_loader.h"
#include "trainer/train/image_tensors.h"

namespace roost::trainer {
namespace {

// Calls `visit` with the logits of each batch, in the order of the directory.
Result<std::vector<std::string>> ForEachBatch(
    Classifier& model, const ImageDirectory& images, const ImageSource& source,
    const EvaluationOptions& options,
    const std::function<Status(const Batch&, const at::Tensor& logits)>& visit) {
  const at::NoGradGuard no_gradients;
  model.SetTraining(false);
  std::vector<std::size_t> order(images.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  BatchLoader loader(
      source, std::move(order),
      {.batch_size = static_cast<std::size_t>(options.batch_size), .threads = options.threads});
  std::vector<std::string> unreadable;
  while (true) {
    if (options.interrupt != nullptr && *options.interrupt) return unreadable;
    ROOST_ASSIGN(std::optional<Batch> batch, loader.Next());
    if (!batch) return unreadable;
    unreadable.insert(unreadable.end(), batch->unreadable.begin(), batch->unreadable.end());
    if (!batch->samples.empty()) {
      const at::Tensor logits = model.Forward(
          NormalizedImages(batch->bytes.data(), static_cast<std::int64_t>(batch->samples.size()),
                           source.height(), source.width(), options.channels_last));
      ROOST_TRY(visit(*batch, logits));
    }
    loader.Recycle(std::move(*batch));
  }
}

}  // namespace

Result<std::vector<std::string>> ScoreImages(Classifier& model, const ImageDirectory& images,
                                             const ImageSource& source,
                                             const EvaluationOptions& options,
                                             const ScoreVisitor& visit) {
  return ForEachBatch(model, images, source, options,
                      [&](const Batch& batch, const at::Tensor& logits) -> Status {
                        const at::Tensor shares = at::softmax(logits, 1, at::kFloat).contiguous();
                        const float* row = shares.const_data_ptr<float>();
                        for (const std::size_t sample : batch.samples) {
                          ROOST_TRY(visit(sample, row));
                          row += shares.size(1);
                        }
                        return {};
                      });
}

Result<Evaluation> Evaluate(Classifier& model, const ImageDirectory& images,
                            const ImageSource& source, const EvaluationOptions& options) {
  Evaluation evaluation;
  double loss = 0;
  double right = 0;
  double near = 0;
  Result<std::vector<std::string>> unreadable = ForEachBatch(
      model, images, source, options, [&](const Batch& batch, const at::Tensor& logits) -> Status {
        const at::Tensor classes = ClassTensor(images, batch.samples);
        loss += at::cross_entropy_loss(logits, classes, {}, at::Reduction::Sum).item().toDouble();
        const std::int64_t most = std::min<std::int64_t>(5, logits.size(1));
        const at::Tensor hits =
            std::get<1>(logits.topk(most, 1)).eq(classes.unsqueeze(1)).to(at::kDouble);
        right += hits.select(1, 0).sum().item().toDouble();
        near += hits.sum().item().toDouble();
        evaluation.images += static_cast<std::int64_t>(batch.samples.size());
        return {};
      });
  ROOST_TRY(unreadable);
  evaluation.unreadable = std::move(*unreadable);
  evaluation.interrupted = options.interrupt != nullptr && *options.interrupt;
  if (evaluation.interrupted) return evaluation;
  if (evaluation.images == 0) {
    return FailModule(InvalidDataset("Validation dataset", "none of its images can be read"));
  }
  const auto count = static_cast<double>(evaluation.images);
  evaluation.loss = loss / count;
  evaluation.top1 = right / count;
  evaluation.top5 = near / count;
  return evaluation;
}

}  // namespace roost::trainer
