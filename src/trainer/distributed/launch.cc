#include "trainer/distributed/launch.h"

#include <array>
#include <charconv>
#include <cstdlib>
#include <limits>

namespace roost::trainer {
namespace {

using Environment = std::map<std::string, std::string>;

// The names that one kind of launcher uses; an empty one is not known to it.
struct Family {
  const char* rank;
  const char* size;
  const char* local_rank;
  const char* local_size;
};
constexpr std::array<Family, 4> kFamilies = {{
    {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"},
    {"HOROVOD_RANK", "HOROVOD_SIZE", "HOROVOD_LOCAL_RANK", "HOROVOD_LOCAL_SIZE"},
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
     "OMPI_COMM_WORLD_LOCAL_SIZE"},
    {"PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"},
}};
constexpr Family kSlurm = {"SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", ""};
constexpr std::uint16_t kComponentPort = 23456;
constexpr const char* kLoopback = "127.0.0.1";
constexpr const char* kWayOut =
    " To train with one process, unset what is set or say --rank 0 --world-size 1.";

std::string ValueOf(const Environment& environment, const char* name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

Result<std::int64_t> Number(const std::string& name, const std::string& text, std::int64_t low,
                            std::int64_t high) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= low && value <= high) {
    return value;
  }
  return Invalid(name, name + " is \"" + text + "\"; it must be a whole number from " +
                           std::to_string(low) + " to " + std::to_string(high) + ".");
}

// A place as its launcher writes it.
struct Words {
  std::string rank_name, rank, size_name, size, local_rank_name, local_rank, local_size_name,
      local_size;
};

Words WordsOf(const Family& family, const Environment& environment) {
  return {family.rank,       ValueOf(environment, family.rank),
          family.size,       ValueOf(environment, family.size),
          family.local_rank, ValueOf(environment, family.local_rank),
          family.local_size, ValueOf(environment, family.local_size)};
}

Words WordsOf(const LaunchFlags& flags) {
  const auto text = [](const std::optional<std::int64_t>& value) {
    return value ? std::to_string(*value) : std::string();
  };
  return {"--rank",
          text(flags.rank),
          "--world-size",
          text(flags.world_size),
          "--local-rank",
          text(flags.local_rank),
          "",
          ""};
}

// Outside a step (a batch script, a shell of salloc) Slurm sets part of its variables, too; there
// the program runs once.
bool IsSlurmStep(const Environment& environment) {
  return !ValueOf(environment, "SLURM_STEP_ID").empty() ||
         !ValueOf(environment, "SLURM_STEPID").empty();
}

Result<Launch> PlaceOf(const Words& words) {
  const auto missing = [](const std::string& set, const std::string& name) {
    return Invalid(
        name, set + " is set but " + name + " is not: a process of a group needs both." + kWayOut);
  };
  if (words.rank.empty()) return missing(words.size_name, words.rank_name);
  if (words.size.empty()) return missing(words.rank_name, words.size_name);
  constexpr std::int64_t kMost = 1 << 20;
  Launch launch;
  ROOST_ASSIGN(const std::int64_t size, Number(words.size_name, words.size, 1, kMost));
  ROOST_ASSIGN(const std::int64_t rank, Number(words.rank_name, words.rank, 0, size - 1));
  launch.world_size = static_cast<int>(size);
  launch.rank = static_cast<int>(rank);
  launch.source = words.rank_name + " and " + words.size_name;
  if (!words.local_rank.empty()) {
    ROOST_ASSIGN(const std::int64_t local,
                 Number(words.local_rank_name, words.local_rank, 0, size - 1));
    launch.local_rank = static_cast<int>(local);
  }
  return launch;
}

// True when the launcher says that all ranks run on this machine.
bool AllHere(const Words& words, const Environment& environment) {
  if (!words.local_size.empty()) return words.local_size == words.size;
  if (words.size_name != kSlurm.size) return false;
  return ValueOf(environment, "SLURM_NNODES") == "1" ||
         ValueOf(environment, "SLURM_JOB_NUM_NODES") == "1";
}

Status FindMeetingPoint(const LaunchFlags& flags, const Environment& environment,
                        const Words& words, Launch* launch) {
  std::string port = ValueOf(environment, "MASTER_PORT");
  std::string port_name = "MASTER_PORT";
  const std::string batch = ValueOf(environment, "AZ_BATCH_MASTER_NODE");
  const std::string batch_ai = ValueOf(environment, "AZ_BATCHAI_MPI_MASTER_NODE");
  launch->master_addr =
      !flags.master_addr.empty() ? flags.master_addr : ValueOf(environment, "MASTER_ADDR");
  if (!launch->master_addr.empty()) {
    launch->has_store = flags.master_addr.empty() && !flags.master_port &&
                        ValueOf(environment, "TORCHELASTIC_USE_AGENT_STORE") == "True";
  } else if (!batch.empty()) {
    const std::size_t colon = batch.rfind(':');
    launch->master_addr = batch.substr(0, colon);
    if (colon != std::string::npos && port.empty()) {
      port = batch.substr(colon + 1);
      port_name = "the port of AZ_BATCH_MASTER_NODE";
    }
  } else if (!batch_ai.empty()) {
    launch->master_addr = batch_ai;
    launch->master_port = kComponentPort;
  } else if (AllHere(words, environment)) {
    launch->master_addr = kLoopback;
  } else if (words.size_name == kSlurm.size) {
    launch->master_addr = FirstHost(ValueOf(environment, "SLURM_JOB_NODELIST"));
  }
  if (launch->master_addr.empty()) {
    return Invalid("MASTER_ADDR",
                   "MASTER_ADDR is not set, and " + launch->source +
                       " do not tell whether all processes run on this machine. Set it, or "
                       "--master-addr, to the machine of rank 0 (127.0.0.1 if all run here).");
  }
  if (flags.master_port) {
    port = std::to_string(*flags.master_port);
    port_name = "--master-port";
  }
  if (port.empty()) return {};
  ROOST_ASSIGN(const std::int64_t number,
               Number(port_name, port, 1, std::numeric_limits<std::uint16_t>::max()));
  launch->master_port = static_cast<std::uint16_t>(number);
  return {};
}

std::optional<Words> FirstThatSpeaks(const LaunchFlags& flags, const Environment& environment) {
  if (flags.rank || flags.world_size) return WordsOf(flags);
  for (const Family& family : kFamilies) {
    Words words = WordsOf(family, environment);
    if (!words.rank.empty() || !words.size.empty()) return words;
  }
  if (!IsSlurmStep(environment)) return std::nullopt;
  Words words = WordsOf(kSlurm, environment);
  // A step may have fewer tasks than its job.
  const std::string of_step = ValueOf(environment, "SLURM_STEP_NUM_TASKS");
  if (!of_step.empty()) words.size = of_step;
  if (words.rank.empty() && words.size.empty()) return std::nullopt;
  return words;
}

}  // namespace

