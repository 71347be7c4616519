#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "trainer/folders/component_error.h"

namespace roost::trainer {

struct ArchiveLimits {
  std::uint64_t max_files = 20'000'000;
  std::uint64_t max_bytes = 1ULL << 40;  // unpacked
  // Unpacked over packed size, watched from `ratio_from_bytes` on. Pictures hardly shrink; a BMP of
  // one colour may by 1000, which is why small archives are spared.
  double max_ratio = 100;
  std::uint64_t ratio_from_bytes = 1ULL << 30;
};

// True for names that end in .zip, .tar, .gz or .bz2 (any case).
bool IsArchiveName(const fs::path& path);

// Unpacks a zip or tar archive (plain, gzip or bzip2) into the folder, which must be empty. Only
// regular files and folders are made, with our own permissions. Refused, with the entry's name:
// absolute names and names with "..", links, devices, pipes, encrypted entries, an entry that is
// there twice as file and folder, and whatever goes over the limits. Data that end early or are
// damaged are refused too. `dataset` names the input in errors. Errors: 102 for a .zip that is
// none, 160 for a full disk, otherwise 18.
Status ExtractArchive(const fs::path& archive, const fs::path& into, std::string_view dataset,
                      const ArchiveLimits& limits = {});

}  // namespace roost::trainer
