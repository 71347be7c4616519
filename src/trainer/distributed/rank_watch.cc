#include "trainer/distributed/rank_watch.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "trainer/folders/component_error.h"

namespace roost::trainer {
namespace {

using std::chrono::milliseconds;
using Clock = Liveness::Clock;
using Time = Liveness::Time;

constexpr milliseconds kInterval(250);
constexpr milliseconds kExplanation(10000);  // above kSilenceWhenBroken
constexpr milliseconds kNoAnswer(5000);      // of the store
constexpr milliseconds kStuck(10000);
constexpr milliseconds kLeaving(5000);
constexpr const char* kEndKey = "end";

std::string BeatKey(int rank) { return "beat/" + std::to_string(rank); }

std::vector<std::uint8_t> Bytes(const std::string& text) { return {text.begin(), text.end()}; }
std::string Text(const std::vector<std::uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

double Seconds(milliseconds time) { return std::chrono::duration<double>(time).count(); }

// The reason as it lies in the store: 't' or 'e' for a death and an error, then the sentence.
Error ErrorOfEnd(const std::string& text) {
  const std::string sentence = text.empty() ? text : text.substr(1);
  if (text.starts_with('t')) return ToError(TimedOut(sentence));
  return {ErrorCode::kUnavailable, sentence, {}};
}

}  // namespace

struct RankWatch::Shared {
  c10::intrusive_ptr<c10d::Store> store;
  Place place;
  std::shared_ptr<Signal> shared_signal = std::make_shared<Signal>();
  Signal& signal = *shared_signal;
  std::atomic<std::uint64_t> collectives = 0;
  // Guarded by signal.mutex.
  std::optional<std::string> broken{};   // how the first collective broke
  bool late = false;                     // one lasted longer than the limit
  std::optional<std::string> own_end{};  // what this process wants to tell
  bool leaving = false;
  bool ended = false;  // the thread
  Time contact = Clock::now();
  Time verdict_at{};

