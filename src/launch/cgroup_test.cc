#include "launch/cgroup.h"

#include <gtest/gtest.h>

namespace roost::launch {
namespace {

struct Place {
  const char* name;
  const char* mountinfo;
  const char* membership;
  OwnGroups expected;
};

const Place kPlaces[] = {
    {"Cgroup2Service",
     "25 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
     "30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
     "0::/system.slice/roost.service\n",
     {.unified = "/sys/fs/cgroup/system.slice/roost.service",
      .freezer = "",
      .memory = "",
      .cpu = ""}},
    {"HybridWithControllersTogether",
     "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
     "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
     "37 31 0:34 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n"
     "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
     "6:freezer:/\n4:memory:/jobs/a\n1:cpuacct,cpu:/x\n0::/\n",
     {.unified = "/sys/fs/cgroup/unified",
      .freezer = "/sys/fs/cgroup/freezer",
      .memory = "/sys/fs/cgroup/memory/jobs/a",
      .cpu = "/sys/fs/cgroup/cpu,cpuacct/x"}},
    {"ContainerSeesItsOwnPartOnly",
     "40 30 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
     "0::/docker/abc/inner\n",
     {.unified = "/sys/fs/cgroup/inner", .freezer = "", .memory = "", .cpu = ""}},
    {"GroupOutsideOfTheMount",
     "40 30 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
     "0::/docker/abcdef\n",
     {}},
    {"GroupOutsideOfTheNamespace",
     "40 30 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
     "0::/../other\n",
     {}},
    {"MountPointWithSpace",
     "40 30 0:26 / /my\\040groups rw - cgroup2 cgroup rw\n",
     "0::/a\n",
     {.unified = "/my groups/a", .freezer = "", .memory = "", .cpu = ""}},
    {"NoGroups", "25 1 8:1 / / rw - ext4 /dev/sda1 rw\n", "", {}},
};

class OwnGroupsTest : public testing::TestWithParam<Place> {};

TEST_P(OwnGroupsTest, AreFound) {
  const OwnGroups found = ParseOwnGroups(GetParam().mountinfo, GetParam().membership);
  EXPECT_EQ(found.unified, GetParam().expected.unified);
  EXPECT_EQ(found.freezer, GetParam().expected.freezer);
  EXPECT_EQ(found.memory, GetParam().expected.memory);
  EXPECT_EQ(found.cpu, GetParam().expected.cpu);
}

INSTANTIATE_TEST_SUITE_P(Places, OwnGroupsTest, testing::ValuesIn(kPlaces),
                         [](const auto& place) { return std::string(place.param.name); });

TEST(RunGroupTest, WithoutAnyHierarchyItIsEmptyAndHarmless) {
  const RunGroup group = RunGroup::Create("id", 100, TreeControl::kCgroup2, OwnGroups{});
  EXPECT_FALSE(group.CanKill());
  EXPECT_FALSE(group.LimitsMemory());
  EXPECT_TRUE(group.JoinFiles(false).empty());
  EXPECT_TRUE(group.Members().empty());
  EXPECT_EQ(group.OomKills(), 0);
  group.Kill();
  group.Remove();
  EXPECT_EQ(group.ToText(), "");
}

TEST(RunGroupTest, FoldersThatAreGoneAreForgotten) {
  const RunGroup group = RunGroup::FromText("/sys/fs/cgroup/roost-no-such-launch\n");
  EXPECT_FALSE(group.CanKill());
  EXPECT_TRUE(group.Members().empty());
}

}  // namespace
}  // namespace roost::launch
