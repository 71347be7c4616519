#include "cli/table.h"

#include <unistd.h>

#include <algorithm>
#include <numeric>

namespace roost::cli {
namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kNarrowest = 8;

std::string Padded(const std::string& text, std::size_t width, bool right, bool last) {
  const std::size_t used = DisplayWidth(text);
  const std::string blanks(width > used ? width - used : 0, ' ');
  if (right) return blanks + text;
  return last ? text : text + blanks;
}

}  // namespace

void Table::AddRow(std::vector<Cell> cells) {
  for (Cell& cell : cells) cell.text = OneLine(cell.text);
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

std::vector<std::size_t> Table::ColumnWidths(std::size_t width) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t widest = DisplayWidth(columns_[i].title);
    for (const auto& row : rows_) widest = std::max(widest, DisplayWidth(row[i].text));
    widths.push_back(widest);
  }
  if (width == 0) return widths;
  std::size_t total = std::accumulate(widths.begin(), widths.end(), kGap * (widths.size() - 1));
  // The widest of the columns that may shrink gives one column at a time.
  while (total > width) {
    std::size_t* widest = nullptr;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      if (!columns_[i].may_shrink || widths[i] <= kNarrowest) continue;
      if (widest == nullptr || widths[i] > *widest) widest = &widths[i];
    }
    if (widest == nullptr) break;
    --*widest;
    --total;
  }
  return widths;
}

std::string Table::Render(std::size_t width, bool color) const {
  const std::vector<std::size_t> widths = ColumnWidths(width);
  std::string text;
  const auto add_line = [&](auto text_of, auto style_of) {
    std::string line;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) line.append(kGap, ' ');
      const std::string cut = CutToWidth(text_of(i), widths[i]);
      const std::string padded =
          Padded(cut, widths[i], columns_[i].right, i + 1 == columns_.size());
      line += Styled(padded, style_of(i), color);
    }
    if (!color) line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  add_line([&](std::size_t i) { return columns_[i].title; },
           [](std::size_t) { return Style::kBold; });
  for (const auto& row : rows_) {
    add_line([&](std::size_t i) { return row[i].text; },
             [&](std::size_t i) { return row[i].style; });
  }
  return text;
}

Status Table::Print() const { return WriteOut(Render(TerminalWidth(), UseColor(STDOUT_FILENO))); }

}  // namespace roost::cli
