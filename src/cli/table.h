#pragma once

#include <string>
#include <vector>

#include "cli/terminal.h"

namespace roost::cli {

struct Cell {
  Cell(std::string text_in = "", Style style_in = Style::kPlain)  // NOLINT: a text is a cell
      : text(std::move(text_in)), style(style_in) {}
  Cell(const char* text_in) : text(text_in) {}  // NOLINT: as above
  std::string text;
  Style style = Style::kPlain;
};

// Rows for people: aligned columns, and cells cut with '…' where the terminal is too narrow.
class Table {
 public:
  struct Column {
    std::string title;
    bool right = false;       // numbers
    bool may_shrink = false;  // cut first when the line is too long
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  void AddRow(std::vector<Cell> cells);
  bool empty() const { return rows_.empty(); }

  // `width` 0: as wide as needed.
  std::string Render(std::size_t width, bool color) const;
  // To stdout, as its terminal wants it.
  Status Print() const;

 private:
  std::vector<std::size_t> ColumnWidths(std::size_t width) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace roost::cli
