#include <tiffio.h>

#include <algorithm>
#include <cstdarg>
#include <memory>

#include "trainer/images/codecs.h"

namespace roost::trainer {
namespace {

// libtiff's callbacks over bytes in memory, and its last message.
struct Source {
  std::string_view bytes;
  std::uint64_t at = 0;
  char message[160] = {};
};

tmsize_t Read(thandle_t handle, void* to, tmsize_t count) {
  Source* source = static_cast<Source*>(handle);
  if (count <= 0 || source->at >= source->bytes.size()) return 0;
  const std::size_t got =
      std::min(static_cast<std::size_t>(count), source->bytes.size() - source->at);
  std::memcpy(to, source->bytes.data() + source->at, got);
  source->at += got;
  return static_cast<tmsize_t>(got);
}

toff_t Seek(thandle_t handle, toff_t offset, int whence) {
  Source* source = static_cast<Source*>(handle);
  const std::uint64_t base = whence == SEEK_CUR   ? source->at
                             : whence == SEEK_END ? source->bytes.size()
                                                  : 0;
  source->at = base + offset;
  return source->at;
}

int OnError(TIFF*, void* data, const char*, const char* format, va_list arguments) {
  Source* source = static_cast<Source*>(data);
  std::vsnprintf(source->message, sizeof source->message, format, arguments);
  return 1;
}
int OnWarning(TIFF*, void*, const char*, const char*, va_list) { return 1; }

struct Close {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};
using Tiff = std::unique_ptr<TIFF, Close>;

Tiff Open(Source& source, const DecodeLimits& limits) {
  const std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(TIFFOpenOptionsAlloc(),
                                                                             &TIFFOpenOptionsFree);
  // Eight bytes a pixel hold a strip of any picture that is read here.
  TIFFOpenOptionsSetMaxSingleMemAlloc(
      options.get(), static_cast<tmsize_t>(
                         std::min<std::uint64_t>(limits.max_pixels * 8 + (1 << 20), 1ULL << 32)));
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), &OnError, &source);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), &OnWarning, &source);
  return Tiff(TIFFClientOpenExt(
      "image", "rm", &source, &Read, [](thandle_t, void*, tmsize_t) -> tmsize_t { return 0; },
      &Seek, [](thandle_t) { return 0; },
      [](thandle_t handle) -> toff_t { return static_cast<Source*>(handle)->bytes.size(); },
      [](thandle_t, void**, toff_t*) { return 0; }, [](thandle_t, void*, toff_t) {},
      options.get()));
}

template <class T>
T Field(TIFF* tiff, std::uint32_t tag, T otherwise) {
  T value = otherwise;
  return TIFFGetFieldDefaulted(tiff, tag, &value) == 1 ? value : otherwise;
}

tl::unexpected<Error> Bad(const Source& source) {
  return BadImage(ImageFormat::kTiff,
                  source.message[0] != '\0' ? source.message : "its structure is damaged");
}

struct Layout {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint16_t bits = 1;
  std::uint16_t samples = 1;
  std::uint16_t photometric = PHOTOMETRIC_MINISBLACK;
  std::uint16_t orientation = ORIENTATION_TOPLEFT;
  bool plain = false;  // rows of whole samples that need no conversion of colours

  bool wide_gray() const {
    return plain && bits == 16 && samples == 1 && photometric == PHOTOMETRIC_MINISBLACK;
  }
};

Layout ReadLayout(TIFF* tiff) {
  Layout layout;
  TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &layout.width);
  TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &layout.height);
  layout.bits = Field<std::uint16_t>(tiff, TIFFTAG_BITSPERSAMPLE, 1);
  layout.samples = Field<std::uint16_t>(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
  TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &layout.photometric);
  layout.orientation = Field<std::uint16_t>(tiff, TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT);
  layout.plain =
      (layout.bits == 8 || layout.bits == 16) && TIFFIsTiled(tiff) == 0 &&
      Field<std::uint16_t>(tiff, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT) == SAMPLEFORMAT_UINT &&
      Field<std::uint16_t>(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) ==
          PLANARCONFIG_CONTIG &&
      ((layout.photometric == PHOTOMETRIC_RGB && layout.samples >= 3) ||
       layout.photometric == PHOTOMETRIC_MINISBLACK) &&
      layout.samples <= 16;
  return layout;
}

void ConvertRow(const std::vector<std::uint8_t>& row, const Layout& layout, std::uint8_t* to) {
  const bool wide = layout.bits == 16;
  const bool colour = layout.photometric == PHOTOMETRIC_RGB;
  const std::size_t step = layout.samples * (wide ? 2U : 1U);
  const std::uint8_t* from = row.data();
  for (std::uint32_t x = 0; x < layout.width; ++x, from += step, to += 3) {
    for (std::size_t c = 0; c < 3; ++c) {
      const std::size_t sample = colour ? c : 0;
      if (!wide) {
        to[c] = from[sample];
        continue;
      }
      std::uint16_t value;  // in this machine's byte order
      std::memcpy(&value, from + sample * 2, sizeof value);
      to[c] = static_cast<std::uint8_t>(value >> 8);
    }
  }
}

