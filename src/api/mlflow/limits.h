#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace roost::api::mlflow {

// MLflow's limits, in characters.
inline constexpr std::size_t kMaxKey = 250;
inline constexpr std::size_t kMaxParamValue = 6000;
inline constexpr std::size_t kMaxTagValue = 8000;
inline constexpr std::size_t kMaxExperimentName = 500;
inline constexpr std::size_t kMaxExperimentTagValue = 5000;
inline constexpr std::size_t kMaxArtifactLocation = 2048;

std::size_t CountCharacters(std::string_view utf8);
// The first `count` characters.
std::string CutTo(std::string text, std::size_t count);

// Letters, digits, '_' and '-', at most 256, the first no sign.
bool IsRunIdForm(std::string_view id);

// "'<path>' exceeds the maximum length of N characters"
Status CheckLength(std::string_view path, std::string_view text, std::size_t most);
// A name of a metric, parameter or tag: its characters, its length, and that it is no path to
// somewhere else. `path` names it in errors ("params[3].key"); what is too long is named by
// `length_name` where that is another word.
Status CheckKey(std::string_view path, std::string_view key, std::string_view length_name = "");

}  // namespace roost::api::mlflow
