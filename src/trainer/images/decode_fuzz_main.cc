// Feeds the image readers with damaged files, for a build with sanitizers:
//
//   decode_fuzz COUNT [SEED]
//   decode_fuzz --seeds FOLDER     writes the valid files there, for libFuzzer to begin with
//
// Makes one small valid file of each kind, then COUNT times takes one, damages it (bits, bytes,
// sizes, cuts, repeats, parts of another file; checksums of PNG are mostly put right again) and
// reads it. The same arguments give the same files. Ends with exit status 1 when a reader breaks
// its promises: pixels that do not fit the size, more pixels than the limit, another size than
// ProbeImage said. The target decode_libfuzzer is the same reading as an entry for libFuzzer.

#include <webp/encode.h>
#include <zlib.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <string_view>

// jpeglib.h needs size_t and FILE from above it.
#include <jpeglib.h>

#include "trainer/images/decode.h"
#include "trainer/images/encode.h"
#include "trainer/images/random.h"
#include "trainer/images/resize.h"

namespace roost::trainer {
namespace {

constexpr std::uint64_t kMaxPixels = 200'000;

std::size_t Pick(Random& random, std::size_t count) {
  return static_cast<std::size_t>(random.Integer(0, static_cast<std::int64_t>(count)));
}

// --- Valid files ---

Image Picture(int width, int height) {
  Image image = Image::Blank(width, height);
  Random random(7, 0, 0);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width * 3; ++x) {
      image.Row(y)[x] = static_cast<std::uint8_t>(x * 3 + y * 5 + (random.Next32() & 31));
    }
  }
  return image;
}

std::string Jpeg(int components, bool progressive, int restart) {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* data = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &data, &size);
  const Image image = Picture(66, 50);
  jpeg.image_width = 48;
  jpeg.image_height = 50;
  jpeg.input_components = components;
  jpeg.in_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&jpeg);
  if (progressive) jpeg_simple_progression(&jpeg);
  jpeg.restart_interval = static_cast<unsigned>(restart);
  jpeg_start_compress(&jpeg, TRUE);
  for (int y = 0; y < 50; ++y) {
    JSAMPROW row = const_cast<JSAMPROW>(image.Row(y));
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  std::string bytes(reinterpret_cast<const char*>(data), size);
  std::free(data);
  return bytes;
}

// `value` in `bytes` bytes, which may be more than the eight it has.
std::string Number(std::uint64_t value, int bytes, bool big = false) {
  std::string text;
  for (int i = 0; i < bytes; ++i, value >>= 8) text += static_cast<char>(value);
  if (big) std::reverse(text.begin(), text.end());
  return text;
}

std::string PngChunk(const std::string& name, const std::string& data) {
  const std::string body = name + data;
  const auto* bytes = reinterpret_cast<const Bytef*>(body.data());
  return Number(data.size(), 4, true) + body +
         Number(crc32(0, bytes, static_cast<uInt>(body.size())), 4, true);
}

// Any colour type and depth; the rows are the same number of some bytes, which is right for one of
// them and damage for the others.
std::string Png(int depth, int colour, int interlace) {
  const std::string rows(40 * 200, '\1');
  uLongf size = compressBound(static_cast<uLong>(rows.size()));
  std::string packed(size, '\0');
  compress(reinterpret_cast<Bytef*>(packed.data()), &size,
           reinterpret_cast<const Bytef*>(rows.data()), static_cast<uLong>(rows.size()));
  packed.resize(size);
  std::string head = Number(24, 4, true) + Number(30, 4, true);
  head +=
      Number(static_cast<std::uint64_t>(depth), 1) + Number(static_cast<std::uint64_t>(colour), 1);
  head += Number(0, 2) + Number(static_cast<std::uint64_t>(interlace), 1);
  return "\x89PNG\r\n\x1A\n" + PngChunk("IHDR", head) +
         (colour == 3 ? PngChunk("PLTE", "abcdefghijkl") + PngChunk("tRNS", "ab") : "") +
         PngChunk("gAMA", Number(45455, 4, true)) + PngChunk("IDAT", packed) + PngChunk("IEND", "");
}

std::string WebpRiff(const std::string& body) { return "RIFF" + Number(body.size(), 4) + body; }

