#include "trainer/folders/dataframe.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "trainer/folders/folder_meta.h"
#include "trainer/folders/folders_test_fixture.h"

namespace roost::trainer {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using Row = std::vector<std::string>;

const std::vector<std::string> kClasses = {"a b", "x, \"y\"", "\u866b\n\u00e4 "};

std::vector<Row> RowsOf(const DataFrame& frame) {
  std::vector<Row> rows;
  EXPECT_OK(frame.ForEachRow([&](const Row& row) -> Status {
    rows.push_back(row);
    return {};
  }));
  return rows;
}

TEST(DataFrame, ScoresComeBackWithAnyLabels) {
  const TempFolder folder;
  auto writer = ROOST_VALUE(DataFrameWriter::Create(folder.path(), ScoreSchema(kClasses, true)));
  const std::vector<Row> rows = {{"a b", "0", "0.5", NumberText(0.1), "1e-10", "a b"},
                                 {kClasses[2], "1", "0", "0", "1", kClasses[1]},
                                 {"", "2", "", "1", "0", "line\r\nbreak"}};
  for (const Row& row : rows) EXPECT_OK(writer.Add(row));
  EXPECT_OK(writer.Finish());

  const DataFrame frame = ROOST_VALUE(DataFrame::Open(folder.path(), "Scored dataset"));
  EXPECT_EQ(RowsOf(frame), rows);
  std::vector<std::string> names;
  for (const DataColumn& column : frame.schema().columns) names.push_back(column.name);
  EXPECT_THAT(names, ElementsAre("category", "id", "Scored Probabilities_a b",
                                 "Scored Probabilities_x, \"y\"",
                                 "Scored Probabilities_\u866b\n\u00e4 ", "Scored Labels"));
  EXPECT_EQ(frame.schema().columns[1].type, ColumnType::kInteger);
  EXPECT_EQ(frame.schema().columns[2].type, ColumnType::kNumber);
  EXPECT_EQ(frame.schema().label_columns.at("True Labels"), "category");
  EXPECT_EQ(frame.schema().score_columns.at("Multi Class Assigned Labels"), "Scored Labels");
  EXPECT_EQ(frame.schema().score_columns.at("Scored Probabilities_a b"),
            "Scored Probabilities_a b");
  EXPECT_EQ(ROOST_VALUE(ReadFolderMeta(folder.path())).Get("schema"), "schema/_schema.json");
}

TEST(DataFrame, CsvIsThatOfRfc4180) {
  EXPECT_EQ(CsvRecord({"a", "b c", "d,e", "f\"g", "h\ni", " j", ""}),
            "a,b c,\"d,e\",\"f\"\"g\",\"h\ni\",\" j\",\n");
  EXPECT_EQ(CsvRecord({""}), "\"\"\n");

  const TempFolder folder;
  Spill(folder.path() / "f",
        "\xef\xbb\xbf"
        "a,\"b\"\"\",\r\n\n\"x\r\ny\",,z\n\"\"\nlast");
  auto reader = ROOST_VALUE(CsvReader::Open(folder.path() / "f"));
  Row row;
  std::vector<Row> rows;
  while (ROOST_VALUE(reader.Next(row))) rows.push_back(row);
  EXPECT_THAT(rows, ElementsAre(Row{"a", "b\"", ""}, Row{"x\r\ny", "", "z"}, Row{""}, Row{"last"}));

  for (const char* bad : {"a\"b\n", "\"a\"b\n", "\"open\nnever closed", "\"a\"\"\n"}) {
    Spill(folder.path() / "f", bad);
    auto broken = ROOST_VALUE(CsvReader::Open(folder.path() / "f"));
    EXPECT_FALSE(broken.Next(row)) << bad;
  }
}

TEST(DataFrame, NumbersComeBackExactly) {
  for (const double value : {0.1, 1.0 / 3, 1e-300, 0.0, 123456789.0}) {
    EXPECT_EQ(std::stod(NumberText(value)), value);
  }
  EXPECT_EQ(NumberText(std::nan("")), "nan");
  EXPECT_EQ(NumberText(-INFINITY), "-inf");
}

TEST(DataFrame, WhatIsNoTableIsNamed) {
  const TempFolder folder;
  const fs::path d = folder.path();
  EXPECT_NUMBER(DataFrame::Open(d, "Scored dataset"), 18, "Scored dataset is not valid");
  auto writer = ROOST_VALUE(DataFrameWriter::Create(d, ScoreSchema({"a"}, false)));
  EXPECT_OK(writer.Add({"0", "1", "a"}));
  EXPECT_OK(writer.Finish());
  EXPECT_OK(DataFrame::Open(d, "x"));

  Spill(d / "_data.csv", "id,Scored Probabilities_b,Scored Labels\n");
  EXPECT_NUMBER(DataFrame::Open(d, "x"), 18, "column 2 is called 'Scored Probabilities_b'");
  Spill(d / "_data.csv", "id\n");
  EXPECT_NUMBER(DataFrame::Open(d, "x"), 18, "has 1 columns and its schema 3");
  Spill(d / "_data.csv", "");
  EXPECT_NUMBER(DataFrame::Open(d, "x"), 18, "has 0 columns");
  Spill(d / "_data.csv", "id,Scored Probabilities_a,Scored Labels\n1,2,3\n1,2\n");
  EXPECT_NUMBER(
      ROOST_VALUE(DataFrame::Open(d, "x")).ForEachRow([](const Row&) -> Status { return {}; }), 18,
      "line 3 has 2 fields instead of 3");
  Spill(d / "schema/_schema.json", "{\"columnAttributes\": [{}]}");
  EXPECT_NUMBER(DataFrame::Open(d, "x"), 18, "without name");
  Spill(d / "_meta.yaml", "type: DataFrameDirectory\nformat: Parquet\ndata: _data.parquet\n");
  EXPECT_NUMBER(DataFrame::Open(d, "x"), 18, "Parquet");
  Spill(d / "_meta.yaml", "type: DataFrameDirectory\nformat: CSV\ndata: /etc/passwd\n");
  EXPECT_NUMBER(DataFrame::Open(d, "x"), 18, "/etc/passwd");
}

}  // namespace
}  // namespace roost::trainer
