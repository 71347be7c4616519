#include "spec/run_query_fields.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/strings.h"
#include "spec/run_state.h"

namespace roost::spec {
namespace {

struct Prefix {
  std::string_view word;
  FieldKind kind;
};
constexpr std::array kPrefixes = {
    Prefix{"attributes", FieldKind::kAttribute},
    Prefix{"attribute", FieldKind::kAttribute},
    Prefix{"attr", FieldKind::kAttribute},
    Prefix{"run", FieldKind::kAttribute},
    Prefix{"metrics", FieldKind::kMetric},
    Prefix{"metric", FieldKind::kMetric},
    Prefix{"params", FieldKind::kParam},
    Prefix{"param", FieldKind::kParam},
    Prefix{"parameters", FieldKind::kParam},
    Prefix{"parameter", FieldKind::kParam},
    Prefix{"tags", FieldKind::kTag},
    Prefix{"tag", FieldKind::kTag},
    Prefix{"properties", FieldKind::kProperty},
    Prefix{"property", FieldKind::kProperty},
};

struct Attribute {
  std::string_view name;
  FieldType type;
};
constexpr std::array kAttributes = {
    Attribute{"run_id", FieldType::kText},     Attribute{"display_name", FieldType::kText},
    Attribute{"status", FieldType::kState},    Attribute{"experiment", FieldType::kText},
    Attribute{"created_at", FieldType::kTime}, Attribute{"started_at", FieldType::kTime},
    Attribute{"ended_at", FieldType::kTime},   Attribute{"duration_seconds", FieldType::kNumber},
    Attribute{"submitter", FieldType::kText},  Attribute{"compute_target", FieldType::kText},
    Attribute{"parent", FieldType::kText},     Attribute{"kind", FieldType::kRunKind},
};

struct Alias {
  std::string_view alias;
  std::string_view name;
};
// MLflow's names.
constexpr std::array kAttributeAliases = {
    Alias{"run_name", "display_name"},
    Alias{"start_time", "started_at"},
    Alias{"end_time", "ended_at"},
};
constexpr std::array kStateAliases = {
    Alias{"finished", "Completed"},
    Alias{"killed", "Canceled"},
};

}  // namespace

std::string ToLower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::optional<FieldKind> FindFieldPrefix(std::string_view word) {
  const std::string lower = ToLower(word);
  for (const Prefix& prefix : kPrefixes) {
    if (prefix.word == lower) return prefix.kind;
  }
  return std::nullopt;
}

std::optional<std::string> FindAttribute(std::string_view name) {
  for (const Alias& alias : kAttributeAliases) {
    if (alias.alias == name) return std::string(alias.name);
  }
  for (const Attribute& attribute : kAttributes) {
    if (attribute.name == name) return std::string(name);
  }
  return std::nullopt;
}

std::string KnownAttributes() {
  std::vector<std::string> names;
  for (const Attribute& attribute : kAttributes) names.emplace_back(attribute.name);
  return Join(names, ", ");
}

FieldType TypeOf(const Field& field) {
  if (field.kind == FieldKind::kMetric) return FieldType::kNumber;
  if (field.kind != FieldKind::kAttribute) return FieldType::kText;
  for (const Attribute& attribute : kAttributes) {
    if (attribute.name == field.name) return attribute.type;
  }
  return FieldType::kText;
}

std::optional<std::string> FindStateName(std::string_view text) {
  const std::string lower = ToLower(text);
  for (const RunState state : AllRunStates()) {
    if (ToLower(ToString(state)) == lower) return std::string(ToString(state));
  }
  for (const Alias& alias : kStateAliases) {
    if (alias.alias == lower) return std::string(alias.name);
  }
  return std::nullopt;
}

}  // namespace roost::spec
