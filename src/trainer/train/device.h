#pragma once

#include <c10/core/Device.h>

#include <string>

#include "base/result.h"
#include "trainer/distributed/process_group.h"

namespace roost::trainer {

// Where a network is computed: "auto" (a GPU where PyTorch sees one, else the processor), "cpu",
// "cuda" (the GPU of this process's number on its machine) or "cuda:<number>". The error says which
// GPUs there are, or that this PyTorch knows none.
Result<at::Device> ChooseDevice(const std::string& wanted, int local_rank = 0);

// The same for all processes of a group, which agree on it: each takes a GPU of its own, the one of
// its local rank, or all take processors, never a mix. "auto" means GPUs where each rank has one.
// All processes must call it; they are then connected by NCCL. Errors: also a GPU that two of them
// would share, and a program without NCCL.
struct GroupDevice {
  at::Device device;
  std::string note;  // a sentence for the log
};
Result<GroupDevice> ChooseDevice(const std::string& wanted, ProcessGroup& group);

// How the chosen device shall compute. `deterministic`: the same bits each time; else the fastest
// algorithms are tried out for each size of images. It is this thread's GPU from then on. Nothing
// for the processor.
void PrepareDevice(const at::Device& device, bool deterministic);

}  // namespace roost::trainer
