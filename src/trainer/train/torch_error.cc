#include "trainer/train/torch_error.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <array>
#include <new>

namespace roost::trainer {
namespace {

std::string TextOf(const std::exception& exception) {
  // Without torch's backtrace.
  if (const auto* error = dynamic_cast<const c10::Error*>(&exception)) {
    return error->what_without_backtrace();
  }
  return exception.what();
}

template <std::size_t count>
bool HasAny(const std::string& text, const std::array<std::string_view, count>& parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [&](std::string_view part) { return text.find(part) != std::string::npos; });
}

ModuleError ErrorOf(const std::exception& exception, std::string_view dataset) {
  static constexpr std::array<std::string_view, 5> kMemory = {
      "out of memory", "can't allocate memory", "not enough memory", "CUBLAS_STATUS_ALLOC_FAILED",
      "CUDNN_STATUS_ALLOC_FAILED"};
  static constexpr std::array<std::string_view, 2> kSizes = {
      "Sizes of tensors must match", "expects each tensor to be equal size"};
  static constexpr std::array<std::string_view, 4> kTime = {
      "timed out", "Timed out", "NCCL error: unhandled system error", "communicator was aborted"};
  const std::string text = TextOf(exception);
  if (dynamic_cast<const std::bad_alloc*>(&exception) != nullptr || HasAny(text, kMemory)) {
    return OutOfMemory(text + " Take a smaller 'Batch size', smaller images or a larger machine.");
  }
  if (HasAny(text, kSizes)) {
    return InvalidDataset(dataset, "Got exception when training: " + text,
                          "Bring all images to one size.");
  }
  if (text.find("more than 1 value per channel") != std::string::npos) {
    return NotGreaterThanOrEqualTo("Batch size", 1, 2);
  }
  if (HasAny(text, kTime)) return TimedOut(text);
  return LibraryError("RuntimeError", text);
}

}  // namespace

Error ErrorOfException(const std::exception& exception, std::string_view dataset) {
  return FailModule(ErrorOf(exception, dataset)).value();
}

}  // namespace roost::trainer
