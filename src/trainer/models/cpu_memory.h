#pragma once

#include <cstddef>

namespace roost::trainer {

// Memory for torch's tensors on the CPU. A step of training takes and frees the same large tensors
// again and again; malloc gives them back to the system each time, and up to a fifth of the step
// goes into page faults. After KeepCpuMemory blocks of 1 MiB and more are kept and handed out
// again, the last freed one of a size first, and lie in huge pages where the system has them.
// Smaller ones are malloc's, which is told to keep what it has, too.
//
// What is kept is bounded: together with what is in use it is never more than a quarter and 256 MiB
// above the most that was ever in use.
//
// Only this process is changed, and nothing if ROOST_TRAINER_MEMORY is "system". Call it once,
// before other threads use torch.
void KeepCpuMemory();

struct CpuMemoryFigures {
  std::size_t used = 0;  // bytes of large blocks in use
  std::size_t kept = 0;  // and of those that wait to be used again
};
CpuMemoryFigures KeptCpuMemory();

}  // namespace roost::trainer
