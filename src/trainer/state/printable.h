#pragma once

#include <string>
#include <string_view>

namespace roost::trainer {

// A text out of a file as it may be shown in a message: short, without control characters.
inline std::string Printable(std::string_view text) {
  std::string shown;
  for (const char c : text.substr(0, 80)) {
    shown += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
  }
  return text.size() > 80 ? shown + "..." : shown;
}

}  // namespace roost::trainer
