#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace roost::spec {

// A step that the client left out: the store counts.
inline constexpr std::int64_t kNextStep = std::numeric_limits<std::int64_t>::min();

// One number of a named series. NaN and infinities are allowed.
struct MetricPoint {
  std::int64_t step = 0;
  Micros time = 0;  // wall time of the client
  double value = 0;
  bool operator==(const MetricPoint&) const = default;
};

// The Azure ML type strings: "azureml.v1.scalar", "azureml.v1.list", "azureml.v1.table",
// "azureml.v2.image", "azureml.v2.confusion_matrix" ... A row is a table entry of one row. kText is
// a text logged with log(): a scalar whose value is no number.
enum class MetricType {
  kScalar,
  kText,
  kList,
  kRow,
  kTable,
  kImage,
  kConfusionMatrix,
  kAccuracyTable,
  kResiduals,
  kPredictions,
};
std::string_view ToString(MetricType type);     // "confusion_matrix", the wire's word
std::string_view ToAzureType(MetricType type);  // "azureml.v2.confusion_matrix"
std::optional<MetricType> ParseMetricType(std::string_view text);

// A value that is no single number: `value` is JSON text, checked for its type's form (a list: an
// array of cells; a row: an object of cells; a table: an object of equal-length arrays of cells; an
// image: {"path": artifact path}; the four others: an object with schema_type, schema_version and
// data as Azure ML writes them). Cells are bool, number, text or null; "NaN", "Infinity" and
// "-Infinity" are the numbers.
struct MetricEntry {
  std::string name;
  MetricType type = MetricType::kText;
  std::string value;
  std::optional<std::int64_t> step;
  Micros time = 0;
  std::string description;
  bool operator==(const MetricEntry&) const = default;
};
// Checks `entry.value` against `entry.type`.
Status CheckMetricEntry(const MetricEntry& entry);

struct MetricSeries {
  std::string name;
  std::vector<MetricPoint> points;
};

// One write of a client. (writer, number) makes a retry exact: a number at or below the writer's
// last one is answered with success and not stored again. An empty writer switches that off.
struct MetricBatch {
  std::string writer;
  std::int64_t number = 0;
  std::vector<MetricSeries> series;
  std::vector<MetricEntry> entries;
  // As MLflow does it: every step is as given, and points that are there already with the same
  // step, time and value are left out.
  bool drop_duplicates = false;
};

// A double as the wire and the CLI write it: shortest form that reads back the same, "NaN",
// "Infinity", "-Infinity".
std::string FormatNumber(double value);

}  // namespace roost::spec
