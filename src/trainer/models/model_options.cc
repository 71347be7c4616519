#include "trainer/models/model_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"

namespace roost::trainer {
namespace {

// More would not fit a classifier's weights into any memory; a mistyped number ends here.
constexpr std::int64_t kMostClasses = 1'000'000;

bool IsKnown(std::string_view name, ModelFamily family) {
  const auto& names = ModelNames(family);
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string NameProblem(std::string_view name, std::string_view kind,
                        const std::vector<std::string>& known) {
  return fmt::format("'{}' is not a supported {}. Supported are: {}.", name, kind,
                     Join(known, ", "));
}

}  // namespace

const std::vector<std::string>& ModelNames(ModelFamily family) {
  static const std::vector<std::string> resnets = {
      "resnet18",        "resnet34",         "resnet50",        "resnet101",       "resnet152",
      "resnext50_32x4d", "resnext101_32x8d", "wide_resnet50_2", "wide_resnet101_2"};
  static const std::vector<std::string> densenets = {"densenet121", "densenet161", "densenet169",
                                                     "densenet201"};
  return family == ModelFamily::kResNet ? resnets : densenets;
}

Result<ModelFamily> FamilyOf(std::string_view name) {
  for (const ModelFamily family : {ModelFamily::kResNet, ModelFamily::kDenseNet}) {
    if (IsKnown(name, family)) return family;
  }
  std::vector<std::string> all = ModelNames(ModelFamily::kResNet);
  const auto& densenets = ModelNames(ModelFamily::kDenseNet);
  all.insert(all.end(), densenets.begin(), densenets.end());
  return Invalid("name", NameProblem(name, "model", all));
}

Status CheckModelName(std::string_view name, ModelFamily family) {
  if (IsKnown(name, family)) return {};
  return Invalid("name", NameProblem(name, family == ModelFamily::kResNet ? "resnet" : "densenet",
                                     ModelNames(family)));
}

Status CheckModelOptions(const ModelOptions& options) {
  std::vector<Problem> problems;
  const Result<ModelFamily> family = FamilyOf(options.name);
  if (!family) problems.push_back({"name", family.error().message});
  if (family && options.memory_efficient && *family != ModelFamily::kDenseNet) {
    problems.push_back({"memory_efficient", fmt::format("'Memory efficient' is an option of "
                                                        "DenseNet; {} does not have it.",
                                                        options.name)});
  }
  if (family && options.zero_init_residual && *family != ModelFamily::kResNet) {
    problems.push_back({"zero_init_residual", fmt::format("'Zero init residual' is an option of "
                                                          "ResNet; {} does not have it.",
                                                          options.name)});
  }
  if (options.num_classes < 0 || options.num_classes > kMostClasses) {
    problems.push_back({"num_classes", fmt::format("{} classes are not possible; the range is 1 "
                                                   "to {}.",
                                                   options.num_classes, kMostClasses)});
  }
  if (problems.empty()) return {};
  Error error{ErrorCode::kInvalidArgument, problems.front().message, std::move(problems)};
  for (std::size_t i = 1; i < error.details.size(); ++i) {
    error.message += " " + error.details[i].message;
  }
  return Fail(std::move(error));
}

}  // namespace roost::trainer
