#include "trainer/onnx/proto_writer.h"

#include <bit>

namespace roost::trainer {
namespace {
constexpr std::uint32_t kVarint = 0;
constexpr std::uint32_t kLength = 2;
constexpr std::uint32_t kFourBytes = 5;
}  // namespace

void ProtoWriter::Varint(std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(0x80 | (value & 0x7F));
  bytes_ += static_cast<char>(value);
}

void ProtoWriter::Int(std::uint32_t field, std::int64_t value) {
  Varint(field << 3 | kVarint);
  Varint(static_cast<std::uint64_t>(value));
}

void ProtoWriter::Float(std::uint32_t field, float value) {
  Varint(field << 3 | kFourBytes);
  auto bits = std::bit_cast<std::uint32_t>(value);
  for (int i = 0; i < 4; ++i, bits >>= 8) bytes_ += static_cast<char>(bits & 0xFF);
}

void ProtoWriter::Bytes(std::uint32_t field, std::string_view value) {
  Header(field, value.size());
  bytes_ += value;
}

void ProtoWriter::Header(std::uint32_t field, std::uint64_t length) {
  Varint(field << 3 | kLength);
  Varint(length);
}

}  // namespace roost::trainer
