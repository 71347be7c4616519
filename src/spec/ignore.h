#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "spec/glob.h"

namespace roost::spec {

// The patterns of one .amlignore or .gitignore, with git's full syntax: comments, escapes,
// negation, anchoring by '/', folder-only patterns, '*', '?', '[...]' with ranges and classes,
// '**'. The last pattern that matches decides; nothing below an ignored folder can be taken back.
class IgnoreRules {
 public:
  static IgnoreRules Parse(std::string_view text);
  // `path` is relative to the ignore file's folder. The caller walks from the top and does not
  // enter ignored folders, which is what makes the parent rule hold.
  bool Ignores(std::string_view path, bool is_folder) const;
  bool empty() const { return patterns_.empty(); }

 private:
  struct Pattern {
    std::string prefix;       // bytes up to the first special one; they match themselves
    Glob rest;                // what follows the prefix
    bool is_literal = false;  // there is nothing but the prefix
    bool negated = false;
    bool folder_only = false;
    bool anchored = false;  // matches the whole path, not just its last part

    bool Matches(std::string_view path) const;
  };
  static void ParseLine(std::string_view line, std::vector<Pattern>* to);

  std::vector<Pattern> patterns_;
};

// fnmatch with git's rules: '*' and '?' stop at '/', "**/", "/**" and "/**/" cross folders.
bool GlobMatches(std::string_view glob, std::string_view path);

}  // namespace roost::spec
