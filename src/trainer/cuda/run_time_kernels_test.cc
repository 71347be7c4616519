#include "trainer/cuda/run_time_kernels.h"

#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>

#include "trainer/cuda/norm_program.h"

namespace roost::trainer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

bool BuiltWithCuda() { return GpuKernels() != nullptr; }

std::string ErrorOf(const KernelSource& source, const std::string& architecture) {
  try {
    CompileKernels(source, architecture);
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "";
}

const KernelSource kBroken = {
    .main = {"broken.cuh",
             "#include \"part.h\"\nextern \"C\" __global__ void Kernel() { Part(); }"},
    .included = {{"part.h", "int Other();"}},
    .options = {},
    .kernels = {"Kernel"}};

TEST(RunTimeKernels, AnErrorHasTheCompilersWords) {
  if (BuiltWithCuda()) {
    EXPECT_THAT(ErrorOf(kBroken, "sm_90"),
                AllOf(HasSubstr("broken.cuh"), HasSubstr("sm_90"),
                      HasSubstr("broken.cuh(2): error"), HasSubstr("\"Part\" is undefined")));
  } else {
    EXPECT_THAT(ErrorOf(kBroken, "sm_90"),
                AllOf(HasSubstr("broken.cuh"), HasSubstr("built without CUDA")));
  }
}

struct Program {
  const char* architecture;
  c10::ScalarType element;
  bool wide;
};
void PrintTo(const Program& program, std::ostream* out) { *out << program.architecture; }

struct NormProgramTest : ::testing::TestWithParam<Program> {};

TEST_P(NormProgramTest, CompilesWithoutWarnings) {
  if (!BuiltWithCuda()) GTEST_SKIP() << "built without CUDA";
  const Program& program = GetParam();
  const KernelSource& source =
      NormProgram(program.element, program.wide ? NormVector(program.element) : 1);
  const CompiledKernels compiled = CompileKernels(source, program.architecture);
  EXPECT_EQ(compiled.log, "");
  EXPECT_EQ(compiled.code.substr(1, 3), "ELF");
  for (const std::string& kernel : source.kernels) {
    EXPECT_THAT(compiled.code, HasSubstr(".text." + kernel));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, NormProgramTest,
    ::testing::Values(Program{"sm_75", c10::kBFloat16, true}, Program{"sm_75", c10::kHalf, true},
                      Program{"sm_80", c10::kBFloat16, true}, Program{"sm_80", c10::kHalf, true},
                      Program{"sm_80", c10::kFloat, true}, Program{"sm_80", c10::kBFloat16, false},
                      Program{"sm_90", c10::kBFloat16, true}, Program{"sm_90", c10::kHalf, true},
                      Program{"sm_90", c10::kFloat, true}, Program{"sm_90", c10::kBFloat16, false},
                      Program{"sm_90", c10::kHalf, false}, Program{"sm_90", c10::kFloat, false}),
    [](const ::testing::TestParamInfo<Program>& test) {
      return std::string(test.param.architecture) + "_" + c10::toString(test.param.element) +
             (test.param.wide ? "_wide" : "_single");
    });

}  // namespace
}  // namespace roost::trainer
