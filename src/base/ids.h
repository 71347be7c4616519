#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>

namespace roost {

// A strong id: a value that cannot be mistaken for another kind of id or for a plain number.
template <class Tag, class Value>
class StrongId {
 public:
  StrongId() = default;
  explicit StrongId(Value value) : value_(std::move(value)) {}
  const Value& value() const { return value_; }
  auto operator<=>(const StrongId&) const = default;

 private:
  Value value_{};
};

// Internal keys are integers and never leave the server; outer ids are text (see docs/wire.md).
using RunKey = StrongId<struct RunKeyTag, std::int64_t>;
using RunId = StrongId<struct RunIdTag, std::string>;
using ExperimentId = StrongId<struct ExperimentIdTag, std::int64_t>;

}  // namespace roost

template <class Tag, class Value>
struct std::hash<roost::StrongId<Tag, Value>> {
  std::size_t operator()(const roost::StrongId<Tag, Value>& id) const noexcept {
    return std::hash<Value>{}(id.value());
  }
};
