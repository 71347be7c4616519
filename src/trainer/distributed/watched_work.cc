#include "trainer/distributed/watched_work.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace roost::trainer {
namespace {

using std::chrono::microseconds;
using Stage = DeviceCollectives::Stage;

constexpr microseconds kWithoutPause(200);  // in which most collectives have been launched
constexpr microseconds kShortest(50);
constexpr microseconds kLongest(1000);

microseconds PauseAfter(microseconds waited) {
  return waited < kWithoutPause ? microseconds(0) : std::clamp(waited / 100, kShortest, kLongest);
}

}  // namespace

WorkWatch::WorkWatch(std::function<bool()> verdict, std::chrono::milliseconds time_limit)
    : has_verdict(std::move(verdict)),
      limit(time_limit),
      sleep([](microseconds pause) { std::this_thread::sleep_for(pause); }) {}

WorkEnd WaitFor(DeviceCollectives::Work& work, Stage stage, const WorkWatch& watch) {
  const WorkWatch::Time start = watch.now();
  WorkEnd end;
  while (true) {
    const Stage at = work.Ask();
    if (at == Stage::kDone || at == stage) return end;
    if (at == Stage::kFailed) {
      end = {WorkEnd::Kind::kFailed, work.failure()};
      break;
    }
    if (watch.has_verdict()) {
      end.kind = WorkEnd::Kind::kVerdict;
      break;
    }
    const auto waited = std::chrono::duration_cast<microseconds>(watch.now() - start);
    if (waited > watch.limit) {
      end.kind = WorkEnd::Kind::kLate;
      break;
    }
    watch.sleep(PauseAfter(waited));
  }
  work.Abort();
  return end;
}

}  // namespace roost::trainer
