#include "trainer/folders/text_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "trainer/folders/component_error.h"

namespace roost::trainer {
namespace {

constexpr std::size_t kBlockBytes = 256U << 10;

// An exception must not leave a thread; want of memory is told as such.
Status Guarded(const std::function<Status(std::size_t)>& work, std::size_t i) {
  try {
    return work(i);
  } catch (const std::bad_alloc&) {
    return FailModule(OutOfMemory("Use fewer threads or smaller images."));
  } catch (const std::exception& exception) {
    return FailModule(LibraryError("RuntimeError", exception.what()));
  }
}

}  // namespace

Result<LineReader> LineReader::Open(const fs::path& path) {
  ROOST_ASSIGN(Fd fd, OpenFile(path, O_RDONLY));
  return LineReader(std::move(fd), path);
}

Result<bool> LineReader::Next(std::string_view& line, std::size_t limit, bool* returned) {
  std::size_t searched = begin_;
  while (true) {
    const void* found = searched < buffer_.size() ? std::memchr(buffer_.data() + searched, '\n',
                                                                buffer_.size() - searched)
                                                  : nullptr;
    if (found != nullptr || ended_) {
      if (found == nullptr && begin_ == buffer_.size()) return false;
      const std::size_t end =
          found == nullptr
              ? buffer_.size()
              : static_cast<std::size_t>(static_cast<const char*>(found) - buffer_.data());
      line = std::string_view(buffer_).substr(begin_, end - begin_);
      begin_ = std::min(end + 1, buffer_.size());
      const bool has_return = line.ends_with('\r');
      if (has_return) line.remove_suffix(1);
      if (returned != nullptr) *returned = has_return;
      return true;
    }
    if (buffer_.size() - begin_ > limit) {
      return Fail(ErrorCode::kTooLarge,
                  path_.string() + " has a line of more than " + std::to_string(limit) + " bytes.");
    }
    buffer_.erase(0, begin_);
    begin_ = 0;
    searched = buffer_.size();
    buffer_.resize(searched + kBlockBytes);
    ssize_t got = 0;
    do {
      got = read(fd_.get(), buffer_.data() + searched, kBlockBytes);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return Fail(ErrnoError("reading " + path_.string(), errno));
    buffer_.resize(searched + static_cast<std::size_t>(got));
    ended_ = got == 0;
  }
}

Result<TextWriter> TextWriter::Create(const fs::path& path) {
  ROOST_ASSIGN(Fd fd, OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC));
  return TextWriter(std::move(fd), path);
}

Status TextWriter::Write(std::string_view text) {
  buffer_ += text;
  if (buffer_.size() < kBlockBytes) return {};
  ROOST_TRY(WriteAll(fd_.get(), buffer_, path_));
  buffer_.clear();
  return {};
}

Status TextWriter::Close() {
  ROOST_TRY(WriteAll(fd_.get(), buffer_, path_));
  buffer_.clear();
  if (fsync(fd_.get()) != 0) return Fail(ErrnoError("syncing " + path_.string(), errno));
  fd_ = Fd();
  return {};
}

std::string Base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t at) {
      return at < bytes.size() ? static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes[at]))
                               : 0U;
    };
    const std::uint32_t group = byte(i) << 16U | byte(i + 1) << 8U | byte(i + 2);
    text += kDigits[group >> 18U];
    text += kDigits[group >> 12U & 63U];
    text += i + 1 < bytes.size() ? kDigits[group >> 6U & 63U] : '=';
    text += i + 2 < bytes.size() ? kDigits[group & 63U] : '=';
  }
  return text;
}

Status ParallelFor(std::size_t count, int threads, const std::function<Status(std::size_t)>& work) {
  std::atomic<std::size_t> next = 0;
  std::atomic<bool> failed = false;
  std::mutex mutex;  // guards `first` and `error`
  std::size_t first = count;
  std::optional<Error> error;
  const auto run = [&] {
    while (!failed) {
      const std::size_t i = next++;
      if (i >= count) return;
      Status done = Guarded(work, i);
      if (done) continue;
      const std::lock_guard lock(mutex);
      failed = true;
      if (i < first) {
        first = i;
        error = std::move(done.error());
      }
    }
  };
  const auto wanted = threads > 0 ? static_cast<std::size_t>(threads)
                                  : std::max<std::size_t>(std::thread::hardware_concurrency(), 1);
  std::vector<std::thread> helpers;
  try {
    for (std::size_t i = 1; i < std::min(wanted, count); ++i) helpers.emplace_back(run);
  } catch (const std::system_error&) {
    // Where the system gives fewer threads, those do.
  }
  run();
  for (std::thread& helper : helpers) helper.join();
  if (error) return Fail(std::move(*error));
  return {};
}

}  // namespace roost::trainer