std::string Webp(bool lossless) {
  const Image image = Picture(40, 30);
  std::uint8_t* data = nullptr;
  const std::size_t size = lossless
                               ? WebPEncodeLosslessRGBA(image.pixels.data(), 30, 30, 120, &data)
                               : WebPEncodeRGB(image.pixels.data(), 40, 30, 120, 70, &data);
  std::string bytes(reinterpret_cast<const char*>(data), size);
  WebPFree(data);
  return bytes;
}

std::string WebpAnimation() {
  const std::string frame = Webp(true).substr(12);
  const std::string place =
      Number(3, 3) + Number(2, 3) + Number(29, 3) + Number(29, 3) + Number(9, 4);
  const std::string body = "WEBPVP8X" + Number(10, 4) + Number(2, 4) + Number(49, 3) +
                           Number(39, 3) + "ANIM" + Number(6, 4) + Number(0, 6) + "ANMF" +
                           Number(place.size() + frame.size(), 4) + place + frame;
  return WebpRiff(body);
}

std::string Bmp(int bits, std::uint32_t compression) {
  const std::string palette = bits <= 8 ? std::string(std::size_t{4} << bits, 'c') : "";
  const std::string masks =
      compression == 3 ? Number(0xF800, 4) + Number(0x7E0, 4) + Number(0x1F, 4) : "";
  std::string pixels;
  for (int i = 0; i < 30 * 24 * 4; ++i) pixels += static_cast<char>(i * 7 % 61);
  return "BM" + Number(0, 8) + Number(54 + palette.size() + masks.size(), 4) + Number(40, 4) +
         Number(24, 4) + Number(30, 4) + Number(1, 2) +
         Number(static_cast<std::uint64_t>(bits), 2) + Number(compression, 4) + Number(0, 20) +
         masks + palette + pixels;
}

struct TiffKind {
  int bits;
  int samples;
  int photometric;
  int compression;
  int planar;
  int orientation;
};

std::string Tiff(const TiffKind& kind) {
  std::string data;
  for (int i = 0; i < 24 * 30 * kind.samples * kind.bits / 8; ++i)
    data += static_cast<char>(i % 97);
  if (kind.compression == 8) {
    uLongf size = compressBound(static_cast<uLong>(data.size()));
    std::string packed(size, '\0');
    compress(reinterpret_cast<Bytef*>(packed.data()), &size,
             reinterpret_cast<const Bytef*>(data.data()), static_cast<uLong>(data.size()));
    packed.resize(size);
    data = packed;
  }
  const std::string palette(768 * 2, 'p');
  const auto entry = [](int tag, int type, std::uint64_t count, std::uint64_t value) {
    return Number(static_cast<std::uint64_t>(tag), 2) +
           Number(static_cast<std::uint64_t>(type), 2) + Number(count, 4) + Number(value, 4);
  };
  const auto small = [&](int tag, int value) {
    return entry(tag, 3, 1, static_cast<std::uint64_t>(value));
  };
  const std::string entries =
      small(256, 24) + small(257, 30) + small(258, kind.bits) + small(259, kind.compression) +
      small(262, kind.photometric) + entry(273, 4, 1, 8) + small(274, kind.orientation) +
      small(277, kind.samples) + small(278, 30) + entry(279, 4, 1, data.size()) +
      small(284, kind.planar) +
      (kind.photometric == 3 ? entry(320, 3, 768, 8 + data.size()) : std::string());
  return "II" + Number(42, 2) + Number(8 + data.size() + palette.size(), 4) + data + palette +
         Number(entries.size() / 12, 2) + entries + Number(0, 4);
}

