#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace roost::trainer {

// What a process may train on, as it tells all others of its group.
struct DeviceOffer {
  enum class Wanted : char { kAny = 'a', kProcessor = 'p', kGpu = 'g' };
  Wanted wanted = Wanted::kAny;
  std::optional<int> number{};  // of the GPU that is wanted; none: the one of `local_rank`
  int local_rank = 0;           // among the processes of its machine
  std::string host{};
  bool has_nccl = false;            // in its program
  std::vector<std::string> gpus{};  // ids of those that it sees, by their numbers

  std::string ToText() const;
  static std::optional<DeviceOffer> FromText(const std::string& text);
};

// All on GPUs, each on one of its own, or all on processors.
struct DeviceAgreement {
  std::vector<int> gpus{};  // each rank's number, as it sees them; empty: processors
  std::string reason{};     // why processors, where nobody asked for them; a clause
};

// Every process comes to the same agreement by the same offers, which stand in the order of the
// ranks. A process takes the GPU of its local rank, modulo those that it sees: launchers that show
// each process one GPU only are right, too. Errors, all kInvalidArgument and in the same words for
// all: GPUs are wanted and a rank has none of its own, or some want GPUs and others processors.
Result<DeviceAgreement> AgreeOnDevices(const std::vector<DeviceOffer>& ranks);

}  // namespace roost::trainer
