#pragma once

#include <cstdint>
#include <string>

#include "trainer/models/graph.h"

namespace roost::trainer {

// Totals of a network on one image.
struct ModelFigures {
  std::int64_t layers = 0;      // with weights
  std::int64_t parameters = 0;  // trained
  std::int64_t macs = 0;        // multiply-accumulates of convolutions and linear layers
  std::int64_t flops = 0;       // 2 x macs: multiplication and addition counted separately
  // float32 bytes of all layers' outputs: about what training keeps for each image.
  std::int64_t activation_bytes = 0;
};
ModelFigures Sum(const Graph& graph);

// A table for a person: every layer with its output's shape, parameters and FLOPs, then the totals.
// Layers without weights (ReLU, sums, pools) are shown as well. `model_name` is for the heading.
std::string FormatSummary(const Graph& graph, const std::string& model_name);

}  // namespace roost::trainer
