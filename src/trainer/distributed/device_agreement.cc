#include "trainer/distributed/device_agreement.h"

#include <map>
#include <sstream>

namespace roost::trainer {
namespace {

using Wanted = DeviceOffer::Wanted;

constexpr const char* kWayOut =
    " Start on each machine one process for each of its GPUs, or all with --device cpu.";

std::string Name(std::size_t rank) { return "rank " + std::to_string(rank); }

std::string NameAndHost(const std::vector<DeviceOffer>& ranks, std::size_t rank) {
  return Name(rank) + " (" + ranks[rank].host + ")";
}

std::string CountOf(std::size_t gpus) {
  return gpus == 1 ? "1 GPU" : std::to_string(gpus) + " GPUs";
}

std::optional<std::size_t> FirstThat(const std::vector<DeviceOffer>& ranks, Wanted wanted) {
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    if (ranks[rank].wanted == wanted) return rank;
  }
  return std::nullopt;
}

// A GPU for each rank, or a clause why that cannot be.
tl::expected<std::vector<int>, std::string> GpusOf(const std::vector<DeviceOffer>& ranks) {
  std::vector<int> numbers;
  std::map<std::string, std::size_t> owners;  // by the GPU's id
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    const DeviceOffer& offer = ranks[rank];
    const auto count = static_cast<int>(offer.gpus.size());
    if (count == 0) return tl::unexpected<std::string>(NameAndHost(ranks, rank) + " sees no GPU");
    if (!offer.has_nccl) {
      return tl::unexpected<std::string>("the roost-trainer of " + NameAndHost(ranks, rank) +
                                         " was built without NCCL");
    }
    const int number = offer.number.value_or(offer.local_rank % count);
    if (number >= count) {
      return tl::unexpected<std::string>(NameAndHost(ranks, rank) +
                                         " wants cuda:" + std::to_string(number) + " and sees " +
                                         CountOf(offer.gpus.size()));
    }
    const std::string& id = offer.gpus[static_cast<std::size_t>(number)];
    const auto [owner, is_new] = owners.emplace(id, rank);
    if (!is_new) {
      return tl::unexpected<std::string>(
          Name(owner->second) + " and " + Name(rank) + " on " + offer.host +
          " would share cuda:" + std::to_string(number) + " (" + id + ")");
    }
    numbers.push_back(number);
  }
  return numbers;
}

}  // namespace

std::string DeviceOffer::ToText() const {
  std::ostringstream text;
  text << static_cast<char>(wanted) << ' ' << number.value_or(-1) << ' ' << local_rank << ' '
       << (has_nccl ? 1 : 0) << ' ' << gpus.size();
  for (const std::string& gpu : gpus) text << ' ' << gpu;
  text << ' ' << host;
  return text.str();
}

std::optional<DeviceOffer> DeviceOffer::FromText(const std::string& text) {
  std::istringstream words(text);
  DeviceOffer offer;
  char wanted = 0;
  int number = -1;
  std::size_t count = 0;
  words >> wanted >> number >> offer.local_rank >> offer.has_nccl >> count;
  const bool known = wanted == static_cast<char>(Wanted::kAny) ||
                     wanted == static_cast<char>(Wanted::kProcessor) ||
                     wanted == static_cast<char>(Wanted::kGpu);
  if (!words || !known || offer.local_rank < 0) return std::nullopt;
  offer.wanted = static_cast<Wanted>(wanted);
  if (number >= 0) offer.number = number;
  for (std::string gpu; count > 0 && words >> gpu; --count) offer.gpus.push_back(gpu);
  words >> std::ws;
  std::getline(words, offer.host);
  if (count > 0) return std::nullopt;
  return offer;
}

Result<DeviceAgreement> AgreeOnDevices(const std::vector<DeviceOffer>& ranks) {
  const std::optional<std::size_t> on_gpu = FirstThat(ranks, Wanted::kGpu);
  const std::optional<std::size_t> on_processor = FirstThat(ranks, Wanted::kProcessor);
  if (on_gpu && on_processor) {
    return Fail(ErrorCode::kInvalidArgument,
                "Of the processes of this training " + Name(*on_gpu) + " wants a GPU and " +
                    Name(*on_processor) +
                    " the processor; all must train on the same kind of device. Start all with "
                    "the same --device.");
  }
  if (on_processor) return DeviceAgreement();
  auto gpus = GpusOf(ranks);
  if (gpus) return DeviceAgreement{.gpus = std::move(*gpus)};
  if (!on_gpu) return DeviceAgreement{.reason = std::move(gpus.error())};
  return Fail(ErrorCode::kInvalidArgument,
              "Several processes train on GPUs where each has one of its own, but " + gpus.error() +
                  "." + kWayOut);
}

}  // namespace roost::trainer
