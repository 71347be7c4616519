#include <algorithm>
#include <csetjmp>
#include <cstdio>

// jpeglib.h needs size_t and FILE from above it.
#include <jpeglib.h>
// After jpeglib.h.
#include <jerror.h>

#include "base/check.h"
#include "trainer/images/codecs.h"

namespace roost::trainer {
namespace {

// A hostile progressive file may ask for thousands of passes over a large picture.
constexpr int kMostScans = 500;
// Columns and rows decoded beyond a crop: smooth chroma upsampling looks one sample (two pixels) to
// each side, and treats the first and last decoded ones as edges of the picture.
constexpr int kMargin = 2;
// libjpeg-turbo upsamples pictures that are only a few pixels wide in another way.
constexpr int kLeastWidth = 32;

// One decompressor. libjpeg reports errors by longjmp, so each method that calls it is a frame of
// trivial locals with its own setjmp; memory lives with the callers.
class JpegReader {
 public:
  JpegReader() {
    jpeg_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = [](j_common_ptr jpeg) {
      Errors* errors = reinterpret_cast<Errors*>(jpeg->err);
      jpeg->err->format_message(jpeg, errors->message);
      std::longjmp(errors->jump, 1);
    };
    errors_.base.emit_message = [](j_common_ptr jpeg, int level) {
      if (level < 0 && IsDamage(jpeg->err->msg_code)) {
        reinterpret_cast<Errors*>(jpeg->err)->damaged = true;
      }
    };
    errors_.base.output_message = [](j_common_ptr) {};
  }
  ~JpegReader() {
    if (created_) jpeg_destroy_decompress(&jpeg_);
  }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  bool ReadHeader(std::string_view bytes) {
    if (setjmp(errors_.jump) != 0) return false;
    jpeg_create_decompress(&jpeg_);
    created_ = true;
    watch_.progress_monitor = [](j_common_ptr jpeg) {
      if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number <= kMostScans) return;
      Errors* errors = reinterpret_cast<Errors*>(jpeg->err);
      std::snprintf(errors->message, sizeof errors->message, "it has more than %d scans",
                    kMostScans);
      std::longjmp(errors->jump, 1);
    };
    jpeg_.progress = &watch_;
    jpeg_mem_src(&jpeg_, Unsigned(bytes), bytes.size());
    jpeg_read_header(&jpeg_, TRUE);
    return true;
  }

  // Chooses colours and scale and starts; a progressive file is read to its end here.
  bool Start(int scale) {
    if (setjmp(errors_.jump) != 0) return false;
    jpeg_.out_color_space = IsFourColour() ? JCS_CMYK : JCS_RGB;
    jpeg_.dct_method = JDCT_ISLOW;
    jpeg_.do_fancy_upsampling = TRUE;
    jpeg_.scale_num = 1;
    jpeg_.scale_denom = static_cast<unsigned>(scale);
    jpeg_start_decompress(&jpeg_);
    return true;
  }

  // Narrows the output to the columns from *left on; libjpeg moves both to where it can begin.
  bool CropColumns(int* left, int* width) {
    if (setjmp(errors_.jump) != 0) return false;
    JDIMENSION first = static_cast<JDIMENSION>(*left);
    JDIMENSION count = static_cast<JDIMENSION>(*width);
    jpeg_crop_scanline(&jpeg_, &first, &count);
    *left = static_cast<int>(first);
    *width = static_cast<int>(count);
    return true;
  }

  bool SkipRows(int count) {
    if (setjmp(errors_.jump) != 0) return false;
    const JDIMENSION wanted = static_cast<JDIMENSION>(count);
    return jpeg_skip_scanlines(&jpeg_, wanted) == wanted;
  }

  // Reads up to `count` rows of three bytes a pixel. `four` is room for one row of four colours.
  // *done says how many were read, also when it fails.
  bool ReadRows(std::uint8_t* out, std::size_t stride, int count, std::uint8_t* four, int* done) {
    if (setjmp(errors_.jump) != 0) return false;
    for (*done = 0; *done < count; ++*done) {
      std::uint8_t* row = out + static_cast<std::size_t>(*done) * stride;
      JSAMPROW into = IsFourColour() ? four : row;
      if (jpeg_read_scanlines(&jpeg_, &into, 1) != 1) return false;
      if (IsFourColour()) ConvertInvertedCmyk(four, row, width());
    }
    return true;
  }

  bool IsFourColour() const { return jpeg_.num_components == 4; }
  bool IsProgressive() const { return jpeg_.progressive_mode != FALSE; }
  int components() const { return jpeg_.num_components; }
  int image_width() const { return static_cast<int>(jpeg_.image_width); }
  int image_height() const { return static_cast<int>(jpeg_.image_height); }
  int width() const { return static_cast<int>(jpeg_.output_width); }
  int height() const { return static_cast<int>(jpeg_.output_height); }
  bool damaged() const { return errors_.damaged; }
  const char* message() const { return errors_.message; }

 private:
  struct Errors {
    jpeg_error_mgr base;  // first, so that libjpeg's pointer to it is one to us
    std::jmp_buf jump;
    char message[JMSG_LENGTH_MAX];
    bool damaged;
  };

  static bool IsDamage(int code) {
    return code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE ||
           code == JWRN_MUST_RESYNC || code == JWRN_ARITH_BAD_CODE ||
           code == JWRN_BOGUS_PROGRESSION;
  }

  // Adobe's programs write 255 minus the ink, and all others have followed.
  static void ConvertInvertedCmyk(const std::uint8_t* from, std::uint8_t* to, int width) {
    for (int x = 0; x < width; ++x, from += 4, to += 3) {
      const int light = from[3];  // 255 - black
      for (int c = 0; c < 3; ++c) {
        const int product = (255 - from[c]) * light + 128;
        to[c] = static_cast<std::uint8_t>(light - ((product + (product >> 8)) >> 8));
      }
    }
  }

