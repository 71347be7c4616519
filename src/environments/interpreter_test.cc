#include "environments/interpreter.h"

#include <gtest/gtest.h>

#include "base/files.h"

namespace roost::environments {
namespace {

TEST(FindInterpreter, TakesTheGivenOneBeforeTheDefault) {
  auto found = FindInterpreter("/bin/sh", "/bin/does-not-matter");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->path, "/bin/sh");
}

TEST(FindInterpreter, FallsBackToTheDefault) {
  auto found = FindInterpreter("", "/bin/sh");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->path, "/bin/sh");
}

TEST(FindInterpreter, NamesWhatIsMissing) {
  auto found = FindInterpreter("/no/such/python", "");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(found.error().message.find("/no/such/python"), std::string::npos);
  EXPECT_EQ(found.error().details.at(0).field, "environment.python");
}

TEST(FindInterpreter, RefusesAFileThatCannotRun) {
  TempFolder folder;
  auto file = folder.path() / "python";
  ASSERT_TRUE(WriteFileAtomic(file, "not a program", 0644));
  EXPECT_FALSE(FindInterpreter(file.string(), ""));
  EXPECT_FALSE(FindInterpreter(folder.path().string(), ""));
  EXPECT_FALSE(FindInterpreter("python3", ""));
  EXPECT_FALSE(FindInterpreter("", ""));
}

}  // namespace
}  // namespace roost::environments
