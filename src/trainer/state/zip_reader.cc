#include "trainer/state/zip_reader.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <optional>
#include <string>

#include "trainer/state/byte_reader.h"
#include "trainer/state/printable.h"

namespace roost::trainer {
namespace {

constexpr std::uint32_t kLocalHeader = 0x04034b50;
constexpr std::uint32_t kDirectoryHeader = 0x02014b50;
constexpr std::uint32_t kEnd = 0x06054b50;
constexpr std::uint32_t kEnd64 = 0x06064b50;
constexpr std::uint32_t kEnd64Locator = 0x07064b50;
constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kEnd64LocatorBytes = 20;
constexpr std::size_t kLocalHeaderBytes = 30;
constexpr std::size_t kLongestComment = 0xFFFF;
constexpr std::uint32_t kIn64 = 0xFFFFFFFF;  // "see the zip64 field"
constexpr std::uint16_t kEncrypted = 1;
constexpr std::uint16_t kZip64Field = 1;

tl::unexpected<Error> Damaged(std::string what) {
  return Fail(ErrorCode::kInvalidArgument, "the archive is damaged or cut short: " + what);
}

struct Directory {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint64_t entries = 0;
};

std::optional<std::size_t> FindEnd(std::string_view archive) {
  if (archive.size() < kEndBytes) return std::nullopt;
  const std::size_t last = archive.size() - kEndBytes;
  const std::size_t first = last - std::min(last, kLongestComment);
  for (std::size_t at = last + 1; at-- > first;) {
    ByteReader reader(archive, at);
    if (reader.Get<std::uint32_t>() != kEnd) continue;
    reader.Take(16);
    // The comment fills the rest exactly: else these are bytes of some content.
    if (reader.Get<std::uint16_t>() == reader.left()) return at;
  }
  return std::nullopt;
}

Result<Directory> FindDirectory(std::string_view archive) {
  const std::optional<std::size_t> end = FindEnd(archive);
  if (!end) return Damaged("it has no end record.");
  ByteReader reader(archive, *end + 4 + 6);  // past the numbers of disks
  Directory directory;
  directory.entries = reader.Get<std::uint16_t>();
  directory.size = reader.Get<std::uint32_t>();
  directory.offset = reader.Get<std::uint32_t>();

  if (*end >= kEnd64LocatorBytes) {
    ByteReader locator(archive, *end - kEnd64LocatorBytes);
    if (locator.Get<std::uint32_t>() == kEnd64Locator) {
      locator.Take(4);
      const std::uint64_t at = locator.Get<std::uint64_t>();
      if (at > archive.size()) return Damaged("its zip64 end record lies outside.");
      ByteReader end64(archive, static_cast<std::size_t>(at));
      if (end64.Get<std::uint32_t>() != kEnd64) return Damaged("its zip64 end record is missing.");
      end64.Take(8 + 2 + 2 + 4 + 4 + 8);
      directory.entries = end64.Get<std::uint64_t>();
      directory.size = end64.Get<std::uint64_t>();
      directory.offset = end64.Get<std::uint64_t>();
      if (!end64.ok()) return Damaged("its zip64 end record is cut short.");
    }
  }
  if (directory.offset > archive.size() || directory.size > archive.size() - directory.offset) {
    return Damaged("its directory lies outside.");
  }
  return directory;
}

}  // namespace

Result<ZipReader> ZipReader::Open(std::string_view archive) {
  ZipReader reader(archive);
  ROOST_TRY(reader.ReadDirectory());
  return reader;
}

Status ZipReader::ReadDirectory() {
  ROOST_ASSIGN(const Directory directory, FindDirectory(archive_));
  ByteReader reader(archive_.substr(static_cast<std::size_t>(directory.offset),
                                    static_cast<std::size_t>(directory.size)));
  std::uint64_t total = 0;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    if (reader.Get<std::uint32_t>() != kDirectoryHeader) {
      return Damaged(
          fmt::format("entry {} of {} is missing in its directory.", i + 1, directory.entries));
    }
    Entry entry;
    reader.Take(4);  // versions
    entry.flags = reader.Get<std::uint16_t>();
    entry.method = reader.Get<std::uint16_t>();
    reader.Take(4);  // time and date
    entry.crc = reader.Get<std::uint32_t>();
    entry.compressed = reader.Get<std::uint32_t>();
    entry.size = reader.Get<std::uint32_t>();
    const std::uint16_t name_bytes = reader.Get<std::uint16_t>();
    const std::uint16_t extra_bytes = reader.Get<std::uint16_t>();
    const std::uint16_t comment_bytes = reader.Get<std::uint16_t>();
    reader.Take(2 + 2 + 4);  // disk, attributes
    entry.header = reader.Get<std::uint32_t>();
    const std::string_view name = reader.Take(name_bytes);
    ByteReader extra(reader.Take(extra_bytes));
    reader.Take(comment_bytes);
    if (!reader.ok()) return Damaged("its directory is cut short.");

    while (extra.left() >= 4) {
      const std::uint16_t id = extra.Get<std::uint16_t>();
      ByteReader field(extra.Take(extra.Get<std::uint16_t>()));
      if (id != kZip64Field) continue;
      if (entry.size == kIn64) entry.size = field.Get<std::uint64_t>();
      if (entry.compressed == kIn64) entry.compressed = field.Get<std::uint64_t>();
      if (entry.header == kIn64) entry.header = field.Get<std::uint64_t>();
      if (!field.ok()) return Damaged("a zip64 field is cut short.");
      break;
    }
    if (entry.compressed > archive_.size() - total) {
      return Damaged("its entries are larger than the file.");
    }
    total += entry.compressed;
    if (!entries_.emplace(name, entry).second) {
      return Damaged("the entry " + Printable(name) + " is there twice.");
    }
  }
  return {};
}

