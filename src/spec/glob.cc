#include "spec/glob.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace roost::spec {
namespace {

std::size_t ByteOf(char c) { return static_cast<unsigned char>(c); }

bool InRange(std::size_t c, char first, char last) {
  return c >= ByteOf(first) && c <= ByteOf(last);
}
bool IsUpper(std::size_t c) { return InRange(c, 'A', 'Z'); }
bool IsLower(std::size_t c) { return InRange(c, 'a', 'z'); }
bool IsAlpha(std::size_t c) { return IsUpper(c) || IsLower(c); }
bool IsDigit(std::size_t c) { return InRange(c, '0', '9'); }
bool IsAlnum(std::size_t c) { return IsAlpha(c) || IsDigit(c); }
bool IsBlank(std::size_t c) { return c == ' ' || c == '\t'; }
bool IsCntrl(std::size_t c) { return c < 0x20 || c == 0x7f; }
bool IsPrint(std::size_t c) { return c >= 0x20 && c < 0x7f; }
bool IsGraph(std::size_t c) { return IsPrint(c) && c != ' '; }
bool IsPunct(std::size_t c) { return IsGraph(c) && !IsAlnum(c); }
bool IsSpace(std::size_t c) { return c == ' ' || InRange(c, '\t', '\r'); }
bool IsXdigit(std::size_t c) { return IsDigit(c) || InRange(c, 'a', 'f') || InRange(c, 'A', 'F'); }

// The classes of POSIX, in ASCII whatever the locale.
using ClassCheck = bool (*)(std::size_t);
constexpr std::array<std::pair<std::string_view, ClassCheck>, 12> kClasses = {{
    {"alnum", IsAlnum},
    {"alpha", IsAlpha},
    {"blank", IsBlank},
    {"cntrl", IsCntrl},
    {"digit", IsDigit},
    {"graph", IsGraph},
    {"lower", IsLower},
    {"print", IsPrint},
    {"punct", IsPunct},
    {"space", IsSpace},
    {"upper", IsUpper},
    {"xdigit", IsXdigit},
}};

ClassCheck FindClass(std::string_view name) {
  for (const auto& [known, check] : kClasses) {
    if (known == name) return check;
  }
  return nullptr;
}

}  // namespace

Glob::Glob(std::string_view text) {
  for (std::size_t at = 0; at < text.size() && well_formed_;) {
    const char c = text[at++];
    if (c == '*') {
      AddStars(text, &at);
    } else if (c == '?') {
      Bytes any_but_slash = Bytes().set();
      any_but_slash.reset(ByteOf('/'));
      steps_.push_back({Step::Kind::kOne, any_but_slash});
    } else if (c == '[') {
      well_formed_ = AddClass(text, &at);
    } else if (c == '\\') {
      well_formed_ = at < text.size();
      if (well_formed_) AddLiteral(text[at++]);
    } else {
      AddLiteral(c);
    }
  }
}

void Glob::AddLiteral(char c) { steps_.push_back({Step::Kind::kOne, Bytes().set(ByteOf(c))}); }

void Glob::AddStars(std::string_view text, std::size_t* at) {
  const std::size_t first = *at - 1;
  while (*at < text.size() && text[*at] == '*') ++*at;
  const std::string_view rest = text.substr(*at);
  const bool several = *at - first > 1;
  const bool begins_part = first == 0 || text[first - 1] == '/';
  const bool ends_part = rest.empty() || rest.starts_with('/') || rest.starts_with("\\/");
  Bytes bytes = Bytes().set();
  if (!(several && begins_part && ends_part)) {
    bytes.reset(ByteOf('/'));
  } else if (rest.starts_with('/')) {
    steps_.push_back({Step::Kind::kFolders, {}});
    // The many that follows and the '/' behind it make up the folders that may be left out.
  }
  steps_.push_back({Step::Kind::kMany, bytes});
}

bool Glob::AddClass(std::string_view text, std::size_t* at) {
  Bytes bytes;
  const bool negated = *at < text.size() && (text[*at] == '!' || text[*at] == '^');
  if (negated) ++*at;
  std::optional<std::size_t> range_from;  // the byte before, when a '-' may follow it
  for (bool first = true;; first = false) {
    if (*at >= text.size()) return false;
    char c = text[(*at)++];
    if (c == ']' && !first) break;
    const bool escaped = c == '\\';
    if (escaped) {
      if (*at >= text.size()) return false;
      c = text[(*at)++];
    }
    const bool has_next = *at < text.size();
    if (c == '-' && !escaped && range_from && has_next && text[*at] != ']') {
      char to = text[(*at)++];
      if (to == '\\') {
        if (*at >= text.size()) return false;
        to = text[(*at)++];
      }
      for (std::size_t b = *range_from; b <= ByteOf(to); ++b) bytes.set(b);
      range_from.reset();
    } else if (c == '[' && !escaped && has_next && text[*at] == ':') {
      const std::size_t close = text.find(']', *at + 1);
      if (close == std::string_view::npos) return false;
      if (close >= *at + 2 && text[close - 1] == ':') {
        const ClassCheck check = FindClass(text.substr(*at + 1, close - *at - 2));
        if (check == nullptr) return false;
        for (std::size_t b = 0; b < bytes.size(); ++b) {
          if (check(b)) bytes.set(b);
        }
        *at = close + 1;
        range_from.reset();
      } else {
        // No ":]" closes it: the bytes stand for themselves.
        bytes.set(ByteOf('['));
        range_from = ByteOf('[');
      }
    } else {
      bytes.set(ByteOf(c));
      range_from = ByteOf(c);
    }
  }
  if (negated) bytes.flip();
  bytes.reset(ByteOf('/'));
  steps_.push_back({Step::Kind::kOne, bytes});
  return true;
}

// Marks `step` and the steps that can be reached from it without a byte.
void Glob::Reach(std::vector<char>* states, std::size_t step) const {
  while ((*states)[step] == 0) {
    (*states)[step] = 1;
    if (step == steps_.size() || steps_[step].kind == Step::Kind::kOne) return;
    if (steps_[step].kind == Step::Kind::kFolders) Reach(states, step + 3);
    ++step;
  }
}

bool Glob::Matches(std::string_view path) const {
  if (!well_formed_) return false;
  std::vector<char> states(steps_.size() + 1, 0);
  std::vector<char> next(states.size(), 0);
  Reach(&states, 0);
  for (const char c : path) {
    std::fill(next.begin(), next.end(), 0);
    bool alive = false;
    for (std::size_t step = 0; step < steps_.size(); ++step) {
      if (states[step] == 0 || !steps_[step].bytes.test(ByteOf(c))) continue;
      if (steps_[step].kind == Step::Kind::kFolders) continue;
      Reach(&next, steps_[step].kind == Step::Kind::kMany ? step : step + 1);
      alive = true;
    }
    if (!alive) return false;
    states.swap(next);
  }
  return states.back() != 0;
}

}  // namespace roost::spec
