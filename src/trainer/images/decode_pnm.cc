#include <algorithm>
#include <cmath>

#include "trainer/images/codecs.h"

// Netpbm: P1 to P3 in text, P4 to P6 in bytes.
namespace roost::trainer {
namespace {

struct Header {
  char kind = '1';  // '1' to '6'
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::uint32_t largest = 1;  // the value that is white
  std::size_t pixels = 0;     // offset

  bool text() const { return kind <= '3'; }
  bool bits() const { return kind == '1' || kind == '4'; }
  bool wide_gray() const { return channels() == 1 && largest > 255; }
  int channels() const { return kind == '3' || kind == '6' ? 3 : 1; }
};

tl::unexpected<Error> Bad(std::string_view reason) { return BadImage(ImageFormat::kPnm, reason); }

bool IsBlank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Reads numbers between blanks and comments.
class Tokens {
 public:
  Tokens(std::string_view bytes, std::size_t at) : bytes_(bytes), at_(at) {}

  // False at the end and at what is not a number of up to ten digits. Leaves the one blank after
  // it.
  bool Next(std::int64_t& value) {
    SkipBlanks();
    std::size_t digits = 0;
    for (value = 0; at_ < bytes_.size() && IsDigit(bytes_[at_]); ++at_) {
      if (++digits > 10) return false;
      value = value * 10 + (bytes_[at_] - '0');
    }
    return digits > 0;
  }
  // Pixels of P1 may stand without blanks between them.
  bool NextBit(std::int64_t& value) {
    SkipBlanks();
    if (at_ >= bytes_.size() || (bytes_[at_] != '0' && bytes_[at_] != '1')) return false;
    value = bytes_[at_++] - '0';
    return true;
  }
  std::size_t at() const { return at_; }
  bool AtEnd() const { return at_ >= bytes_.size(); }

 private:
  static bool IsDigit(char c) { return c >= '0' && c <= '9'; }
  void SkipBlanks() {
    for (; at_ < bytes_.size(); ++at_) {
      if (bytes_[at_] == '#') {
        while (at_ < bytes_.size() && bytes_[at_] != '\n' && bytes_[at_] != '\r') ++at_;
      } else if (!IsBlank(bytes_[at_])) {
        return;
      }
    }
  }

  std::string_view bytes_;
  std::size_t at_;
};

Result<Header> ReadHeader(std::string_view bytes) {
  Header header;
  header.kind = bytes[1];
  Tokens tokens(bytes, 2);
  if (!tokens.Next(header.width) || !tokens.Next(header.height)) {
    return Bad("its header has no width and height");
  }
  if (!header.bits()) {
    std::int64_t largest = 0;
    if (!tokens.Next(largest) || largest < 1 || largest > 65535) {
      return Bad("its header has no largest value from 1 to 65535");
    }
    header.largest = static_cast<std::uint32_t>(largest);
  }
  header.pixels = std::min(tokens.at() + 1, bytes.size());  // one blank ends the header
  return header;
}

std::uint8_t ToByte(std::uint32_t value, const Header& header) {
  // To the nearest, ties to even, as Python's round().
  const double scaled = std::nearbyint(static_cast<double>(value) / header.largest * 255);
  return static_cast<std::uint8_t>(std::min(scaled, 255.0));
}

void Put(std::uint8_t value, std::size_t sample, int channels, Image& image) {
  if (channels == 3) {
    image.pixels[sample] = value;
  } else {
    std::fill_n(image.pixels.begin() + static_cast<std::ptrdiff_t>(sample * 3), 3, value);
  }
}

// Each reader fills `image`; false when the data end early.

Result<bool> ReadText(std::string_view bytes, const Header& header, Image& image) {
  Tokens tokens(bytes, header.pixels);
  const std::size_t samples = image.pixels.size() / 3 * static_cast<std::size_t>(header.channels());
  for (std::size_t i = 0; i < samples; ++i) {
    std::int64_t value = 0;
    if (!(header.bits() ? tokens.NextBit(value) : tokens.Next(value))) {
      if (tokens.AtEnd()) return false;
      return Bad("a pixel is not a number");
    }
    if (value > header.largest) return Bad("a pixel is larger than the header allows");
    const std::uint32_t sample = static_cast<std::uint32_t>(value);
    Put(header.bits() ? (sample == 0 ? 255 : 0) : ToByte(sample, header), i, header.channels(),
        image);
  }
  return true;
}

bool ReadBits(std::string_view data, Image& image) {
  const std::size_t step = (static_cast<std::size_t>(image.width) + 7) / 8;
  for (int y = 0; y < image.height; ++y) {
    if (data.size() < step) return false;
    for (int x = 0; x < image.width; ++x) {
      const bool black = (ByteAt(data, static_cast<std::size_t>(x) / 8) >> (7 - x % 8) & 1) != 0;
      std::fill_n(image.Row(y) + static_cast<std::size_t>(x) * 3, 3,
                  black ? std::uint8_t{0} : std::uint8_t{255});
    }
    data.remove_prefix(step);
  }
  return true;
}

bool ReadBytes(std::string_view data, const Header& header, Image& image) {
  const std::size_t samples = image.pixels.size() / 3 * static_cast<std::size_t>(header.channels());
  const std::size_t wide = header.largest > 255 ? 2 : 1;
  const std::size_t there = std::min(samples, data.size() / wide);
  for (std::size_t i = 0; i < there; ++i) {
    const std::uint32_t value =
        wide == 1 ? ByteAt(data, i) : ByteAt(data, 2 * i) << 8 | ByteAt(data, 2 * i + 1);
    Put(ToByte(value, header), i, header.channels(), image);
  }
  return there == samples;
}

}  // namespace

Result<ImageInfo> ProbePnm(std::string_view bytes) {
  ROOST_ASSIGN(const Header header, ReadHeader(bytes));
  ROOST_TRY(CheckSize(header.width, header.height, ImageFormat::kPnm, {1ULL << 60, 0}));
  return ImageInfo{static_cast<int>(header.width), static_cast<int>(header.height),
                   ImageFormat::kPnm, header.wide_gray()};
}

Result<DecodedImage> DecodePnm(std::string_view bytes, const DecodeOptions& options) {
  ROOST_ASSIGN(const Header header, ReadHeader(bytes));
  ROOST_TRY(CheckSize(header.width, header.height, ImageFormat::kPnm, options.limits));
  DecodedImage decoded;
  decoded.format = ImageFormat::kPnm;
  decoded.image = Image::Blank(static_cast<int>(header.width), static_cast<int>(header.height));
  bool complete = false;
  if (header.text()) {
    ROOST_ASSIGN(complete, ReadText(bytes, header, decoded.image));
  } else if (header.bits()) {
    complete = ReadBits(bytes.substr(header.pixels), decoded.image);
  } else {
    complete = ReadBytes(bytes.substr(header.pixels), header, decoded.image);
  }
  if (header.wide_gray()) decoded.largest_gray = header.largest;
  if (!complete) return Truncated(std::move(decoded), "its data end early", options);
  return decoded;
}

}  // namespace roost::trainer
