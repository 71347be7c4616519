#include "launch/machine.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <fstream>

#include "base/files.h"
#include "launch/machine_limits.h"
#include "launch/nvml.h"

namespace roost::launch {
namespace {

TEST(MachineTest, ThisMachineHasSomething) {
  const MachineResources machine = ReadMachineResources();
  EXPECT_GT(machine.cpus, 0);
  EXPECT_LE(machine.cpus, static_cast<double>(sysconf(_SC_NPROCESSORS_CONF)));
  EXPECT_GT(machine.memory_mb, 64);
}

TEST(MachineTest, CpuMaxIsQuotaByPeriod) {
  EXPECT_EQ(ParseCpuMax("200000 100000\n"), 2.0);
  EXPECT_EQ(ParseCpuMax("50000 100000\n"), 0.5);
  EXPECT_EQ(ParseCpuMax("max 100000\n"), std::nullopt);
  EXPECT_EQ(ParseCpuMax(""), std::nullopt);
}

// Folders that look like a hierarchy of control groups.
class LimitsTest : public testing::Test {
 protected:
  std::string Group(const std::string& path) {
    const fs::path folder = temp_.path() / path;
    fs::create_directories(folder);
    Put(path, "cgroup.procs", "");
    return folder.string();
  }
  void Put(const std::string& group, const std::string& name, const std::string& text) {
    std::ofstream(temp_.path() / group / name) << text;
  }

 private:
  TempFolder temp_{"roost-groups"};
};

TEST_F(LimitsTest, TightestGroupOnTheWayUpBinds) {
  OwnGroups own;
  Group("top");
  Group("top/middle");
  own.unified = Group("top/middle/own");
  EXPECT_EQ(CpuQuota(own), std::nullopt);
  EXPECT_EQ(MemoryLimitBytes(own), std::nullopt);

  Put("top", "cpu.max", "400000 100000\n");
  Put("top/middle", "cpu.max", "150000 100000\n");
  Put("top/middle/own", "cpu.max", "max 100000\n");
  Put("top", "memory.max", "1000000\n");
  Put("top/middle", "memory.max", "max\n");
  Put("top/middle/own", "memory.max", "3000000\n");
  EXPECT_EQ(CpuQuota(own), 1.5);
  EXPECT_EQ(MemoryLimitBytes(own), 1'000'000);
}

TEST_F(LimitsTest, OldControllersAreAskedWhereTheUnifiedOneHasNone) {
  OwnGroups own;
  own.unified = Group("unified");
  own.cpu = Group("cpu");
  own.memory = Group("memory");
  Put("cpu", "cpu.cfs_quota_us", "-1\n");
  Put("cpu", "cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(CpuQuota(own), std::nullopt);
  Put("cpu", "cpu.cfs_quota_us", "250000\n");
  Put("memory", "memory.limit_in_bytes", "5000000\n");
  EXPECT_EQ(CpuQuota(own), 2.5);
  EXPECT_EQ(MemoryLimitBytes(own), 5'000'000);
}

TEST(NvmlTest, MissingLibraryMeansNoGpu) {
  EXPECT_TRUE(ReadGpus("libno-such-library.so.1").empty());
}

TEST(NvmlTest, LibraryWithoutTheFunctionsMeansNoGpu) { EXPECT_TRUE(ReadGpus("libm.so.6").empty()); }

TEST(NvmlTest, DevicesAreReadWithNameAndMemory) {
  const std::vector<Gpu> gpus = ReadGpus(ROOST_FAKE_NVML);
  // The fake has three devices, of which the second cannot be opened.
  ASSERT_EQ(gpus.size(), 2U);
  EXPECT_EQ(gpus[0].index, 0);
  EXPECT_EQ(gpus[0].name, "Fake GPU 0");
  EXPECT_EQ(gpus[0].memory_mb, 16'384);
  EXPECT_EQ(gpus[1].index, 2);
  EXPECT_EQ(gpus[1].name, "Fake GPU 2");
}

}  // namespace
}  // namespace roost::launch
