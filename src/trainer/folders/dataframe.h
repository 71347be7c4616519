#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "trainer/folders/text_files.h"

namespace roost::trainer {

// The typed folder DataFrameDirectory: a table, as Score Image Model hands it to Evaluate Model.
//
//   _data.csv             RFC 4180 with a header line, UTF-8, lines end in a line feed
//   schema/_schema.json   the columns with their types, labelColumns and scoreColumns
//   _meta.yaml            type, format CSV, and the names of the two files above
//
// Azure writes the rows as Parquet (_data.parquet). There is no light library for that, so only CSV
// is written and read; pandas.read_csv reads it.

enum class ColumnType { kInteger, kNumber, kText };

struct DataColumn {
  std::string name;
  ColumnType type = ColumnType::kText;
  bool feature = true;
};

struct DataSchema {
  std::vector<DataColumn> columns{};
  std::map<std::string, std::string> label_columns{};  // {"True Labels": "category"}
  std::map<std::string, std::string> score_columns{};  // score type -> column

  int IndexOf(std::string_view column) const;  // -1: there is none
};

inline constexpr const char* kTrueLabels = "True Labels";
inline constexpr const char* kMultiClassLabels = "Multi Class Assigned Labels";
inline constexpr const char* kScoredLabels = "Scored Labels";
inline constexpr const char* kScoredProbabilities = "Scored Probabilities";

// The schema of scores: category (when there are labels), id, "Scored Probabilities_<class>" for
// each class, "Scored Labels".
DataSchema ScoreSchema(const std::vector<std::string>& classes, bool labelled);
// The shortest text that gives the same number again; "nan" and infinities as pandas writes them.
std::string NumberText(double value);

class DataFrameWriter {
 public:
  // Makes the folder. Errors: 160.
  static Result<DataFrameWriter> Create(const fs::path& folder, DataSchema schema);
  // Requires: one text for each column. An empty text is a missing value.
  Status Add(const std::vector<std::string>& row);
  Status Finish();

 private:
  DataFrameWriter(fs::path folder, DataSchema schema, TextWriter data)
      : folder_(std::move(folder)), schema_(std::move(schema)), data_(std::move(data)) {}

  fs::path folder_;
  DataSchema schema_;
  TextWriter data_;
};

class DataFrame {
 public:
  // `dataset` names the input in errors. Errors: 18 for a folder that is none, a table that is not
  // CSV, columns that differ from the schema's.
  static Result<DataFrame> Open(const fs::path& folder, std::string_view dataset);
  const DataSchema& schema() const { return schema_; }
  // Gives each row in order; the memory is that of one row. Errors: 18 with the number of the line.
  Status ForEachRow(const std::function<Status(const std::vector<std::string>& row)>& visit) const;

 private:
  fs::path data_;
  std::string dataset_;
  DataSchema schema_;
};

// One record of RFC 4180: a field with a comma, a quote or a line break is put in quotes, and so is
// one with blanks at its ends and an only field that is empty.
std::string CsvRecord(const std::vector<std::string>& fields);

// Reads records; a quoted field may hold line breaks. After the last record `fields` is empty and
// false comes back. A record of more than 64 MiB, or a quote in the middle, is kInvalidArgument
// with the line's number.
class CsvReader {
 public:
  static Result<CsvReader> Open(const fs::path& path);
  Result<bool> Next(std::vector<std::string>& fields);
  std::size_t line() const { return line_; }  // of the last record's end, from 1

 private:
  explicit CsvReader(LineReader lines) : lines_(std::move(lines)) {}
  LineReader lines_;
  std::size_t line_ = 0;
};

}  // namespace roost::trainer
