#include "trainer/folders/evaluate.h"

#include <nlohmann/json.hpp>
#include <unordered_map>

#include "trainer/folders/component_error.h"
#include "trainer/folders/dataframe.h"
#include "trainer/folders/folder_meta.h"
#include "trainer/images/encode.h"

namespace roost::trainer {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kDenseLabels = 1000;
constexpr std::size_t kPictureLabels = 30;
constexpr std::size_t kMaxLabels = 1'000'000;

// What the scores were made by, told by the key of their column.
std::string TaskOf(const DataSchema& schema) {
  static constexpr std::pair<const char*, const char*> kTasks[] = {
      {kMultiClassLabels, "Multi-class Classification"},
      {"Binary Class Assigned Labels", "Binary Classification"},
      {"Regression Assigned Labels", "Regression"},
      {"Cluster Assigned Labels", "Clustering"}};
  for (const auto& [key, task] : kTasks) {
    if (schema.score_columns.contains(key)) return task;
  }
  return {};
}

Result<std::string> CheckedTask(const DataFrame& frame, std::string_view dataset) {
  const std::string task = TaskOf(frame.schema());
  if (task.empty()) return FailModule(NotScoredDataset(dataset));
  return task;
}

Result<ClassificationMetrics> Evaluate(const DataFrame& frame, std::string_view dataset) {
  const DataSchema& schema = frame.schema();
  const auto label = schema.label_columns.begin();
  const int true_column = label == schema.label_columns.end() ? -1 : schema.IndexOf(label->second);
  if (true_column < 0) {
    return FailModule(NotLabeledDataset(dataset, "Score an image directory that has categories."));
  }
  const std::string& scored = schema.score_columns.at(kMultiClassLabels);
  const int scored_column = schema.IndexOf(scored);
  if (scored_column < 0) return FailModule(NotScoredDataset(dataset, scored));

  // Labels get numbers as they come and are sorted at the end.
  std::unordered_map<std::string, std::uint32_t> number_of;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> counted;
  std::uint64_t unlabelled = 0;
  const auto number = [&](const std::string& text) {
    return number_of.emplace(text, static_cast<std::uint32_t>(number_of.size())).first->second;
  };
  ROOST_TRY(frame.ForEachRow([&](const std::vector<std::string>& row) -> Status {
    const std::string& truth = row[static_cast<std::size_t>(true_column)];
    if (truth.empty()) {
      ++unlabelled;
      return {};
    }
    const std::uint32_t true_label = number(truth);
    ++counted[{true_label, number(row[static_cast<std::size_t>(scored_column)])}];
    if (number_of.size() > kMaxLabels) {
      return FailModule(InvalidDataset(dataset, "it has more than a million different labels"));
    }
    return {};
  }));
  if (counted.empty()) {
    return FailModule(NotLabeledDataset(dataset, "None of its rows has a label."));
  }

  std::map<std::string, std::uint32_t> sorted(number_of.begin(), number_of.end());
  std::vector<std::uint32_t> rank(sorted.size());
  ConfusionMatrix confusion;
  for (const auto& [text, old_number] : sorted) {
    rank[old_number] = static_cast<std::uint32_t>(confusion.labels.size());
    confusion.labels.push_back(text);
  }
  for (const auto& [pair, count] : counted) {
    confusion.cells[{rank[pair.first], rank[pair.second]}] = count;
  }
  ClassificationMetrics metrics = MetricsOf(std::move(confusion));
  metrics.unlabelled_rows = unlabelled;
  return metrics;
}

using Values = std::vector<std::pair<std::string, double>>;
Values ValuesOf(const ClassificationMetrics& metrics) {
  return {{"Overall_Accuracy", metrics.overall_accuracy},
          {"Micro_Precision", metrics.micro_precision},
          {"Macro_Precision", metrics.macro_precision},
          {"Micro_Recall", metrics.micro_recall},
          {"Macro_Recall", metrics.macro_recall}};
}

ordered_json PortJson(const ClassificationMetrics& metrics) {
  ordered_json port;
  port["rows"] = metrics.rows;
  port["unlabelled_rows"] = metrics.unlabelled_rows;
  const std::vector<std::string>& labels = metrics.confusion.labels;
  port["labels"] = labels;
  if (labels.size() > kDenseLabels) {
    ordered_json& cells = port["confusion_cells"] = ordered_json::array();
    for (const auto& [pair, count] : metrics.confusion.cells) {
      cells.push_back({pair.first, pair.second, count});
    }
    return port;
  }
  std::vector<std::vector<std::uint64_t>> matrix(labels.size(),
                                                 std::vector<std::uint64_t>(labels.size()));
  for (const auto& [pair, count] : metrics.confusion.cells) {
    matrix[pair.first][pair.second] = count;
  }
  port["confusion_matrix"] = matrix;
  return port;
}

Status WritePicture(const fs::path& path, const ConfusionMatrix& confusion) {
  if (confusion.labels.size() >= kPictureLabels) return {};
  ROOST_ASSIGN(const std::string png, EncodePng(DrawConfusionMatrix(confusion)));
  return WriteFileAtomic(path, png);
}

Status WriteEvaluation(const fs::path& output, const EvaluateResult& result) {
  ordered_json root;
  for (const auto& [name, value] : result.NamedValues()) root["metrics"][name] = value;
  root["left_port"] = PortJson(result.left);
  if (result.right) root["right_port"] = PortJson(*result.right);
  ROOST_TRY(WriteFileAtomic(output / "evaluation.json",
                            root.dump(2, ' ', true, ordered_json::error_handler_t::replace)));
  ROOST_TRY(WritePicture(output / "left_port_confusion_matrix.png", result.left.confusion));
  if (result.right) {
    ROOST_TRY(WritePicture(output / "right_port_confusion_matrix.png", result.right->confusion));
  }
  DataSchema schema;
  for (const auto& [name, value] : ValuesOf(result.left)) {
    schema.columns.push_back({name, ColumnType::kNumber, true});
  }
  ROOST_ASSIGN(DataFrameWriter table, DataFrameWriter::Create(output, schema));
  const auto add = [&](const ClassificationMetrics& metrics) {
    std::vector<std::string> row;
    for (const auto& [name, value] : ValuesOf(metrics)) row.push_back(NumberText(value));
    return table.Add(row);
  };
  ROOST_TRY(add(result.left));
  if (result.right) ROOST_TRY(add(*result.right));
  return table.Finish();
}

}  // namespace

