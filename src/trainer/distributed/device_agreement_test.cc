#include "trainer/distributed/device_agreement.h"

#include <gmock/gmock.h>

namespace roost::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Wanted = DeviceOffer::Wanted;

DeviceOffer Offer(const std::string& host, int local_rank, std::vector<std::string> gpus) {
  return {.local_rank = local_rank, .host = host, .has_nccl = true, .gpus = std::move(gpus)};
}

std::vector<DeviceOffer> All(std::vector<DeviceOffer> offers, Wanted wanted) {
  for (DeviceOffer& offer : offers) offer.wanted = wanted;
  return offers;
}

std::string ErrorOf(const std::vector<DeviceOffer>& offers) {
  const auto agreement = AgreeOnDevices(offers);
  return agreement ? "" : agreement.error().message;
}

const std::vector<std::string> kFour = {"GPU-a", "GPU-b", "GPU-c", "GPU-d"};

TEST(DeviceAgreementTest, EachTakesTheGpuOfItsLocalRank) {
  const std::vector<DeviceOffer> offers = {Offer("one", 0, kFour), Offer("one", 1, kFour),
                                           Offer("two", 1, {"GPU-x", "GPU-y"}),
                                           Offer("two", 0, {"GPU-x", "GPU-y"})};
  for (const Wanted wanted : {Wanted::kAny, Wanted::kGpu}) {
    const auto agreement = AgreeOnDevices(All(offers, wanted));
    ASSERT_TRUE(agreement);
    EXPECT_THAT(agreement->gpus, ElementsAre(0, 1, 1, 0));
    EXPECT_EQ(agreement->reason, "");
  }
  EXPECT_THAT(AgreeOnDevices(All(offers, Wanted::kProcessor))->gpus, IsEmpty());
}

TEST(DeviceAgreementTest, ALauncherMayShowEachProcessItsGpuAlone) {
  EXPECT_THAT(AgreeOnDevices({Offer("one", 0, {"GPU-a"}), Offer("one", 1, {"GPU-b"})})->gpus,
              ElementsAre(0, 0));
}

TEST(DeviceAgreementTest, ANumberIsTakenAsItIs) {
  std::vector<DeviceOffer> offers =
      All({Offer("one", 0, kFour), Offer("one", 1, kFour)}, Wanted::kGpu);
  offers[0].number = 3;
  EXPECT_THAT(AgreeOnDevices(offers)->gpus, ElementsAre(3, 1));
  offers[1].number = 3;
  EXPECT_THAT(ErrorOf(offers), HasSubstr("rank 0 and rank 1 on one would share cuda:3 (GPU-d)"));
  offers[1].number = 4;
  EXPECT_THAT(ErrorOf(offers), HasSubstr("rank 1 (one) wants cuda:4 and sees 4 GPUs"));
}

// By its id: two machines have a cuda:0 each, and two processes may see one GPU by two numbers.
TEST(DeviceAgreementTest, AGpuTakesOneProcess) {
  const std::vector<DeviceOffer> offers = {Offer("one", 0, {"GPU-a", "GPU-b"}),
                                           Offer("two", 0, {"GPU-c"}),
                                           Offer("one", 1, {"GPU-b", "GPU-a"})};
  const auto agreement = AgreeOnDevices(offers);
  ASSERT_TRUE(agreement);
  EXPECT_THAT(agreement->gpus, IsEmpty());
  EXPECT_EQ(agreement->reason, "rank 0 and rank 2 on one would share cuda:1 (GPU-a)");
  const std::string error = ErrorOf(All(offers, Wanted::kGpu));
  EXPECT_THAT(error, HasSubstr("but rank 0 and rank 2 on one would share cuda:1 (GPU-a)."));
  EXPECT_THAT(error, HasSubstr("one process for each of its GPUs, or all with --device cpu"));
}

TEST(DeviceAgreementTest, MoreProcessesThanGpusAreNamed) {
  EXPECT_THAT(ErrorOf(All({Offer("one", 0, {"GPU-a"}), Offer("one", 1, {"GPU-a"})}, Wanted::kGpu)),
              HasSubstr("rank 0 and rank 1 on one would share cuda:0"));
}

TEST(DeviceAgreementTest, NeverAMix) {
  std::vector<DeviceOffer> offers = {Offer("one", 0, kFour), Offer("two", 0, {})};
  EXPECT_THAT(AgreeOnDevices(offers)->gpus, IsEmpty());
  EXPECT_EQ(AgreeOnDevices(offers)->reason, "rank 1 (two) sees no GPU");
  offers[0].wanted = Wanted::kGpu;  // the other one takes any, and has none
  EXPECT_THAT(ErrorOf(offers), HasSubstr("but rank 1 (two) sees no GPU."));
  offers[1].wanted = Wanted::kProcessor;
  EXPECT_THAT(ErrorOf(offers), HasSubstr("rank 0 wants a GPU and rank 1 the processor"));
  offers[0].wanted = Wanted::kAny;
  EXPECT_THAT(AgreeOnDevices(offers)->gpus, IsEmpty());
}

TEST(DeviceAgreementTest, OneProgramWithoutNcclIsEnough) {
  std::vector<DeviceOffer> offers = {Offer("one", 0, kFour), Offer("one", 1, kFour)};
  offers[1].has_nccl = false;
  EXPECT_EQ(AgreeOnDevices(offers)->reason,
            "the roost-trainer of rank 1 (one) was built without NCCL");
  EXPECT_THAT(ErrorOf(All(offers, Wanted::kGpu)),
              HasSubstr("rank 1 (one) was built without NCCL."));
}

TEST(DeviceAgreementTest, OffersTravelAsText) {
  const DeviceOffer offer{.wanted = Wanted::kGpu,
                          .number = 2,
                          .local_rank = 5,
                          .host = "a host",
                          .has_nccl = true,
                          .gpus = {"GPU-1", "GPU-2"}};
  const auto read = DeviceOffer::FromText(offer.ToText());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->wanted, Wanted::kGpu);
  EXPECT_EQ(read->number, 2);
  EXPECT_EQ(read->local_rank, 5);
  EXPECT_EQ(read->host, "a host");
  EXPECT_TRUE(read->has_nccl);
  EXPECT_THAT(read->gpus, ElementsAre("GPU-1", "GPU-2"));
  const auto plain = DeviceOffer::FromText(DeviceOffer().ToText());
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->number, std::nullopt);
  EXPECT_FALSE(plain->has_nccl);
  EXPECT_THAT(plain->gpus, IsEmpty());
  EXPECT_EQ(plain->host, "");
  for (const char* text : {"", "x -1 0 0 0 host", "a -1 0 0 3 GPU-1", "a -1 -2 0 0 host"}) {
    EXPECT_FALSE(DeviceOffer::FromText(text)) << text;
  }
}

}  // namespace
}  // namespace roost::trainer
