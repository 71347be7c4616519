#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace roost {

// n separators make n + 1 parts, so an empty text makes one empty part.
std::vector<std::string> Split(std::string_view text, char separator);
std::string Join(const std::vector<std::string>& parts, std::string_view separator);
// Without white space at both ends.
std::string_view Trim(std::string_view text);
bool IsValidUtf8(std::string_view text);
// Bytes that are no UTF-8 become U+FFFD, so that any text can travel as JSON.
std::string ToValidUtf8(std::string_view text);
// "1.5 GiB".
std::string FormatBytes(std::uint64_t bytes);
// `text` in lower case with '-' for every character but a-z, 0-9, '-' and '_'; at most `limit`
// characters.
std::string Slug(std::string_view text, std::size_t limit);

}  // namespace roost
