#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/files.h"
#include "base/result.h"

namespace roost::trainer {

// Reads a file of any size with the memory of one block and one line.
class LineReader {
 public:
  static Result<LineReader> Open(const fs::path& path);
  // The next line without its line feed (and carriage return); false at the end. More than
  // `limit` bytes are kTooLarge. The view holds until the next call. `returned`, when given, tells
  // whether there was a carriage return.
  Result<bool> Next(std::string_view& line, std::size_t limit = 16U << 20,
                    bool* returned = nullptr);

 private:
  LineReader(Fd fd, fs::path path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Fd fd_;
  fs::path path_;
  std::string buffer_{};
  std::size_t begin_ = 0;
  bool ended_ = false;
};

// Writes a new file through a buffer; nothing is certain before Close.
class TextWriter {
 public:
  static Result<TextWriter> Create(const fs::path& path);
  Status Write(std::string_view text);
  Status Close();  // writes the rest and syncs

 private:
  TextWriter(Fd fd, fs::path path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Fd fd_;
  fs::path path_;
  std::string buffer_{};
};

std::string Base64(std::string_view bytes);

// Calls work(i) for every i below `count` on `threads` threads (0: one for each core). The numbers
// are taken in their order; after a failure no further one is begun, and the error of the smallest
// number that failed comes back, so it does not depend on the threads. An exception of `work` is an
// error: 138 for want of memory, else 1000.
Status ParallelFor(std::size_t count, int threads, const std::function<Status(std::size_t)>& work);

}  // namespace roost::trainer
