#include "trainer/state/zip_writer.h"

#include <zlib.h>

#include <utility>

#include "trainer/state/byte_reader.h"

namespace roost::trainer {
namespace {

constexpr std::uint64_t kAlignment = 64;
constexpr std::uint32_t kIn64 = 0xFFFFFFFF;  // "see the zip64 field"
constexpr std::uint16_t kUtf8Names = 0x0800;
constexpr std::uint16_t kZip64Field = 1;
// The id that PyTorch gives its padding field.
constexpr std::uint16_t kPaddingField = 0x4246;
// 1 January 1980, the first day of the format: the same tree gives the same bytes.
constexpr std::uint16_t kDate = 1 << 5 | 1;
constexpr std::uint16_t kVersionNeeded = 45;  // zip64

bool Large(std::uint64_t number) { return number >= kIn64; }
std::uint32_t Low(std::uint64_t number) {
  return Large(number) ? kIn64 : static_cast<std::uint32_t>(number);
}

// What the local and the directory's header have in common.
void AppendCommon(std::string& out, std::uint32_t crc, std::uint64_t size, std::size_t name_bytes,
                  std::size_t extra_bytes) {
  AppendLittle<std::uint16_t>(out, kVersionNeeded);
  AppendLittle<std::uint16_t>(out, kUtf8Names);
  AppendLittle<std::uint16_t>(out, 0);  // stored
  AppendLittle<std::uint16_t>(out, 0);  // midnight
  AppendLittle<std::uint16_t>(out, kDate);
  AppendLittle<std::uint32_t>(out, crc);
  AppendLittle<std::uint32_t>(out, Low(size));
  AppendLittle<std::uint32_t>(out, Low(size));
  AppendLittle<std::uint16_t>(out, static_cast<std::uint16_t>(name_bytes));
  AppendLittle<std::uint16_t>(out, static_cast<std::uint16_t>(extra_bytes));
}

void AppendField(std::string& out, std::uint16_t id, std::string_view content) {
  AppendLittle<std::uint16_t>(out, id);
  AppendLittle<std::uint16_t>(out, static_cast<std::uint16_t>(content.size()));
  out += content;
}

}  // namespace

Status ZipWriter::Write(std::string_view data) {
  ROOST_TRY(file_.Write(data));
  at_ += data.size();
  return {};
}

Status ZipWriter::Add(std::string name, std::string_view content) {
  constexpr std::size_t kHeaderBytes = 30;
  constexpr std::size_t kFieldBytes = 4;
  const auto crc = static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size()));
  std::string extra;
  if (Large(content.size())) {
    std::string sizes;
    AppendLittle<std::uint64_t>(sizes, content.size());
    AppendLittle<std::uint64_t>(sizes, content.size());
    AppendField(extra, kZip64Field, sizes);
  }
  const std::uint64_t unpadded = at_ + kHeaderBytes + name.size() + extra.size() + kFieldBytes;
  const std::uint64_t padding = (kAlignment - unpadded % kAlignment) % kAlignment;
  AppendField(extra, kPaddingField, std::string(static_cast<std::size_t>(padding), 'Z'));

  std::string header("PK\x03\x04");
  AppendCommon(header, crc, content.size(), name.size(), extra.size());
  header += name;
  header += extra;
  entries_.push_back({std::move(name), crc, content.size(), at_});
  ROOST_TRY(Write(header));
  return Write(content);
}

Status ZipWriter::Finish() {
  const std::uint64_t directory_at = at_;
  std::string directory;
  for (const Entry& entry : entries_) {
    std::string wide;
    if (Large(entry.size)) {
      AppendLittle<std::uint64_t>(wide, entry.size);
      AppendLittle<std::uint64_t>(wide, entry.size);
    }
    if (Large(entry.header)) AppendLittle<std::uint64_t>(wide, entry.header);
    std::string extra;
    if (!wide.empty()) AppendField(extra, kZip64Field, wide);

    directory += "PK\x01\x02";
    AppendLittle<std::uint16_t>(directory, kVersionNeeded);  // made by
    AppendCommon(directory, entry.crc, entry.size, entry.name.size(), extra.size());
    AppendLittle<std::uint16_t>(directory, 0);  // comment
    AppendLittle<std::uint16_t>(directory, 0);  // disk
    AppendLittle<std::uint16_t>(directory, 0);  // attributes
    AppendLittle<std::uint32_t>(directory, 0);
    AppendLittle<std::uint32_t>(directory, Low(entry.header));
    directory += entry.name;
    directory += extra;
  }
  const std::uint64_t directory_bytes = directory.size();
  const bool many = entries_.size() >= 0xFFFF;
  if (many || Large(directory_at) || Large(directory_bytes)) {
    const std::uint64_t end64_at = directory_at + directory_bytes;
    directory += "PK\x06\x06";
    AppendLittle<std::uint64_t>(directory, 44);  // what follows of this record
    AppendLittle<std::uint16_t>(directory, kVersionNeeded);
    AppendLittle<std::uint16_t>(directory, kVersionNeeded);
    AppendLittle<std::uint32_t>(directory, 0);  // disks
    AppendLittle<std::uint32_t>(directory, 0);
    AppendLittle<std::uint64_t>(directory, entries_.size());
    AppendLittle<std::uint64_t>(directory, entries_.size());
    AppendLittle<std::uint64_t>(directory, directory_bytes);
    AppendLittle<std::uint64_t>(directory, directory_at);
    directory += "PK\x06\x07";
    AppendLittle<std::uint32_t>(directory, 0);  // disk
    AppendLittle<std::uint64_t>(directory, end64_at);
    AppendLittle<std::uint32_t>(directory, 1);  // disks
  }
  const auto count = static_cast<std::uint16_t>(many ? 0xFFFF : entries_.size());
  directory += "PK\x05\x06";
  AppendLittle<std::uint16_t>(directory, 0);  // disks
  AppendLittle<std::uint16_t>(directory, 0);
  AppendLittle<std::uint16_t>(directory, count);
  AppendLittle<std::uint16_t>(directory, count);
  AppendLittle<std::uint32_t>(directory, Low(directory_bytes));
  AppendLittle<std::uint32_t>(directory, Low(directory_at));
  AppendLittle<std::uint16_t>(directory, 0);  // comment
  return Write(directory);
}

}  // namespace roost::trainer
