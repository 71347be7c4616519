#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/subprocess.h"

namespace roost {
namespace {

using SteadyClock = std::chrono::steady_clock;

// The reading end of one of the child's outputs, and what came out of it.
struct Capture {
  Fd reader;
  std::string text;
};

struct Pipe {
  Fd reader;
  Fd writer;
};

Result<Pipe> MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Fail(ErrnoError("making a pipe", errno));
  Pipe made{Fd(ends[0]), Fd(ends[1])};
  // Only our end: the child expects writes that wait.
  if (fcntl(made.reader.get(), F_SETFL, O_NONBLOCK) != 0) {
    return Fail(ErrnoError("making a pipe", errno));
  }
  return made;
}

// All that a pipe can hold is read in so many blocks; a process that writes without end must not
// keep us from looking at the deadline.
constexpr std::size_t kBlock = 64 << 10;
constexpr int kBlocksAtOnce = 16;

// Takes what is there, keeps the first `limit` bytes and drops the rest, so that the child never
// waits for us. Closes the reader at the end of the output.
void Drain(Capture& capture, std::size_t limit) {
  std::array<char, kBlock> block;
  for (int i = 0; i < kBlocksAtOnce && capture.reader.valid(); ++i) {
    const ssize_t got = read(capture.reader.get(), block.data(), block.size());
    if (got > 0) {
      const std::size_t room = limit - capture.text.size();
      capture.text.append(block.data(), std::min(static_cast<std::size_t>(got), room));
    } else if (got == 0) {
      capture.reader = Fd();
    } else if (errno != EINTR) {
      return;
    }
  }
}

int MillisecondsUntil(SteadyClock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - SteadyClock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
}

// False when the deadline came first. The child's end is the end: a process that it left behind
// may hold the outputs open for ever.
bool ReadUntilExit(const Subprocess& child, std::array<Capture, 2>& captures,
                   SteadyClock::time_point deadline, std::size_t limit) {
  while (true) {
    std::array<pollfd, 3> waits{{{child.pidfd(), POLLIN, 0},
                                 {captures[0].reader.get(), POLLIN, 0},
                                 {captures[1].reader.get(), POLLIN, 0}}};
    const int ready = poll(waits.data(), waits.size(), MillisecondsUntil(deadline));
    for (Capture& capture : captures) Drain(capture, limit);
    if (ready > 0 && waits[0].revents != 0) {
      // Once more: what the child wrote between the drain above and its end.
      for (Capture& capture : captures) Drain(capture, limit);
      return true;
    }
    if (SteadyClock::now() >= deadline) return false;
  }
}

void Kill(Subprocess& child, bool whole_session) {
  // Before the child is reaped its id cannot be another's.
  if (whole_session) kill(-child.pid(), SIGKILL);
  static_cast<void>(child.Signal(SIGKILL));
}

}  // namespace

Result<CapturedRun> RunAndCapture(SubprocessOptions options, std::chrono::milliseconds time_limit,
                                  std::size_t limit) {
  const SteadyClock::time_point deadline = SteadyClock::now() + time_limit;
  ROOST_ASSIGN(Pipe output, MakePipe());
  ROOST_ASSIGN(Pipe errors, MakePipe());
  options.stdout_fd = output.writer.get();
  options.stderr_fd = errors.writer.get();
  ROOST_ASSIGN(Subprocess child, Subprocess::Start(options));
  output.writer = Fd();
  errors.writer = Fd();

  std::array<Capture, 2> captures{{{std::move(output.reader), ""}, {std::move(errors.reader), ""}}};
  const bool ended = ReadUntilExit(child, captures, deadline, limit);
  if (!ended) Kill(child, options.new_session);
  ROOST_ASSIGN(const ExitStatus status, child.Wait());
  if (!ended) {
    return Fail(ErrorCode::kDeadline, options.argv.front() + " did not end within " +
                                          std::to_string(time_limit.count()) +
                                          " ms and was stopped.");
  }
  return CapturedRun{status, std::move(captures[0].text), std::move(captures[1].text)};
}

}  // namespace roost
