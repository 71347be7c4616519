#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace roost {

// Microseconds since 1970-01-01 UTC: what is stored and what goes over the wire (as ISO 8601 text).
using Micros = std::int64_t;

// The door to time. Wall time may go back; durations and timers use steady time only.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Micros Now() const = 0;
  virtual std::chrono::steady_clock::time_point Steady() const = 0;
};

// The machine's clocks. Lives for the whole program.
Clock& SystemClock();

// A clock that moves only when the test says so; the program's own threads may read it meanwhile.
class FakeClock : public Clock {
 public:
  explicit FakeClock(Micros now = 1'700'000'000'000'000) : now_(now) {}
  Micros Now() const override { return now_; }
  std::chrono::steady_clock::time_point Steady() const override {
    return std::chrono::steady_clock::time_point(std::chrono::microseconds(steady_));
  }
  void Advance(std::chrono::microseconds by) {
    now_ += by.count();
    steady_ += by.count();
  }
  void SetWall(Micros now) { now_ = now; }  // wall time alone, e.g. a clock that goes back

 private:
  std::atomic<Micros> now_;
  std::atomic<Micros> steady_ = 0;
};

// "2026-11-21T07:35:28.123456Z".
std::string FormatTime(Micros time);
// Accepts what FormatTime writes, no fraction or one of 1 to 9 digits (cut to microseconds), and
// offsets such as +02:00. Days and times that do not exist and years before 1970 are refused.
Result<Micros> ParseTime(std::string_view text);

}  // namespace roost
