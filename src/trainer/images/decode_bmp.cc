#include <algorithm>
#include <array>
#include <bit>

#include "trainer/images/codecs.h"

// Windows bitmaps: headers of 12 bytes (OS/2) and of 40 to 124; 1, 4 and 8 bits with a palette,
// RLE4 and RLE8, 16, 24 and 32 bits, the first and last also with masks.
namespace roost::trainer {
namespace {

constexpr std::size_t kFileHeader = 14;

struct Header {
  std::int64_t width = 0;
  std::int64_t height = 0;
  bool bottom_up = true;
  unsigned bits = 0;
  bool run_length = false;
  std::array<std::uint32_t, 3> masks{};  // red, green, blue; of 16 and 32 bits
  std::size_t palette = 0;               // offset, and bytes and number of its entries
  std::size_t palette_step = 4;
  std::size_t colours = 0;
  std::size_t pixels = 0;  // offset
};

tl::unexpected<Error> Bad(std::string_view reason) { return BadImage(ImageFormat::kBmp, reason); }

// Its size; the layout of the masks, the palette and the pixels is the next function's.
Result<Header> ReadSize(std::string_view bytes) {
  if (bytes.size() < kFileHeader + 12) return Bad("its header ends early");
  const std::uint32_t size = Little32(bytes, kFileHeader);
  Header header;
  if (size == 12) {
    header.width = Little16(bytes, 18);
    header.height = Little16(bytes, 20);
    header.bits = Little16(bytes, 24);
    header.palette_step = 3;
    return header;
  }
  if (size < 40 || size > 124) return Bad("its header has " + std::to_string(size) + " bytes");
  if (bytes.size() < kFileHeader + size) return Bad("its header ends early");
  header.width = static_cast<std::int32_t>(Little32(bytes, 18));
  header.height = static_cast<std::int32_t>(Little32(bytes, 22));
  header.bottom_up = header.height >= 0;
  if (!header.bottom_up) header.height = -header.height;
  header.bits = Little16(bytes, 28);
  return header;
}

Result<Header> ReadHeader(std::string_view bytes) {
  ROOST_ASSIGN(Header header, ReadSize(bytes));
  const std::size_t size = Little32(bytes, kFileHeader);
  const std::uint32_t compression = size == 12 ? 0 : Little32(bytes, 30);
  const std::uint32_t colours = size == 12 ? 0 : Little32(bytes, 46);
  std::size_t after = kFileHeader + size;

  if (header.bits == 16) header.masks = {0x7C00, 0x3E0, 0x1F};
  if (header.bits == 32) header.masks = {0xFF0000, 0xFF00, 0xFF};
  constexpr std::uint32_t kPlain = 0, kRle8 = 1, kRle4 = 2, kMasks = 3;
  if (compression == kMasks && (header.bits == 16 || header.bits == 32)) {
    if (bytes.size() < kFileHeader + 52) return Bad("its header ends early");
    for (std::size_t i = 0; i < 3; ++i) header.masks[i] = Little32(bytes, 54 + 4 * i);
    if (size == 40) after += 12;
  } else if ((compression == kRle8 && header.bits == 8) ||
             (compression == kRle4 && header.bits == 4)) {
    header.run_length = true;
  } else if (compression != kPlain && !(compression == kMasks && header.bits == 24)) {
    return Bad("its compression " + std::to_string(compression) + " is not supported with " +
               std::to_string(header.bits) + " bits");
  }

  if (header.bits == 1 || header.bits == 4 || header.bits == 8) {
    header.palette = after;
    header.colours = colours == 0 ? std::size_t{1} << header.bits : colours;
    if (header.colours > 65536) return Bad("its palette is too long");
    after += header.colours * header.palette_step;
    header.colours = std::min<std::size_t>(header.colours, 256);
  } else if (header.bits != 16 && header.bits != 24 && header.bits != 32) {
    return Bad(std::to_string(header.bits) + " bits a pixel are not supported");
  }
  header.pixels = Little32(bytes, 10);
  if (header.pixels == 0) header.pixels = after;
  if (header.pixels > bytes.size()) return Bad("its data end before the pixels");
  return header;
}

using Palette = std::array<std::array<std::uint8_t, 3>, 256>;

Palette ReadPalette(std::string_view bytes, const Header& header) {
  Palette palette{};
  for (std::size_t i = 0; i < header.colours; ++i) {
    const std::size_t at = header.palette + i * header.palette_step;
    if (at + 3 > bytes.size()) break;
    for (std::size_t c = 0; c < 3; ++c) palette[i][c] = Unsigned(bytes)[at + 2 - c];
  }
  return palette;
}

// The part of a value that a mask selects, stretched to 0..255 as Pillow does, rounding down.
struct Channel {
  explicit Channel(std::uint32_t mask)
      : mask_(mask), shift_(mask == 0 ? 0 : std::countr_zero(mask)) {
    largest_ = mask_ >> shift_;
  }
  std::uint8_t Of(std::uint32_t value) const {
    if (largest_ == 0) return 0;
    return static_cast<std::uint8_t>(std::uint64_t{(value & mask_) >> shift_} * 255 / largest_);
  }

