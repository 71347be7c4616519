#include "trainer/distributed/process_group.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

namespace roost::trainer {
namespace {

int LocalRankOf(const Launch& launch, const std::vector<std::string>& hosts) {
  if (launch.local_rank) return *launch.local_rank;
  const auto own = hosts.begin() + launch.rank;
  return static_cast<int>(std::count(hosts.begin(), own, *own));
}

}  // namespace

ProcessGroup::ProcessGroup(const Launch& launch, std::vector<std::string> hosts)
    : rank_(launch.rank),
      size_(launch.world_size),
      hosts_(std::move(hosts)),
      local_rank_(LocalRankOf(launch, hosts_)) {}

int ProcessGroup::local_size() const {
  return static_cast<int>(
      std::count(hosts_.begin(), hosts_.end(), hosts_[static_cast<std::size_t>(rank_)]));
}

Status ProcessGroup::Barrier() { return Sum(at::zeros({1})); }

Status ProcessGroup::UseGpu(int gpu) {
  std::string meeting;
  if (rank_ == 0) {
    ROOST_ASSIGN(meeting, DeviceCollectives::NewMeeting());
  }
  ROOST_ASSIGN(meeting, TextOfFirst("nccl", meeting));
  ROOST_ASSIGN(std::unique_ptr<DeviceCollectives> device,
               DeviceCollectives::Make(meeting, rank_, size_, gpu));
  return UseDevice(std::move(device));
}

}  // namespace roost::trainer
