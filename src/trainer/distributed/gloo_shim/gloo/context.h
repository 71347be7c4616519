#pragma once

#include <chrono>

namespace gloo {

// PyTorch's header calls this one function; libtorch has it.
class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};

}  // namespace gloo
