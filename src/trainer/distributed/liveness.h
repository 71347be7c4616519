#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace roost::trainer {

// A process's sign of life, as it lies in the group's store.
struct Beat {
  enum class State : char {
    kWorking = 'w',
    kBroken = 'b',  // a connection to another process broke under it
    kLeft = 'l',    // it ended in order
  };
  std::uint64_t count = 0;        // changes with each sign
  std::uint64_t collectives = 0;  // that this process has joined
  State state = State::kWorking;

  std::string ToText() const;  // "12 340 w"
  static std::optional<Beat> FromText(const std::string& text);
};

// Decides by the signs of life which process is dead or late. Used by one thread; told the time.
class Liveness {
 public:
  using Clock = std::chrono::steady_clock;
  using Time = Clock::time_point;

  // Silence after which a process is dead when connections break, and so somebody must be.
  static constexpr std::chrono::milliseconds kSilenceWhenBroken{3000};

  // `limit`: silence after which a process is dead in any case.
  Liveness(int size, std::chrono::milliseconds limit, Time now);

  void See(int rank, const Beat& beat, Time now);
  // The process that has been silent for too long; of several the one silent for longest.
  std::optional<int> Dead(Time now) const;
  std::chrono::milliseconds SilenceOf(int rank, Time now) const;
  // The process that has joined the fewest collectives, when another one has joined more.
  std::optional<int> Late() const;
  // All but `except` have left, or have been silent for so long that they may be dead.
  bool AllGone(int except, Time now) const;

 private:
  struct Seen {
    Beat beat{};
    Time at{};
  };
  const std::chrono::milliseconds limit_;
  std::vector<Seen> seen_;
};

}  // namespace roost::trainer
