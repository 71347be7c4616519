#include "cli/mlflow/source.h"

#include <sodium.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "base/strings.h"
#include "base/subprocess.h"

namespace roost::cli::mlflow {
namespace {

constexpr Micros kMillisecond = 1000;
constexpr const char* kRunNameTag = "mlflow.runName";
constexpr const char* kNoteTag = "mlflow.note.content";

std::string Variable(const char* name) {
  const auto environment = CurrentEnvironment();
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

std::string Base64(const std::string& text) {
  std::string encoded(sodium_base64_encoded_len(text.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(encoded.data(), encoded.size(),
                    reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                    sodium_base64_VARIANT_ORIGINAL);
  encoded.resize(encoded.find('\0') == std::string::npos ? encoded.size() : encoded.find('\0'));
  return encoded;
}

// MLflow's own variables say who asks.
std::string Authorization() {
  const std::string user = Variable("MLFLOW_TRACKING_USERNAME");
  const std::string token = Variable("MLFLOW_TRACKING_TOKEN");
  if (!user.empty()) return "Basic " + Base64(user + ":" + Variable("MLFLOW_TRACKING_PASSWORD"));
  return token.empty() ? "" : "Bearer " + token;
}

bool TakePrefix(std::string* text, std::string_view prefix) {
  if (!text->starts_with(prefix)) return false;
  text->erase(0, prefix.size());
  return true;
}

bool IsSqliteFile(const fs::path& file) {
  const auto head = ReadRange(file, 0, 16);
  return head && head->starts_with("SQLite format 3");
}

// A server that keeps its files for its clients does so in `mlartifacts` beside where it runs.
fs::path GuessArtifacts(const fs::path& beside) {
  const fs::path guess = beside / "mlartifacts";
  std::error_code error;
  return fs::is_directory(guess, error) ? guess : fs::path();
}

}  // namespace

Micros FromMilliseconds(std::int64_t milliseconds) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / kMillisecond;
  if (milliseconds == 0) return 1;
  return std::clamp(milliseconds, -kMost, kMost) * kMillisecond;
}

Micros DateOf(std::int64_t milliseconds) {
  constexpr Micros kLatest = 253'402'300'799'999'000;
  return std::clamp(FromMilliseconds(milliseconds), Micros{1}, kLatest);
}

std::string CleanText(std::string text) {
  if (!IsValidUtf8(text)) text = ToValidUtf8(text);
  for (std::size_t nul = text.find('\0'); nul != std::string::npos; nul = text.find('\0', nul)) {
    text.replace(nul, 1, "\uFFFD");
  }
  return text;
}

std::optional<spec::RunState> StateOf(std::string_view status) {
  if (status == "RUNNING") return spec::RunState::kRunning;
  if (status == "SCHEDULED") return spec::RunState::kNotStarted;
  if (status == "FINISHED") return spec::RunState::kCompleted;
  if (status == "FAILED") return spec::RunState::kFailed;
  if (status == "KILLED") return spec::RunState::kCanceled;
  return std::nullopt;
}

void TakeRunTags(std::map<std::string, std::string> tags, spec::ImportedRun* run) {
  if (const auto name = tags.extract(kRunNameTag); name && run->name.empty()) {
    run->name = name.mapped();
  }
  if (const auto note = tags.extract(kNoteTag)) run->description = note.mapped();
  if (const auto parent = tags.extract(spec::kImportedParentTag)) run->parent_id = parent.mapped();
  run->tags = std::move(tags);
}

void TakeExperimentTags(std::map<std::string, std::string> tags, Experiment* experiment) {
  if (const auto note = tags.extract(kNoteTag)) experiment->description = note.mapped();
  experiment->tags = std::move(tags);
}

void SortHistory(std::vector<spec::MetricPoint>* points) {
  const auto rank = [](const spec::MetricPoint& point) {
    const bool nan = std::isnan(point.value);
    return std::tuple(point.time, point.step, nan ? 0.0 : point.value, nan);
  };
  std::stable_sort(points->begin(), points->end(),
                   [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
}

Result<std::unique_ptr<Source>> OpenSource(const SourceOptions& options) {
  std::string address = options.address;
  if (address.starts_with("http://") || address.starts_with("https://")) {
    while (address.ends_with('/')) address.pop_back();
    return OpenServerSource(
        {address, Authorization(), Variable("MLFLOW_TRACKING_SERVER_CERT_PATH")});
  }
  if (!TakePrefix(&address, "sqlite:///") && !TakePrefix(&address, "file://") &&
      address.find("://") != std::string::npos) {
    return Fail(ErrorCode::kInvalidArgument,
                "'" + address +
                    "' is none of a server (http://, https://), an SQLite file and an mlruns "
                    "folder. For another database start `mlflow server` on it and name its "
                    "address.");
  }
  std::error_code error;
  const fs::path path = fs::absolute(address, error);
  const fs::path artifacts =
      options.artifacts.empty() ? fs::path() : fs::absolute(options.artifacts);
  if (!artifacts.empty() && !fs::is_directory(artifacts, error)) {
    return Fail(ErrorCode::kNotFound, "There is no folder " + artifacts.string() + ".");
  }
  if (fs::is_directory(path, error)) {
    return OpenFolderSource(path,
                            artifacts.empty() ? GuessArtifacts(path.parent_path()) : artifacts);
  }
  if (IsSqliteFile(path)) {
    return OpenSqliteSource(path,
                            artifacts.empty() ? GuessArtifacts(path.parent_path()) : artifacts);
  }
  if (fs::exists(path, error)) {
    return Fail(ErrorCode::kInvalidArgument, path.string() + " is no SQLite database.");
  }
  return Fail(ErrorCode::kNotFound, "There is no file or folder " + path.string() + ".");
}

}  // namespace roost::cli::mlflow
