#include "trainer/folders/dataframe.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/strings.h"
#include "trainer/folders/component_error.h"
#include "trainer/folders/folder_meta.h"

namespace roost::trainer {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kType = "DataFrameDirectory";
constexpr const char* kDataFile = "_data.csv";
constexpr const char* kSchemaFile = "schema/_schema.json";
constexpr std::size_t kRecordLimit = 64U << 20;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

std::string SchemaJson(const DataSchema& schema) {
  ordered_json columns = ordered_json::array();
  for (const DataColumn& column : schema.columns) {
    const bool text = column.type == ColumnType::kText;
    ordered_json entry;
    entry["name"] = column.name;
    entry["type"] = text ? "String" : "Numeric";
    entry["isFeature"] = column.feature;
    entry["elementType"] = {
        {"typeName", text ? "str" : (column.type == ColumnType::kInteger ? "int64" : "float64")},
        {"isNullable", false}};
    columns.push_back(std::move(entry));
  }
  ordered_json root;
  root["columnAttributes"] = std::move(columns);
  root["featureChannels"] = ordered_json::array();
  root["labelColumns"] = schema.label_columns;
  root["scoreColumns"] = schema.score_columns;
  return root.dump(2, ' ', true, ordered_json::error_handler_t::replace);
}

Result<DataSchema> ParseSchema(const std::string& text, std::string_view dataset) {
  const auto invalid = [&](const char* reason) {
    return FailModule(InvalidDataset(dataset, std::string("its _schema.json ") + reason));
  };
  const json root = json::parse(text, nullptr, false);
  if (!root.is_object() || !root.contains("columnAttributes") ||
      !root["columnAttributes"].is_array()) {
    return invalid("is no JSON object with the list columnAttributes");
  }
  DataSchema schema;
  for (const json& entry : root["columnAttributes"]) {
    if (!entry.is_object() || !entry.contains("name") || !entry["name"].is_string()) {
      return invalid("has a column without name");
    }
    DataColumn column;
    column.name = entry["name"].get<std::string>();
    const auto feature = entry.find("isFeature");
    column.feature = feature == entry.end() || *feature == true;
    const auto element = entry.find("elementType");
    if (element != entry.end() && element->is_object() && element->contains("typeName")) {
      const json& name = (*element)["typeName"];
      column.type = name == "int64"     ? ColumnType::kInteger
                    : name == "float64" ? ColumnType::kNumber
                                        : ColumnType::kText;
    }
    schema.columns.push_back(std::move(column));
  }
  for (const auto& [key, target] : {std::pair("labelColumns", &schema.label_columns),
                                    std::pair("scoreColumns", &schema.score_columns)}) {
    const auto found = root.find(key);
    if (found == root.end() || !found->is_object()) continue;
    for (const auto& [type, column] : found->items()) {
      if (column.is_string()) (*target)[type] = column.get<std::string>();
    }
  }
  return schema;
}

// Adds the fields of `text` to those of a record; true while a quoted field is open at its end.
// `open`: the text goes on in the quoted field that is the last one.
Result<bool> ParseFields(std::string_view text, bool open, std::vector<std::string>& fields) {
  if (!open) fields.emplace_back();
  bool quoted = open;
  bool closed = false;  // after the closing quote of a field
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    std::string& field = fields.back();
    if (quoted) {
      if (c != '"') {
        field += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        field += '"';
        ++i;
      } else {
        quoted = false;
        closed = true;
      }
    } else if (c == ',') {
      fields.emplace_back();
      closed = false;
    } else if (c == '"' && field.empty() && !closed) {
      quoted = true;
    } else if (c == '"' || closed) {
      return Fail(ErrorCode::kInvalidArgument, "has a quote in the middle of a field");
    } else {
      field += c;
    }
  }
  return quoted;
}

}  // namespace

int DataSchema::IndexOf(std::string_view column) const {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].name == column) return static_cast<int>(i);
  }
  return -1;
}

DataSchema ScoreSchema(const std::vector<std::string>& classes, bool labelled) {
  DataSchema schema;
  if (labelled) {
    schema.columns.push_back({"category", ColumnType::kText, false});
    schema.label_columns[kTrueLabels] = "category";
  }
  schema.columns.push_back({"id", ColumnType::kInteger, false});
  for (const std::string& name : classes) {
    const std::string column = std::string(kScoredProbabilities) + "_" + name;
    schema.columns.push_back({column, ColumnType::kNumber, false});
    schema.score_columns[column] = column;
  }
  schema.columns.push_back({kScoredLabels, ColumnType::kText, false});
  schema.score_columns[kMultiClassLabels] = kScoredLabels;
  return schema;
}

std::string NumberText(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  return fmt::format("{}", value);
}

std::string CsvRecord(const std::vector<std::string>& fields) {
  std::string text;
  for (const std::string& field : fields) {
    if (&field != &fields.front()) text += ',';
    const bool quote = field.find_first_of(",\"\r\n") != std::string::npos ||
                       Trim(field).size() != field.size() || (field.empty() && fields.size() == 1);
    if (!quote) {
      text += field;
      continue;
    }
    text += '"';
    for (const char c : field) {
      text += c;
      if (c == '"') text += '"';
    }
    text += '"';
  }
  return text + "\n";
}

Result<CsvReader> CsvReader::Open(const fs::path& path) {
  ROOST_ASSIGN(LineReader lines, LineReader::Open(path));
  return CsvReader(std::move(lines));
}

