#include "api/log_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/run_logs.h"
#include "base/log_file.h"
#include "store/runs.h"

namespace roost::api {
namespace {

// A line that never ends is sent as it is from this length on.
constexpr std::size_t kLongestFoldedLine = 64 << 10;

}  // namespace

LogSource::LogSource(store::Store& store, EventHub& hub, Options options)
    : store_(store), hub_(hub), options_(std::move(options)) {}

StreamSource::Readiness LogSource::Poll() {
  if (LimitReached()) return line_.empty() ? Readiness::kEnd : Readiness::kReady;
  if (!fd_.valid()) fd_ = Fd(::open(options_.file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (fd_.valid()) {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0) return Readiness::kReady;  // Read tells the error
    if (static_cast<std::uint64_t>(info.st_size) > options_.offset + sent_) {
      return Readiness::kReady;
    }
  }
  // All bytes were written before the run was seen to be over, so here every byte is sent.
  if (complete_ || !options_.follow) return line_.empty() ? Readiness::kEnd : Readiness::kReady;
  return hub_.generation() != seen_generation_ ? Readiness::kReady : Readiness::kWait;
}

Status LogSource::CheckRun() {
  const std::uint64_t generation = hub_.generation();
  if (generation == seen_generation_) return {};
  auto run = store_.runs().Get(options_.run);
  if (!run && run.error().code != ErrorCode::kNotFound) {
    return tl::unexpected<Error>(std::move(run.error()));
  }
  complete_ = !run || LogIsComplete(*run, options_.attempt, options_.path);
  seen_generation_ = generation;
  return {};
}

Result<bool> LogSource::Read(std::string* to, std::size_t max) {
  const bool was_complete = complete_;
  if (options_.follow && !complete_) ROOST_TRY(CheckRun());
  // The run's end was seen just now: bytes may have come since Poll looked.
  const bool may_end = was_complete || !options_.follow;
  std::uint64_t wanted = max;
  if (options_.limit) wanted = std::min<std::uint64_t>(wanted, *options_.limit - sent_);
  std::size_t got = 0;
  if (fd_.valid() && wanted > 0) {
    const std::size_t before = to->size();
    to->resize(before + static_cast<std::size_t>(wanted));
    const ssize_t count = ::pread(fd_.get(), to->data() + before, static_cast<std::size_t>(wanted),
                                  static_cast<off_t>(options_.offset + sent_));
    if (count < 0) return tl::unexpected<Error>(ErrnoError("reading the log", errno));
    got = static_cast<std::size_t>(count);
    to->resize(before + got);
    sent_ += got;
  }
  const bool ended = may_end && (got == 0 || LimitReached());
  if (options_.fold) {
    const std::string bytes = std::move(*to);
    to->clear();
    AppendFolded(bytes, ended, to);
  }
  return ended;
}

void LogSource::AppendFolded(std::string_view bytes, bool at_end, std::string* to) {
  line_.append(bytes);
  const std::size_t newline = line_.rfind('\n');
  std::size_t whole = newline == std::string::npos ? 0 : newline + 1;
  if (at_end || line_.size() - whole > kLongestFoldedLine) whole = line_.size();
  to->append(FoldCarriageReturns(std::string_view(line_).substr(0, whole)));
  line_.erase(0, whole);
}

}  // namespace roost::api
