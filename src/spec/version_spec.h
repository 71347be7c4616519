#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace roost::spec {

// Which versions of a package will do, as Python's packaging tools write it: ">=3.8,<3.11",
// "==3.10.*", "~=1.4". Clauses are sorted, so the order of writing has no meaning; none allows all.
class VersionSpec {
 public:
  static Result<VersionSpec> Parse(std::string_view text);
  // conda's way of writing: "=1.6" (1.6 and everything below it), "==1.6.0", ">=1.18,<2", "1.19.*",
  // "*". Alternatives ("1.2|1.3") and patterns ("1.*.3") have no other form and are refused.
  static Result<VersionSpec> ParseConda(std::string_view text);
  // A wanted Python: "3.10" means any 3.10, "3.10.4" that one; otherwise as Parse.
  static Result<VersionSpec> ParsePython(std::string_view text);

  // Compares numbers only ("3.11.7"), which is all that releases of Python need; other versions
  // match no clause.
  bool Matches(std::string_view version) const;
  bool empty() const { return clauses_.empty(); }
  std::string ToText() const;  // "<3.11,>=3.8"

 private:
  struct Clause {
    std::string op;
    std::string version;  // without ".*"
    bool prefix = false;  // written with ".*"
    std::string ToText() const { return op + version + (prefix ? ".*" : ""); }
  };
  static Result<Clause> ParseClause(std::string_view text);
  void Add(Clause clause);

  std::vector<Clause> clauses_;
};

}  // namespace roost::spec
