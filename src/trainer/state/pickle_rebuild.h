#pragma once

#include <string>
#include <vector>

#include "trainer/state/pickle_reader.h"

namespace roost::trainer {

Error TooManyValues();

// Makes the objects of a pickle: plain values, and what the functions on the list of
// pickle_globals.h give for their arguments. Counts what it makes against kMaxPickledValues.
class PickleBuilder {
 public:
  explicit PickleBuilder(Pickle* pickle) : pickle_(*pickle) {}

  Result<NodeId> Add(PickleNode node);
  // The storage that a persistent id ("storage", type, key, location, elements[, view]) names.
  Result<NodeId> Storage(NodeId id);
  // What `function` gives for the tuple `arguments`.
  Result<NodeId> Call(NodeId function, NodeId arguments);

 private:
  using Arguments = std::vector<NodeId>;
  const PickleNode& At(NodeId id) const { return pickle_.nodes[id]; }
  Status Charge(std::size_t values);
  Result<NodeId> AddTensor(const Arguments& arguments, Global function);
  Result<NodeId> AddOrderedDict(const Arguments& arguments);
  Result<NodeId> AddBytes(const Arguments& arguments);
  Result<std::int64_t> Number(NodeId id, std::string_view what) const;
  Result<std::vector<std::int64_t>> Numbers(NodeId id, std::string_view what) const;

  Pickle& pickle_;
  std::size_t values_ = 0;
};

}  // namespace roost::trainer
