#include "trainer/distributed/launch.h"

#include <gmock/gmock.h>

namespace roost::trainer {
namespace {

using ::testing::HasSubstr;
using Environment = std::map<std::string, std::string>;

Launch Resolved(const Environment& environment, const LaunchFlags& flags = {}) {
  const Result<Launch> launch = ResolveLaunch(flags, environment);
  EXPECT_TRUE(launch.has_value()) << launch.error().message;
  return launch.value_or(Launch());
}

std::string Refused(const Environment& environment, const LaunchFlags& flags = {}) {
  const Result<Launch> launch = ResolveLaunch(flags, environment);
  return launch ? "not refused" : launch.error().message;
}

const Environment kTorchrun = {{"RANK", "1"},        {"WORLD_SIZE", "4"},
                               {"LOCAL_RANK", "1"},  {"LOCAL_WORLD_SIZE", "2"},
                               {"MASTER_ADDR", "m"}, {"MASTER_PORT", "6105"}};
const Environment kHorovod = {
    {"HOROVOD_RANK", "2"}, {"HOROVOD_SIZE", "5"}, {"HOROVOD_LOCAL_RANK", "0"}};
const Environment kOpenMpi = {{"OMPI_COMM_WORLD_RANK", "3"},
                              {"OMPI_COMM_WORLD_SIZE", "6"},
                              {"OMPI_COMM_WORLD_LOCAL_RANK", "1"}};
const Environment kHydra = {{"PMI_RANK", "4"}, {"PMI_SIZE", "7"}, {"MPI_LOCALRANKID", "2"}};
const Environment kSlurmStep = {{"SLURM_PROCID", "5"},  {"SLURM_NTASKS", "8"},
                                {"SLURM_LOCALID", "3"}, {"SLURM_STEP_ID", "0"},
                                {"SLURM_NNODES", "2"},  {"SLURM_JOB_NODELIST", "n[03-04,7]"}};

Environment operator+(Environment one, const Environment& other) {
  one.insert(other.begin(), other.end());
  return one;
}

TEST(Launch, NothingSaidIsASingleProcess) {
  EXPECT_EQ(Resolved({}).world_size, 1);
  EXPECT_EQ(Resolved({}).rank, 0);
  EXPECT_EQ(Resolved({{"MASTER_ADDR", "m"}, {"RANK", ""}}).world_size, 1);
}

TEST(Launch, TheOrderOfTheLaunchers) {
  const Environment master = {{"MASTER_ADDR", "m"}};
  Environment all = kTorchrun + kHorovod + kOpenMpi + kHydra + kSlurmStep;
  struct Case {
    Environment environment;
    int rank, size, local;
  };
  for (const Case& c : {Case{kTorchrun, 1, 4, 1}, Case{kHorovod, 2, 5, 0}, Case{kOpenMpi, 3, 6, 1},
                        Case{kHydra, 4, 7, 2}, Case{kSlurmStep, 5, 8, 3}}) {
    // Each wins over all that come after it.
    const Launch launch = Resolved(all + master);
    EXPECT_EQ(launch.rank, c.rank);
    EXPECT_EQ(launch.world_size, c.size);
    EXPECT_EQ(launch.local_rank, c.local);
    for (const auto& [name, value] : c.environment) all.erase(name);
  }
  const Launch flags =
      Resolved(kTorchrun, {.rank = 2, .world_size = 3, .local_rank = 2, .master_addr = "f"});
  EXPECT_EQ(flags.rank, 2);
  EXPECT_EQ(flags.world_size, 3);
  EXPECT_EQ(flags.local_rank, 2);
  EXPECT_EQ(flags.master_addr, "f");
  EXPECT_EQ(flags.source, "--rank and --world-size");
}

TEST(Launch, AHalfSetGroupIsRefusedAndNamesTheOtherHalf) {
  struct Case {
    const char* rank;
    const char* size;
  };
  for (const Case& c : {Case{"RANK", "WORLD_SIZE"}, Case{"HOROVOD_RANK", "HOROVOD_SIZE"},
                        Case{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                        Case{"PMI_RANK", "PMI_SIZE"}, Case{"SLURM_PROCID", "SLURM_NTASKS"}}) {
    const Environment step = {{"SLURM_STEP_ID", "0"}};
    EXPECT_THAT(Refused(step + Environment{{c.rank, "0"}}),
                HasSubstr(std::string(c.rank) + " is set but " + c.size + " is not"));
    EXPECT_THAT(Refused(step + Environment{{c.size, "2"}}),
                HasSubstr(std::string(c.size) + " is set but " + c.rank + " is not"));
  }
  EXPECT_THAT(Refused({}, {.rank = 0}), HasSubstr("--rank is set but --world-size is not"));
  // A half of one launcher is not completed by another one's.
  EXPECT_THAT(Refused(kOpenMpi + Environment{{"RANK", "0"}}), HasSubstr("WORLD_SIZE is not"));
  EXPECT_THAT(Refused({}, {.local_rank = 0}), HasSubstr("mean nothing without"));
}

TEST(Launch, NumbersAreChecked) {
  EXPECT_THAT(Refused({{"RANK", "2"}, {"WORLD_SIZE", "2"}}), HasSubstr("RANK is \"2\""));
  EXPECT_THAT(Refused({{"RANK", "-1"}, {"WORLD_SIZE", "2"}}), HasSubstr("from 0 to 1"));
  EXPECT_THAT(Refused({{"RANK", "0"}, {"WORLD_SIZE", "two"}}), HasSubstr("WORLD_SIZE is \"two\""));
  Environment environment = kTorchrun;
  environment["MASTER_PORT"] = "65536";
  EXPECT_THAT(Refused(environment), HasSubstr("MASTER_PORT"));
}

TEST(Launch, ABatchScriptOfSlurmIsASingleProcess) {
  Environment script = kSlurmStep;
  script.erase("SLURM_STEP_ID");
  EXPECT_EQ(Resolved(script).world_size, 1);
  const Launch step = Resolved(kSlurmStep + Environment{{"SLURM_STEP_NUM_TASKS", "6"}});
  EXPECT_EQ(step.world_size, 6);  // a step with fewer tasks than its job
}

TEST(Launch, WhereTheGroupMeets) {
  const auto meets = [](const Environment& environment, const LaunchFlags& flags = {}) {
    const Launch launch = Resolved(environment, flags);
    return launch.master_addr + ":" + std::to_string(launch.master_port);
  };
  const Environment batch = {{"AZ_BATCH_MASTER_NODE", "10.0.0.4:6000"}};
  const Environment batch_ai = {{"AZ_BATCHAI_MPI_MASTER_NODE", "10.0.0.5"}};
  EXPECT_EQ(meets(kTorchrun), "m:6105");
  EXPECT_EQ(meets(kTorchrun, {.master_addr = "f", .master_port = 7}), "f:7");
  EXPECT_EQ(meets(kTorchrun + batch), "m:6105");
  EXPECT_EQ(meets(kOpenMpi + batch + batch_ai), "10.0.0.4:6000");
  EXPECT_EQ(meets(kOpenMpi + batch_ai), "10.0.0.5:23456");
  EXPECT_EQ(meets(kOpenMpi + batch_ai + Environment{{"MASTER_PORT", "9"}}), "10.0.0.5:9");
  EXPECT_EQ(meets(kOpenMpi + Environment{{"OMPI_COMM_WORLD_LOCAL_SIZE", "6"}}), "127.0.0.1:29500");
  EXPECT_EQ(meets(kSlurmStep), "n03:29500");
  EXPECT_EQ(meets({{"SLURM_PROCID", "0"},
                   {"SLURM_NTASKS", "2"},
                   {"SLURM_STEP_ID", "1"},
                   {"SLURM_NNODES", "1"},
                   {"SLURM_JOB_NODELIST", "n3"}}),
            "127.0.0.1:29500");
  // Not all ranks are here, or nobody says so.
  EXPECT_THAT(Refused(kOpenMpi), HasSubstr("MASTER_ADDR"));
  EXPECT_THAT(Refused(kOpenMpi + Environment{{"OMPI_COMM_WORLD_LOCAL_SIZE", "3"}}),
              HasSubstr("MASTER_ADDR"));
  EXPECT_THAT(Refused({}, {.rank = 0, .world_size = 2}), HasSubstr("--master-addr"));
  EXPECT_EQ(Resolved({}, {.rank = 0, .world_size = 1}).world_size, 1);  // needs none
}

TEST(Launch, TorchrunKeepsTheStore) {
  const Environment agent = {{"TORCHELASTIC_USE_AGENT_STORE", "True"},
                             {"TORCHELASTIC_RESTART_COUNT", "2"}};
  EXPECT_TRUE(Resolved(kTorchrun + agent).has_store);
  EXPECT_EQ(Resolved(kTorchrun + agent).attempt, "2");
  EXPECT_FALSE(Resolved(kTorchrun).has_store);
  EXPECT_FALSE(Resolved(kTorchrun + agent, {.master_addr = "elsewhere"}).has_store);
}

TEST(Launch, TheFirstHostOfANodeList) {
  EXPECT_EQ(FirstHost("n1"), "n1");
  EXPECT_EQ(FirstHost("n1,n2"), "n1");
  EXPECT_EQ(FirstHost("n[03-07,9]-ib,m"), "n03-ib");
  EXPECT_EQ(FirstHost("rack[1-2]n[3,4]"), "rack1n3");
  EXPECT_EQ(FirstHost("n[1"), "");
  EXPECT_EQ(FirstHost(""), "");
}

}  // namespace
}  // namespace roost::trainer
