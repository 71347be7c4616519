#include "trainer/distributed/liveness.h"

#include <algorithm>
#include <sstream>

namespace roost::trainer {

std::string Beat::ToText() const {
  return std::to_string(count) + " " + std::to_string(collectives) + " " + static_cast<char>(state);
}

std::optional<Beat> Beat::FromText(const std::string& text) {
  std::istringstream words(text);
  Beat beat;
  char state = 0;
  if (!(words >> beat.count >> beat.collectives >> state)) return std::nullopt;
  beat.state = static_cast<State>(state);
  if (beat.state != State::kWorking && beat.state != State::kBroken && beat.state != State::kLeft) {
    return std::nullopt;
  }
  return beat;
}

Liveness::Liveness(int size, std::chrono::milliseconds limit, Time now)
    : limit_(limit), seen_(static_cast<std::size_t>(size), Seen{{}, now}) {}

void Liveness::See(int rank, const Beat& beat, Time now) {
  Seen& seen = seen_[static_cast<std::size_t>(rank)];
  if (beat.count == seen.beat.count) return;
  seen = {beat, now};
}

std::chrono::milliseconds Liveness::SilenceOf(int rank, Time now) const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
      now - seen_[static_cast<std::size_t>(rank)].at);
}

std::optional<int> Liveness::Dead(Time now) const {
  const bool broken = std::any_of(seen_.begin(), seen_.end(), [](const Seen& seen) {
    return seen.beat.state == Beat::State::kBroken;
  });
  const std::chrono::milliseconds limit = broken ? std::min(limit_, kSilenceWhenBroken) : limit_;
  std::optional<int> dead;
  for (int rank = 0; rank < static_cast<int>(seen_.size()); ++rank) {
    if (seen_[static_cast<std::size_t>(rank)].beat.state == Beat::State::kLeft) continue;
    if (SilenceOf(rank, now) < limit) continue;
    if (!dead || SilenceOf(rank, now) > SilenceOf(*dead, now)) dead = rank;
  }
  return dead;
}

std::optional<int> Liveness::Late() const {
  const auto fewer = [](const Seen& one, const Seen& other) {
    return one.beat.collectives < other.beat.collectives;
  };
  const auto [fewest, most] = std::minmax_element(seen_.begin(), seen_.end(), fewer);
  if (fewest->beat.collectives == most->beat.collectives) return std::nullopt;
  return static_cast<int>(fewest - seen_.begin());
}

bool Liveness::AllGone(int except, Time now) const {
  for (int rank = 0; rank < static_cast<int>(seen_.size()); ++rank) {
    if (rank == except) continue;
    if (seen_[static_cast<std::size_t>(rank)].beat.state == Beat::State::kLeft) continue;
    if (SilenceOf(rank, now) < kSilenceWhenBroken) return false;
  }
  return true;
}

}  // namespace roost::trainer
