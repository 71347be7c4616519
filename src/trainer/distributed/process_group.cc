#include "trainer/distributed/process_group.h"

#include <ATen/ops/zeros.h>

namespace roost::trainer {

Status ProcessGroup::Barrier() { return Sum(at::zeros({1})); }

}  // namespace roost::trainer