 private:
  std::uint32_t mask_;
  int shift_;
  std::uint32_t largest_ = 0;
};

void ReadIndexedRow(std::string_view row, unsigned bits, const Palette& palette, int width,
                    std::uint8_t* to) {
  for (int x = 0; x < width; ++x, to += 3) {
    const unsigned bit = static_cast<unsigned>(x) * bits;
    const unsigned index = ByteAt(row, bit / 8) >> (8 - bits - bit % 8) & ((1U << bits) - 1);
    std::copy(palette[index].begin(), palette[index].end(), to);
  }
}

void ReadColourRow(std::string_view row, unsigned bits, const std::array<Channel, 3>& channels,
                   int width, std::uint8_t* to) {
  for (int x = 0; x < width; ++x, to += 3) {
    const std::size_t at = static_cast<std::size_t>(x) * bits / 8;
    if (bits == 24) {
      for (std::size_t c = 0; c < 3; ++c) to[c] = Unsigned(row)[at + 2 - c];
      continue;
    }
    const std::uint32_t value = bits == 16 ? Little16(row, at) : Little32(row, at);
    for (std::size_t c = 0; c < 3; ++c) to[c] = channels[c].Of(value);
  }
}

// Fills `image`; false when the data end early.
bool ReadRows(std::string_view data, const Header& header, const Palette& palette, Image& image) {
  const std::size_t step = (static_cast<std::size_t>(header.width) * header.bits + 31) / 32 * 4;
  const std::size_t needed = (static_cast<std::size_t>(header.width) * header.bits + 7) / 8;
  const std::array<Channel, 3> channels{Channel(header.masks[0]), Channel(header.masks[1]),
                                        Channel(header.masks[2])};
  for (int i = 0; i < image.height; ++i) {
    const std::size_t at = static_cast<std::size_t>(i) * step;
    if (at > data.size() || needed > data.size() - at) return false;
    std::uint8_t* to = image.Row(header.bottom_up ? image.height - 1 - i : i);
    if (header.bits <= 8) {
      ReadIndexedRow(data.substr(at), header.bits, palette, image.width, to);
    } else {
      ReadColourRow(data.substr(at), header.bits, channels, image.width, to);
    }
  }
  return true;
}

// Pixels of a run-length coded picture, as indices in the file's order of rows.
class RunLengthReader {
 public:
  RunLengthReader(std::string_view data, const Header& header)
      : data_(data), width_(static_cast<std::size_t>(header.width)), four_bits_(header.bits == 4) {
    indices_.resize(width_ * static_cast<std::size_t>(header.height));
  }

  // False when the data end before the mark of their end.
  bool Read() {
    while (row_ * width_ < indices_.size()) {
      if (data_.size() < 2) return false;
      const unsigned count = ByteAt(data_, 0);
      const unsigned value = ByteAt(data_, 1);
      data_.remove_prefix(2);
      if (count > 0) {
        for (unsigned i = 0; i < count; ++i) Put(four_bits_ ? Nibble(value, i) : value);
      } else if (value == 0) {
        x_ = 0;
        ++row_;
      } else if (value == 1) {
        return true;
      } else if (value == 2) {
        if (data_.size() < 2) return false;
        x_ += ByteAt(data_, 0);
        row_ += ByteAt(data_, 1);
        data_.remove_prefix(2);
      } else if (!ReadLiteral(value)) {
        return false;
      }
    }
    return true;
  }
  std::uint8_t Index(int x, int row) const {
    return indices_[static_cast<std::size_t>(row) * width_ + static_cast<std::size_t>(x)];
  }

 private:
  static unsigned Nibble(unsigned value, unsigned i) {
    return i % 2 == 0 ? value >> 4 : value & 15;
  }

  bool ReadLiteral(unsigned count) {
    const std::size_t size = four_bits_ ? (count + 1) / 2 : count;
    if (size > data_.size()) return false;
    for (unsigned i = 0; i < count; ++i) {
      Put(four_bits_ ? Nibble(ByteAt(data_, i / 2), i) : ByteAt(data_, i));
    }
    data_.remove_prefix(std::min(size + size % 2, data_.size()));
    return true;
  }

  void Put(unsigned index) {
    const std::size_t at = row_ * width_ + x_;
    if (x_ < width_ && at < indices_.size()) indices_[at] = static_cast<std::uint8_t>(index);
    ++x_;
  }

  std::string_view data_;
  std::size_t width_;
  bool four_bits_;
  std::vector<std::uint8_t> indices_;
  std::size_t x_ = 0;
  std::size_t row_ = 0;
};

bool ReadRuns(std::string_view data, const Header& header, const Palette& palette, Image& image) {
  RunLengthReader reader(data, header);
  const bool complete = reader.Read();
  for (int i = 0; i < image.height; ++i) {
    std::uint8_t* to = image.Row(header.bottom_up ? image.height - 1 - i : i);
    for (int x = 0; x < image.width; ++x, to += 3) {
      const auto& colour = palette[reader.Index(x, i)];
      std::copy(colour.begin(), colour.end(), to);
    }
  }
  return complete;
}

}  // namespace

Result<ImageInfo> ProbeBmp(std::string_view bytes) {
  ROOST_ASSIGN(const Header header, ReadSize(bytes));
  ROOST_TRY(CheckSize(header.width, header.height, ImageFormat::kBmp, {1ULL << 60, 0}));
  return ImageInfo{static_cast<int>(header.width), static_cast<int>(header.height),
                   ImageFormat::kBmp};
}

Result<DecodedImage> DecodeBmp(std::string_view bytes, const DecodeOptions& options) {
  ROOST_ASSIGN(const Header header, ReadHeader(bytes));
  ROOST_TRY(CheckSize(header.width, header.height, ImageFormat::kBmp, options.limits));
  DecodedImage decoded;
  decoded.format = ImageFormat::kBmp;
  decoded.image = Image::Blank(static_cast<int>(header.width), static_cast<int>(header.height));
  const Palette palette = ReadPalette(bytes, header);
  const std::string_view data = bytes.substr(header.pixels);
  const bool complete = header.run_length ? ReadRuns(data, header, palette, decoded.image)
                                          : ReadRows(data, header, palette, decoded.image);
  if (!complete) return Truncated(std::move(decoded), "its data end early", options);
  return decoded;
}

}  // namespace roost::trainer