std::vector<std::string> ValidFiles() {
  std::vector<std::string> files{*EncodeJpeg(Picture(67, 45), 80), *EncodePng(Picture(31, 20), 6)};
  for (const int components : {1, 3, 4}) {
    files.push_back(Jpeg(components, false, components == 3 ? 2 : 0));
    files.push_back(Jpeg(components, true, 0));
  }
  for (const auto& [depth, colour] : std::vector<std::pair<int, int>>{{1, 0},
                                                                      {2, 0},
                                                                      {8, 0},
                                                                      {16, 0},
                                                                      {8, 2},
                                                                      {16, 2},
                                                                      {1, 3},
                                                                      {4, 3},
                                                                      {8, 3},
                                                                      {8, 4},
                                                                      {16, 6}}) {
    for (const int interlace : {0, 1}) files.push_back(Png(depth, colour, interlace));
  }
  files.insert(files.end(), {Webp(false), Webp(true), WebpAnimation()});
  for (const int bits : {1, 4, 8, 16, 24, 32}) files.push_back(Bmp(bits, 0));
  files.insert(files.end(), {Bmp(8, 1), Bmp(4, 2), Bmp(16, 3), Bmp(32, 3)});
  for (const int kind : {1, 2, 3, 4, 5, 6}) {
    const std::string head = "P" + std::to_string(kind) + "\n# x\n20 10\n";
    const std::string largest = kind == 1 || kind == 4 ? "" : kind == 5 ? "999 " : "255 ";
    std::string pixels(1200, '\3');
    for (std::size_t i = 0; kind <= 3 && i < pixels.size(); ++i) pixels[i] = i % 2 == 0 ? '1' : ' ';
    files.push_back(head + largest + pixels);
  }
  for (const TiffKind& kind : std::vector<TiffKind>{{8, 3, 2, 1, 1, 1},
                                                    {8, 4, 2, 8, 1, 6},
                                                    {16, 1, 1, 1, 1, 2},
                                                    {16, 3, 2, 5, 1, 1},
                                                    {8, 1, 3, 1, 1, 7},
                                                    {8, 3, 2, 1, 2, 1},
                                                    {8, 3, 6, 1, 1, 1},
                                                    {8, 4, 5, 32773, 1, 3},
                                                    {1, 1, 0, 4, 1, 1},
                                                    {1, 1, 0, 3, 1, 8},
                                                    {8, 3, 8, 1, 1, 5},
                                                    {32, 1, 1, 1, 1, 1},
                                                    {8, 3, 6, 7, 1, 1}}) {
    files.push_back(Tiff(kind));
  }
  return files;
}

// --- Damage ---

void DamageOnce(std::string& file, const std::vector<std::string>& others, Random& random) {
  if (file.empty()) return;
  // Headers are where sizes are; half of the damage goes there.
  const std::size_t reach =
      random.Chance(0.5) ? std::min<std::size_t>(file.size(), 120) : file.size();
  std::size_t at = Pick(random, reach);
  // The first bytes say which reader is asked; they are mostly left alone.
  if (at < 4 && file.size() > 4 && random.Chance(0.9)) at = 4 + Pick(random, file.size() - 4);
  switch (Pick(random, 8)) {
    case 0:
      file[at] = static_cast<char>(file[at] ^ 1 << Pick(random, 8));
      break;
    case 1:
      file[at] = static_cast<char>(random.Next32());
      break;
    case 2: {
      constexpr std::uint32_t kValues[] = {0,       1,          0x7F,       0x80,
                                           0xFF,    0x7FFF,     0x8000,     0xFFFF,
                                           0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
      const std::string value = Number(kValues[Pick(random, std::size(kValues))],
                                       random.Chance(0.5) ? 2 : 4, random.Chance(0.5));
      file.replace(at, std::min(value.size(), file.size() - at), value);
      break;
    }
    case 3:
      file.resize(at);
      break;
    case 4:
      file.erase(at, Pick(random, 40));
      break;
    case 5:
      file.insert(at, file.substr(Pick(random, file.size()), Pick(random, 60)));
      break;
    case 6: {
      const std::string& other = others[Pick(random, others.size())];
      file.insert(at, other.substr(Pick(random, other.size()), Pick(random, 60)));
      break;
    }
    default:
      for (std::size_t i = at; i < std::min(file.size(), at + 16); ++i) {
        file[i] = static_cast<char>(random.Next32());
      }
  }
}

// Without it nearly all damage to a PNG ends at the first wrong checksum.
void RightenPng(std::string& file) {
  std::size_t at = 8;
  while (at + 12 <= file.size()) {
    std::uint64_t size = 0;
    for (std::size_t i = 0; i < 4; ++i) size = size << 8 | static_cast<unsigned char>(file[at + i]);
    if (size > file.size() - at - 12) return;
    const auto* from = reinterpret_cast<const Bytef*>(file.data() + at + 4);
    file.replace(at + 8 + size, 4, Number(crc32(0, from, static_cast<uInt>(size + 4)), 4, true));
    at += 12 + size;
  }
}

// --- Reading ---

bool Fits(const Image& image) {
  return image.width > 0 && image.height > 0 &&
         image.pixels.size() ==
             static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) * 3;
}