Result<std::string_view> ZipReader::FindPickle() const {
  std::string_view found;
  for (const auto& [name, entry] : entries_) {
    const std::size_t slash = name.find('/');
    if (slash == std::string_view::npos || name.substr(slash) != "/data.pkl") continue;
    if (!found.empty()) return Damaged("it has more than one data.pkl.");
    found = name;
  }
  if (found.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                "it is a zip archive without the data.pkl that torch.save writes.");
  }
  return found;
}

Result<std::string_view> ZipReader::Locate(std::string_view name, const Entry& entry) const {
  if ((entry.flags & kEncrypted) != 0) {
    return Fail(ErrorCode::kInvalidArgument, "the entry " + Printable(name) + " is encrypted.");
  }
  if (entry.method != 0 || entry.compressed != entry.size) {
    return Fail(ErrorCode::kInvalidArgument,
                "the entry " + Printable(name) +
                    " is compressed; torch.save stores its entries. Load the file in Python and "
                    "save it again with torch.save.");
  }
  if (entry.header > archive_.size()) return Damaged(Printable(name) + " lies outside.");
  ByteReader header(archive_, static_cast<std::size_t>(entry.header));
  if (header.Get<std::uint32_t>() != kLocalHeader) {
    return Damaged("the header of " + Printable(name) + " is missing.");
  }
  header.Take(kLocalHeaderBytes - 4 - 4);
  const std::uint16_t name_bytes = header.Get<std::uint16_t>();
  const std::uint16_t extra_bytes = header.Get<std::uint16_t>();
  if (header.Take(name_bytes) != name) {
    return Damaged("the header of " + Printable(name) + " has another name.");
  }
  header.Take(extra_bytes);
  const std::string_view content = header.Take(entry.size);
  if (!header.ok()) return Damaged(Printable(name) + " reaches past its end.");
  return content;
}

Result<std::string_view> ZipReader::Read(std::string_view name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    return Fail(ErrorCode::kNotFound, "the archive has no entry " + Printable(name) + ".");
  }
  ROOST_ASSIGN(const std::string_view content, Locate(name, found->second));
  // torch.serialization.set_crc32_options(False) leaves zeros.
  if (found->second.crc == 0) return content;
  const auto crc = static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size()));
  if (crc != found->second.crc) {
    return Damaged("the checksum of " + Printable(name) + " does not match its content.");
  }
  return content;
}

}  // namespace roost::trainer
