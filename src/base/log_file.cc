#include "base/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/files.h"

namespace roost {
namespace {

constexpr std::uint64_t kBlock = 64 << 10;

Result<std::uint64_t> SizeOf(const Fd& file, const fs::path& path) {
  struct stat info {};
  if (fstat(file.get(), &info) != 0) return Fail(ErrnoError("reading " + path.string(), errno));
  return static_cast<std::uint64_t>(info.st_size);
}

// Fewer bytes than asked for when the file was cut meanwhile.
Result<std::string> ReadAt(const Fd& file, const fs::path& path, std::uint64_t offset,
                           std::uint64_t count) {
  std::string block(static_cast<std::size_t>(count), '\0');
  std::size_t filled = 0;
  while (filled < block.size()) {
    const ssize_t got = pread(file.get(), block.data() + filled, block.size() - filled,
                              static_cast<off_t>(offset + filled));
    if (got == 0) break;
    if (got > 0) {
      filled += static_cast<std::size_t>(got);
    } else if (errno != EINTR) {
      return Fail(ErrnoError("reading " + path.string(), errno));
    }
  }
  block.resize(filled);
  return block;
}

// One line without its newline, as it stands on a terminal at the end.
std::string_view VisiblePart(std::string_view line, std::string& scratch) {
  while (line.ends_with('\r')) line.remove_suffix(1);
  if (const std::size_t at = line.rfind('\r'); at != line.npos) line.remove_prefix(at + 1);
  if (line.find('\x1b') == line.npos) return line;

  scratch.clear();
  while (!line.empty()) {
    if (line.starts_with("\x1b[K")) {
      line.remove_prefix(3);
    } else if (line.starts_with("\x1b[0K")) {
      line.remove_prefix(4);
    } else if (line.starts_with("\x1b[1K") || line.starts_with("\x1b[2K")) {
      scratch.clear();  // both erase what stands left of the cursor
      line.remove_prefix(4);
    } else {
      scratch += line.front();
      line.remove_prefix(1);
    }
  }
  return scratch;
}

}  // namespace

Result<std::string> TailOfLog(const std::filesystem::path& path, std::uint64_t lines,
                              std::uint64_t max_bytes) {
  ROOST_ASSIGN(const Fd file, OpenFile(path, O_RDONLY));
  ROOST_ASSIGN(const std::uint64_t size, SizeOf(file, path));
  const std::uint64_t lowest = size - std::min(size, max_bytes);
  if (lines == 0 || lowest == size) return std::string();

  // Backwards until one newline more than wanted lines is found; the one that ends the last line
  // is not counted.
  std::uint64_t begin = lowest;
  std::uint64_t newlines = 0;
  std::uint64_t block_end = size;
  bool found = false;
  while (block_end > lowest && !found) {
    const std::uint64_t block_begin = std::max(lowest, block_end - std::min(block_end, kBlock));
    ROOST_ASSIGN(const std::string block, ReadAt(file, path, block_begin, block_end - block_begin));
    for (std::size_t i = block.size(); i-- > 0;) {
      if (block[i] != '\n' || block_begin + i + 1 == size) continue;
      if (++newlines == lines) {
        begin = block_begin + i + 1;
        found = true;
        break;
      }
    }
    block_end = block_begin;
  }

  // Cut by max_bytes: a line without its beginning is worth showing only when it is all there is.
  // One byte more tells whether the cut falls between two lines.
  const std::uint64_t more = !found && lowest > 0 ? 1 : 0;
  ROOST_ASSIGN(std::string tail, ReadAt(file, path, begin - more, size - begin + more));
  if (more > 0) {
    const std::size_t line_end = tail.find('\n');
    const bool has_whole_line = line_end != tail.npos && line_end + 1 < tail.size();
    tail.erase(0, has_whole_line ? line_end + 1 : 1);
  }
  return tail;
}

std::string FoldCarriageReturns(std::string_view text) {
  std::string folded;
  folded.reserve(text.size());
  std::string scratch;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    folded += VisiblePart(text.substr(0, end), scratch);
    if (end == text.npos) break;
    folded += '\n';
    text.remove_prefix(end + 1);
  }
  return folded;
}

}  // namespace roost
