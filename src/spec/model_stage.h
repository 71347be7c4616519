#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace roost::spec {

// Where a version of a model stands on its way into use.
enum class ModelStage { kNone, kStaging, kProduction, kArchived };

inline constexpr std::array kModelStages = {ModelStage::kNone, ModelStage::kStaging,
                                            ModelStage::kProduction, ModelStage::kArchived};

std::string_view ToString(ModelStage stage);  // "None", "Staging"...
// In any mixture of capital and small letters; nullopt: no stage.
std::optional<ModelStage> ParseModelStage(std::string_view text);
// Versions in use: staging and production.
inline bool IsActive(ModelStage stage) {
  return stage == ModelStage::kStaging || stage == ModelStage::kProduction;
}

}  // namespace roost::spec
