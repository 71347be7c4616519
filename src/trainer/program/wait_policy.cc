#include "trainer/program/wait_policy.h"

#include <unistd.h>

#include <cstdlib>

namespace roost::trainer {
namespace {

constexpr const char* kPolicy = "OMP_WAIT_POLICY";
constexpr const char* kStartedAnew = "ROOST_TRAINER_STARTED_ANEW";

}  // namespace

void WaitPassively(char** argv) {
  if (std::getenv(kStartedAnew) != nullptr) {
    ::unsetenv(kStartedAnew);
    ::unsetenv(kPolicy);
    return;
  }
  if (std::getenv(kPolicy) != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  ::setenv(kPolicy, "passive", 1);
  ::setenv(kStartedAnew, "1", 1);
  ::execv("/proc/self/exe", argv);
  // It could not be: then as it is.
  ::unsetenv(kPolicy);
  ::unsetenv(kStartedAnew);
}

}  // namespace roost::trainer
