#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/state/atomic_file.h"

namespace roost::trainer {

// Writes a zip archive of stored entries as PyTorch's reader expects them: every content begins at
// a multiple of 64 bytes, so that mapped tensors are aligned. Sizes and offsets of 4 GiB and more,
// and more than 65,534 entries, take the zip64 fields.
class ZipWriter {
 public:
  // Requires: the file outlives the writer and is empty.
  explicit ZipWriter(AtomicFile* file) : file_(*file) {}

  // Requires: names are unique and at most 65,535 bytes long.
  Status Add(std::string name, std::string_view content);
  // Writes the directory. Nothing may follow.
  Status Finish();

 private:
  struct Entry {
    std::string name;
    std::uint32_t crc = 0;
    std::uint64_t size = 0;
    std::uint64_t header = 0;
  };
  Status Write(std::string_view data);

  AtomicFile& file_;
  std::uint64_t at_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace roost::trainer
