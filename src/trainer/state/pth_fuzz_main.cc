// Reads files that chance has changed: `pth_fuzz --inputs 300000 --seed 1`. Starts from valid files
// (ones of many kinds of values made by the writer, one with a zip64 end, and one of the legacy
// format) and changes bytes, opcodes and operands of the pickle, and fields of the zip's headers. A
// crash, a sanitizer's report or a tree that cannot be walked ends it with an error. The same seed
// gives the same inputs. The target pth_libfuzzer is the same reading as an entry for libFuzzer;
// `pth_fuzz --seeds FOLDER` writes the valid files with which it begins.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/files.h"
#include "trainer/state/byte_reader.h"
#include "trainer/state/pth_reader.h"
#include "trainer/state/pth_writer.h"

namespace roost::trainer {
namespace {

// Touches every byte that a tree gives access to, so that a sanitizer sees each.
std::uint64_t Walk(const StateValue& value) {
  std::uint64_t sum = value.value.index();
  if (const auto* tensor = value.As<StateTensor>()) {
    ROOST_CHECK(tensor->Elements() * DTypeSize(tensor->dtype) == tensor->bytes.size());
    for (const std::byte b : tensor->bytes) sum += static_cast<std::uint64_t>(b);
  }
  if (const auto* text = value.As<std::string>()) {
    for (const char c : *text) sum += static_cast<unsigned char>(c);
  }
  if (const auto* list = value.As<StateList>()) {
    for (const StateValue& item : list->items) sum += Walk(item);
  }
  if (const auto* tuple = value.As<StateTuple>()) {
    for (const StateValue& item : tuple->items) sum += Walk(item);
  }
  if (const auto* dict = value.As<StateDict>()) {
    for (const StateEntry& entry : dict->entries) sum += Walk(entry.key) + Walk(entry.value);
  }
  return sum;
}

// True when the input was read, false when it was refused.
bool ReadOne(std::string_view input) {
  // A copy of its exact size: a read past the end is then a report of the address sanitizer.
  auto owner = std::make_shared<std::vector<char>>(input.begin(), input.end());
  const Result<StateValue> value = ParsePth({owner->data(), owner->size()}, owner);
  if (!value) {
    ROOST_CHECK(!value.error().message.empty());
    return false;
  }
  // Its sum must be used, lest the compiler drop the walk.
  ROOST_CHECK(Walk(*value) != ~std::uint64_t{0});
  static_cast<void>(FindStateDict(*value));
  return true;
}

#ifndef ROOST_LIBFUZZER

constexpr std::string_view kOpcodes =
    "\x80\x95N\x88\x89JKM\x8a\x8bG\x8cUXT\x8d"
    "CB\x8e\x96(])}\x85\x86\x87t\x91"
    "lda\x90"
    "esu\x8fqr\x94hj012c\x93QR\x81"
    "b.";

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  std::string Change(const std::string& file) {
    std::string changed = file;
    for (std::size_t i = 0, count = 1 + Below(4); i < count && !changed.empty(); ++i) {
      switch (Below(8)) {
        case 0:
          changed[Below(changed.size())] = static_cast<char>(Below(256));
          break;
        case 1:
          changed[Below(changed.size())] ^= static_cast<char>(1 << Below(8));
          break;
        case 2:
          changed.resize(Below(changed.size()));
          break;
        case 3:
          MoveBytes(changed);
          break;
        case 4:
          ChangeHeader(changed);
          break;
        default:
          ChangePickle(changed);
      }
    }
    return changed;
  }