  jpeg_decompress_struct jpeg_{};
  jpeg_progress_mgr watch_{};
  Errors errors_{};
  bool created_ = false;
};

Status OpenJpeg(std::string_view bytes, const DecodeOptions& options, JpegReader& reader) {
  if (!reader.ReadHeader(bytes)) return BadImage(ImageFormat::kJpeg, reader.message());
  ROOST_TRY(
      CheckSize(reader.image_width(), reader.image_height(), ImageFormat::kJpeg, options.limits));
  if (reader.components() == 1 || reader.components() == 3 || reader.components() == 4) return {};
  return BadImage(ImageFormat::kJpeg,
                  "it has " + std::to_string(reader.components()) + " colour components");
}

// Reads `rows` rows into `image`. True: the data ended early or were damaged.
Result<bool> ReadInto(JpegReader& reader, int rows, const DecodeOptions& options, Image& image) {
  image.width = reader.width();
  image.height = rows;
  const std::size_t stride = static_cast<std::size_t>(image.width) * 3;
  image.pixels.resize(stride * static_cast<std::size_t>(rows));
  std::vector<std::uint8_t> four;
  if (reader.IsFourColour()) four.resize(static_cast<std::size_t>(image.width) * 4);
  int done = 0;
  const bool complete = reader.ReadRows(image.pixels.data(), stride, rows, four.data(), &done);
  if (!complete) {
    if (!options.accept_truncated || done == 0) {
      return BadImage(ImageFormat::kJpeg, reader.message());
    }
    std::fill(image.Row(done), image.pixels.data() + image.pixels.size(), std::uint8_t{0});
  } else if (reader.damaged() && !options.accept_truncated) {
    return BadImage(ImageFormat::kJpeg, "its data end early or are damaged");
  }
  return !complete || reader.damaged();
}

int CeilDivide(int value, int by) { return (value + by - 1) / by; }

int ChooseScale(const Rect& crop, int min_width, int min_height) {
  int scale = 8;
  while (scale > 1 && (crop.width / scale < min_width || crop.height / scale < min_height)) {
    scale /= 2;
  }
  return scale;
}

}  // namespace

Result<ImageInfo> ProbeJpeg(std::string_view bytes) {
  JpegReader reader;
  if (!reader.ReadHeader(bytes)) return BadImage(ImageFormat::kJpeg, reader.message());
  return ImageInfo{reader.image_width(), reader.image_height(), ImageFormat::kJpeg};
}

Result<DecodedImage> DecodeJpeg(std::string_view bytes, const DecodeOptions& options) {
  JpegReader reader;
  ROOST_TRY(OpenJpeg(bytes, options, reader));
  if (!reader.Start(1)) return BadImage(ImageFormat::kJpeg, reader.message());
  DecodedImage decoded;
  decoded.format = ImageFormat::kJpeg;
  ROOST_ASSIGN(decoded.truncated, ReadInto(reader, reader.height(), options, decoded.image));
  return decoded;
}

Status DecodeJpegRegion(std::string_view bytes, const Rect& crop, int min_width, int min_height,
                        const DecodeOptions& options, JpegRegion& region) {
  JpegReader reader;
  ROOST_TRY(OpenJpeg(bytes, options, reader));
  // The caller had the size from somewhere else; the file may have changed since.
  if (crop.left < 0 || crop.top < 0 || crop.width <= 0 || crop.height <= 0 ||
      crop.width > reader.image_width() - crop.left ||
      crop.height > reader.image_height() - crop.top) {
    return Fail(ErrorCode::kInvalidArgument,
                "The crop is outside the image of " + std::to_string(reader.image_width()) + " x " +
                    std::to_string(reader.image_height()) + " pixels.");
  }
  const int scale = ChooseScale(crop, std::max(min_width, 1), std::max(min_height, 1));
  if (!reader.Start(scale)) return BadImage(ImageFormat::kJpeg, reader.message());

  // The crop in pixels of the output, outwards to whole ones.
  const int right = std::min(CeilDivide(crop.left + crop.width, scale), reader.width());
  const int bottom = std::min(CeilDivide(crop.top + crop.height, scale), reader.height());
  int left = 0;
  int top = 0;
  int rows = reader.height();
  if (!reader.IsProgressive() && !reader.IsFourColour()) {
    left = std::max(0, crop.left / scale - kMargin);
    int width = std::min(reader.width(), right + kMargin) - left;
    if (width < kLeastWidth) {
      left = std::max(0, std::min(left, reader.width() - kLeastWidth));
      width = std::min(kLeastWidth, reader.width() - left);
    }
    if (!reader.CropColumns(&left, &width)) return BadImage(ImageFormat::kJpeg, reader.message());
    top = std::max(0, crop.top / scale - kMargin);
    if (top > 0 && !reader.SkipRows(top)) return BadImage(ImageFormat::kJpeg, reader.message());
    rows = bottom - top;
  }
  ROOST_ASSIGN(region.truncated, ReadInto(reader, rows, options, region.image));

  region.scale = scale;
  const Rect inner{crop.left / scale - left, crop.top / scale - top, right - crop.left / scale,
                   bottom - crop.top / scale};
  region.view = ViewOf(ViewOf(region.image), inner);
  const double by = scale;
  region.box = {crop.left / by - crop.left / scale, crop.top / by - crop.top / scale, 0, 0};
  region.box.right = std::min(region.box.left + crop.width / by, double(inner.width));
  region.box.bottom = std::min(region.box.top + crop.height / by, double(inner.height));
  return {};
}

}  // namespace roost::trainer
