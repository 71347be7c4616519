#include "spec/model_stage.h"

#include <algorithm>
#include <cctype>

namespace roost::spec {
namespace {

bool EqualsInAnyCase(std::string_view one, std::string_view other) {
  return std::equal(
      one.begin(), one.end(), other.begin(), other.end(),
      [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
}

}  // namespace

std::string_view ToString(ModelStage stage) {
  switch (stage) {
    case ModelStage::kNone:
      return "None";
    case ModelStage::kStaging:
      return "Staging";
    case ModelStage::kProduction:
      return "Production";
    case ModelStage::kArchived:
      return "Archived";
  }
  return "None";
}

std::optional<ModelStage> ParseModelStage(std::string_view text) {
  for (const ModelStage stage : kModelStages) {
    if (EqualsInAnyCase(ToString(stage), text)) return stage;
  }
  return {};
}

}  // namespace roost::spec
