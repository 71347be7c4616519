#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "spec/run_query.h"

namespace roost::spec {

// What values of a field are.
enum class FieldType { kText, kNumber, kTime, kState, kRunKind };

// "metrics", "metric" -> kMetric; nullopt for a word that is no prefix. Case does not matter.
std::optional<FieldKind> FindFieldPrefix(std::string_view word);
// The attribute's own name for it or one of its aliases; nullopt when there is none.
std::optional<std::string> FindAttribute(std::string_view name);
std::string KnownAttributes();  // for messages
FieldType TypeOf(const Field& field);
// Our name for a state, or MLflow's; nullopt when neither.
std::optional<std::string> FindStateName(std::string_view text);

std::string ToLower(std::string_view text);  // ASCII

}  // namespace roost::spec
