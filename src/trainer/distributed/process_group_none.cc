#include "trainer/distributed/process_group.h"

namespace roost::trainer {

bool ProcessGroup::Available() { return false; }

Result<std::unique_ptr<ProcessGroup>> ProcessGroup::Connect(const Launch& launch,
                                                            std::chrono::milliseconds) {
  return Fail(ErrorCode::kUnavailable,
              launch.source + " ask for " + std::to_string(launch.world_size) +
                  " processes, but this roost-trainer was built without data parallel: "
                  "its PyTorch's Gloo could not be used. Train with one process "
                  "(--rank 0 --world-size 1).");
}

}  // namespace roost::trainer
