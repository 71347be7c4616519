#include <fcntl.h>
#include <fmt/format.h>

#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "base/strings.h"
#include "trainer/folders/folder_meta.h"
#include "trainer/folders/image_directory.h"
#include "trainer/folders/probe.h"
#include "trainer/folders/transformation.h"
#include "trainer/images/decode.h"
#include "trainer/images/encode.h"

namespace roost::trainer {
namespace {

using nlohmann::ordered_json;

constexpr const char* kInput = "Input image directory";
// Level 1 takes a third of the time of level 6 and makes photographs about a twentieth larger.
constexpr int kPngLevel = 1;

// Names with .png instead of the extension. Where two images differ in that alone, the later one
// gets its number too.
class OutputNames {
 public:
  std::string For(std::string_view name, std::size_t index) {
    fs::path path(name);
    path.replace_extension(".png");
    std::string result = path.string();
    while (!seen_.insert(std::hash<std::string>()(result)).second) {
      path.replace_extension();
      path += fmt::format("_{}.png", index);
      result = path.string();
    }
    return result;
  }

 private:
  std::unordered_set<std::size_t> seen_;  // hashes only, for the sake of memory
};

class Application {
 public:
  Application(const ImageDirectory& source, std::vector<Operation> list, const fs::path& output,
              const ApplyOptions& options)
      : source_(source),
        operations_(std::move(list)),
        output_(output),
        options_(options),
        states_(source.size()) {}

  Result<ApplyReport> Run() {
    OutputNames names;
    for (std::size_t i = 0; i < source_.size(); ++i) {
      names_.push_back(names.For(source_.FileName(i), i));
    }
    ROOST_TRY(
        ParallelFor(source_.size(), options_.threads, [&](std::size_t i) { return Transform(i); }));
    ROOST_TRY(CountUnreadable());
    ROOST_ASSIGN(ImageDirectoryWriter writer,
                 ImageDirectoryWriter::Create(output_, source_.schema()));
    ROOST_TRY(source_.ForEachLine(
        [&](std::size_t i, std::string_view line) { return WriteRow(i, line, writer); }));
    ROOST_TRY(writer.Finish());
    report_.images = writer.size();
    return std::move(report_);
  }

 private:
  enum class State : std::uint8_t { kGood, kTruncated, kUnreadable };

  Status Transform(std::size_t i) {
    const fs::path path = source_.PathOf(i);
    auto decoded = DecodeImageFile(path);
    if (!decoded) {
      if (decoded.error().code == ErrorCode::kTooLarge) {
        return FailModule(
            ImageExceedsLimit(path.string(), std::to_string(DecodeLimits{}.max_pixels)));
      }
      states_[i] = State::kUnreadable;
      return {};
    }
    if (decoded->truncated) states_[i] = State::kTruncated;
    if (std::string warning = GrayWarning(source_.FileName(i), *decoded); !warning.empty()) {
      const std::lock_guard lock(gray_mutex_);
      gray_[i] = std::move(warning);
    }
    Image image = std::move(decoded->image);
    Random random(options_.seed, 0, i);
    for (const Operation& operation : operations_) {
      auto result = Apply(operation, image, random);
      if (!result) return CannotApply(operation, path, result.error());
      image = std::move(*result);
    }
    ROOST_ASSIGN(const std::string png, EncodePng(image, kPngLevel));
    return WritePng(output_ / names_[i], png);
  }

  static Status WritePng(const fs::path& path, const std::string& png) {
    Status written = MakeFolders(path.parent_path());
    if (written) {
      auto file = OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC);
      written = file ? WriteAll(file->get(), png, path) : Status(Fail(file.error()));
    }
    if (!written) return Fail(AsOutputError(written.error()));
    return {};
  }

  static Status CannotApply(const Operation& operation, const fs::path& path, const Error& error) {
    std::string reason = error.message;
    if (reason.ends_with('.')) reason.pop_back();
    return FailModule(InvalidDataset(
        kInput,
        fmt::format("{} cannot be applied to {} ({})", NameOf(operation), path.string(), reason),
        "Please adjust the size in the transformation, or the size of the images."));
  }

  Status CountUnreadable() {
    for (auto& [i, warning] : gray_) report_.warnings.Add(std::move(warning));
    std::size_t count = 0;
    std::string first;
    for (std::size_t i = 0; i < source_.size(); ++i) {
      const std::string name(source_.FileName(i));
      if (states_[i] == State::kTruncated) {
        report_.warnings.Add("The data of the image " + name +
                             " end early or are damaged; the rest of it is empty.");
      } else if (states_[i] == State::kUnreadable) {
        report_.warnings.Add("The image " + name + " cannot be decoded and was left out.");
        if (count++ == 0) first = name;
      }
    }
    if (count > options_.max_unreadable || count == source_.size()) {
      return FailModule(
          InvalidDataset(kInput,
                         fmt::format("{} of {} images cannot be decoded, {} the first", count,
                                     source_.size(), first),
                         "Please make it again with Convert to Image Directory."));
    }
    return {};
  }

  Status WriteRow(std::size_t i, std::string_view line, ImageDirectoryWriter& writer) const {
    if (i >= names_.size()) {
      return Fail(ErrorCode::kConflict, source_.folder().string() + " was changed meanwhile.");
    }
    if (states_[i] == State::kUnreadable) return {};
    ordered_json row = ordered_json::parse(line, nullptr, false);
    const std::string& column = source_.schema().reference_column;
    if (!row.is_object() || !row.contains(column) || !row[column].is_object()) {
      return Fail(ErrorCode::kConflict, source_.folder().string() + " was changed meanwhile.");
    }
    ordered_json& info = row[column];
    info["file_name"] = names_[i];
    // What was true of the old file only.
    for (const char* key : {"base_file_name", "coco_url", "width", "height"}) info.erase(key);
    return writer.AddLine(row.dump(-1, ' ', true, ordered_json::error_handler_t::replace));
  }

  const ImageDirectory& source_;
  const std::vector<Operation> operations_;
  const fs::path& output_;
  const ApplyOptions& options_;
  std::vector<State> states_;  // each is written by the thread that has its image
  std::vector<std::string> names_;
  std::mutex gray_mutex_;
  std::map<std::size_t, std::string> gray_;  // warnings by image; guarded by gray_mutex_
  ApplyReport report_;
};

}  // namespace

Result<ApplyMode> ParseApplyMode(const std::string& text) {
  if (text == "For training") return ApplyMode::kTraining;
  if (text == "For inference") return ApplyMode::kInference;
  return FailModule(
      NotInRange("Mode", "It is '" + text + "' and must be 'For training' or 'For inference'."));
}

Result<ApplyReport> ApplyImageTransformation(const fs::path& transformation, const fs::path& input,
                                             const fs::path& output, const ApplyOptions& options) {
  ROOST_ASSIGN(std::vector<Operation> list, ReadTransformation(transformation));
  if (options.mode == ApplyMode::kInference) {
    std::erase_if(
        list, [](const Operation& operation) { return NameOf(operation).starts_with("Random"); });
  }
  ROOST_ASSIGN(const ImageDirectory source, ImageDirectory::Open(input, kInput));
  ROOST_TRY(PrepareOutputFolder(output));
  OutputGuard guard({output});
  ROOST_ASSIGN(ApplyReport report, Application(source, std::move(list), output, options).Run());
  guard.Keep();
  return report;
}

}  // namespace roost::trainer