 private:
  std::size_t Below(std::size_t bound) {
    return static_cast<std::size_t>(random_() % std::max<std::size_t>(bound, 1));
  }
  void Put(std::string& file, std::size_t at, std::uint64_t number, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes && at + i < file.size(); ++i, number >>= 8) {
      file[at + i] = static_cast<char>(number & 0xFF);
    }
  }
  // Numbers at which sizes and offsets go wrong.
  std::uint64_t Number(std::size_t file_size) {
    switch (Below(6)) {
      case 0:
        return Below(70);
      case 1:
        return file_size - Below(70);
      case 2:
        return std::uint64_t{0xFFFFFFFF} - Below(3);
      case 3:
        return ~std::uint64_t{0} - Below(70);
      case 4:
        return (std::uint64_t{1} << Below(64)) - Below(2);
      default:
        return random_();
    }
  }
  void MoveBytes(std::string& file) {
    const std::size_t from = Below(file.size());
    const std::string piece = file.substr(from, 1 + Below(40));
    const std::size_t to = Below(file.size());
    if (Below(2) == 0) {
      file.insert(to, piece);
    } else {
      file.replace(to, piece.size(), piece);
    }
  }
  // A field of a local header, of the directory or of an end record.
  void ChangeHeader(std::string& file) {
    std::vector<std::size_t> headers;
    for (std::size_t at = 0; (at = file.find("PK", at)) != std::string::npos; ++at) {
      headers.push_back(at);
    }
    if (headers.empty()) return;
    const std::size_t at = headers[Below(headers.size())] + 2 + Below(58);
    Put(file, at, Number(file.size()), std::size_t{1} << Below(4));
  }
  // An opcode or operand of the pickle, whose checksum is then no longer compared.
  void ChangePickle(std::string& file) {
    const std::size_t begin = file.find("\x80\x02");
    if (begin == std::string::npos) return;
    for (const std::string_view mark : {"PK\x03\x04", "PK\x01\x02"}) {
      const std::size_t header = file.find(mark);
      if (header != std::string::npos) Put(file, header + (mark[2] == '\x03' ? 14 : 16), 0, 4);
    }
    const std::size_t end = std::max(begin + 1, std::min(file.rfind("R.") + 2, file.size()));
    const std::size_t at = begin + Below(std::min<std::size_t>(end - begin, 4000));
    switch (Below(4)) {
      case 0:
        file[at] = kOpcodes[Below(kOpcodes.size())];
        break;
      case 1:
        Put(file, at, Number(file.size()), std::size_t{1} << Below(4));
        break;
      case 2: {  // exchanges a piece for another of the pickle; sizes of entries stay true
        const std::string piece =
            file.substr(begin + Below(std::min<std::size_t>(end - begin, 4000)), 1 + Below(30));
        file.replace(at, std::min(piece.size(), file.size() - at), piece, 0,
                     std::min(piece.size(), file.size() - at));
        break;
      }
      default: {  // a small number elsewhere: sizes, strides, offsets, memo
        const std::size_t found = file.find_first_of("Khq", at);
        if (found != std::string::npos) Put(file, found + 1, Below(12), 1);
      }
    }
  }

  std::mt19937_64 random_;
};

StateTensor Numbers(DType dtype, std::vector<std::int64_t> sizes) {
  StateTensor shape;
  shape.sizes = sizes;
  return StateTensor::Copy(
      dtype, std::move(sizes),
      std::vector<std::byte>(static_cast<std::size_t>(shape.Elements()) * DTypeSize(dtype)));
}

std::string ZipFile(const fs::path& folder, const StateValue& value) {
  const fs::path path = folder / "seed.pth";
  ROOST_CHECK(WritePth(path, value).has_value());
  Result<std::string> bytes = ReadFile(path);
  ROOST_CHECK(bytes.has_value());
  return *bytes;
}

// The same archive, its directory found through the zip64 end record.
std::string WithZip64End(const std::string& file) {
  const std::size_t end = file.size() - 22;
  ByteReader fields(file, end + 10);
  const std::uint64_t entries = fields.Get<std::uint16_t>();
  const std::uint64_t size = fields.Get<std::uint32_t>();
  const std::uint64_t offset = fields.Get<std::uint32_t>();
  std::string wide = file.substr(0, end) + "PK\x06\x06";
  AppendLittle<std::uint64_t>(wide, 44);
  wide += std::string(12, '\0');
  for (const std::uint64_t number : {entries, entries, size, offset}) AppendLittle(wide, number);
  wide += "PK\x06\x07" + std::string(4, '\0');
  AppendLittle<std::uint64_t>(wide, end);
  wide += std::string("\x01\0\0\0", 4);
  return wide + "PK\x05\x06" + std::string(4, '\0') + std::string(12, '\xFF') +
         std::string(2, '\0');
}

