#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "base/result.h"

namespace roost::trainer {

// The entries of a zip archive (APPNOTE.TXT 6.3, zip64 included) whose contents are stored, not
// compressed, as torch.save writes them. Nothing is copied: names and contents are views of the
// archive's bytes, which must outlive the reader. Every offset and size is checked against the
// archive; entries may not share bytes, so all contents together are no larger than the archive.
class ZipReader {
 public:
  static Result<ZipReader> Open(std::string_view archive);

  std::size_t size() const { return entries_.size(); }
  bool Has(std::string_view name) const { return entries_.contains(name); }
  // The name of the one entry "<folder>/data.pkl".
  Result<std::string_view> FindPickle() const;
  // The content; its checksum, if it has one, is compared, which reads all of it. kNotFound without
  // the entry.
  Result<std::string_view> Read(std::string_view name) const;

 private:
  struct Entry {
    std::uint16_t method = 0;
    std::uint16_t flags = 0;
    std::uint32_t crc = 0;
    std::uint64_t compressed = 0;
    std::uint64_t size = 0;
    std::uint64_t header = 0;  // where its local header begins
  };
  explicit ZipReader(std::string_view archive) : archive_(archive) {}
  Status ReadDirectory();
  Result<std::string_view> Locate(std::string_view name, const Entry& entry) const;

  std::string_view archive_;
  std::unordered_map<std::string_view, Entry> entries_;
};

}  // namespace roost::trainer