  void Run();
  bool Round(Liveness& liveness, std::uint64_t count, Time leaving_since);
  void Tell(const std::string& end);
  void Judge(Liveness& liveness, Time now);
  void SetVerdict(Error error);
  std::string Name(int rank) const { return fmt::format("Rank {} of {}", rank, place.size); }
  std::string Keeper() const {
    return place.launcher_store ? "The launcher's store"
                                : Name(0) + ", which keeps the group's store,";
  }
};

void RankWatch::Shared::SetVerdict(Error error) {
  {
    const std::lock_guard lock(signal.mutex);
    if (signal.verdict) return;
    signal.verdict = std::move(error);
    verdict_at = Clock::now();
  }
  signal.changed.notify_all();
}

// The first reason stays; what is there afterwards is the verdict.
void RankWatch::Shared::Tell(const std::string& end) {
  SetVerdict(ErrorOfEnd(Text(store->compareSet(kEndKey, {}, Bytes(end)))));
}

void RankWatch::Shared::Judge(Liveness& liveness, Time now) {
  bool is_broken = false;
  bool is_late = false;
  {
    const std::lock_guard lock(signal.mutex);
    is_broken = broken.has_value();
    is_late = late;
  }
  // Rank 0, and another one for the case that it is rank 0.
  if (place.rank < 2 || is_broken) {
    if (const std::optional<int> dead = liveness.Dead(now)) {
      return Tell(fmt::format("t{} has died: no sign of life from it for {:.0f} s.", Name(*dead),
                              Seconds(liveness.SilenceOf(*dead, now))));
    }
  }
  if (!is_late) return;
  if (const std::optional<int> who = liveness.Late()) {
    Tell(fmt::format("t{} is late: the others have waited for it for {:.0f} s.", Name(*who),
                     Seconds(place.limit)));
  }
}

// False: this process has left.
bool RankWatch::Shared::Round(Liveness& liveness, std::uint64_t count, Time leaving_since) {
  Beat beat{.count = count, .collectives = collectives};
  bool goes = false;
  bool has_verdict = false;
  std::optional<std::string> tell;
  {
    const std::lock_guard lock(signal.mutex);
    goes = leaving;
    has_verdict = signal.verdict.has_value();
    if (broken) beat.state = Beat::State::kBroken;
    tell = own_end;
  }
  if (goes) beat.state = Beat::State::kLeft;
  if (tell && !has_verdict) Tell(*tell);
  store->set(BeatKey(place.rank), Bytes(beat.ToText()));
  if (!has_verdict && store->check({kEndKey})) SetVerdict(ErrorOfEnd(Text(store->get(kEndKey))));

  std::vector<std::string> keys;
  for (int rank = 0; rank < place.size; ++rank) keys.push_back(BeatKey(rank));
  const std::vector<std::vector<std::uint8_t>> beats = store->multiGet(keys);
  const Time now = Clock::now();
  for (int rank = 0; rank < place.size; ++rank) {
    if (const auto seen = Beat::FromText(Text(beats[static_cast<std::size_t>(rank)]))) {
      liveness.See(rank, *seen, now);
    }
  }
  {
    const std::lock_guard lock(signal.mutex);
    contact = now;
    has_verdict = signal.verdict.has_value();
  }
  if (!has_verdict && !goes) Judge(liveness, now);
  if (!goes) return true;
  return place.keeps_store && !liveness.AllGone(place.rank, now) && now - leaving_since < kLeaving;
}

void RankWatch::Shared::Run() {
  Liveness liveness(place.size, place.limit, Clock::now());
  Time leaving_since{};
  for (std::uint64_t count = 1;; ++count) {
    try {
      if (!Round(liveness, count, leaving_since)) break;
    } catch (const std::exception&) {
      SetVerdict(ToError(TimedOut(Keeper() + " cannot be reached any more: it has ended.")));
      break;
    }
    std::unique_lock lock(signal.mutex);
    if (signal.verdict && !signal.noticed && !leaving && Clock::now() - verdict_at > kStuck) {
      std::fprintf(stderr, "error: %s\n", signal.verdict->message.c_str());
      std::fflush(nullptr);
      _exit(1);
    }
    const bool left_before = leaving;
    signal.changed.wait_for(lock, kInterval, [&] { return leaving != left_before; });
    if (leaving && !left_before) leaving_since = Clock::now();
  }
  const std::lock_guard lock(signal.mutex);
  ended = true;
  signal.changed.notify_all();
}

RankWatch::RankWatch(c10::intrusive_ptr<c10d::Store> store, const Place& place)
    : shared_(std::make_shared<Shared>()) {
  shared_->store = std::move(store);
  shared_->place = place;
  thread_ = std::thread([shared = shared_] { shared->Run(); });
}

RankWatch::~RankWatch() {
  std::unique_lock lock(shared_->signal.mutex);
  shared_->leaving = true;
  shared_->signal.changed.notify_all();
  const bool answers = Clock::now() - shared_->contact < kNoAnswer;
  const milliseconds patience = answers ? kLeaving + milliseconds(2000) : kInterval;
  const bool ended =
      shared_->signal.changed.wait_for(lock, patience, [&] { return shared_->ended; });
  lock.unlock();
  // A store that does not answer holds the thread for good.
  if (ended) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

const std::shared_ptr<RankWatch::Signal>& RankWatch::signal() const {
  return shared_->shared_signal;
}

void RankWatch::CountCollective() { ++shared_->collectives; }

Error RankWatch::Explain(const std::optional<std::string>& failure) {
  Signal& signal = shared_->signal;
  std::unique_lock lock(signal.mutex);
  if (failure) {
    shared_->broken = failure;
  } else {
    shared_->late = true;
  }
  const Time start = Clock::now();
  const auto silence = [&] {
    return std::chrono::duration_cast<milliseconds>(Clock::now() - shared_->contact);
  };
  while (!signal.verdict && Clock::now() - start < kExplanation && silence() < kNoAnswer) {
    signal.changed.wait_for(lock, kInterval);
  }
  signal.noticed = true;
  if (signal.verdict) return *signal.verdict;
  if (silence() >= kNoAnswer) {
    return ToError(TimedOut(
        fmt::format("{} has not answered for {:.0f} s.", shared_->Keeper(), Seconds(silence()))));
  }
  if (failure) return ToError(TimedOut("The connection to another rank broke: " + *failure));
  return ToError(
      TimedOut(fmt::format("The ranks waited {:.0f} s for each other, at the same place.",
                           Seconds(shared_->place.limit))));
}

void RankWatch::Abort(const Error& error) {
  Signal& signal = shared_->signal;
  std::unique_lock lock(signal.mutex);
  signal.noticed = true;
  if (signal.verdict) return;
  shared_->own_end = "e" + shared_->Name(shared_->place.rank) + " has ended: " + error.message;
  signal.changed.wait_for(lock, milliseconds(2000), [&] { return signal.verdict.has_value(); });
}

}  // namespace roost::trainer
