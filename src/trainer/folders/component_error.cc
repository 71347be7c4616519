#include "trainer/folders/component_error.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/strings.h"

namespace roost::trainer {
namespace {

constexpr std::size_t kInfoLimit = 9000;
constexpr std::size_t kMessageLimit = 4096;
constexpr int kLibraryNumber = 1000;
constexpr std::string_view kLibraryPrefix = "Library Error - ";

struct Kind {
  int number;
  const char* name;
  ErrorCode code;
};
constexpr std::array<Kind, 18> kKinds = {{
    {3, "NullOrEmpty", ErrorCode::kInvalidArgument},
    {4, "GreaterThan", ErrorCode::kInvalidArgument},
    {5, "GreaterThanOrEqualTo", ErrorCode::kInvalidArgument},
    {7, "LessThanOrEqualTo", ErrorCode::kInvalidArgument},
    {8, "NotInRangeValue", ErrorCode::kInvalidArgument},
    {18, "InvalidDataset", ErrorCode::kInvalidArgument},
    {24, "NotLabeledDataset", ErrorCode::kInvalidArgument},
    {25, "NotScoredDataset", ErrorCode::kInvalidArgument},
    {62, "LearnerTypesNotCompatible", ErrorCode::kInvalidArgument},
    {72, "TimeoutOccured", ErrorCode::kDeadline},
    {102, "InvalidZipFile", ErrorCode::kInvalidArgument},
    {127, "ImageExceedsLimit", ErrorCode::kTooLarge},
    {138, "ModuleOutOfMemory", ErrorCode::kExhausted},
    {158, "InvalidTransformationDirectory", ErrorCode::kInvalidArgument},
    {159, "InvalidModelDirectory", ErrorCode::kInvalidArgument},
    {160, "FailedToWriteOutputs", ErrorCode::kExhausted},
    {162, "FailedToDownloadFiles", ErrorCode::kUnavailable},
    {kLibraryNumber, "LibraryException", ErrorCode::kInternal},
}};

const Kind& KindOf(int number) {
  for (const Kind& kind : kKinds) {
    if (kind.number == number) return kind;
  }
  return kKinds.back();
}

ModuleError Make(int number, std::string message) {
  return {number, KindOf(number).name, std::move(message)};
}

// A reason that is a sentence of another error ends with the full stop that the template has.
std::string_view WithoutStop(std::string_view reason) {
  while (reason.ends_with('.')) reason.remove_suffix(1);
  return reason;
}

std::string WithHint(std::string sentence, std::string_view hint) {
  if (hint.empty()) return sentence;
  return sentence + " " + std::string(hint);
}

// At most `limit` bytes, ending between two characters and with "..." when something was cut.
std::string Shorten(const std::string& text, std::size_t limit) {
  if (text.size() <= limit) return text;
  std::size_t end = limit - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end) + "...";
}

}  // namespace

ModuleError NullOrEmpty(std::string_view input, std::string_view hint) {
  return Make(3, WithHint(fmt::format("Input \"{}\" is null or empty.", input), hint));
}

ModuleError NotGreaterThan(std::string_view parameter, double value, double bound) {
  return Make(4, fmt::format("Parameter \"{}\" has value \"{}\" which should be greater than {}.",
                             parameter, value, bound));
}

ModuleError NotGreaterThanOrEqualTo(std::string_view parameter, double value, double bound) {
  return Make(
      5, fmt::format("Parameter \"{}\" has value \"{}\" which should be greater than or equal to "
                     "{}.",
                     parameter, value, bound));
}

ModuleError NotLessThanOrEqualTo(std::string_view parameter, double value, std::string_view other,
                                 double bound) {
  return Make(7,
              fmt::format("Parameter \"{}\" value {} should be less than or equal to {} value {}.",
                          parameter, value, other, bound));
}

ModuleError NotInRange(std::string_view parameter, double low, double high) {
  return Make(8, fmt::format("Parameter \"{}\" value should be in the range of [{}, {}].",
                             parameter, low, high));
}

ModuleError NotInRange(std::string_view parameter, std::string_view reason) {
  return Make(8, fmt::format("Parameter \"{}\" value is not in range. {}", parameter, reason));
}

ModuleError InvalidDataset(std::string_view dataset, std::string_view reason,
                           std::string_view hint) {
  return Make(
      18,
      WithHint(fmt::format("{} is not valid, reason: {}.", dataset, WithoutStop(reason)), hint));
}

ModuleError NotLabeledDataset(std::string_view dataset, std::string_view hint) {
  return Make(24, WithHint(fmt::format("There is no label column in \"{}\".", dataset), hint));
}

ModuleError NotScoredDataset(std::string_view dataset, std::string_view column) {
  if (column.empty()) return Make(25, fmt::format("There is no score column in \"{}\".", dataset));
  return Make(25, fmt::format("There is no \"{}\" column in \"{}\".", column, dataset));
}

