#include "trainer/folders/text_files.h"

#include <gtest/gtest.h>

#include <new>
#include <stdexcept>

#include "trainer/folders/component_error.h"

namespace roost::trainer {
namespace {

TEST(ParallelFor, AnExceptionOfAThreadIsAnError) {
  const Status no_memory = ParallelFor(8, 4, [](std::size_t i) -> Status {
    if (i == 5) throw std::bad_alloc();
    return {};
  });
  ASSERT_FALSE(no_memory);
  EXPECT_EQ(ModuleErrorOf(no_memory.error())->number, 138);
  const Status other =
      ParallelFor(8, 4, [](std::size_t) -> Status { throw std::runtime_error("oddly"); });
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message.find("oddly"), std::string::npos);
}

}  // namespace
}  // namespace roost::trainer
