#include "spec/model_stage.h"

#include "spec/text.h"

namespace roost::spec {

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
