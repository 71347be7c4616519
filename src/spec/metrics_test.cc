#include "spec/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

namespace roost::spec {
namespace {

using enum MetricType;

TEST(Metrics, TypesHaveTheWiresWordAndAzuresName) {
  const struct {
    MetricType type;
    std::string_view word;
    std::string_view azure;
  } cases[] = {
      {kScalar, "scalar", "azureml.v1.scalar"},
      {kText, "text", "azureml.v1.scalar"},
      {kList, "list", "azureml.v1.list"},
      {kRow, "row", "azureml.v1.table"},
      {kTable, "table", "azureml.v1.table"},
      {kImage, "image", "azureml.v2.image"},
      {kConfusionMatrix, "confusion_matrix", "azureml.v2.confusion_matrix"},
      {kAccuracyTable, "accuracy_table", "azureml.v2.accuracy_table"},
      {kResiduals, "residuals", "azureml.v2.residuals"},
      {kPredictions, "predictions", "azureml.v2.predictions"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(ToString(c.type), c.word);
    EXPECT_EQ(ToAzureType(c.type), c.azure);
    EXPECT_EQ(ParseMetricType(c.word), c.type);
  }
  EXPECT_EQ(ParseMetricType("azureml.v1.list"), std::nullopt);
  EXPECT_EQ(ParseMetricType("List"), std::nullopt);
}

Status CheckValue(MetricType type, const std::string& value) {
  MetricEntry entry;
  entry.name = "m";
  entry.type = type;
  entry.value = value;
  return CheckMetricEntry(entry);
}

// `data` of a chart with its head.
std::string Chart(const std::string& type, const std::string& data) {
  return R"({"schema_type": ")" + type + R"(", "schema_version": "1.0.0", "data": )" + data + "}";
}

TEST(Metrics, EntriesOfTheRightFormAreTaken) {
  const struct {
    MetricType type;
    std::string value;
  } cases[] = {
      {kText, R"("some text")"},
      {kText, R"("")"},
      {kList, R"([1, 2.5, "NaN", "Infinity", true, null, "text"])"},
      {kList, "[]"},
      {kRow, R"({"x": 1, "y": "a", "z": null, "": true})"},
      {kTable, R"({"x": [1, 2], "y": ["a", null]})"},
      {kTable, R"({"": [1], "y": [2]})"},
      {kTable, "{}"},
      {kImage, R"({"path": "images/a b.png"})"},
      {kConfusionMatrix,
       Chart("confusion_matrix", R"({"class_labels": ["a", "b"], "matrix": [[1, 2], [3, 4]]})")},
      {kConfusionMatrix,
       R"({"schema_type": "confusion_matrix", "schema_version": "v1", "parameters": {},
           "data": {"class_labels": [0, 1], "matrix": [[1, "NaN"], [3, 4]], "more": 1}})"},
      {kAccuracyTable, Chart("accuracy_table", R"({"class_labels": ["a"],
           "probability_tables": [[[1, 2, 3, 4], [5, 6, 7, 8]]], "percentile_tables": [[[1, 2, 3, 4]]],
           "probability_thresholds": [0.1, 0.2], "percentile_thresholds": [0.5]})")},
      {kResiduals, Chart("residuals", R"({"bin_edges": [0, 1, 2], "bin_counts": [0.5, 3]})")},
      {kPredictions, Chart("predictions", R"({"bin_averages": [0.2], "bin_errors": [0],
           "bin_counts": [5], "bin_edges": [0, 1]})")},
  };
  for (const auto& c : cases) {
    const Status status = CheckValue(c.type, c.value);
    EXPECT_TRUE(status) << c.value << "\n" << status.error().message;
  }
}

TEST(Metrics, EntriesOfAnotherFormAreRefused) {
  const struct {
    MetricType type;
    std::string value;
    std::string field;
  } cases[] = {
      {kScalar, "1", "type"},
      {kText, "1", "value"},
      {kText, "not json", "value"},
      {kText, "", "value"},
      {kList, R"({"a": 1})", "value"},
      {kList, "[[1]]", "value"},
      {kRow, "[1]", "value"},
      {kRow, R"({"x": [1]})", "value.x"},
      {kTable, "[1]", "value"},
      {kTable, R"({"x": 1})", "value.x"},
      {kTable, R"({"x": [[1]]})", "value.x"},
      {kTable, R"({"x": [1, 2], "y": [1]})", "value.y"},
      {kTable, R"({"": [1, 2], "y": [1]})", "value.y"},
      {kImage, R"("a.png")", "value"},
      {kImage, R"({"path": 1})", "value"},
      {kImage, R"({"path": "a.png", "more": 1})", "value"},
      {kImage, R"({"path": "../a.png"})", "value.path"},
      {kConfusionMatrix, "[]", "value"},
      {kConfusionMatrix, Chart("residuals", "{}"), "value.schema_type"},
      {kConfusionMatrix, R"({"schema_type": "confusion_matrix", "data": {}})",
       "value.schema_version"},
      {kConfusionMatrix, Chart("confusion_matrix", "[]"), "value.data"},
      {kConfusionMatrix, Chart("confusion_matrix", R"({"matrix": [[1]]})"),
       "value.data.class_labels"},
      {kConfusionMatrix, Chart("confusion_matrix", R"({"class_labels": ["a"], "matrix": [1]})"),
       "value.data.matrix"},
      {kConfusionMatrix,
       Chart("confusion_matrix", R"({"class_labels": ["a", "b"], "matrix": [[1, 2]]})"),
       "value.data.matrix"},
      {kConfusionMatrix,
       Chart("confusion_matrix", R"({"class_labels": ["a", "b"], "matrix": [[1, 2], [3]]})"),
       "value.data.matrix"},
      {kAccuracyTable, Chart("accuracy_table", R"({"class_labels": ["a"]})"),
       "value.data.probability_tables"},
      {kResiduals, Chart("residuals", R"({"bin_edges": ["a"], "bin_counts": []})"),
       "value.data.bin_edges"},
      {kPredictions, Chart("predictions", R"({"bin_averages": [1], "bin_errors": 1})"),
       "value.data.bin_errors"},
  };
  for (const auto& c : cases) {
    const Status status = CheckValue(c.type, c.value);
    ASSERT_FALSE(status) << c.value;
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
    ASSERT_EQ(status.error().details.size(), 1U);
    EXPECT_EQ(status.error().details[0].field, c.field) << c.value;
  }
}

TEST(Metrics, NumbersAreWrittenInTheShortestFormThatReadsBack) {
  const struct {
    double value;
    std::string text;
  } cases[] = {
      {0, "0"},
      {1, "1"},
      {-2.5, "-2.5"},
      {0.1, "0.1"},
      {0.1 + 0.2, "0.30000000000000004"},
      {1e22, "1e+22"},
      {1e-7, "1e-07"},
      {std::numeric_limits<double>::max(), "1.7976931348623157e+308"},
      {-std::numeric_limits<double>::denorm_min(), "-5e-324"},
      {std::numeric_limits<double>::quiet_NaN(), "NaN"},
      {std::numeric_limits<double>::infinity(), "Infinity"},
      {-std::numeric_limits<double>::infinity(), "-Infinity"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(FormatNumber(c.value), c.text);
    if (std::isfinite(c.value)) {
      EXPECT_EQ(std::strtod(c.text.c_str(), nullptr), c.value);
    }
  }
}

}  // namespace
}  // namespace roost::spec
