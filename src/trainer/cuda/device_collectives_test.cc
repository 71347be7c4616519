#include "trainer/cuda/device_collectives.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>

#include <chrono>
#include <set>
#include <thread>

#include "trainer/cuda/gpus.h"

namespace roost::trainer {
namespace {

using Stage = DeviceCollectives::Stage;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

// Where the work is when it has left `before`, or after a while.
Stage StageAfter(DeviceCollectives::Work& work, Stage before, seconds patience = seconds(60)) {
  const Clock::time_point deadline = Clock::now() + patience;
  Stage stage = work.Ask();
  while (stage <= before && Clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::microseconds(100));
    stage = work.Ask();
  }
  return stage;
}

TEST(GpusTest, EachHasAnIdOfItsOwn) {
  const std::vector<std::string> ids = GpuIds();
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), ids.size());
  for (const std::string& id : ids) EXPECT_EQ(id.size(), 40U) << id;
}

TEST(DeviceCollectivesTest, WithoutNcclTheyAreRefused) {
  if (DeviceCollectives::Available()) GTEST_SKIP() << "built with NCCL";
  EXPECT_THAT(DeviceCollectives::NewMeeting().error().message, testing::HasSubstr("without NCCL"));
  EXPECT_FALSE(DeviceCollectives::Make("", 0, 1, 0));
}

TEST(DeviceCollectivesTest, AGpuThatIsNotHereIsAnError) {
  if (!DeviceCollectives::Available()) GTEST_SKIP() << "built without NCCL";
  EXPECT_FALSE(DeviceCollectives::Make("no meeting", 0, 1, 0));
  const auto made = DeviceCollectives::Make(std::string(128, 'x'), 0, 1, 99);
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message, "");
}

// One process is enough to try NCCL itself.
class OneGpuTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!DeviceCollectives::Available()) GTEST_SKIP() << "built without NCCL";
    if (GpuIds().empty()) GTEST_SKIP() << "no GPU";
  }

  static std::unique_ptr<DeviceCollectives> Make(int size) {
    const auto meeting = DeviceCollectives::NewMeeting();
    EXPECT_TRUE(meeting);
    auto made = DeviceCollectives::Make(*meeting, 0, size, 0);
    EXPECT_TRUE(made) << made.error().message;
    return std::move(*made);
  }

  const at::Device gpu_{at::kCUDA, 0};
};

TEST_F(OneGpuTest, SumsAndGivesTensorsOfAllTypes) {
  const auto device = Make(1);
  const auto connected = device->Connect();
  ASSERT_EQ(StageAfter(*connected, Stage::kRunning), Stage::kDone) << connected->failure();
  for (const at::ScalarType type :
       {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kLong, at::kByte}) {
    const at::Tensor expected = at::arange(100, at::TensorOptions(gpu_).dtype(type));
    const at::Tensor values = expected.clone();
    EXPECT_TRUE(device->Takes(values));
    EXPECT_FALSE(device->Takes(values.cpu()));
    const auto sum = device->Sum(values);
    ASSERT_EQ(StageAfter(*sum, Stage::kRunning), Stage::kDone) << sum->failure();
    const auto given = device->GiveFirst(values);
    ASSERT_EQ(StageAfter(*given, Stage::kRunning), Stage::kDone) << given->failure();
    EXPECT_TRUE(at::equal(values, expected));
  }
}

TEST_F(OneGpuTest, TensorsThatDoNotFitFail) {
  const auto device = Make(1);
  const at::Tensor values = at::full({4, 4}, 1.0, gpu_);
  EXPECT_EQ(device->Sum(values)->Ask(), Stage::kFailed);  // not connected
  const auto connected = device->Connect();
  ASSERT_EQ(StageAfter(*connected, Stage::kRunning), Stage::kDone) << connected->failure();
  for (const at::Tensor& wrong : {values.cpu(), values.slice(1, 0, 2), values.to(at::kBool)}) {
    const auto work = device->Sum(wrong);
    EXPECT_EQ(work->Ask(), Stage::kFailed);
    EXPECT_NE(work->failure(), "");
  }
  const auto work = device->Sum(values);
  EXPECT_EQ(StageAfter(*work, Stage::kRunning), Stage::kDone) << work->failure();
}

TEST_F(OneGpuTest, WaitingForAnotherProcessCanBeEnded) {
  const auto device = Make(2);
  const auto connected = device->Connect();
  ASSERT_EQ(StageAfter(*connected, Stage::kStarting, seconds(2)), Stage::kStarting)
      << connected->failure();
  connected->Abort();
  EXPECT_EQ(connected->Ask(), Stage::kFailed);
}

}  // namespace
}  // namespace roost::trainer
