#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "trainer/folders/component_error.h"

namespace roost::trainer {

// The component Split Image Directory.
struct SplitOptions {
  double fraction = 0.9;    // of the images in the first output
  std::uint64_t seed = 42;  // Azure's is fixed
  int threads = 0;          // that copy; 0: one for each core. The result does not depend on it.
};

struct SplitReport {
  std::size_t first = 0;
  std::size_t second = 0;
  bool stratified = false;
  Warnings warnings{};
};

// For each row whether it goes to the first output. `classes` has the class of each row (-1:
// without label, which counts as a class of its own). The first output gets floor(fraction * n)
// rows. They are drawn from each class in proportion: its share rounded down, and one more for
// those with the largest remainders (on a tie the lower class). When that cannot be, because a
// class has a single image or an output would have fewer images than there are classes, they are
// drawn from all rows, and `stratified` is false. The same arguments give the same rows on every
// machine. Requires: at least two rows, and a fraction in [1/n, 1 - 1/n].
std::vector<bool> ChooseRows(const std::vector<int>& classes, double fraction, std::uint64_t seed,
                             bool stratify, bool& stratified);

// Reads an ImageDirectory and writes two; both keep the schema with its full category list, the
// order of the rows, all their columns and the files' names and bytes. Directories that have no
// classification labels are split without stratifying. Errors: 18 for an input with fewer than two
// images or that is no image directory, 8 "Fraction" outside [1/n, 1 - 1/n], 160.
Result<SplitReport> SplitImageDirectory(const fs::path& input, const fs::path& first_output,
                                        const fs::path& second_output,
                                        const SplitOptions& options = {});

}  // namespace roost::trainer
