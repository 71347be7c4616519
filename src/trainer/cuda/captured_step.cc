#include "trainer/cuda/captured_step.h"

#include <utility>

namespace roost::trainer {
namespace {

class CalledStep : public CapturedStep {
 public:
  explicit CalledStep(std::function<void()> work) : work_(std::move(work)) {}
  void Run() override { work_(); }

 private:
  const std::function<void()> work_;
};

}  // namespace

std::unique_ptr<CapturedStep> CapturedStep::Make(const at::Device& device,
                                                 std::function<void()> work, int warm_ups) {
  if (!device.is_cpu()) {
    if (auto step = MakeGraphStep(device, work, warm_ups)) return step;
  }
  return std::make_unique<CalledStep>(std::move(work));
}

}  // namespace roost::trainer
