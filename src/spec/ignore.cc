#include "spec/ignore.h"

namespace roost::spec {
namespace {

constexpr std::string_view kSpecial = "*?[\\";

// Blanks at the end do not count, unless a backslash is before them.
std::string_view WithoutFinalBlanks(std::string_view line) {
  std::size_t end = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\') {
      ++i;
      end = i + 1;
    } else if (line[i] != ' ') {
      end = i + 1;
    }
  }
  return line.substr(0, end);
}

}  // namespace

IgnoreRules IgnoreRules::Parse(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  IgnoreRules rules;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    ParseLine(line, &rules.patterns_);
  }
  return rules;
}

void IgnoreRules::ParseLine(std::string_view line, std::vector<Pattern>* to) {
  if (line.starts_with('#')) return;
  line = WithoutFinalBlanks(line);
  const bool negated = line.starts_with('!');
  if (negated) line.remove_prefix(1);
  const bool folder_only = line.ends_with('/');
  if (folder_only) line.remove_suffix(1);
  if (line.empty()) return;
  // A '/' anywhere but at the end binds the pattern to the ignore file's folder.
  const bool anchored = line.find('/') != std::string_view::npos;
  if (line.starts_with('/')) line.remove_prefix(1);

  // git splits a pattern here too, and so a "**" behind literal bytes ("log**/x") crosses folders
  // like one that begins a part.
  const std::string_view prefix = line.substr(0, line.find_first_of(kSpecial));
  const std::string_view rest = line.substr(prefix.size());
  to->push_back({std::string(prefix), Glob(rest), rest.empty(), negated, folder_only, anchored});
}

bool IgnoreRules::Pattern::Matches(std::string_view path) const {
  if (!anchored) path.remove_prefix(path.rfind('/') + 1);  // npos + 1 is 0
  if (is_literal) return path == prefix;
  return path.starts_with(prefix) && rest.Matches(path.substr(prefix.size()));
}

bool IgnoreRules::Ignores(std::string_view path, bool is_folder) const {
  for (auto pattern = patterns_.rbegin(); pattern != patterns_.rend(); ++pattern) {
    if (pattern->folder_only && !is_folder) continue;
    if (pattern->Matches(path)) return !pattern->negated;
  }
  return false;
}

bool GlobMatches(std::string_view glob, std::string_view path) { return Glob(glob).Matches(path); }

}  // namespace roost::spec
