#include "spec/snapshot.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/strings.h"
#include "spec/json_reader.h"
#include "spec/run_definition.h"

namespace roost::spec {
namespace {

constexpr std::size_t kOffendersShown = 5;

bool ByPath(const SnapshotFile& a, const SnapshotFile& b) { return a.path < b.path; }

// One file of the request.
SnapshotFile ReadFile(JsonReader& reader) {
  SnapshotFile file;
  if (reader.String("path", &file.path, {.required = true})) {
    if (auto checked = CheckArtifactPath(file.path); !checked) {
      reader.AddProblems("path", checked.error());
    }
  }
  std::string digest;
  if (reader.String("digest", &digest, {.required = true, .max_length = 256})) {
    if (auto parsed = Digest::Parse(digest); parsed) {
      file.digest = *parsed;
    } else {
      reader.AddProblem("digest", "must be b2: and 64 hex digits");
    }
  }
  std::int64_t size = 0;
  if (reader.Integer("size", &size, 0, std::numeric_limits<std::int64_t>::max())) {
    file.size = static_cast<std::uint64_t>(size);
  } else if (!reader.Has("size")) {
    reader.AddProblem("size", "is required");
  }
  reader.Bool("executable", &file.executable);
  return file;
}

// Two files in one place, or a file where another's folder has to be. Requires: sorted.
void CheckTree(JsonReader& reader, const std::vector<SnapshotFile>& files) {
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::string& path = files[i].path;
    if (i > 0 && path == files[i - 1].path) {
      reader.AddProblem("files", "has `" + path + "` twice");
      continue;
    }
    for (auto slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
      const std::string_view folder = std::string_view(path).substr(0, slash);
      const auto found = std::lower_bound(
          files.begin(), files.end(), folder,
          [](const SnapshotFile& file, std::string_view name) { return file.path < name; });
      if (found != files.end() && found->path == folder) {
        reader.AddProblem(
            "files", "has `" + found->path + "` as a file and as the folder of `" + path + "`");
      }
    }
  }
}

std::string InMegabytes(std::uint64_t bytes) {
  const std::uint64_t tenths = (bytes * 10 + (1ULL << 19)) >> 20;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " MB";
}

struct Offender {
  std::string path;
  std::uint64_t weight = 0;
};

std::vector<Offender> Heaviest(std::vector<Offender> all) {
  const auto count = std::min(all.size(), kOffendersShown);
  const auto heavier = [](const Offender& a, const Offender& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.path < b.path;
  };
  std::partial_sort(all.begin(), std::next(all.begin(), static_cast<std::ptrdiff_t>(count)),
                    all.end(), heavier);
  all.resize(count);
  return all;
}

std::vector<Offender> LargestFiles(const SnapshotManifest& manifest) {
  std::vector<Offender> all;
  for (const SnapshotFile& file : manifest.files) all.push_back({file.path, file.size});
  return Heaviest(std::move(all));
}

// By the files that lie directly in them.
std::vector<Offender> FullestFolders(const SnapshotManifest& manifest) {
  std::map<std::string, std::uint64_t> counts;
  for (const SnapshotFile& file : manifest.files) {
    const auto slash = file.path.rfind('/');
    ++counts[slash == std::string::npos ? "./" : file.path.substr(0, slash + 1)];
  }
  std::vector<Offender> all;
  for (const auto& [path, count] : counts) all.push_back({path, count});
  return Heaviest(std::move(all));
}

// `sentence`, the offenders, the way out.
Error OverLimit(std::string sentence, std::string_view heading,
                const std::vector<Offender>& offenders,
                std::string (*describe)(std::uint64_t weight), std::string_view option) {
  Error error{ErrorCode::kTooLarge, std::move(sentence), {}};
  std::vector<std::string> shown;
  for (const Offender& offender : offenders) {
    shown.push_back(offender.path + " (" + describe(offender.weight) + ")");
    error.details.push_back({offender.path, describe(offender.weight)});
  }
  error.message.append(" ").append(heading).append(": ").append(Join(shown, ", "));
  error.message.append(
      ". Keep data outside of the submitted folder, list what the run does not need in a "
      ".amlignore file (results belong into ./outputs, which should be listed too), or raise the "
      "limit with ");
  error.message.append(option).append(".");
  return error;
}

}  // namespace

std::uint64_t SnapshotManifest::TotalBytes() const {
  std::uint64_t total = 0;
  for (const SnapshotFile& file : files) {
    // Sizes come from requests, so the sum may pass the largest number; it stays there.
    if (__builtin_add_overflow(total, file.size, &total)) {
      return std::numeric_limits<std::uint64_t>::max();
    }
  }
  return total;
}

std::string SnapshotManifest::Canonical() const {
  std::string text;
  for (const SnapshotFile& file : files) {
    text.append(file.digest.Hex()).append(" ").append(std::to_string(file.size));
    text.append(file.executable ? " x " : " - ").append(file.path).append("\n");
  }
  return text;
}

Result<SnapshotManifest> ParseManifest(const nlohmann::json& body) {
  SnapshotManifest manifest;
  JsonReader reader(body);
  const bool listed =
      reader.Objects("files", [&](JsonReader& file) { manifest.files.push_back(ReadFile(file)); });
  if (body.is_object() && !listed && !reader.Has("files")) {
    reader.AddProblem("files", "is required");
  }
  std::sort(manifest.files.begin(), manifest.files.end(), ByPath);
  if (!reader.HasProblems()) CheckTree(reader, manifest.files);
  ROOST_TRY(reader.Finish("The snapshot is not valid"));
  return manifest;
}

nlohmann::json ToJson(const SnapshotManifest& manifest) {
  nlohmann::json files = nlohmann::json::array();
  for (const SnapshotFile& file : manifest.files) {
    files.push_back({{"path", file.path},
                     {"digest", file.digest.ToText()},
                     {"size", file.size},
                     {"executable", file.executable}});
  }
  return {{"files", std::move(files)}};
}

Status CheckSnapshotLimits(const SnapshotManifest& manifest, const SnapshotLimits& limits) {
  const std::uint64_t bytes = manifest.TotalBytes();
  if (limits.max_bytes != 0 && bytes > limits.max_bytes) {
    return Fail(OverLimit(
        "Your total snapshot size exceeds the limit of " + InMegabytes(limits.max_bytes) +
            ". It has " + FormatBytes(bytes) + " in " + std::to_string(manifest.files.size()) +
            " files.",
        "The largest", LargestFiles(manifest), [](std::uint64_t size) { return FormatBytes(size); },
        "--max-snapshot-mb"));
  }
  if (limits.max_files != 0 && manifest.files.size() > limits.max_files) {
    return Fail(OverLimit(
        "Your project exceeds the file limit of " + std::to_string(limits.max_files) + ". It has " +
            std::to_string(manifest.files.size()) + " files.",
        "The fullest folders", FullestFolders(manifest),
        [](std::uint64_t count) { return std::to_string(count) + " files"; },
        "--max-snapshot-files"));
  }
  return {};
}

}  // namespace roost::spec
