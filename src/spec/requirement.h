#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace roost::spec {

// One package that pip is to install, as a line of a requirements file names it.
struct Requirement {
  std::string name;  // normalized: "scikit-learn"; empty when an address or path tells none
  std::vector<std::string> extras;  // normalized, sorted
  std::string versions;             // "<2,>=1.18"; empty: any
  std::string address;              // URL or absolute path; then there are no versions
  std::string marker;               // what follows ';'
  std::string hashes;               // "--hash=sha256:... --hash=..."

  std::string ToText() const;  // one form for each meaning
  bool operator==(const Requirement&) const = default;
};

// An option line of a requirements file: "--index-url" and its value, in its long form.
struct PipOption {
  std::string name;
  std::string value;  // empty for switches such as --pre
  std::string ToText() const { return value.empty() ? name : name + " " + value; }
  bool operator==(const PipOption&) const = default;
};

// A requirements file. The order of options has a meaning (the first index wins), that of
// requirements has none.
struct PipList {
  std::vector<PipOption> options;
  std::vector<Requirement> requirements;
};

// Letters in lower case, runs of '-', '_' and '.' as one '-' (PEP 503).
std::string NormalizePackageName(std::string_view name);

Result<Requirement> ParseRequirement(std::string_view line);
// `problems` gets a sentence for each line that cannot be taken, with its place in the list. Blank
// lines and comments are left out.
struct PipListProblem {
  std::size_t index;
  std::string message;
};
PipList ParsePipList(const std::vector<std::string>& lines,
                     std::vector<PipListProblem>* problems = nullptr);

// One package that conda is to install.
struct CondaSpec {
  std::string channel;   // "pytorch" of "pytorch::torchvision"
  std::string name;      // lower case
  std::string versions;  // conda's way: "=1.6", "==1.6.0", ">=1.18,<2"; empty: any
  std::string build;     // "py36_0"
  std::string brackets;  // "[version='>=1',build=*cuda*]", as given

  std::string ToText() const;  // conda takes it as one argument
  bool operator==(const CondaSpec&) const = default;
};
Result<CondaSpec> ParseCondaSpec(std::string_view text);

}  // namespace roost::spec