Result<bool> CsvReader::Next(std::vector<std::string>& fields) {
  fields.clear();
  bool open = false;
  std::size_t bytes = 0;
  while (true) {
    std::string_view text;
    bool returned = false;  // the line ended in a carriage return, which a quoted field keeps
    ROOST_ASSIGN(const bool more, lines_.Next(text, kRecordLimit, &returned));
    if (!more && open) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("line {} ends inside a quoted field", line_));
    }
    if (!more) return false;
    ++line_;
    if (line_ == 1 && text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    if (!open && text.empty()) continue;
    bytes += text.size();
    if (bytes > kRecordLimit) {
      return Fail(ErrorCode::kInvalidArgument, fmt::format("line {} is too long", line_));
    }
    auto parsed = ParseFields(text, open, fields);
    if (!parsed) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("line {} {}", line_, parsed.error().message));
    }
    open = *parsed;
    if (!open) return true;
    fields.back() += returned ? "\r\n" : "\n";
  }
}

// --- The folder ---

Result<DataFrameWriter> DataFrameWriter::Create(const fs::path& folder, DataSchema schema) {
  Status made = MakeFolders(folder);
  if (made) made = MakeFolders(folder / "schema");
  if (!made) return FailModule(FailedToWriteOutputs(made.error().message));
  auto data = TextWriter::Create(folder / kDataFile);
  if (!data) return Fail(AsOutputError(data.error()));
  std::vector<std::string> header;
  for (const DataColumn& column : schema.columns) header.push_back(column.name);
  DataFrameWriter writer(folder, std::move(schema), std::move(*data));
  ROOST_TRY(writer.Add(header));
  return writer;
}

Status DataFrameWriter::Add(const std::vector<std::string>& row) {
  ROOST_CHECK(row.size() == schema_.columns.size());
  const Status written = data_.Write(CsvRecord(row));
  if (!written) return Fail(AsOutputError(written.error()));
  return {};
}

Status DataFrameWriter::Finish() {
  Status written = data_.Close();
  if (written) written = WriteFileAtomic(folder_ / kSchemaFile, SchemaJson(schema_));
  if (!written) return Fail(AsOutputError(written.error()));
  return WriteFolderMeta(folder_, kType,
                         {{"format", "CSV"}, {"data", kDataFile}, {"schema", kSchemaFile}});
}

Result<DataFrame> DataFrame::Open(const fs::path& folder, std::string_view dataset) {
  const auto invalid = [&](const std::string& reason) {
    return FailModule(InvalidDataset(dataset, ToValidUtf8(reason)));
  };
  const auto meta = ReadFolderMeta(folder);
  if (!meta) return invalid(folder.string() + " is no table (" + meta.error().message + ")");
  if (meta->Get("type") != kType) {
    return invalid(folder.string() + " is of type " + meta->Get("type") + ", not of type " + kType);
  }
  if (meta->Get("format") != "CSV") {
    return FailModule(InvalidDataset(
        dataset, "its rows have the format " + ToValidUtf8(meta->Get("format", "unknown")),
        "Only CSV can be read; write it with pandas.DataFrame.to_csv(index=False)."));
  }
  const auto data = FileInFolder(folder, meta->Get("data", kDataFile));
  const auto schema_path = FileInFolder(folder, meta->Get("schema", kSchemaFile));
  if (!data) return invalid(data.error().message);
  if (!schema_path) return invalid(schema_path.error().message);
  const auto text = ReadFile(*schema_path);
  if (!text) return invalid(text.error().message);

  DataFrame frame;
  frame.data_ = *data;
  frame.dataset_ = dataset;
  ROOST_ASSIGN(frame.schema_, ParseSchema(*text, dataset));
  auto reader = CsvReader::Open(frame.data_);
  if (!reader) return invalid(reader.error().message);
  std::vector<std::string> header;
  const auto read = reader->Next(header);
  if (!read) return invalid(frame.data_.string() + ": " + read.error().message);
  if (header.size() != frame.schema_.columns.size()) {
    return invalid(fmt::format("{} has {} columns and its schema {}", frame.data_.string(),
                               header.size(), frame.schema_.columns.size()));
  }
  for (std::size_t i = 0; i < header.size(); ++i) {
    if (header[i] != frame.schema_.columns[i].name) {
      return invalid(fmt::format("column {} is called '{}' in {} and '{}' in its schema", i + 1,
                                 header[i], frame.data_.string(), frame.schema_.columns[i].name));
    }
  }
  return frame;
}

Status DataFrame::ForEachRow(
    const std::function<Status(const std::vector<std::string>&)>& visit) const {
  const auto invalid = [&](const std::string& reason) {
    return FailModule(InvalidDataset(dataset_, data_.string() + ": " + reason));
  };
  auto reader = CsvReader::Open(data_);
  if (!reader) return invalid(reader.error().message);
  std::vector<std::string> row;
  for (bool header = true;; header = false) {
    const auto more = reader->Next(row);
    if (!more) return invalid(more.error().message);
    if (!*more) return {};
    if (header) continue;
    if (row.size() != schema_.columns.size()) {
      return invalid(fmt::format("line {} has {} fields instead of {}", reader->line(), row.size(),
                                 schema_.columns.size()));
    }
    ROOST_TRY(visit(row));
  }
}

}  // namespace roost::trainer
