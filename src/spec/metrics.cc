#include "spec/metrics.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "spec/run_definition.h"

namespace roost::spec {
namespace {

using Json = nlohmann::json;

struct TypeNames {
  MetricType type;
  std::string_view word;
  std::string_view azure;
};
constexpr std::array kTypes = {
    TypeNames{MetricType::kScalar, "scalar", "azureml.v1.scalar"},
    TypeNames{MetricType::kText, "text", "azureml.v1.scalar"},
    TypeNames{MetricType::kList, "list", "azureml.v1.list"},
    TypeNames{MetricType::kRow, "row", "azureml.v1.table"},
    TypeNames{MetricType::kTable, "table", "azureml.v1.table"},
    TypeNames{MetricType::kImage, "image", "azureml.v2.image"},
    TypeNames{MetricType::kConfusionMatrix, "confusion_matrix", "azureml.v2.confusion_matrix"},
    TypeNames{MetricType::kAccuracyTable, "accuracy_table", "azureml.v2.accuracy_table"},
    TypeNames{MetricType::kResiduals, "residuals", "azureml.v2.residuals"},
    TypeNames{MetricType::kPredictions, "predictions", "azureml.v2.predictions"},
};

const TypeNames& NamesOf(MetricType type) { return kTypes[static_cast<std::size_t>(type)]; }

// A number, or one of the texts that stand for the numbers that JSON lacks.
bool IsNumberCell(const Json& cell) {
  return cell.is_number() || cell == "NaN" || cell == "Infinity" || cell == "-Infinity";
}
bool IsCell(const Json& cell) {
  return cell.is_null() || cell.is_boolean() || cell.is_number() || cell.is_string();
}
bool IsLabel(const Json& cell) { return IsCell(cell) && !cell.is_null(); }

template <class Check>
bool IsListOf(const Json& value, Check&& is_item) {
  return value.is_array() && std::all_of(value.begin(), value.end(), is_item);
}
bool IsNumberList(const Json& value) { return IsListOf(value, IsNumberCell); }
bool IsNumberTable(const Json& value) { return IsListOf(value, IsNumberList); }

Status CheckText(const Json& value) {
  if (value.is_string()) return {};
  return Invalid("value", "of a text metric must be a text");
}

Status CheckList(const Json& value) {
  if (IsListOf(value, IsCell)) return {};
  return Invalid("value", "of a list must be a list of numbers, texts, booleans or nulls");
}

Status CheckRow(const Json& value) {
  if (!value.is_object()) return Invalid("value", "of a row must be an object of columns");
  for (const auto& [column, cell] : value.items()) {
    if (IsCell(cell)) continue;
    return Invalid("value." + column,
                   "of a row must be one number, text, boolean or null; log a table for lists");
  }
  return {};
}

Status CheckTable(const Json& value) {
  if (!value.is_object()) return Invalid("value", "of a table must be an object of columns");
  for (const auto& [column, cells] : value.items()) {
    if (!IsListOf(cells, IsCell)) {
      return Invalid("value." + column,
                     "of a table must be a list of numbers, texts, booleans or nulls");
    }
    const auto first = value.begin();
    if (cells.size() != first->size()) {
      return Invalid("value." + column, "has " + std::to_string(cells.size()) + " rows and `" +
                                            first.key() + "` has " + std::to_string(first->size()) +
                                            "; the columns of a table are equally long");
    }
  }
  return {};
}

Status CheckImage(const Json& value) {
  if (!value.is_object() || value.size() != 1 || !value.contains("path") ||
      !value["path"].is_string()) {
    return Invalid("value", "of an image must be {\"path\": the path of one of the run's files}");
  }
  if (auto checked = CheckArtifactPath(value["path"].get_ref<const std::string&>()); !checked) {
    return Invalid("value.path", checked.error().message);
  }
  return {};
}

// One list in the `data` of a chart.
struct ChartPart {
  std::string_view key;
  bool (*is_valid)(const Json&);
  std::string_view form;
};
constexpr ChartPart Labels(std::string_view key) {
  return {key, [](const Json& value) { return IsListOf(value, IsLabel); }, "a list of labels"};
}
constexpr ChartPart Numbers(std::string_view key) {
  return {key, IsNumberList, "a list of numbers"};
}
constexpr ChartPart Rows(std::string_view key) {
  return {key, IsNumberTable, "a list of lists of numbers"};
}
constexpr ChartPart RowsPerClass(std::string_view key) {
  return {key, [](const Json& value) { return IsListOf(value, IsNumberTable); },
          "a list with a table of numbers for each class"};
}

std::vector<ChartPart> PartsOf(MetricType type) {
  switch (type) {
    case MetricType::kConfusionMatrix:
      return {Labels("class_labels"), Rows("matrix")};
    case MetricType::kAccuracyTable:
      return {Labels("class_labels"), RowsPerClass("probability_tables"),
              RowsPerClass("percentile_tables"), Numbers("probability_thresholds"),
              Numbers("percentile_thresholds")};
    case MetricType::kResiduals:
      return {Numbers("bin_edges"), Numbers("bin_counts")};
    case MetricType::kPredictions:
      return {Numbers("bin_averages"), Numbers("bin_errors"), Numbers("bin_counts"),
              Numbers("bin_edges")};
    default:
      return {};
  }
}

Status CheckSquare(const Json& data) {
  const std::size_t classes = data["class_labels"].size();
  const Json& matrix = data["matrix"];
  const bool is_square = matrix.size() == classes &&
                         std::all_of(matrix.begin(), matrix.end(),
                                     [&](const Json& row) { return row.size() == classes; });
  if (is_square) return {};
  return Invalid("value.data.matrix", "must have a row and a column for each of the " +
                                          std::to_string(classes) + " class labels");
}

Status CheckChart(const Json& value, MetricType type) {
  const std::string word(ToString(type));
  if (!value.is_object()) {
    return Invalid("value", "of " + word +
                                " must be an object with schema_type, schema_version "
                                "and data");
  }
  if (value.value("schema_type", Json()) != word) {
    return Invalid("value.schema_type", "must be \"" + word + "\"");
  }
  if (const Json version = value.value("schema_version", Json());
      !version.is_string() || version.get_ref<const std::string&>().empty()) {
    return Invalid("value.schema_version", "must be a text such as \"1.0.0\"");
  }
  const auto data = value.find("data");
  if (data == value.end() || !data->is_object()) {
    return Invalid("value.data", "must be an object");
  }
  for (const ChartPart& part : PartsOf(type)) {
    const auto found = data->find(part.key);
    if (found == data->end() || !part.is_valid(*found)) {
      return Invalid("value.data." + std::string(part.key), "must be " + std::string(part.form));
    }
  }
  return type == MetricType::kConfusionMatrix ? CheckSquare(*data) : Status();
}

}  // namespace

std::string_view ToString(MetricType type) { return NamesOf(type).word; }
std::string_view ToAzureType(MetricType type) { return NamesOf(type).azure; }

std::optional<MetricType> ParseMetricType(std::string_view text) {
  for (const TypeNames& names : kTypes) {
    if (names.word == text) return names.type;
  }
  return std::nullopt;
}

Status CheckMetricEntry(const MetricEntry& entry) {
  const Json value = Json::parse(entry.value, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return Invalid("value", "must be JSON");
  switch (entry.type) {
    case MetricType::kScalar:
      return Invalid("type", "scalar is for numbers, which go into `points` or `series`");
    case MetricType::kText:
      return CheckText(value);
    case MetricType::kList:
      return CheckList(value);
    case MetricType::kRow:
      return CheckRow(value);
    case MetricType::kTable:
      return CheckTable(value);
    case MetricType::kImage:
      return CheckImage(value);
    case MetricType::kConfusionMatrix:
    case MetricType::kAccuracyTable:
    case MetricType::kResiduals:
    case MetricType::kPredictions:
      return CheckChart(value, entry.type);
  }
  return Invalid("type", "is not known");
}

std::string FormatNumber(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  std::array<char, 32> text;  // the longest shortest form has 24 characters
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

}  // namespace roost::spec
