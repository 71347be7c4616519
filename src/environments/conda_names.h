#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace roost::environments {

// What stands for a conda package where only pip is at hand.
struct PipName {
  std::string name;  // empty: nothing is needed
  std::string note;  // why nothing is needed or what is different; empty: the same thing
};

// nullopt: pip cannot supply it, or whether it can is not known: a name on PyPI may be another
// project than conda's of the same name.
std::optional<PipName> PipNameOfConda(std::string_view conda_name);

// The packages of Azure ML's SDK. Ours takes their place in runs, so builds leave them out.
enum class SdkPackage {
  kNone,
  kSatisfied,  // its imports are there
  kAbsent,     // left out as well, since it brings the real SDK with it; its imports are not there
};
SdkPackage ClassifySdkPackage(std::string_view normalized_name);

}  // namespace roost::environments
