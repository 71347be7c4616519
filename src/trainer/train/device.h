#pragma once

#include <c10/core/Device.h>

#include <string>

#include "base/result.h"

namespace roost::trainer {

// Where a network is computed: "auto" (a GPU where PyTorch sees one, else the processor), "cpu",
// "cuda" (the GPU of this process's number on its machine) or "cuda:<number>". The error says which
// GPUs there are, or that this PyTorch knows none.
Result<at::Device> ChooseDevice(const std::string& wanted, int local_rank = 0);

// How the chosen device shall compute. `deterministic`: the same bits each time; else the fastest
// algorithms are tried out for each size of images. Nothing for the processor.
void PrepareDevice(const at::Device& device, bool deterministic);

}  // namespace roost::trainer