ModuleError IncompatibleLearners(std::string_view actual, std::string_view expected) {
  return Make(62, fmt::format("All models must have the same learner type. Got incompatible "
                              "learner type: \"{}\". Expected learner types are: \"{}\".",
                              actual, expected));
}

ModuleError TimedOut(std::string_view details) {
  return Make(72, WithHint("Connection timeout occured.", details));
}

ModuleError InvalidZipFile(std::string_view file, std::string_view reason) {
  return Make(102, fmt::format("Given ZIP file is not in the correct format. File '{}': {}.", file,
                               WithoutStop(reason)));
}

ModuleError ImageExceedsLimit(std::string_view file, std::string_view limit) {
  return Make(127, fmt::format("Image pixel size in the file '{}' exceeds allowed limit: '{}'.",
                               file, limit));
}

ModuleError OutOfMemory(std::string_view details) {
  std::string message = "Memory has been exhausted, unable to complete running of module.";
  if (!details.empty()) message += fmt::format(" Details: {}", details);
  return Make(138, std::move(message));
}

ModuleError InvalidTransformation(std::string_view directory, std::string_view reason,
                                  std::string_view hint) {
  return Make(158, WithHint(fmt::format("TransformationDirectory \"{}\" is invalid. Reason: {}.",
                                        directory, WithoutStop(reason)),
                            hint));
}

ModuleError InvalidModel(std::string_view directory, std::string_view reason,
                         std::string_view hint) {
  return Make(159, WithHint(fmt::format("ModelDirectory \"{}\" is invalid. Reason: {}.", directory,
                                        WithoutStop(reason)),
                            hint));
}

ModuleError FailedToWriteOutputs(std::string_view reason, std::string_view hint) {
  return Make(160, WithHint(fmt::format("Failed to write output files to disk. Reason: {}.",
                                        WithoutStop(reason)),
                            hint));
}

ModuleError FailedToDownload(std::string_view files, std::string_view reason) {
  return Make(162, WithHint(fmt::format("Failed to download \"{}\" due to internet error. Please "
                                        "check compute network settings.",
                                        files),
                            reason));
}

ModuleError LibraryError(std::string_view exception_class, std::string_view explanation) {
  return {kLibraryNumber, std::string(exception_class),
          fmt::format("{}{}: {}", kLibraryPrefix, exception_class, explanation)};
}

Error ToError(ModuleError error) {
  Error result{KindOf(error.number).code, std::move(error.message), {}};
  result.details.push_back({std::string(kModuleErrorField), std::to_string(error.number)});
  return result;
}

std::optional<ModuleError> ModuleErrorOf(const Error& error) {
  if (error.details.empty() || error.details.front().field != kModuleErrorField) return {};
  const std::string& text = error.details.front().message;
  int number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || end != text.data() + text.size()) return {};
  ModuleError result{number, KindOf(number).name, error.message};
  if (number == kLibraryNumber && error.message.starts_with(kLibraryPrefix)) {
    const std::size_t colon = error.message.find(": ");
    if (colon != std::string::npos) {
      result.name = error.message.substr(kLibraryPrefix.size(), colon - kLibraryPrefix.size());
    }
  }
  return result;
}

Error AsOutputError(Error error) {
  if (ModuleErrorOf(error)) return error;
  if (error.code != ErrorCode::kExhausted && error.code != ErrorCode::kPermissionDenied) {
    return error;
  }
  const bool full = error.code == ErrorCode::kExhausted;
  return ToError(FailedToWriteOutputs(error.message,
                                      full ? "Free some space or choose a folder on another disk."
                                           : "Choose an output folder that you may write."));
}

std::string ErrorNumberText(int number) { return fmt::format("{:04}", number); }

std::string ErrorInfoJson(const Error* error) {
  nlohmann::ordered_json info;
  info["Exception"] = nullptr;
  if (error != nullptr) {
    const ModuleError module =
        ModuleErrorOf(*error).value_or(LibraryError(ToString(error->code), error->message));
    const bool library = module.number == kLibraryNumber;
    const std::string text = ToValidUtf8(module.message);
    nlohmann::ordered_json exception;
    exception["ErrorId"] = ToValidUtf8(module.name);
    exception["ErrorCode"] = module.number;
    exception["ExceptionType"] = library ? "LibraryException" : "ModuleException";
    exception["Traceback"] = "";
    exception["Message"] = library ? text : module.name + ": " + text;
    if (exception.dump(-1, ' ', true).size() >= kInfoLimit) {
      exception["ErrorId"] = Shorten(exception["ErrorId"].get<std::string>(), 200);
      exception["Message"] = Shorten(exception["Message"].get<std::string>(), kMessageLimit);
    }
    info["Exception"] = std::move(exception);
  }
  return info.dump(2, ' ', true) + "\n";
}

Status WriteErrorInfo(const fs::path& folder, const Error* error) {
  ROOST_TRY(MakeFolders(folder));
  return WriteFileAtomic(folder / "error_info.json", ErrorInfoJson(error));
}

}  // namespace roost::trainer
