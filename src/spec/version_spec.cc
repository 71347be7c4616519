#include "spec/version_spec.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/strings.h"

namespace roost::spec {
namespace {

// Longer ones first, so that "==" is not read as "=".
constexpr std::array<std::string_view, 8> kOperators = {
    "===", "==", "~=", "!=", "<=", ">=", "<", ">"};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsVersionCharacter(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("._+!-").find(c) != std::string_view::npos;
}

Error Unreadable(std::string_view text) {
  return {ErrorCode::kInvalidArgument,
          "'" + ToValidUtf8(text) +
              "' is no version; write it like ==1.6.0, ==1.6.* or >=1.18,<2 (conda: =1.6)",
          {}};
}

// "3.11.7" -> {3, 11, 7}; nothing when it is not made of numbers.
std::optional<std::vector<long>> Numbers(std::string_view version) {
  std::vector<long> numbers;
  for (const std::string& part : Split(version, '.')) {
    if (part.empty() || part.size() > 9 || !std::all_of(part.begin(), part.end(), IsDigit)) {
      return std::nullopt;
    }
    numbers.push_back(std::stol(part));
  }
  return numbers;
}

// Missing parts count as zero: 3.8 is 3.8.0.
int Compare(std::vector<long> a, std::vector<long> b) {
  const std::size_t size = std::max(a.size(), b.size());
  a.resize(size);
  b.resize(size);
  return a < b ? -1 : (a > b ? 1 : 0);
}

bool HasPrefix(std::vector<long> version, const std::vector<long>& prefix) {
  version.resize(std::max(version.size(), prefix.size()));
  return std::equal(prefix.begin(), prefix.end(), version.begin());
}

}  // namespace

Result<VersionSpec::Clause> VersionSpec::ParseClause(std::string_view text) {
  const std::string_view trimmed = Trim(text);
  Clause clause;
  for (std::string_view op : kOperators) {
    if (!trimmed.starts_with(op)) continue;
    clause.op = op;
    break;
  }
  std::string_view version = Trim(trimmed.substr(clause.op.size()));
  if (clause.op.empty()) return Fail(Unreadable(text));
  if (version.ends_with(".*")) {
    clause.prefix = true;
    version.remove_suffix(2);
  }
  if (version.empty() || !std::all_of(version.begin(), version.end(), IsVersionCharacter) ||
      (clause.prefix && clause.op != "==" && clause.op != "!=") ||
      (clause.op == "~=" && version.find('.') == std::string_view::npos)) {
    return Fail(Unreadable(text));
  }
  clause.version = version;
  return clause;
}

void VersionSpec::Add(Clause clause) {
  const auto by_text = [](const Clause& a, const Clause& b) { return a.ToText() < b.ToText(); };
  const auto place = std::lower_bound(clauses_.begin(), clauses_.end(), clause, by_text);
  if (place != clauses_.end() && place->ToText() == clause.ToText()) return;
  clauses_.insert(place, std::move(clause));
}

Result<VersionSpec> VersionSpec::Parse(std::string_view text) {
  VersionSpec spec;
  if (Trim(text).empty()) return spec;
  for (const std::string& part : Split(text, ',')) {
    ROOST_ASSIGN(Clause clause, ParseClause(part));
    spec.Add(std::move(clause));
  }
  return spec;
}

Result<VersionSpec> VersionSpec::ParseConda(std::string_view text) {
  VersionSpec spec;
  if (Trim(text).empty() || Trim(text) == "*" || Trim(text) == "=*") return spec;
  for (const std::string& part : Split(text, ',')) {
    std::string_view one = Trim(part);
    std::string written(one);
    const bool fuzzy = one.starts_with('=') && !one.starts_with("==");
    if (fuzzy) one = Trim(one.substr(1));
    if (fuzzy || (!one.empty() && IsDigit(one.front()))) {
      // "=1.6" is 1.6 and everything below it, "1.6" alone exactly that.
      written = "==" + std::string(one);
      if (fuzzy && !one.ends_with('*')) written += ".*";
    }
    // "1.6*" is what older specifications write for "1.6.*".
    if (written.ends_with('*') && !written.ends_with(".*")) {
      written.insert(written.size() - 1, 1, '.');
    }
    // conda takes ">=1.8.*" for ">=1.8".
    if (written.ends_with(".*") && !written.starts_with("==") && !written.starts_with("!=")) {
      written.resize(written.size() - 2);
    }
    ROOST_ASSIGN(Clause clause, ParseClause(written));
    spec.Add(std::move(clause));
  }
  return spec;
}

Result<VersionSpec> VersionSpec::ParsePython(std::string_view text) {
  const std::string_view one = Trim(text);
  if (!one.empty() && IsDigit(one.front())) return ParseConda("=" + std::string(one));
  return Parse(one);
}

bool VersionSpec::Matches(std::string_view version) const {
  const auto got = Numbers(version);
  return std::all_of(clauses_.begin(), clauses_.end(), [&](const Clause& clause) {
    const auto wanted = Numbers(clause.version);
    if (!got || !wanted) return false;
    const int order = Compare(*got, *wanted);
    if (clause.op == "==" || clause.op == "===") {
      return clause.prefix ? HasPrefix(*got, *wanted) : order == 0;
    }
    if (clause.op == "!=") return clause.prefix ? !HasPrefix(*got, *wanted) : order != 0;
    if (clause.op == "<") return order < 0;
    if (clause.op == "<=") return order <= 0;
    if (clause.op == ">") return order > 0;
    if (clause.op == ">=") return order >= 0;
    // "~=1.4.2" is ">=1.4.2,==1.4.*".
    std::vector<long> series = *wanted;
    series.pop_back();
    return order >= 0 && HasPrefix(*got, series);
  });
}

std::string VersionSpec::ToText() const {
  std::vector<std::string> parts;
  for (const Clause& clause : clauses_) parts.push_back(clause.ToText());
  return Join(parts, ",");
}

}  // namespace roost::spec