// Two tensors, one of them transposed, of one storage.
std::string LegacyFile() {
  using namespace std::string_literals;
  const std::string magic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."s;
  const std::string version = "\x80\x02M\xe9\x03."s;
  const std::string machine = "\x80\x02}X\x0d\x00\x00\x00little_endian\x88s."s;
  const auto tensor = [](std::string_view strides) {
    return "ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
           "X\x01\x00\x00\x00"
           "7X\x03\x00\x00\x00"
           "cpuK\x06NtQK\x00K\x02K\x03\x86"s +
           std::string(strides) + "\x86\x89" + "ccollections\nOrderedDict\n)RtR"s;
  };
  const std::string object =
      "\x80\x02}(X\x01\x00\x00\x00"
      "a"s +
      tensor("K\x03K\x01") + "X\x01\x00\x00\x00"s + "b" + tensor("K\x01K\x02") + "u."s;
  const std::string keys =
      "\x80\x02]X\x01\x00\x00\x00"
      "7a."s;
  std::string storage;
  AppendLittle<std::uint64_t>(storage, 6);
  return magic + version + machine + object + keys + storage + std::string(24, '\x3F');
}

std::vector<std::string> Seeds(const fs::path& folder) {
  StateDict all;
  all.ordered = true;
  for (std::size_t i = 0; i < kDTypeCount; ++i) {
    all.Set(std::string(DTypeName(static_cast<DType>(i))),
            Numbers(static_cast<DType>(i), {2, 3, static_cast<std::int64_t>(i % 3)}));
  }
  StateDict nested;
  nested.Set("state_dict", MakeStateDict({{"w", Numbers(DType::kFloat32, {3, 2})},
                                          {"b", Numbers(DType::kInt64, {})}}));
  nested.Set("list", StateList{{1, -1, 2.5, "text", StateNone{}, true, StateBytes{"\xFF"}}});
  nested.Set("tuple", StateTuple{{std::int64_t{1} << 40, StateDict{}}});
  std::vector<std::string> seeds{
      ZipFile(folder, MakeStateDict({{"w", Numbers(DType::kFloat32, {2, 2})}})),
      ZipFile(folder, all), ZipFile(folder, nested), LegacyFile()};
  seeds.push_back(WithZip64End(seeds.front()));
  for (const std::string& seed : seeds) ROOST_CHECK(ReadOne(seed));
  return seeds;
}

#endif

}  // namespace
}  // namespace roost::trainer

#ifdef ROOST_LIBFUZZER

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  roost::trainer::ReadOne({reinterpret_cast<const char*>(data), size});
  return 0;
}

#else

int main(int argc, char** argv) {
  using namespace roost::trainer;
  std::uint64_t inputs = 300'000;
  std::uint64_t seed = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    if (option == "--seeds") {
      const roost::TempFolder folder;
      int number = 0;
      for (const std::string& file : Seeds(folder.path())) {
        std::ofstream(std::string(argv[i + 1]) + "/" + std::to_string(number++), std::ios::binary)
            << file;
      }
      return 0;
    }
    if (option == "--inputs") {
      inputs = std::strtoull(argv[i + 1], nullptr, 10);
    } else if (option == "--seed") {
      seed = std::strtoull(argv[i + 1], nullptr, 10);
    } else {
      fmt::print(stderr, "Usage: pth_fuzz [--inputs COUNT] [--seed NUMBER] | --seeds FOLDER\n");
      return 2;
    }
  }
  const roost::TempFolder folder;
  const std::vector<std::string> seeds = Seeds(folder.path());
  Mutator mutator(seed);
  const auto start = std::chrono::steady_clock::now();
  std::uint64_t read = 0;
  for (std::uint64_t i = 0; i < inputs; ++i) {
    const std::string input = mutator.Change(seeds[i % seeds.size()]);
    read += ReadOne(input) ? 1U : 0U;
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  fmt::print("{} inputs in {:.1f} s: {} read, {} refused, none crashed\n", inputs, seconds.count(),
             read, inputs - read);
  return 0;
}

#endif
