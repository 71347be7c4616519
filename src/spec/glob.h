#pragma once

#include <bitset>
#include <string_view>
#include <vector>

namespace roost::spec {

// A glob with git's rules, compiled once and matched in time proportional to glob times path, with
// no backtracking that a hostile pattern could blow up. Bytes, not characters, are matched, as git
// does. '*', '?' and '[...]' never match '/'; "**/" at the start or after '/' matches any number of
// folders, "**" at such a place and at the end matches everything. A glob that is not well formed
// (an open '[', an unknown class, a final backslash) matches nothing.
class Glob {
 public:
  explicit Glob(std::string_view text);
  bool Matches(std::string_view path) const;

 private:
  using Bytes = std::bitset<256>;
  struct Step {
    enum class Kind {
      kOne,      // exactly one of `bytes`
      kMany,     // any number of `bytes`
      kFolders,  // nothing, or what the next two steps match: "**/"
    };
    Kind kind = Kind::kOne;
    Bytes bytes;
  };

  void AddLiteral(char c);
  // Both read from `text` at `*at`, behind the '*' or '['.
  void AddStars(std::string_view text, std::size_t* at);
  bool AddClass(std::string_view text, std::size_t* at);
  void Reach(std::vector<char>* states, std::size_t step) const;

  std::vector<Step> steps_;
  bool well_formed_ = true;
};

}  // namespace roost::spec
