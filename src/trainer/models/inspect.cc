#include "trainer/models/inspect.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "base/strings.h"

namespace roost::trainer {
namespace {

std::int64_t Elements(const std::vector<std::int64_t>& shape) {
  std::int64_t product = 1;
  for (const std::int64_t side : shape) product *= side;
  return product;
}

std::string ShapeText(const std::vector<std::int64_t>& shape) {
  return fmt::format("{}", fmt::join(shape, " x "));
}

// 25557032 as "25,557,032".
std::string Grouped(std::int64_t number) {
  std::string text = std::to_string(number);
  for (std::ptrdiff_t at = std::ssize(text) - 3; at > 0; at -= 3) {
    text.insert(static_cast<std::size_t>(at), ",");
  }
  return text;
}

std::string OrDash(std::int64_t number) { return number == 0 ? "-" : Grouped(number); }

}  // namespace

ModelFigures Sum(const Graph& graph) {
  ModelFigures figures;
  figures.parameters = graph.Parameters();
  figures.macs = graph.Macs();
  figures.flops = 2 * figures.macs;
  for (const Layer& layer : graph.layers) {
    figures.layers += layer.parameters > 0 ? 1 : 0;
    figures.activation_bytes += 4 * Elements(layer.shape);
  }
  return figures;
}

std::string FormatSummary(const Graph& graph, const std::string& model_name) {
  const std::vector<std::string> heads = {"Layer", "Type", "Output", "Parameters", "FLOPs"};
  std::vector<std::vector<std::string>> rows;
  for (const Layer& layer : graph.layers) {
    rows.push_back({layer.name, std::string(ToString(layer.kind)), ShapeText(layer.shape),
                    OrDash(layer.parameters), OrDash(2 * layer.macs)});
  }
  std::vector<std::size_t> widths;
  for (std::size_t column = 0; column < heads.size(); ++column) {
    std::size_t width = heads[column].size();
    for (const auto& row : rows) width = std::max(width, row[column].size());
    widths.push_back(width);
  }
  const auto line = [&widths](const std::vector<std::string>& cells) {
    return fmt::format("{:<{}}  {:<{}}  {:>{}}  {:>{}}  {:>{}}\n", cells[0], widths[0], cells[1],
                       widths[1], cells[2], widths[2], cells[3], widths[3], cells[4], widths[4]);
  };

  const auto& image = graph.layers.front().shape;
  std::string text =
      fmt::format("{} on one image of {} x {} pixels\n\n", model_name, image[2], image[1]);
  text += line(heads);
  for (const auto& row : rows) text += line(row);
  const ModelFigures figures = Sum(graph);
  text += fmt::format(
      "\n{} layers with weights, {} parameters ({}).\n"
      "Forward: {:.3f} GFLOPs ({:.3f} G multiply-accumulates) of convolutions and linear layers; "
      "outputs {}.\n",
      figures.layers, Grouped(figures.parameters),
      FormatBytes(static_cast<std::uint64_t>(4 * figures.parameters)),
      static_cast<double>(figures.flops) * 1e-9, static_cast<double>(figures.macs) * 1e-9,
      FormatBytes(static_cast<std::uint64_t>(figures.activation_bytes)));
  return text;
}

}  // namespace roost::trainer
