#include "spec/compute_target.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "spec/json_reader.h"
#include "spec/run_definition.h"

namespace roost::spec {
namespace {

constexpr std::size_t kMinName = 2;
constexpr std::size_t kMaxName = 24;
constexpr std::array<std::string_view, 3> kReservedNames = {kLocalTarget, "amlcompute",
                                                            "containerinstance"};

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

bool ReadCount(JsonReader& reader, const char* field, int* to) {
  std::int64_t number = 0;
  if (!reader.Integer(field, &number, 0, kMaxClusterNodes)) return false;
  *to = static_cast<int>(number);
  return true;
}

void ReadSize(JsonReader& reader, const std::vector<VmSize>& sizes, VmSize* to) {
  std::string name;
  reader.String("vm_size", &name, {.max_length = 64});
  if (const VmSize* size = FindVmSize(sizes, name)) {
    *to = *size;
  } else if (!reader.HasProblems()) {
    reader.AddProblem("vm_size", "is '" + name +
                                     "', which is no size of this server; `roost compute sizes` "
                                     "lists them, and its operator can add others");
  }
}

void ReadPriority(JsonReader& reader, VmPriority* to) {
  std::string text;
  if (!reader.String("vm_priority", &text)) return;
  if (const auto priority = ParseVmPriority(text)) {
    *to = *priority;
  } else {
    reader.AddProblem("vm_priority", "must be dedicated or lowpriority");
  }
}

std::string NodesProblem(const ClusterSettings& settings) {
  return "must be at most max_nodes; they are " + std::to_string(settings.min_nodes) + " and " +
         std::to_string(settings.max_nodes);
}

}  // namespace

std::string_view ToString(VmPriority priority) {
  return priority == VmPriority::kDedicated ? "dedicated" : "lowpriority";
}

std::optional<VmPriority> ParseVmPriority(std::string_view text) {
  const std::string lower = LowerCase(text);
  if (lower == ToString(VmPriority::kDedicated)) return VmPriority::kDedicated;
  if (lower == ToString(VmPriority::kLowPriority)) return VmPriority::kLowPriority;
  return std::nullopt;
}

Result<ClusterSettings> ParseCluster(const nlohmann::json& body, const std::vector<VmSize>& sizes) {
  ClusterSettings settings;
  JsonReader reader(body);
  if (reader.String("name", &settings.name, {.required = true})) {
    if (const Status checked = CheckClusterName(settings.name); !checked) {
      reader.AddProblems("name", checked.error());
    }
  }
  ReadSize(reader, sizes, &settings.size);
  ReadPriority(reader, &settings.priority);
  ReadCount(reader, "min_nodes", &settings.min_nodes);
  if (body.is_object() && !reader.Has("max_nodes")) reader.AddProblem("max_nodes", "is required");
  if (ReadCount(reader, "max_nodes", &settings.max_nodes) &&
      settings.min_nodes > settings.max_nodes) {
    reader.AddProblem("min_nodes", NodesProblem(settings));
  }
  reader.Integer("idle_seconds_before_scaledown", &settings.idle_seconds, 0, kMaxIdleSeconds);
  reader.String("description", &settings.description, {.max_length = kMaxDescription});
  if (reader.StringMap("tags", &settings.tags)) {
    for (const auto& [key, value] : settings.tags) {
      if (const Status checked = CheckTag(key, value); !checked) {
        reader.AddProblems("tags." + key, checked.error());
      }
    }
  }
  ROOST_TRY(reader.Finish("The compute target is not valid"));
  return settings;
}

Result<ClusterChange> ParseClusterChange(const nlohmann::json& body) {
  ClusterChange change;
  JsonReader reader(body);
  int count = 0;
  std::int64_t seconds = 0;
  std::string description;
  if (ReadCount(reader, "min_nodes", &count)) change.min_nodes = count;
  if (ReadCount(reader, "max_nodes", &count)) change.max_nodes = count;
  if (reader.Integer("idle_seconds_before_scaledown", &seconds, 0, kMaxIdleSeconds)) {
    change.idle_seconds = seconds;
  }
  if (reader.String("description", &description, {.max_length = kMaxDescription})) {
    change.description = description;
  }
  if (reader.OptionalStringMap("tags", &change.tags)) {
    for (const auto& [key, value] : change.tags) {
      if (const Status checked = CheckTag(key, value); !checked) {
        reader.AddProblems("tags." + key, checked.error());
      }
    }
  }
  ROOST_TRY(reader.Finish("The change is not valid"));
  return change;
}

Result<ClusterSettings> Changed(ClusterSettings settings, const ClusterChange& change) {
  settings.min_nodes = change.min_nodes.value_or(settings.min_nodes);
  settings.max_nodes = change.max_nodes.value_or(settings.max_nodes);
  settings.idle_seconds = change.idle_seconds.value_or(settings.idle_seconds);
  settings.description = change.description.value_or(settings.description);
  for (const auto& [key, value] : change.tags) {
    if (value) {
      settings.tags[key] = *value;
    } else {
      settings.tags.erase(key);
    }
  }
  if (settings.min_nodes > settings.max_nodes) {
    Error error{ErrorCode::kInvalidArgument, "The change is not valid: `min_nodes` ", {}};
    error.message += NodesProblem(settings);
    error.details.push_back({"min_nodes", NodesProblem(settings)});
    return Fail(std::move(error));
  }
  return settings;
}

std::vector<std::string> Differences(const ClusterSettings& a, const ClusterSettings& b) {
  std::vector<std::string> names;
  const auto compare = [&](const char* name, bool same) {
    if (!same) names.emplace_back(name);
  };
  compare("vm_size", a.size.name == b.size.name);
  compare("vm_priority", a.priority == b.priority);
  compare("min_nodes", a.min_nodes == b.min_nodes);
  compare("max_nodes", a.max_nodes == b.max_nodes);
  compare("idle_seconds_before_scaledown", a.idle_seconds == b.idle_seconds);
  compare("description", a.description == b.description);
  compare("tags", a.tags == b.tags);
  return names;
}

Status CheckClusterName(std::string_view name) {
  const bool well_formed = name.size() >= kMinName && name.size() <= kMaxName &&
                           IsLetter(name.front()) && name.back() != '-' &&
                           std::all_of(name.begin(), name.end(), [](char c) {
                             return IsLetter(c) || IsDigit(c) || c == '-';
                           });
  if (!well_formed) {
    return Invalid("name",
                   "must be 2 to 24 letters, digits and '-', first a letter, last a letter or "
                   "digit");
  }
  const std::string lower = LowerCase(name);
  if (std::find(kReservedNames.begin(), kReservedNames.end(), lower) != kReservedNames.end()) {
    return Invalid("name", "is reserved; choose another one");
  }
  return {};
}

}  // namespace roost::spec
