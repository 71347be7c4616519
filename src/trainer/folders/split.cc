#include "trainer/folders/split.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>

#include "trainer/folders/folder_meta.h"
#include "trainer/folders/image_directory.h"
#include "trainer/folders/text_files.h"
#include "trainer/images/random.h"

namespace roost::trainer {
namespace {

constexpr const char* kInput = "Input image directory";

// Marks `count` of the rows, each choice equally likely (a partial Fisher-Yates shuffle).
void Draw(std::vector<std::uint32_t> rows, std::size_t count, Random& random,
          std::vector<bool>& chosen) {
  for (std::size_t i = 0; i < count; ++i) {
    std::swap(rows[i], rows[static_cast<std::size_t>(random.Integer(
                           static_cast<std::int64_t>(i), static_cast<std::int64_t>(rows.size())))]);
    chosen[rows[i]] = true;
  }
}

// How many of each class: proportional, by largest remainder.
std::vector<std::size_t> Shares(const std::vector<std::size_t>& counts, std::size_t wanted,
                                std::size_t total) {
  std::vector<std::size_t> shares(counts.size());
  std::vector<std::size_t> order(counts.size());
  std::iota(order.begin(), order.end(), 0U);
  std::size_t given = 0;
  // Whole numbers, so that equal remainders are equal: counts * wanted / total.
  const auto remainder = [&](std::size_t c) { return counts[c] * wanted % total; };
  for (std::size_t c = 0; c < counts.size(); ++c) {
    shares[c] = counts[c] * wanted / total;
    given += shares[c];
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return remainder(a) > remainder(b); });
  for (std::size_t i = 0; given < wanted; ++i, ++given) ++shares[order[i]];
  return shares;
}

}  // namespace

std::vector<bool> ChooseRows(const std::vector<int>& classes, double fraction, std::uint64_t seed,
                             bool stratify, bool& stratified) {
  const std::size_t n = classes.size();
  const auto wanted = std::clamp<std::size_t>(
      static_cast<std::size_t>(std::floor(fraction * static_cast<double>(n))), 1, n - 1);
  std::map<int, std::vector<std::uint32_t>> rows_of;
  for (std::size_t i = 0; i < n; ++i) {
    rows_of[stratify ? classes[i] : 0].push_back(static_cast<std::uint32_t>(i));
  }
  stratified = stratify && std::min(wanted, n - wanted) >= rows_of.size() &&
               std::all_of(rows_of.begin(), rows_of.end(),
                           [](const auto& entry) { return entry.second.size() >= 2; });
  Random random(seed, 0, 0);
  std::vector<bool> chosen(n);
  if (!stratified) {
    std::vector<std::uint32_t> all(n);
    std::iota(all.begin(), all.end(), 0U);
    Draw(std::move(all), wanted, random, chosen);
    return chosen;
  }
  std::vector<std::size_t> counts;
  for (const auto& [c, rows] : rows_of) counts.push_back(rows.size());
  const std::vector<std::size_t> shares = Shares(counts, wanted, n);
  std::size_t c = 0;
  for (auto& [label, rows] : rows_of) Draw(std::move(rows), shares[c++], random, chosen);
  return chosen;
}

Result<SplitReport> SplitImageDirectory(const fs::path& input, const fs::path& first_output,
                                        const fs::path& second_output,
                                        const SplitOptions& options) {
  ROOST_ASSIGN(const ImageDirectory source, ImageDirectory::Open(input, kInput));
  const std::size_t n = source.size();
  if (n < 2) {
    return FailModule(InvalidDataset(kInput, "a directory of fewer than 2 images cannot be split",
                                     "Remove the component from your graph."));
  }
  const double low = 1.0 / static_cast<double>(n);
  if (!(options.fraction >= low && options.fraction <= 1.0 - low)) {
    return FailModule(NotInRange("Fraction", low, 1.0 - low));
  }

  SplitReport report;
  std::vector<int> classes(n);
  for (std::size_t i = 0; i < n; ++i) classes[i] = source.ClassOf(i);
  const std::vector<bool> chosen =
      ChooseRows(classes, options.fraction, options.seed, source.labelled(), report.stratified);
  if (source.labelled() && !report.stratified) {
    report.warnings.Add(
        "The split is not stratified: a class has a single image, or an output has fewer images "
        "than there are classes.");
  }

  const std::array<const fs::path*, 2> outputs = {&first_output, &second_output};
  std::array<std::optional<ImageDirectoryWriter>, 2> writers;
  ROOST_TRY(PrepareOutputFolder(first_output));
  ROOST_TRY(PrepareOutputFolder(second_output));
  std::error_code ignored;
  if (fs::equivalent(first_output, second_output, ignored)) {
    return FailModule(FailedToWriteOutputs("both outputs are the folder " + first_output.string(),
                                           "Choose two folders."));
  }
  OutputGuard guard({first_output, second_output});
  for (std::size_t side = 0; side < 2; ++side) {
    ROOST_ASSIGN(writers[side], ImageDirectoryWriter::Create(*outputs[side], source.schema()));
  }
  const auto side_of = [&](std::size_t i) { return chosen[i] ? 0U : 1U; };
  const auto copy_image = [&](std::size_t i) -> Status {
    const fs::path to = *outputs[side_of(i)] / source.FileName(i);
    ROOST_TRY(MakeFolders(to.parent_path()));
    const Status copied = CopyFile(source.PathOf(i), to, 0644);
    if (copied) return {};
    if (copied.error().code == ErrorCode::kNotFound) {
      return FailModule(
          InvalidDataset(kInput, "the image " + source.PathOf(i).string() + " is missing"));
    }
    return Fail(AsOutputError(copied.error()));
  };
  ROOST_TRY(ParallelFor(n, options.threads, copy_image));
  ;
  ROOST_TRY(source.ForEachLine([&](std::size_t i, std::string_view line) -> Status {
    if (i >= n) return Fail(ErrorCode::kConflict, input.string() + " was changed meanwhile.");
    return writers[side_of(i)]->AddLine(line);
  }));
  for (auto& writer : writers) ROOST_TRY(writer->Finish());
  guard.Keep();
  report.first = writers[0]->size();
  report.second = writers[1]->size();
  return report;
}

}  // namespace roost::trainer
