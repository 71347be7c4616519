#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "trainer/images/image.h"

namespace roost::trainer {

// How often each pair of true and predicted class occurs. Sparse, so that many classes cost little.
struct ConfusionMatrix {
  std::vector<std::string> labels{};  // all true and predicted ones, in the order of their bytes
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> cells{};  // (true, predicted)

  std::uint64_t At(std::size_t true_label, std::size_t predicted) const;
};

// As scikit-learn defines them, over the labels that occur (as true or as predicted ones). Micro
// averages pool all rows, so with one label a row they equal the accuracy. Macro averages are the
// means over the labels; a label without predictions has precision 0, one without rows recall 0.
struct ClassificationMetrics {
  std::uint64_t rows = 0;             // with a true label
  std::uint64_t unlabelled_rows = 0;  // left out
  double overall_accuracy = 0;
  double micro_precision = 0;
  double macro_precision = 0;
  double micro_recall = 0;
  double macro_recall = 0;
  ConfusionMatrix confusion{};
};

// Metrics of a matrix. Requires: `confusion` has at least one row.
ClassificationMetrics MetricsOf(ConfusionMatrix confusion);

struct EvaluateResult {
  ClassificationMetrics left{};
  std::optional<ClassificationMetrics> right{};

  // {"Overall_Accuracy", 0.9}, ... Micro_Precision, Macro_Precision, Micro_Recall, Macro_Recall;
  // with two inputs each name has " (left port)" or " (right port)" at its end.
  std::vector<std::pair<std::string, double>> NamedValues() const;
};

// The component Evaluate Model for scores of several classes: reads one scored dataset or, to
// compare, two, and writes into `output` (new or empty)
//   * a DataFrameDirectory with a row of metrics for each input;
//   * evaluation.json: {"metrics": {<names as above>}, "left_port": {"rows", "unlabelled_rows",
//     "labels", "confusion_matrix"}, "right_port": ...}. The matrix is a list of rows (true) of
//     counts; with more than 1000 labels it is instead "confusion_cells", [true, predicted, count];
//   * left_port_confusion_matrix.png and right_..., with fewer than 30 labels.
// Errors: 24 without label column or labels, 25 without scored labels, 62 for two kinds of scores
// or one that is not of several classes, 18, 160.
Result<EvaluateResult> EvaluateModel(const fs::path& left, const std::optional<fs::path>& right,
                                     const fs::path& output);

// The matrix as a heat map, each row divided by its sum; the share stands in each cell. Rows are
// the true labels, columns the predicted ones. Requires: at most 64 labels.
Image DrawConfusionMatrix(const ConfusionMatrix& confusion);

}  // namespace roost::trainer
