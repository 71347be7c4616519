#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/result.h"

namespace roost::trainer {

// What the command line says of this process's place in a group.
struct LaunchFlags {
  std::optional<std::int64_t> rank{};
  std::optional<std::int64_t> world_size{};
  std::optional<std::int64_t> local_rank{};
  std::string master_addr{};
  std::optional<std::int64_t> master_port{};
};

// This process's place in a group, and where the group meets.
struct Launch {
  int rank = 0;
  int world_size = 1;  // 1: no group
  std::optional<int> local_rank{};
  std::string source{};  // who said so, for messages: "RANK and WORLD_SIZE"
  std::string master_addr{};
  std::uint16_t master_port = 29500;  // PyTorch's own default
  // torchrun keeps the store at that address itself, so rank 0 opens none.
  bool has_store = false;
  std::string attempt = "0";  // torchrun's, of several restarts
};

// The place by the first of these that says anything of it:
//   1. the flags
//   2. RANK, WORLD_SIZE, LOCAL_RANK (torchrun, Azure ML's PyTorch jobs)
//   3. HOROVOD_RANK, HOROVOD_SIZE, HOROVOD_LOCAL_RANK
//   4. OMPI_COMM_WORLD_RANK, _SIZE, _LOCAL_RANK (Open MPI, Azure ML's MPI jobs)
//   5. PMI_RANK, PMI_SIZE, MPI_LOCALRANKID (Hydra, Intel MPI)
//   6. SLURM_PROCID, SLURM_NTASKS, SLURM_LOCALID, in a job step of several tasks
//   7. a single process
// and the meeting point by the first of --master-addr, MASTER_ADDR, AZ_BATCH_MASTER_NODE
// ("host:port"), AZ_BATCHAI_MPI_MASTER_NODE (port 23456, as the designer's component has it), with
// Slurm the first host of SLURM_JOB_NODELIST, and this machine when the launcher says that all
// ranks are here. An empty variable counts as not set.
//
// Errors, all kInvalidArgument: a place of which only one half is told, naming the half that is
// missing; numbers that are none or out of range; no meeting point.
Result<Launch> ResolveLaunch(const LaunchFlags& flags,
                             const std::map<std::string, std::string>& environment);

// The variables among those above that are set for this process.
std::map<std::string, std::string> LaunchEnvironment();

// "n1,n[03-07,9]-ib" -> "n1"; "rack[1-2]n[3-4]" -> "rack1n3".
std::string FirstHost(const std::string& node_list);

}  // namespace roost::trainer
