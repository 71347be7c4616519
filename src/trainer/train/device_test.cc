#include "trainer/train/device.h"

#include <ATen/Context.h>
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>

#include <numeric>

#include "trainer/train/image_tensors.h"

namespace roost::trainer {
namespace {

using testing::HasSubstr;

TEST(DeviceTest, TheProcessorIsAlwaysThere) {
  EXPECT_TRUE(ChooseDevice("cpu")->is_cpu());
  EXPECT_EQ(ChooseDevice("auto")->is_cuda(), at::globalContext().hasCUDA());
}

TEST(DeviceTest, WordsThatAreNoDeviceAreRefused) {
  for (const char* word : {"", "gpu", "cuda:", "cuda:-1", "cuda:x", "cuda:99999999999", "CUDA"}) {
    const auto device = ChooseDevice(word);
    ASSERT_FALSE(device) << word;
    EXPECT_THAT(device.error().message, HasSubstr("choose auto, cpu, cuda"));
  }
}

TEST(DeviceTest, AGpuThatIsNotHereIsRefused) {
  const auto device = ChooseDevice("cuda:999");
  ASSERT_FALSE(device);
  EXPECT_THAT(device.error().message, HasSubstr("cuda:999 is not here"));
  if (!at::globalContext().hasCUDA()) {
    EXPECT_THAT(ChooseDevice("cuda").error().message, HasSubstr("sees no GPU"));
  }
}

// What a GPU does with the bytes, computed on the processor.
TEST(DeviceTest, BytesAreNormalisedOnADeviceAsInMemory) {
  std::vector<std::uint8_t> bytes(2 * 16 * 8 * 3);
  std::iota(bytes.begin(), bytes.end(), 0);
  for (const bool channels_last : {false, true}) {
    const at::Tensor here = NormalizedImages(bytes.data(), 2, 16, 8, channels_last);
    const at::Tensor there =
        NormalizedOnDevice(bytes.data(), 2, 16, 8, channels_last, at::Device(at::kCPU));
    EXPECT_TRUE(at::equal(here, there));
    EXPECT_EQ(here.strides(), there.strides());
  }
}

}  // namespace
}  // namespace roost::trainer
