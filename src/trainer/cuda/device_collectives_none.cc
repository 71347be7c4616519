#include "trainer/cuda/device_collectives.h"

namespace roost::trainer {
namespace {

tl::unexpected<Error> Without() {
  return Fail(ErrorCode::kUnavailable, "This roost-trainer was built without NCCL.");
}

}  // namespace

bool DeviceCollectives::Available() { return false; }

Result<std::string> DeviceCollectives::NewMeeting() { return Without(); }

Result<std::unique_ptr<DeviceCollectives>> DeviceCollectives::Make(const std::string&, int, int,
                                                                   int) {
  return Without();
}

}  // namespace roost::trainer
