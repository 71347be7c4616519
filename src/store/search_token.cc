#include "store/search_token.h"

#include <bit>
#include <charconv>
#include <cmath>

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
  if (search.experiment_ids) {
    text += "#";
    for (const ExperimentId id : *search.experiment_ids) text += std::to_string(id.value()) + ",";
  }
  text += "|" + CanonicalSearch(search.filter, search.order);
  if (search.lifecycle) text += spec::ToString(*search.lifecycle);
  text += search.with_deleted ? "+|" : "|";
  Append(&text, search.parent_id);
  return text;
}

std::string DigestOfSearch(const std::string& canonical) {
  return DigestOf(canonical).Hex().substr(0, 16);
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

// Behind the rank: "n" none, "d<bits in hex>" a number, "t<hex>" a text.
std::string WriteValue(const SortValue& value) {
  const std::string rank = std::to_string(static_cast<int>(value.rank));
  if (const auto* number = std::get_if<double>(&value.value)) {
    const auto bits = std::bit_cast<std::uint64_t>(*number);
    char text[16];
    const auto [end, error] = std::to_chars(text, text + sizeof text, bits, 16);
    return rank + "d" + std::string(text, end);
  }
  const auto* text = std::get_if<std::string>(&value.value);
  return rank + (text ? "t" + HexOf(*text) : "n");
}

bool ReadValue(std::string_view text, SortValue* value) {
  int rank = 0;
  if (text.size() < 2 || !ReadNumber(text.substr(0, 1), 10, &rank)) return false;
  if (rank < 0 || rank > static_cast<int>(Rank::kMissing)) return false;
  value->rank = static_cast<Rank>(rank);
  const std::string_view rest = text.substr(2);
  const bool has_value = value->rank == Rank::kValue;
  if (text[1] == 'n') return rest.empty() && !has_value;
  if (text[1] == 'd') {
    std::uint64_t bits = 0;
    if (!ReadNumber(rest, 16, &bits)) return false;
    value->value = std::bit_cast<double>(bits);
    return has_value && !std::isnan(std::get<double>(value->value));
  }
  std::string words;
  if (text[1] != 't' || !ReadHex(rest, &words)) return false;
  value->value = std::move(words);
  return has_value;
}

}  // namespace

std::string CanonicalSearch(const std::vector<spec::Condition>& filter,
                            const std::vector<spec::OrderBy>& order) {
  std::string text;
  for (const spec::Condition& condition : filter) {
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
  for (const spec::OrderBy& each : order) {
    text += std::to_string(static_cast<int>(each.field.kind)) + ",";
    Append(&text, each.field.name);
    text += each.descending ? "down" : "up";
  }
  return text + "|";
}

std::string WriteToken(const std::string& canonical, const Position& position) {
  std::string token = DigestOfSearch(canonical) + "." + std::to_string(position.key);
  for (const SortValue& value : position.values) token += "." + WriteValue(value);
  return token;
}

Result<Position> ReadToken(const std::string& token, const std::string& canonical,
                           std::size_t values) {
  const std::vector<std::string> parts = Split(token, '.');
  Position position;
  bool is_token = parts.size() >= 2 && ReadNumber(parts[1], 10, &position.key);
  for (std::size_t i = 2; is_token && i < parts.size(); ++i) {
    is_token = ReadValue(parts[i], &position.values.emplace_back());
  }
  if (!is_token) {
    return Invalid(
        "page_token",
        "Invalid page token, could not base64-decode it: this server has given no such one.");
  }
  if (parts[0] != DigestOfSearch(canonical) || position.values.size() != values) {
    return Invalid("page_token",
                   "The page token belongs to another search: filter, order and the other "
                   "parameters must stay the same from page to page.");
  }
  return position;
}

std::string WritePageToken(const RunSearch& search, const Position& position) {
  return WriteToken(Canonical(search), position);
}

Result<Position> ReadPageToken(const RunSearch& search) {
  return ReadToken(search.page_token, Canonical(search), search.order.size());
}

}  // namespace roost::store
