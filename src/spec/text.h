#pragma once

#include <cstddef>
#include <string_view>

namespace roost::spec {

// Small questions about UTF-8 text that several checks ask.

// Characters (code points), as JSON Schema counts a text's length. Requires: valid UTF-8.
std::size_t CountCharacters(std::string_view text);
// NUL, newlines, tabs, DEL and the like.
bool HasControlCharacters(std::string_view text);
// ASCII letters alone have cases.
bool EqualsInAnyCase(std::string_view one, std::string_view other);
inline bool HasNul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

}  // namespace roost::spec
