#include "spec/mlflow_search_fields.h"

#include <algorithm>
#include <array>
#include <span>

#include "spec/text.h"

namespace roost::spec {
namespace {

constexpr std::size_t kMaxSearchBytes = 1 << 20;

struct Prefix {
  std::string_view word;
  FieldKind kind;
};
constexpr std::array kRunPrefixes = {
    Prefix{"metric", FieldKind::kMetric},
    Prefix{"metrics", FieldKind::kMetric},
    Prefix{"parameter", FieldKind::kParam},
    Prefix{"parameters", FieldKind::kParam},
    Prefix{"param", FieldKind::kParam},
    Prefix{"params", FieldKind::kParam},
    Prefix{"tag", FieldKind::kTag},
    Prefix{"tags", FieldKind::kTag},
    Prefix{"attribute", FieldKind::kAttribute},
    Prefix{"attributes", FieldKind::kAttribute},
    Prefix{"attr", FieldKind::kAttribute},
    Prefix{"run", FieldKind::kAttribute},
    Prefix{"dataset", FieldKind::kDataset},
    Prefix{"datasets", FieldKind::kDataset},
};
constexpr std::array kPlainPrefixes = {
    Prefix{"attribute", FieldKind::kAttribute},
    Prefix{"tag", FieldKind::kTag},
    Prefix{"tags", FieldKind::kTag},
};
constexpr std::array kLoggedModelPrefixes = {
    Prefix{"attributes", FieldKind::kAttribute},
    Prefix{"metrics", FieldKind::kMetric},
    Prefix{"params", FieldKind::kParam},
    Prefix{"tags", FieldKind::kTag},
};

struct Attribute {
  std::string_view written;  // as users may write it
  std::string_view name;     // as it comes out
  bool is_number = false;
  MlflowUse use = MlflowUse::kBoth;
};
constexpr std::array kRunAttributes = {
    Attribute{"run_id", "run_id", false, MlflowUse::kBoth},
    Attribute{"run_name", "run_name", false, MlflowUse::kBoth},
    Attribute{"run name", "run_name", false, MlflowUse::kFilter},
    Attribute{"Run name", "run_name", false, MlflowUse::kFilter},
    Attribute{"Run Name", "run_name", false, MlflowUse::kFilter},
    Attribute{"user_id", "user_id", false, MlflowUse::kBoth},
    Attribute{"status", "status", false, MlflowUse::kBoth},
    Attribute{"artifact_uri", "artifact_uri", false, MlflowUse::kBoth},
    Attribute{"start_time", "start_time", true, MlflowUse::kBoth},
    Attribute{"created", "start_time", true, MlflowUse::kBoth},
    Attribute{"Created", "start_time", true, MlflowUse::kBoth},
    Attribute{"end_time", "end_time", true, MlflowUse::kBoth},
};
constexpr std::array kExperimentAttributes = {
    Attribute{"name", "name", false, MlflowUse::kBoth},
    Attribute{"creation_time", "creation_time", true, MlflowUse::kBoth},
    Attribute{"last_update_time", "last_update_time", true, MlflowUse::kBoth},
    Attribute{"experiment_id", "experiment_id", true, MlflowUse::kOrder},
};
constexpr std::array kRegisteredModelAttributes = {
    Attribute{"name", "name", false, MlflowUse::kBoth},
    Attribute{"timestamp", "last_updated_timestamp", true, MlflowUse::kOrder},
    Attribute{"last_updated_timestamp", "last_updated_timestamp", true, MlflowUse::kOrder},
};
constexpr std::array kModelVersionAttributes = {
    Attribute{"name", "name", false, MlflowUse::kBoth},
    Attribute{"version_number", "version_number", true, MlflowUse::kBoth},
    Attribute{"run_id", "run_id", false, MlflowUse::kFilter},
    Attribute{"source_path", "source_path", false, MlflowUse::kFilter},
    Attribute{"creation_timestamp", "creation_timestamp", true, MlflowUse::kOrder},
    Attribute{"last_updated_timestamp", "last_updated_timestamp", true, MlflowUse::kOrder},
};
constexpr std::array kLoggedModelAttributes = {
    Attribute{"name", "name", false, MlflowUse::kBoth},
    Attribute{"model_id", "model_id", false, MlflowUse::kBoth},
    Attribute{"model_type", "model_type", false, MlflowUse::kBoth},
    Attribute{"status", "status", false, MlflowUse::kBoth},
    Attribute{"source_run_id", "source_run_id", false, MlflowUse::kBoth},
    Attribute{"experiment_id", "experiment_id", false, MlflowUse::kBoth},
    Attribute{"creation_timestamp", "creation_timestamp", true, MlflowUse::kBoth},
    Attribute{"creation_timestamp_ms", "creation_timestamp", true, MlflowUse::kBoth},
    Attribute{"creation_time", "creation_timestamp", true, MlflowUse::kBoth},
    Attribute{"last_updated_timestamp", "last_updated_timestamp", true, MlflowUse::kBoth},
    Attribute{"last_updated_timestamp_ms", "last_updated_timestamp", true, MlflowUse::kBoth},
    Attribute{"last_updated_time", "last_updated_timestamp", true, MlflowUse::kBoth},
};
constexpr std::array<std::string_view, 3> kDatasetFields = {"name", "digest", "context"};

std::span<const Prefix> PrefixesOf(MlflowNoun noun) {
  if (noun == MlflowNoun::kRun) return kRunPrefixes;
  if (noun == MlflowNoun::kLoggedModel) return kLoggedModelPrefixes;
  return kPlainPrefixes;
}

std::span<const Attribute> AttributesOf(MlflowNoun noun) {
  switch (noun) {
    case MlflowNoun::kRun:
      return kRunAttributes;
    case MlflowNoun::kExperiment:
      return kExperimentAttributes;
    case MlflowNoun::kRegisteredModel:
      return kRegisteredModelAttributes;
    case MlflowNoun::kModelVersion:
      return kModelVersionAttributes;
    case MlflowNoun::kLoggedModel:
      return kLoggedModelAttributes;
  }
  return {};
}

tl::unexpected<Error> NoSuchEntity(MlflowNoun noun, std::string_view word) {
  const std::string found(word);
  if (noun == MlflowNoun::kLoggedModel) {
    return RefuseSearch("Invalid entity type: '" + found +
                        "'. Expected one of ['attributes', 'metrics', 'params', 'tags'].");
  }
  if (noun == MlflowNoun::kRun) {
    return RefuseSearch(
        "Invalid entity type '" + found +
        "'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']");
  }
  return RefuseSearch("Invalid entity type '" + found +
                      "'. Valid entity types are ('attribute', 'tag', 'tags')");
}

}  // namespace

Result<MlflowField> FindMlflowAttribute(MlflowNoun noun, std::string_view written, MlflowUse use) {
  std::vector<std::string_view> known;
  for (const Attribute& attribute : AttributesOf(noun)) {
    if ((static_cast<int>(attribute.use) & static_cast<int>(use)) == 0) continue;
    if (attribute.written == written) {
      return MlflowField{{FieldKind::kAttribute, std::string(attribute.name)}, attribute.is_number};
    }
    known.push_back(attribute.written);
  }
  return RefuseSearch("Invalid attribute key '" + std::string(written) +
                      "' specified. Valid keys are '{" + QuotedList(known) + "}'");
}

Result<MlflowField> FindMlflowField(MlflowNoun noun, std::string_view name, MlflowUse use) {
  const std::size_t point = name.find('.');
  if (point == std::string_view::npos) {
    return FindMlflowAttribute(noun, WithoutQuotes(name, "`\""), use);
  }
  const std::string_view word = WithoutQuotes(name.substr(0, point), "`");
  const std::string_view key = WithoutQuotes(name.substr(point + 1), "`\"'");
  for (const Prefix& prefix : PrefixesOf(noun)) {
    if (prefix.word != word) continue;
    if (prefix.kind == FieldKind::kAttribute) return FindMlflowAttribute(noun, key, use);
    const bool is_known =
        std::find(kDatasetFields.begin(), kDatasetFields.end(), key) != kDatasetFields.end();
    if (prefix.kind == FieldKind::kDataset && !is_known) {
      return RefuseSearch("Invalid dataset key '" + std::string(key) +
                          "' specified. Valid keys are '{" + QuotedList(kDatasetFields) + "}'");
    }
    return MlflowField{{prefix.kind, std::string(key)}, prefix.kind == FieldKind::kMetric};
  }
  return NoSuchEntity(noun, word);
}

std::string_view MlflowWord(FieldKind kind) {
  switch (kind) {
    case FieldKind::kMetric:
      return "metric";
    case FieldKind::kParam:
      return "parameter";
    case FieldKind::kTag:
      return "tag";
    case FieldKind::kDataset:
      return "dataset";
    case FieldKind::kAttribute:
    case FieldKind::kProperty:
      break;
  }
  return "attribute";
}

std::string_view LoggedModelPrefix(FieldKind kind) {
  for (const Prefix& prefix : kLoggedModelPrefixes) {
    if (prefix.kind == kind) return prefix.word;
  }
  return "";
}

std::string_view WithoutQuotes(std::string_view text, std::string_view quotes) {
  const bool is_quoted =
      text.size() >= 2 && text.front() == text.back() && quotes.find(text.front()) != quotes.npos;
  return is_quoted ? text.substr(1, text.size() - 2) : text;
}

Status CheckSearchText(std::string_view text, std::string_view what) {
  if (text.size() > kMaxSearchBytes) {
    return RefuseSearch("The " + std::string(what) + " is longer than " +
                        FormatBytes(kMaxSearchBytes) + ".");
  }
  if (IsValidUtf8(text) && !HasNul(text)) return {};
  return RefuseSearch("The " + std::string(what) + " holds bytes that are no text.");
}

}  // namespace roost::spec
