#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/result.h"

namespace roost::trainer {

// A failure of a component as Azure ML's designer numbers it, e.g. {18, "InvalidDataset", "..."}.
// The numbers, names and sentences are those of its error code reference.
//
// How it travels: FailModule() makes a plain roost::Error of it, whose code follows from the
// number, whose message is the sentence, and whose first detail is {kModuleErrorField, "18"}. So
// every Result carries it through ROOST_TRY unchanged, and ModuleErrorOf() gets it back at the end.
struct ModuleError {
  int number = 1000;
  std::string name;
  std::string message;
};

inline constexpr std::string_view kModuleErrorField = "module_error";

// In the order of their numbers. A `hint` is a whole sentence and may be empty; a `reason` has no
// full stop at its end.
ModuleError NullOrEmpty(std::string_view input, std::string_view hint = {});                  // 3
ModuleError NotGreaterThan(std::string_view parameter, double value, double bound);           // 4
ModuleError NotGreaterThanOrEqualTo(std::string_view parameter, double value, double bound);  // 5
// `other` is the name of a parameter, or what the bound means ("train data count").
ModuleError NotLessThanOrEqualTo(std::string_view parameter, double value, std::string_view other,
                                 double bound);                               // 7
ModuleError NotInRange(std::string_view parameter, double low, double high);  // 8
// `reason` is a whole sentence, for values that are no numbers.
ModuleError NotInRange(std::string_view parameter, std::string_view reason);  // 8
ModuleError InvalidDataset(std::string_view dataset, std::string_view reason,
                           std::string_view hint = {});                                 // 18
ModuleError NotLabeledDataset(std::string_view dataset, std::string_view hint = {});    // 24
ModuleError NotScoredDataset(std::string_view dataset, std::string_view column = {});   // 25
ModuleError IncompatibleLearners(std::string_view actual, std::string_view expected);   // 62
ModuleError TimedOut(std::string_view details = {});                                    // 72
ModuleError InvalidZipFile(std::string_view file, std::string_view reason);             // 102
ModuleError ImageExceedsLimit(std::string_view file, std::string_view limit);           // 127
ModuleError OutOfMemory(std::string_view details = {});                                 // 138
ModuleError InvalidTransformation(std::string_view directory, std::string_view reason,  // 158
                                  std::string_view hint = {});
ModuleError InvalidModel(std::string_view directory, std::string_view reason,
                         std::string_view hint = {});                                      // 159
ModuleError FailedToWriteOutputs(std::string_view reason, std::string_view hint = {});     // 160
ModuleError FailedToDownload(std::string_view files, std::string_view reason = {});        // 162
ModuleError LibraryError(std::string_view exception_class, std::string_view explanation);  // 1000

Error ToError(ModuleError error);
inline tl::unexpected<Error> FailModule(ModuleError error) {
  return tl::unexpected<Error>(ToError(std::move(error)));
}
// The number that an error carries; none for errors that were not made by ToError. The name of a
// library error is the class in its sentence.
std::optional<ModuleError> ModuleErrorOf(const Error& error);
// The same error, told as 160 when it is one of a full disk or a folder that may not be written.
// Other errors come back as they are.
Error AsOutputError(Error error);

// "0018".
std::string ErrorNumberText(int number);

// The text of error_info.json: {"Exception": null} for a success (no error), otherwise ErrorId,
// ErrorCode, ExceptionType, Traceback (always empty) and Message. An error without a number is
// told as library error 1000. When the JSON of the error reaches 9000 characters, the message is
// cut to 4096.
std::string ErrorInfoJson(const Error* error);
// Writes <folder>/error_info.json (the program decides on the folder, Azure's is
// module_statistics).
Status WriteErrorInfo(const fs::path& folder, const Error* error);

// Sentences about single files that were left out. At most `kLimit` are kept, all are counted.
struct Warnings {
  static constexpr std::size_t kLimit = 200;
  std::vector<std::string> lines{};
  std::size_t count = 0;

  void Add(std::string line) {
    if (++count <= kLimit) lines.push_back(std::move(line));
  }
};

}  // namespace roost::trainer
