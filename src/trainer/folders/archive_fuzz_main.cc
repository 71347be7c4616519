// Unpacks archives that chance has damaged: `archive_fuzz --inputs 200000 --seed 1`. Starts from
// valid zip and tar archives (plain, gzip, bzip2) and from ones with links, devices, sparse files
// and names that lead outside, and changes bytes, header fields and lengths; checksums of tar are
// mostly put right again, and what is inside of gzip and bzip2 is changed too. Each is unpacked
// under small limits, and one in eight goes through Convert to Image Directory. Ends with exit
// status 1 when a promise is broken: anything but files and folders, anything outside the target,
// more than the limits, an error without a sentence. The same arguments give the same inputs.
// `archive_fuzz --seeds FOLDER` writes the valid archives there; the target archive_libfuzzer
// begins with them and is the same reading as an entry for libFuzzer.
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <locale.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/strings.h"
#include "trainer/folders/archive.h"
#include "trainer/folders/convert.h"
#include "trainer/folders/image_directory.h"

namespace roost::trainer {
namespace {

constexpr ArchiveLimits kLimits{
    .max_files = 40, .max_bytes = 1 << 20, .max_ratio = 50, .ratio_from_bytes = 1 << 18};

struct Item {
  std::string name;
  std::string content{};
  unsigned type = AE_IFREG;
  std::string symlink{};
  std::string hardlink{};
  std::int64_t hole = 0;  // before the content
};

struct Seed {
  const char* extension;
  std::string bytes;
  std::string inside{};  // of gzip and bzip2: the tar
};

// --- Valid archives ---

struct Out {
  std::string bytes{};
  struct archive* archive = archive_write_new();
  ~Out() { archive_write_free(archive); }
  void Open() {
    archive_write_set_bytes_in_last_block(archive, 1);
    ROOST_CHECK(archive_write_open(archive, this, nullptr, &Take, nullptr) == ARCHIVE_OK);
  }
  static la_ssize_t Take(struct archive*, void* self, const void* data, std::size_t size) {
    static_cast<Out*>(self)->bytes.append(static_cast<const char*>(data), size);
    return static_cast<la_ssize_t>(size);
  }
};

enum class Format { kZip, kZipStored, kUstar, kPax, kGnu };

std::string Packed(Format format, const std::vector<Item>& items) {
  Out out;
  switch (format) {
    case Format::kZip:
    case Format::kZipStored:
      archive_write_set_format_zip(out.archive);
      if (format == Format::kZipStored) archive_write_zip_set_compression_store(out.archive);
      break;
    case Format::kUstar:
      archive_write_set_format_ustar(out.archive);
      break;
    case Format::kPax:
      archive_write_set_format_pax(out.archive);
      break;
    case Format::kGnu:
      archive_write_set_format_gnutar(out.archive);
      break;
  }
  out.Open();
  for (const Item& item : items) {
    struct archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname_utf8(entry, item.name.c_str());
    archive_entry_set_filetype(entry, item.type);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, item.hole + static_cast<std::int64_t>(item.content.size()));
    if (!item.symlink.empty()) archive_entry_set_symlink(entry, item.symlink.c_str());
    if (!item.hardlink.empty()) archive_entry_set_hardlink(entry, item.hardlink.c_str());
    if (item.hole > 0) {
      archive_entry_sparse_add_entry(entry, item.hole,
                                     static_cast<std::int64_t>(item.content.size()));
    }
    // What a format cannot hold is left out of it.
    if (archive_write_header(out.archive, entry) >= ARCHIVE_WARN) {
      const std::string data =
          std::string(static_cast<std::size_t>(item.hole), '\0') + item.content;
      archive_write_data(out.archive, data.data(), data.size());
    }
    archive_entry_free(entry);
  }
  ROOST_CHECK(archive_write_close(out.archive) == ARCHIVE_OK);
  return std::move(out.bytes);
}

std::string Compressed(const std::string& bytes, bool gzip) {
  Out out;
  archive_write_set_format_raw(out.archive);
  if (gzip) {
    archive_write_add_filter_gzip(out.archive);
  } else {
    archive_write_add_filter_bzip2(out.archive);
  }
  archive_write_set_filter_option(out.archive, nullptr, "compression-level", "1");
  out.Open();
  struct archive_entry* entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  ROOST_CHECK(archive_write_header(out.archive, entry) == ARCHIVE_OK);
  archive_write_data(out.archive, bytes.data(), bytes.size());
  archive_entry_free(entry);
  ROOST_CHECK(archive_write_close(out.archive) == ARCHIVE_OK);
  return std::move(out.bytes);
}

std::vector<Seed> Seeds(const fs::path& work) {
  const std::string picture = "P6\n2 2\n255\n" + std::string(12, 'p');
  const std::vector<Item> plain{{"b/", "", AE_IFDIR},
                                {"b/1.ppm", picture},
                                {"b/2.ppm", picture},
                                {"Z\u00fcrich \u866b/1.ppm", picture},
                                {"b/notes.txt", std::string(3000, 'n')}};
  const std::vector<Item> flat{
      {"1.ppm", picture}, {std::string(90, 'd') + "/" + std::string(120, 'f') + ".ppm", picture}};
  const std::vector<Item> hostile{{"a/1.ppm", picture},
                                  {"../escaped", picture},
                                  {(work / "escaped").string(), picture},
                                  {"a\\..\\..\\escaped", picture},
                                  {"a/link", "", AE_IFLNK, ".."},
                                  {"a/link/escaped", picture},
                                  {"a/hard", "", AE_IFREG, "", "../other"},
                                  {"a/pipe", "", AE_IFIFO},
                                  {"a/device", "", AE_IFCHR}};
  const std::vector<Item> bomb{{"a/zeros.bmp", std::string(700'000, '\0')}, {"a/1.ppm", picture}};
  const std::vector<Item> sparse{{"a/1.ppm", picture},
                                 {"a/hole.bmp", picture, AE_IFREG, "", "", 500'000}};
  std::vector<Seed> seeds;
  const auto add_tar = [&](const std::string& tar, bool packed) {
    seeds.push_back({".tar", tar});
    if (!packed) return;
    seeds.push_back({".tar.gz", Compressed(tar, true), tar});
    seeds.push_back({".tar.bz2", Compressed(tar, false), tar});
  };
  for (const auto* items : {&plain, &flat, &hostile}) {
    seeds.push_back({".zip", Packed(Format::kZip, *items)});
    seeds.push_back({".zip", Packed(Format::kZipStored, *items)});
    add_tar(Packed(Format::kUstar, *items), items == &plain);
    add_tar(Packed(Format::kPax, *items), items == &plain);
    add_tar(Packed(Format::kGnu, *items), false);
  }
  // Each of the hostile ones first, so that what comes before does not hide it.
  for (std::size_t i = 1; i < hostile.size(); ++i) {
    seeds.push_back({".zip", Packed(Format::kZip, {hostile[i]})});
    seeds.push_back({".tar", Packed(Format::kGnu, {hostile[i], hostile[i]})});
  }
  seeds.push_back({".zip", Packed(Format::kZip, bomb)});
  seeds.push_back({".tar", Packed(Format::kPax, sparse)});
  return seeds;
}

// --- Damage ---

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  std::size_t Below(std::size_t bound) {
    return static_cast<std::size_t>(random_() % std::max<std::size_t>(bound, 1));
  }

  std::string Change(const Seed& seed, const std::string& other) {
    const bool inside = !seed.inside.empty() && Below(2) == 0;
    std::string changed = inside ? seed.inside : seed.bytes;
    for (std::size_t i = 0, count = 1 + Below(4); i < count && !changed.empty(); ++i) {
      ChangeOnce(changed, other);
    }
    if (Below(5) > 0) RightenTar(changed);
    return inside ? Compressed(changed, std::string_view(seed.extension).ends_with("gz")) : changed;
  }

 private:
  void ChangeOnce(std::string& file, const std::string& other) {
    const std::size_t at = Place(file);
    switch (Below(9)) {
      case 0:
        file[at] = static_cast<char>(Below(256));
        break;
      case 1:
        file[at] ^= static_cast<char>(1 << Below(8));
        break;
      case 2:
        file.resize(at);
        break;
      case 3:
        file.insert(at, file.substr(Below(file.size()), 1 + Below(600)));
        break;
      case 4:
        file.erase(at, 1 + Below(600));
        break;
      case 5:
        file.insert(at, other.substr(Below(other.size()), 1 + Below(1200)));
        break;
      case 6: {  // a number of a zip header
        std::uint64_t number = Number(file.size());
        for (std::size_t i = 0, n = std::size_t{1} << Below(4); i < n && at + i < file.size();
             ++i) {
          file[at + i] = static_cast<char>(number & 0xFF);
          number >>= 8;
        }
        break;
      }
      case 7: {  // a number of a tar header
        const std::string octal = fmt::format("{:011o}", Number(file.size()) & 0x7FFFFFFFF);
        file.replace(at, std::min(octal.size(), file.size() - at), octal, 0,
                     std::min(octal.size(), file.size() - at));
        break;
      }
      default: {
        static constexpr std::string_view kNames[] = {
            "../", "/", "..\\", "a/../..", "\xFF\xFE", "./.", "GNU.sparse.map=0,1,9", "0,99999999"};
        const std::string_view name = kNames[Below(std::size(kNames))];
        file.replace(at, std::min(name.size(), file.size() - at), name);
      }
    }
  }
  // Headers are where the structure is: half of the places are near one.
  std::size_t Place(const std::string& file) {
    if (Below(2) == 0) return Below(file.size());
    const std::size_t from = Below(file.size());
    const std::size_t zip = file.find("PK", from);
    const std::size_t header = zip == std::string::npos ? from / 512 * 512 : zip;
    return std::min(header + Below(zip == std::string::npos ? 345 : 60), file.size() - 1);
  }
  // Numbers at which sizes and offsets go wrong.
  std::uint64_t Number(std::size_t size) {
    switch (Below(5)) {
      case 0:
        return Below(70);
      case 1:
        return size - Below(70);
      case 2:
        return std::uint64_t{0xFFFFFFFF} - Below(3);
      case 3:
        return ~std::uint64_t{0} - Below(70);
      default:
        return (std::uint64_t{1} << Below(64)) - Below(2);
    }
  }
  // Without it nearly all damage to a tar header ends at its checksum.
  static void RightenTar(std::string& file) {
    for (std::size_t at = 0; at + 512 <= file.size(); at += 512) {
      if (file.compare(at + 257, 5, "ustar") != 0) continue;
      file.replace(at + 148, 8, 8, ' ');
      std::uint32_t sum = 0;
      for (std::size_t i = 0; i < 512; ++i) sum += static_cast<unsigned char>(file[at + i]);
      file.replace(at + 148, 7, fmt::format("{:06o}", sum) + '\0');
    }
  }

  std::mt19937_64 random_;
};

// --- Unpacking ---

class Reading {
 public:
  explicit Reading(fs::path work) : work_(std::move(work)) {}

  // The broken promise; empty: none.
  std::string Read(const std::string& bytes, const std::string& extension, bool convert) {
    const fs::path archive = work_ / ("archive" + extension);
    const fs::path into = work_ / "into";
    ROOST_CHECK(MakeFolders(into).has_value());
    auto file = OpenFile(archive, O_WRONLY | O_CREAT | O_TRUNC);
    ROOST_CHECK(file && WriteAll(file->get(), bytes, archive));
    std::string broken;
    if (convert) {
      const auto report =
          ConvertToImageDirectory(archive, into, {.archive = kLimits, .threads = 1});
      Count("converted", report.has_value());
      if (!report) broken = CheckError(report.error());
      if (report && !ImageDirectory::Open(into, "Dataset"))
        broken = "what was converted is no image directory";
    } else {
      const Status unpacked = ExtractArchive(archive, into, "Dataset", kLimits);
      Count(extension, unpacked.has_value());
      if (!unpacked) broken = CheckError(unpacked.error());
      if (broken.empty()) broken = CheckTree(into);
    }
    if (broken.empty()) broken = CheckWork();
    ROOST_CHECK(RemoveTree(into).has_value() && RemoveTree(archive).has_value());
    return broken;
  }

  void Print() const {
    for (const auto& [name, counts] : counts_) {
      fmt::print("{:<9} {:>8} taken {:>8} refused\n", name, counts.first, counts.second);
    }
  }

 private:
  void Count(const std::string& name, bool taken) {
    ++(taken ? counts_[name].first : counts_[name].second);
  }
  static std::string CheckError(const Error& error) {
    if (error.message.empty()) return "an error has no sentence";
    return ToValidUtf8(error.message) == error.message ? "" : "an error's sentence is no UTF-8";
  }
  static std::string CheckTree(const fs::path& into) {
    std::uint64_t bytes = 0;
    std::uint64_t files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(into)) {
      const fs::file_status status = entry.symlink_status();
      if (fs::is_directory(status)) continue;
      if (!fs::is_regular_file(status)) return entry.path().string() + " is no regular file";
      ++files;
      bytes += entry.file_size();
      struct stat info {};
      stat(entry.path().c_str(), &info);
      if (info.st_nlink != 1) return entry.path().string() + " is a hard link";
      if ((info.st_mode & 0111) != 0) return entry.path().string() + " may be executed";
    }
    if (files > kLimits.max_files) return "there are more files than allowed";
    return bytes > kLimits.max_bytes ? "there are more bytes than allowed" : "";
  }
  std::string CheckWork() const {
    for (const auto& entry : fs::directory_iterator(work_)) {
      const std::string name = entry.path().filename();
      if (name != "into" && !name.starts_with("archive"))
        return entry.path().string() + " is outside";
    }
    return fs::exists(work_.parent_path() / "escaped") ? "a file is outside" : "";
  }

  const fs::path work_;
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> counts_{};
};

#ifndef ROOST_LIBFUZZER

int Main(std::uint64_t inputs, std::uint64_t seed) {
  const TempFolder folder;
  const fs::path work = folder.path() / "work";
  const std::vector<Seed> seeds = Seeds(work);
  Reading reading(work);
  Mutator mutator(seed);
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t i = 0; i < inputs; ++i) {
    const Seed& from = seeds[i % seeds.size()];
    const std::string& other = seeds[mutator.Below(seeds.size())].bytes;
    const std::string input = i < seeds.size() ? from.bytes : mutator.Change(from, other);
    const std::string broken = reading.Read(input, from.extension, i % 8 == 7);
    if (broken.empty()) continue;
    fmt::print("input {} of seed {}: {}\n", i, seed, broken);
    return 1;
  }
  reading.Print();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  fmt::print("{} inputs in {:.1f} s, none crashed\n", inputs, seconds.count());
  return 0;
}

int WriteSeeds(const fs::path& folder) {
  const TempFolder work;
  int number = 0;
  for (const Seed& seed : Seeds(work.path() / "work")) {
    std::ofstream(folder / (std::to_string(number++) + seed.extension), std::ios::binary)
        << seed.bytes;
  }
  return 0;
}

#endif

}  // namespace
}  // namespace roost::trainer

#ifdef ROOST_LIBFUZZER

// libarchive finds the kind out by itself; the name says it, too.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace roost::trainer;
  static const roost::TempFolder folder;
  static const roost::fs::path work = [] {
    const roost::fs::path path = folder.path() / "work";
    roost::fs::create_directory(path);
    return path;
  }();
  static Reading reading(work);
  const std::string input(reinterpret_cast<const char*>(data), size);
  const char* const extension = input.starts_with("PK")         ? ".zip"
                                : input.starts_with("\x1f\x8b") ? ".tar.gz"
                                : input.starts_with("BZ")       ? ".tar.bz2"
                                                                : ".tar";
  const std::string broken = reading.Read(input, extension, size % 8 == 7);
  if (!broken.empty()) {
    fmt::print(stderr, "{}\n", broken);
    std::abort();
  }
  return 0;
}

#else

int main(int argc, char** argv) {
  const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (utf8 != nullptr) uselocale(utf8);  // for writing names; reading needs none
  std::uint64_t inputs = 200'000;
  std::uint64_t seed = 1;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view option = argv[i];
    if (i + 1 < argc && option == "--seeds") return roost::trainer::WriteSeeds(argv[i + 1]);
    if (i + 1 < argc && option == "--inputs") {
      inputs = std::strtoull(argv[i + 1], nullptr, 10);
    } else if (i + 1 < argc && option == "--seed") {
      seed = std::strtoull(argv[i + 1], nullptr, 10);
    } else {
      fmt::print(stderr, "usage: archive_fuzz [--inputs COUNT] [--seed NUMBER] | --seeds FOLDER\n");
      return 2;
    }
  }
  // A disk would be the slowest part.
  if (roost::fs::is_directory("/dev/shm")) setenv("TMPDIR", "/dev/shm", 0);
  return roost::trainer::Main(inputs, seed);
}

#endif
