#include <ATen/Parallel.h>

namespace roost::trainer {
namespace {

// The tests' tensors are tiny, and tests run beside each other: OpenMP's waiting threads would take
// more time than the work.
[[maybe_unused]] const bool kOneThread = [] {
  at::set_num_threads(1);
  return true;
}();

}  // namespace
}  // namespace roost::trainer
