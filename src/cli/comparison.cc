#include "cli/comparison.h"

#include <algorithm>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/format.h"

namespace roost::cli {
namespace {

using nlohmann::json;
using Facts = std::map<std::string, std::string>;

json Field(const json& object, const char* name) {
  return object.is_object() && object.contains(name) ? object[name] : json();
}

Facts FactsOf(const json& map, const std::string& prefix) {
  Facts facts;
  if (!map.is_object()) return facts;
  for (const auto& [key, value] : map.items()) {
    facts[prefix + key] = value.is_null() ? "(set)" : ShortNumber(value);
  }
  return facts;
}

// "--lr 0.1 --fast data" gives --lr = 0.1, --fast = (set), and the rest by position.
Facts ArgumentFacts(const json& run) {
  Facts facts;
  const json arguments = Field(Field(run, "definition"), "arguments");
  if (!arguments.is_array()) return facts;
  std::size_t position = 0;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string word = PlainText(arguments[i]);
    const auto is_option = [](const std::string& text) {
      return text.size() > 1 && text[0] == '-' && (text[1] == '-' || !std::isdigit(text[1]));
    };
    if (!is_option(word)) {
      facts["argument " + std::to_string(++position)] = word;
    } else if (const auto equals = word.find('='); equals != std::string::npos) {
      facts["argument " + word.substr(0, equals)] = word.substr(equals + 1);
    } else if (i + 1 < arguments.size() && !is_option(PlainText(arguments[i + 1]))) {
      facts["argument " + word] = PlainText(arguments[++i]);
    } else {
      facts["argument " + word] = "(set)";
    }
  }
  return facts;
}

Facts BasicFacts(const json& run) {
  const auto seconds = Number(Field(run, "duration_seconds"));
  return {{"status", Text(run, "status")},
          {"experiment", Text(run, "experiment")},
          {"duration", seconds ? FormatDuration(*seconds) : ""},
          {"script", Text(Field(run, "definition"), "script")},
          {"command", Text(Field(run, "definition"), "command")},
          {"snapshot", Text(run, "snapshot").substr(0, 15)}};
}

}  // namespace

std::vector<ComparisonRow> CompareRuns(const std::vector<json>& runs) {
  const std::vector<std::function<Facts(const json&)>> groups = {
      BasicFacts,
      ArgumentFacts,
      [](const json& run) { return FactsOf(Field(run, "params"), "params."); },
      [](const json& run) { return FactsOf(Field(run, "tags"), "tags."); },
      [](const json& run) { return FactsOf(Field(run, "properties"), "properties."); },
      [](const json& run) { return FactsOf(Field(run, "metrics"), "metrics."); }};
  std::vector<ComparisonRow> rows;
  for (const auto& group : groups) {
    std::map<std::string, std::vector<std::string>> values;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      for (const auto& [name, value] : group(runs[i])) {
        values[name].resize(runs.size());
        values[name][i] = value;
      }
    }
    for (auto& [name, row] : values) {
      if (std::all_of(row.begin(), row.end(), [](const auto& value) { return value.empty(); })) {
        continue;
      }
      const bool differs =
          std::adjacent_find(row.begin(), row.end(), std::not_equal_to<>()) != row.end();
      rows.push_back({name, std::move(row), differs});
    }
  }
  return rows;
}

}  // namespace roost::cli
