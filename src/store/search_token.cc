#include "store/search_token.h"

#include <bit>
#include <charconv>

#include "base/digest.h"
#include "base/strings.h"

namespace roost::store {
namespace {

// Lengths before texts, so that no two searches give the same text.
void Append(std::string* to, std::string_view text) {
  *to += std::to_string(text.size()) + ":" + std::string(text) + ";";
}

std::string Canonical(const RunSearch& search) {
  std::string text;
  for (const std::string& experiment : search.experiments) Append(&text, experiment);
  text += "|";
  for (const spec::Condition& condition : search.filter) {
    text += std::to_string(static_cast<int>(condition.field.kind)) + ",";
    Append(&text, condition.field.name);
    text += std::to_string(static_cast<int>(condition.comparison));
    for (const auto& value : condition.values) {
      if (const auto* number = std::get_if<double>(&value)) {
        text += "," + std::to_string(std::bit_cast<std::uint64_t>(*number));
      } else {
        Append(&text, std::get<std::string>(value));
      }
    }
    text += "&";
  }
  text += "|";
  if (search.order) {
    text += std::to_string(static_cast<int>(search.order->field.kind)) + ",";
    Append(&text, search.order->field.name);
    text += search.order->descending ? "down" : "up";
  }
  text += "|";
  if (search.lifecycle) text += spec::ToString(*search.lifecycle);
  text += "|";
  Append(&text, search.parent_id);
  return text;
}

std::string DigestOfSearch(const RunSearch& search) {
  return DigestOf(Canonical(search)).Hex().substr(0, 16);
}

std::string HexOf(std::string_view bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    hex += kHex[byte >> 4];
    hex += kHex[byte & 15];
  }
  return hex;
}

template <class T>
bool ReadNumber(std::string_view text, int base, T* to) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *to, base);
  return error == std::errc() && end == text.data() + text.size();
}

bool ReadHex(std::string_view hex, std::string* to) {
  if (hex.size() % 2 != 0) return false;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    unsigned char byte = 0;
    if (!ReadNumber(hex.substr(i, 2), 16, &byte)) return false;
    *to += static_cast<char>(byte);
  }
  return true;
}

// "n" none, "d<bits in hex>" a number, "t<hex>" a text.
std::string WriteValue(const Position& position) {
  if (const auto* number = std::get_if<double>(&position.value)) {
    const auto bits = std::bit_cast<std::uint64_t>(*number);
    char text[16];
    const auto [end, error] = std::to_chars(text, text + sizeof text, bits, 16);
    return "d" + std::string(text, end);
  }
  const auto* text = std::get_if<std::string>(&position.value);
  return text ? "t" + HexOf(*text) : "n";
}

bool ReadValue(std::string_view text, Position* position) {
  if (text == "n") return true;
  if (text.starts_with("d")) {
    std::uint64_t bits = 0;
    if (!ReadNumber(text.substr(1), 16, &bits)) return false;
    position->value = std::bit_cast<double>(bits);
    return true;
  }
  std::string value;
  if (!text.starts_with("t") || !ReadHex(text.substr(1), &value)) return false;
  position->value = std::move(value);
  return true;
}

}  // namespace

std::string WritePageToken(const RunSearch& search, const Position& position) {
  return DigestOfSearch(search) + "." + std::to_string(static_cast<int>(position.rank)) + "." +
         std::to_string(position.key) + "." + WriteValue(position);
}

Result<Position> ReadPageToken(const RunSearch& search) {
  const std::vector<std::string> parts = Split(search.page_token, '.');
  Position position;
  int rank = 0;
  const bool is_token = parts.size() == 4 && ReadNumber(parts[1], 10, &rank) && rank >= 0 &&
                        rank <= static_cast<int>(Rank::kMissing) &&
                        ReadNumber(parts[2], 10, &position.key) && ReadValue(parts[3], &position);
  if (!is_token) {
    return Invalid("page_token", "The page token is not one that this server has given.");
  }
  if (parts[0] != DigestOfSearch(search)) {
    return Invalid("page_token",
                   "The page token belongs to another search: filter, order and the other "
                   "parameters must stay the same from page to page.");
  }
  position.rank = static_cast<Rank>(rank);
  return position;
}

}  // namespace roost::store