bool ReadRegion(const std::string& file, const ImageInfo& info, const DecodeOptions& options,
                Random& random, JpegRegion& region) {
  Rect crop;
  crop.left = static_cast<int>(random.Integer(0, info.width));
  crop.top = static_cast<int>(random.Integer(0, info.height));
  crop.width = static_cast<int>(random.Integer(1, info.width - crop.left + 1));
  crop.height = static_cast<int>(random.Integer(1, info.height - crop.top + 1));
  if (!DecodeJpegRegion(file, crop, 8, 8, options, region)) return true;
  std::uint8_t out[8 * 8 * 3];
  Resizer().Resize(region.view, region.box, 8, 8, Filter::kBilinear, out, 24);
  return Fits(region.image);
}

// True: it kept its promises. `decoded` tells whether it was read.
bool ReadOne(const std::string& file, Random& random, JpegRegion& region, bool& is_decoded) {
  DecodeOptions options;
  options.limits.max_pixels = kMaxPixels;
  options.accept_truncated = random.Chance(0.8);
  const Result<ImageInfo> info = ProbeImage(file);
  const Result<DecodedImage> decoded = DecodeImage(file, options);
  is_decoded = decoded.has_value();
  if (decoded) {
    const bool kept = Fits(decoded->image) && decoded->image.pixels.size() / 3 <= kMaxPixels &&
                      (options.accept_truncated || !decoded->truncated) && info &&
                      info->width == decoded->image.width && info->height == decoded->image.height;
    if (!kept) return false;
  }
  if (IdentifyImage(file) != ImageFormat::kJpeg || !info || info->width <= 0 || info->height <= 0) {
    return true;
  }
  return ReadRegion(file, *info, options, random, region);
}

#ifndef ROOST_LIBFUZZER

int Main(std::uint64_t count, std::uint64_t seed) {
  const std::vector<std::string> valid = ValidFiles();
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> counts;  // decoded, refused
  JpegRegion region;
  for (std::uint64_t i = 0; i < count; ++i) {
    Random random(seed, 0, i);
    std::string file = valid[Pick(random, valid.size())];
    for (std::size_t n = random.Chance(0.5) ? 1 : Pick(random, 6) + 1; i >= valid.size() && n > 0;
         --n) {
      DamageOnce(file, valid, random);
    }
    if (i < valid.size()) file = valid[i];
    const ImageFormat format = IdentifyImage(file);
    if (format == ImageFormat::kPng && random.Chance(0.8)) RightenPng(file);

    bool decoded = false;
    const bool kept = ReadOne(file, random, region, decoded);
    auto& [good, bad] = counts[std::string(ToString(format))];
    ++(decoded ? good : bad);
    if (!kept) {
      std::printf("input %llu of seed %llu breaks a promise\n", static_cast<unsigned long long>(i),
                  static_cast<unsigned long long>(seed));
      return 1;
    }
  }
  for (const auto& [name, pair] : counts) {
    std::printf("%-8s %9llu decoded %9llu refused\n", name.c_str(),
                static_cast<unsigned long long>(pair.first),
                static_cast<unsigned long long>(pair.second));
  }
  return 0;
}

int WriteSeeds(const std::string& folder) {
  int number = 0;
  for (const std::string& file : ValidFiles()) {
    std::ofstream(folder + "/" + std::to_string(number++), std::ios::binary) << file;
  }
  return 0;
}

#endif

}  // namespace
}  // namespace roost::trainer

#ifdef ROOST_LIBFUZZER

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace roost::trainer;
  static JpegRegion region;
  const std::string file(reinterpret_cast<const char*>(data), size);
  Random random(std::hash<std::string>()(file), 0, 0);  // the same input is read in the same way
  bool decoded = false;
  if (!ReadOne(file, random, region, decoded)) std::abort();
  return 0;
}

#else

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::fprintf(stderr, "usage: decode_fuzz COUNT [SEED] | --seeds FOLDER\n");
    return 2;
  }
  if (std::string_view(argv[1]) == "--seeds") {
    return argc == 3 ? roost::trainer::WriteSeeds(argv[2]) : 2;
  }
  return roost::trainer::Main(std::strtoull(argv[1], nullptr, 10),
                              argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1);
}

#endif
