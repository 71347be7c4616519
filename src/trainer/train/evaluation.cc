#include "trainer/train/evaluation.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/softmax.h>

#include <algorithm>

#include "trainer/distributed/shard.h"
#include "trainer/folders/component_error.h"
#include "trainer/train/batch_loader.h"
#include "trainer/train/image_tensors.h"

namespace roost::trainer {
namespace {

// Calls `visit` with the logits of each batch of the rows, in their order.
Result<std::vector<std::string>> ForEachBatch(
    Classifier& model, const std::vector<std::size_t>& rows, const ImageSource& source,
    const EvaluationOptions& options,
    const std::function<Status(const Batch&, const at::Tensor& logits)>& visit) {
  const at::NoGradGuard no_gradients;
  model.SetTraining(false);
  const at::Device device = model.Parameters().front().second.device();
  BatchLoader loader(
      source, rows,
      {.batch_size = static_cast<std::size_t>(options.batch_size), .threads = options.threads});
  std::vector<std::string> unreadable;
  while (true) {
    if (options.interrupt != nullptr && *options.interrupt) return unreadable;
    ROOST_ASSIGN(std::optional<Batch> batch, loader.Next());
    if (!batch) return unreadable;
    unreadable.insert(unreadable.end(), batch->unreadable.begin(), batch->unreadable.end());
    if (!batch->samples.empty()) {
      const at::Tensor logits = model.Forward(
          ImagesOn(device, batch->bytes.data(), static_cast<std::int64_t>(batch->samples.size()),
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
  return ForEachBatch(model, RowsOf(images.size(), 0, 1), source, options,
                      [&](const Batch& batch, const at::Tensor& logits) -> Status {
                        const at::Tensor shares =
                            at::softmax(logits, 1, at::kFloat).to(at::kCPU).contiguous();
                        const float* row = shares.const_data_ptr<float>();
                        for (const std::size_t sample : batch.samples) {
                          ROOST_TRY(visit(sample, row));
                          row += shares.size(1);
                        }
                        return {};
                      });
}

Result<EvaluationSums> SumOver(Classifier& model, const ImageDirectory& images,
                               const std::vector<std::size_t>& rows, const ImageSource& source,
                               const EvaluationOptions& options) {
  EvaluationSums sums;
  Result<std::vector<std::string>> unreadable = ForEachBatch(
      model, rows, source, options, [&](const Batch& batch, const at::Tensor& logits) -> Status {
        const at::Tensor classes = ClassTensor(images, batch.samples).to(logits.device());
        sums.loss +=
            at::cross_entropy_loss(logits, classes, {}, at::Reduction::Sum).item().toDouble();
        const std::int64_t most = std::min<std::int64_t>(5, logits.size(1));
        const at::Tensor hits =
            std::get<1>(logits.topk(most, 1)).eq(classes.unsqueeze(1)).to(at::kDouble);
        sums.right += hits.select(1, 0).sum().item().toDouble();
        sums.near += hits.sum().item().toDouble();
        sums.images += static_cast<double>(batch.samples.size());
        return {};
      });
  ROOST_TRY(unreadable);
  sums.unreadable = std::move(*unreadable);
  sums.interrupts = options.interrupt != nullptr && *options.interrupt ? 1 : 0;
  return sums;
}

Result<Evaluation> MeanOf(EvaluationSums sums) {
  if (sums.images == 0) {
    return FailModule(InvalidDataset("Validation dataset", "none of its images can be read"));
  }
  return Evaluation{.images = static_cast<std::int64_t>(sums.images),
                    .loss = sums.loss / sums.images,
                    .top1 = sums.right / sums.images,
                    .top5 = sums.near / sums.images,
                    .unreadable = std::move(sums.unreadable)};
}

}  // namespace roost::trainer
