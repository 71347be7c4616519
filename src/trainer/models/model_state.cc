#include "trainer/models/model_state.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zero.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <unordered_map>

#include "base/strings.h"

namespace roost::trainer {
namespace {

constexpr std::size_t kNamesInMessage = 4;  // the details have all

void StripPrefix(ModelState& state, std::string_view prefix) {
  if (state.empty()) return;
  for (const auto& [name, tensor] : state) {
    // The designer's added layer stands beside its "model".
    if (!name.starts_with(prefix) && !name.starts_with("out_linear_model.")) return;
  }
  for (auto& [name, tensor] : state) {
    if (name.starts_with(prefix)) name.erase(0, prefix.size());
  }
}

// "features.denseblock1.denselayer2.norm.1.weight" to "...denselayer2.norm1.weight".
void JoinDenseLayerNumber(std::string& name) {
  const std::size_t layer = name.find(".denselayer");
  if (layer == std::string::npos) return;
  for (const std::string_view part : {".norm.", ".conv."}) {
    const std::size_t at = name.find(part, layer);
    if (at == std::string::npos) continue;
    const std::size_t digit = at + part.size();
    if (digit + 1 < name.size() && (name[digit] == '1' || name[digit] == '2') &&
        name[digit + 1] == '.') {
      name.erase(digit - 1, 1);
    }
    return;
  }
}

bool IsBatchCounter(std::string_view name) { return name.ends_with("num_batches_tracked"); }

std::string ShapeText(const at::Tensor& tensor) {
  return fmt::format("[{}]", fmt::join(tensor.sizes().begin(), tensor.sizes().end(), ", "));
}

// One kind of difference between two states.
struct Differences {
  std::string_view what;  // "missing"
  std::vector<std::string> texts{};

  std::string Summary() const {
    std::string text = fmt::format("{} {} (", texts.size(), what);
    const std::size_t shown = std::min(texts.size(), kNamesInMessage);
    text += Join({texts.begin(), texts.begin() + static_cast<std::ptrdiff_t>(shown)}, ", ");
    return text + (shown < texts.size() ? ", ...)" : ")");
  }
};

}  // namespace

ModelState WithTorchvisionNames(ModelState state) {
  StripPrefix(state, "module.");
  StripPrefix(state, "model.");
  for (auto& [name, tensor] : state) JoinDenseLayerNumber(name);
  return state;
}

Status CopyState(const ModelState& from, const ModelState& to, std::string_view from_name,
                 std::string_view to_name) {
  Differences missing{"missing"};
  Differences unexpected{"not expected"};
  Differences twice{"there twice"};
  Differences reshaped{"of another shape"};
  Differences untyped{"of a type that is no real number"};
  std::vector<Problem> details;
  const auto note = [&details](Differences& kind, const std::string& name,
                               const std::string& more) {
    kind.texts.push_back(more.empty() ? name : name + more);
    details.push_back({name, fmt::format("'{}' is {}{}", name, kind.what, more)});
  };

  std::unordered_map<std::string_view, const at::Tensor*> found;
  bool has_counters = false;
  for (const auto& [name, tensor] : from) {
    if (!found.emplace(name, &tensor).second) note(twice, name, "");
    has_counters = has_counters || IsBatchCounter(name);
  }
  for (const auto& [name, tensor] : to) {
    const auto at = found.find(name);
    if (at == found.end()) {
      if (has_counters || !IsBatchCounter(name)) note(missing, name, "");
      continue;
    }
    const at::Tensor& other = *at->second;
    if (other.sizes() != tensor.sizes()) {
      note(reshaped, name, fmt::format(": {}, not {}", ShapeText(other), ShapeText(tensor)));
    } else if (other.is_complex() || other.is_sparse() || other.is_quantized()) {
      note(untyped, name, "");
    }
    found.erase(at);
  }
  for (const auto& [name, tensor] : from) {
    if (found.contains(name)) note(unexpected, name, "");
  }

  std::vector<std::string> parts;
  for (const Differences* kind : {&missing, &unexpected, &twice, &reshaped, &untyped}) {
    if (!kind->texts.empty()) parts.push_back(kind->Summary());
  }
  if (!parts.empty()) {
    return Fail(
        {ErrorCode::kInvalidArgument,
         fmt::format("The weights of {} do not fit {}: {}.", from_name, to_name, Join(parts, "; ")),
         std::move(details)});
  }

  const at::NoGradGuard no_history;
  std::unordered_map<std::string_view, const at::Tensor*> values;
  for (const auto& [name, tensor] : from) values.emplace(name, &tensor);
  for (const auto& [name, tensor] : to) {
    const auto at = values.find(name);
    if (at == values.end()) {
      at::Tensor(tensor).zero_();
    } else {
      at::Tensor(tensor).copy_(*at->second);
    }
  }
  return {};
}

}  // namespace roost::trainer
