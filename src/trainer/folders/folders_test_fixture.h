#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <utility>

#include "base/files.h"
#include "trainer/folders/component_error.h"

namespace roost::trainer {

// Value of a Result that must have worked.
#define ROOST_VALUE(expression)                                                   \
  [&] {                                                                           \
    auto roost_value = (expression);                                              \
    EXPECT_TRUE(roost_value) << (roost_value ? "" : roost_value.error().message); \
    return std::move(roost_value).value();                                        \
  }()

template <class T>
::testing::AssertionResult IsOk(const Result<T>& result) {
  if (result) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << result.error().message;
}

// It failed with this number of Azure's and a message that has `part` in it.
template <class T>
::testing::AssertionResult FailsWithNumber(const Result<T>& result, int number,
                                           const std::string& part) {
  if (result) return ::testing::AssertionFailure() << "it worked";
  const auto module = ModuleErrorOf(result.error());
  if (module && module->number == number && module->message.find(part) != std::string::npos) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure()
         << (module ? module->number : 0) << ": " << result.error().message;
}

#define EXPECT_OK(expression) EXPECT_TRUE(IsOk(expression))
#define EXPECT_NUMBER(expression, number, part) \
  EXPECT_TRUE(FailsWithNumber(expression, number, part))

inline std::string Slurp(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline void Spill(const fs::path& path, std::string_view content) {
  fs::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  EXPECT_TRUE(file.flush()) << path;
}

// A readable picture: a binary PPM of one colour.
inline std::string TinyPpm(int width = 2, int height = 2, unsigned char value = 128) {
  return "P6\n" + std::to_string(width) + " " + std::to_string(height) + "\n255\n" +
         std::string(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3,
                     static_cast<char>(value));
}

}  // namespace roost::trainer