Result<Launch> ResolveLaunch(const LaunchFlags& flags, const Environment& environment) {
  const std::optional<Words> words = FirstThatSpeaks(flags, environment);
  if (!words) {
    if (!flags.local_rank && flags.master_addr.empty() && !flags.master_port) return Launch();
    return Invalid("--rank",
                   "--local-rank, --master-addr and --master-port mean nothing without "
                   "--rank and --world-size, or a launcher's variables.");
  }
  ROOST_ASSIGN(Launch launch, PlaceOf(*words));
  if (flags.local_rank) launch.local_rank = static_cast<int>(*flags.local_rank);
  if (const std::string attempt = ValueOf(environment, "TORCHELASTIC_RESTART_COUNT");
      !attempt.empty()) {
    launch.attempt = attempt;
  }
  if (launch.world_size == 1) return launch;
  ROOST_TRY(FindMeetingPoint(flags, environment, *words, &launch));
  return launch;
}

Environment LaunchEnvironment() {
  Environment environment;
  const auto take = [&](const char* name) {
    if (const char* const value = std::getenv(name)) environment[name] = value;
  };
  for (const Family& family : kFamilies) {
    for (const char* name : {family.rank, family.size, family.local_rank, family.local_size}) {
      take(name);
    }
  }
  for (const char* name :
       {kSlurm.rank, kSlurm.size, kSlurm.local_rank, "SLURM_STEP_ID", "SLURM_STEPID",
        "SLURM_STEP_NUM_TASKS", "SLURM_NNODES", "SLURM_JOB_NUM_NODES", "SLURM_JOB_NODELIST",
        "MASTER_ADDR", "MASTER_PORT", "AZ_BATCH_MASTER_NODE", "AZ_BATCHAI_MPI_MASTER_NODE",
        "TORCHELASTIC_USE_AGENT_STORE", "TORCHELASTIC_RESTART_COUNT"}) {
    take(name);
  }
  return environment;
}

std::string FirstHost(const std::string& node_list) {
  std::string host;
  for (std::size_t at = 0; at < node_list.size() && node_list[at] != ','; ++at) {
    if (node_list[at] != '[') {
      host += node_list[at];
      continue;
    }
    const std::size_t end = node_list.find(']', at);
    if (end == std::string::npos) return {};
    const std::string ranges = node_list.substr(at + 1, end - at - 1);
    host += ranges.substr(0, ranges.find_first_of(",-"));
    at = end;
  }
  return host;
}

}  // namespace roost::trainer
