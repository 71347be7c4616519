#include "trainer/program/run_report.h"

namespace roost::trainer {

std::unique_ptr<RunReport> RunReport::FromEnvironment() { return nullptr; }

}  // namespace roost::trainer
