#include "trainer/folders/component_error.h"

#include <nlohmann/json.hpp>

#include "trainer/folders/folders_test_fixture.h"

namespace roost::trainer {
namespace {

using nlohmann::json;

TEST(ComponentError, SentencesFollowTheTemplates) {
  EXPECT_EQ(NotLessThanOrEqualTo("Batch size", 16, "train data count", 10).message,
            "Parameter \"Batch size\" value 16 should be less than or equal to train data count "
            "value 10.");
  EXPECT_EQ(NotGreaterThan("Epochs", 0, 0).message,
            "Parameter \"Epochs\" has value \"0\" which should be greater than 0.");
  EXPECT_EQ(NotInRange("Fraction", 0.25, 0.75).message,
            "Parameter \"Fraction\" value should be in the range of [0.25, 0.75].");
  EXPECT_EQ(InvalidDataset("Training dataset", "it is empty", "Fill it.").message,
            "Training dataset is not valid, reason: it is empty. Fill it.");
  EXPECT_EQ(InvalidModel("m", "no spec").message,
            "ModelDirectory \"m\" is invalid. Reason: no spec.");
  // A whole sentence as the reason makes no second full stop.
  EXPECT_EQ(InvalidModel("m", "It is none.").message,
            "ModelDirectory \"m\" is invalid. Reason: It is none.");
  EXPECT_EQ(FailedToWriteOutputs("/a is no folder.", "Choose another.").message,
            "Failed to write output files to disk. Reason: /a is no folder. Choose another.");
  EXPECT_EQ(ErrorNumberText(18), "0018");
  EXPECT_EQ(ErrorNumberText(1000), "1000");
}

TEST(ComponentError, TheNumberSurvivesTheTripThroughAResult) {
  const auto inner = []() -> Status { return FailModule(OutOfMemory("no room")); };
  const auto outer = [&]() -> Result<int> {
    ROOST_TRY(inner());
    return 1;
  };
  const Result<int> result = outer();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kExhausted);
  const auto module = ModuleErrorOf(result.error());
  ASSERT_TRUE(module);
  EXPECT_EQ(module->number, 138);
  EXPECT_EQ(module->name, "ModuleOutOfMemory");

  EXPECT_FALSE(ModuleErrorOf(Error{ErrorCode::kInternal, "x", {}}));
  EXPECT_FALSE(ModuleErrorOf(Error{ErrorCode::kInternal, "x", {{"module_error", "1x"}}}));
}

TEST(ComponentError, AFullDiskBecomesNumber160) {
  EXPECT_EQ(ModuleErrorOf(AsOutputError(ErrnoError("writing /a", ENOSPC)))->number, 160);
  EXPECT_EQ(ModuleErrorOf(AsOutputError(ToError(NullOrEmpty("x"))))->number, 3);
  EXPECT_FALSE(ModuleErrorOf(AsOutputError(ErrnoError("opening /a", ENOENT))));
}

TEST(ErrorInfo, TellsSuccessModuleErrorsAndLibraryErrors) {
  EXPECT_EQ(json::parse(ErrorInfoJson(nullptr)), (json{{"Exception", nullptr}}));

  const Error module = ToError(NotLabeledDataset("Training dataset"));
  EXPECT_EQ(
      json::parse(ErrorInfoJson(&module))["Exception"],
      (json{{"ErrorId", "NotLabeledDataset"},
            {"ErrorCode", 24},
            {"ExceptionType", "ModuleException"},
            {"Traceback", ""},
            {"Message", "NotLabeledDataset: There is no label column in \"Training dataset\"."}}));

  const Error library = ToError(LibraryError("RuntimeError", "it broke"));
  const json told = json::parse(ErrorInfoJson(&library))["Exception"];
  EXPECT_EQ(told["ErrorId"], "RuntimeError");
  EXPECT_EQ(told["ErrorCode"], 1000);
  EXPECT_EQ(told["ExceptionType"], "LibraryException");
  EXPECT_EQ(told["Message"], "Library Error - RuntimeError: it broke");

  const Error plain{ErrorCode::kNotFound, "There is no file x.", {}};
  EXPECT_EQ(json::parse(ErrorInfoJson(&plain))["Exception"]["Message"],
            "Library Error - not_found: There is no file x.");
}

TEST(ErrorInfo, LongMessagesAreCutBetweenCharacters) {
  std::string reason;
  for (int i = 0; i < 6000; ++i) reason += "\u00e4";
  const Error error = ToError(InvalidDataset("d", reason));
  const json told = json::parse(ErrorInfoJson(&error))["Exception"];
  const std::string message = told["Message"];
  EXPECT_LE(message.size(), 4096U);
  EXPECT_GT(message.size(), 4090U);
  EXPECT_TRUE(message.ends_with("\u00e4..."));

  // Bytes that are no UTF-8 must not stop the report.
  const Error dirty = ToError(InvalidDataset("\xff\xfe", "x"));
  EXPECT_NO_THROW(json::parse(ErrorInfoJson(&dirty)));
}

TEST(ErrorInfo, IsWrittenIntoANewFolder) {
  const TempFolder folder;
  EXPECT_OK(WriteErrorInfo(folder.path() / "module_statistics", nullptr));
  EXPECT_EQ(json::parse(Slurp(folder.path() / "module_statistics/error_info.json")),
            (json{{"Exception", nullptr}}));
}

}  // namespace
}  // namespace roost::trainer