// Both readers give the rows as they are stored; the result is how many could be read.

int ReadPlain(TIFF* tiff, const Layout& layout, DecodedImage& decoded) {
  Image& image = decoded.image;
  const std::size_t needed =
      static_cast<std::size_t>(layout.width) * layout.samples * (layout.bits / 8U);
  if (TIFFScanlineSize64(tiff) < needed) return 0;
  std::vector<std::uint8_t> row(TIFFScanlineSize64(tiff));
  std::vector<std::uint16_t> gray;
  if (layout.wide_gray()) gray.resize(image.pixels.size() / 3);
  int y = 0;
  for (; y < image.height; ++y) {
    if (TIFFReadScanline(tiff, row.data(), static_cast<std::uint32_t>(y)) != 1) break;
    if (gray.empty()) {
      ConvertRow(row, layout, image.Row(y));
    } else {
      std::memcpy(gray.data() + static_cast<std::size_t>(y) * layout.width, row.data(), needed);
    }
  }
  if (!gray.empty()) NarrowGray(gray, decoded);
  return y;
}

int ReadAny(TIFF* tiff, const Layout& layout, Image& image) {
  std::vector<std::uint32_t> raster(static_cast<std::size_t>(layout.width) * layout.height);
  // Asking for the orientation that the file has means no change.
  if (TIFFReadRGBAImageOriented(tiff, layout.width, layout.height, raster.data(),
                                layout.orientation, /*stop_on_error=*/1) != 1) {
    return 0;
  }
  std::uint8_t* to = image.pixels.data();
  for (const std::uint32_t value : raster) {
    *to++ = static_cast<std::uint8_t>(TIFFGetR(value));
    *to++ = static_cast<std::uint8_t>(TIFFGetG(value));
    *to++ = static_cast<std::uint8_t>(TIFFGetB(value));
  }
  return image.height;
}

// Turns a picture upright; TIFF's numbers 1 to 8 say which corner its first row and column have.
Image Upright(const Image& image, int orientation) {
  const bool swaps = orientation >= 5;
  const bool mirrors = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const bool turns = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  Image upright =
      Image::Blank(swaps ? image.height : image.width, swaps ? image.width : image.height);
  for (int y = 0; y < upright.height; ++y) {
    for (int x = 0; x < upright.width; ++x) {
      // Mirroring and turning are of the picture as it will be seen.
      const int seen_x = mirrors ? upright.width - 1 - x : x;
      const int seen_y = turns ? upright.height - 1 - y : y;
      const std::uint8_t* from = image.Row(swaps ? seen_x : seen_y) +
                                 static_cast<std::size_t>(swaps ? seen_y : seen_x) * 3;
      std::copy_n(from, 3, upright.Row(y) + static_cast<std::size_t>(x) * 3);
    }
  }
  return upright;
}

}  // namespace

Result<ImageInfo> ProbeTiff(std::string_view bytes) {
  Source source{bytes};
  const Tiff tiff = Open(source, {});
  if (tiff == nullptr) return Bad(source);
  const Layout layout = ReadLayout(tiff.get());
  ROOST_TRY(CheckSize(layout.width, layout.height, ImageFormat::kTiff, {1ULL << 60, 0}));
  const int width = static_cast<int>(layout.width);
  const int height = static_cast<int>(layout.height);
  const bool swaps = layout.orientation >= 5 && layout.orientation <= 8;
  return ImageInfo{swaps ? height : width, swaps ? width : height, ImageFormat::kTiff,
                   layout.wide_gray()};
}

Result<DecodedImage> DecodeTiff(std::string_view bytes, const DecodeOptions& options) {
  Source source{bytes};
  const Tiff tiff = Open(source, options.limits);
  if (tiff == nullptr) return Bad(source);
  const Layout layout = ReadLayout(tiff.get());
  ROOST_TRY(CheckSize(layout.width, layout.height, ImageFormat::kTiff, options.limits));
  DecodedImage decoded;
  decoded.format = ImageFormat::kTiff;
  decoded.image = Image::Blank(static_cast<int>(layout.width), static_cast<int>(layout.height));
  const int rows = layout.plain ? ReadPlain(tiff.get(), layout, decoded)
                                : ReadAny(tiff.get(), layout, decoded.image);
  if (rows == 0) return Bad(source);
  if (layout.orientation >= 2 && layout.orientation <= 8) {
    decoded.image = Upright(decoded.image, layout.orientation);
  }
  if (rows < static_cast<int>(layout.height)) {
    return Truncated(std::move(decoded), "its data end early or are damaged", options);
  }
  return decoded;
}

}  // namespace roost::trainer