std::uint64_t ConfusionMatrix::At(std::size_t true_label, std::size_t predicted) const {
  const auto found =
      cells.find({static_cast<std::uint32_t>(true_label), static_cast<std::uint32_t>(predicted)});
  return found == cells.end() ? 0 : found->second;
}

ClassificationMetrics MetricsOf(ConfusionMatrix confusion) {
  const std::size_t n = confusion.labels.size();
  std::vector<std::uint64_t> hits(n);
  std::vector<std::uint64_t> of_label(n);
  std::vector<std::uint64_t> predicted(n);
  ClassificationMetrics metrics;
  std::uint64_t all_hits = 0;
  for (const auto& [pair, count] : confusion.cells) {
    of_label[pair.first] += count;
    predicted[pair.second] += count;
    metrics.rows += count;
    if (pair.first == pair.second) {
      hits[pair.first] = count;
      all_hits += count;
    }
  }
  const auto share = [](std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
  };
  metrics.overall_accuracy = share(all_hits, metrics.rows);
  metrics.micro_precision = metrics.overall_accuracy;
  metrics.micro_recall = metrics.overall_accuracy;
  for (std::size_t i = 0; i < n; ++i) {
    metrics.macro_precision += share(hits[i], predicted[i]);
    metrics.macro_recall += share(hits[i], of_label[i]);
  }
  metrics.macro_precision /= static_cast<double>(n);
  metrics.macro_recall /= static_cast<double>(n);
  metrics.confusion = std::move(confusion);
  return metrics;
}

std::vector<std::pair<std::string, double>> EvaluateResult::NamedValues() const {
  if (!right) return ValuesOf(left);
  Values values;
  for (const auto& [name, value] : ValuesOf(left))
    values.emplace_back(name + " (left port)", value);
  for (const auto& [name, value] : ValuesOf(*right)) {
    values.emplace_back(name + " (right port)", value);
  }
  return values;
}

Result<EvaluateResult> EvaluateModel(const fs::path& left, const std::optional<fs::path>& right,
                                     const fs::path& output) {
  constexpr const char* kLeft = "Scored dataset";
  constexpr const char* kRight = "Scored dataset to compare";
  ROOST_ASSIGN(const DataFrame left_frame, DataFrame::Open(left, kLeft));
  ROOST_ASSIGN(const std::string task, CheckedTask(left_frame, kLeft));
  std::optional<DataFrame> right_frame;
  if (right) {
    ROOST_ASSIGN(right_frame, DataFrame::Open(*right, kRight));
    ROOST_ASSIGN(const std::string other, CheckedTask(*right_frame, kRight));
    if (other != task) return FailModule(IncompatibleLearners(other, task));
  }
  const std::string multi_class = "Multi-class Classification";
  if (task != multi_class) return FailModule(IncompatibleLearners(task, multi_class));

  EvaluateResult result;
  ROOST_ASSIGN(result.left, Evaluate(left_frame, kLeft));
  if (right_frame) {
    ROOST_ASSIGN(result.right, Evaluate(*right_frame, kRight));
  }
  ROOST_TRY(PrepareOutputFolder(output));
  OutputGuard guard({output});
  if (const Status written = WriteEvaluation(output, result); !written) {
    return Fail(AsOutputError(written.error()));
  }
  guard.Keep();
  return result;
}

}  // namespace roost::trainer
