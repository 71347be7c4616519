#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace roost::trainer {

// Appends fields in protobuf's wire format: a tag (field number and wire type) and a varint, four
// bytes, or a length and as many bytes.
class ProtoWriter {
 public:
  void Int(std::uint32_t field, std::int64_t value);
  void Float(std::uint32_t field, float value);
  void Bytes(std::uint32_t field, std::string_view value);  // also strings and nested messages
  // Only tag and length of a field whose bytes the caller puts behind.
  void Header(std::uint32_t field, std::uint64_t length);

  const std::string& bytes() const { return bytes_; }

 private:
  void Varint(std::uint64_t value);
  std::string bytes_;
};

}  // namespace roost::trainer
