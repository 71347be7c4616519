#include <png.h>

#include <algorithm>
#include <csetjmp>

#include "trainer/images/codecs.h"

namespace roost::trainer {
namespace {

// One reader. libpng reports errors by longjmp, so each method that calls it is a frame of trivial
// locals with its own setjmp; memory lives with the callers.
class PngReader {
 public:
  explicit PngReader(std::string_view bytes) : left_(bytes) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, &OnError, &OnWarning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  bool ReadHeader() {
    if (png_ == nullptr || info_ == nullptr) {
      SetMessage("no memory");
      return false;
    }
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_read_fn(png_, this, &OnRead);
    // How much is read at once; what remains of a file that ends early is lost, so it is little.
    png_set_compression_buffer_size(png_, 512);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // CheckSize sees to it
    png_read_info(png_, info_);
    return true;
  }

  // Makes rows of three bytes a pixel, or for 16-bit gray of one 16-bit value, high byte first.
  bool Start() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_expand_gray_1_2_4_to_8(png_);
    png_set_palette_to_rgb(png_);
    if (!IsWideGray()) {
      png_set_strip_16(png_);
      png_set_strip_alpha(png_);
      png_set_gray_to_rgb(png_);
    }
    passes_ = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return png_get_rowbytes(png_, info_) == RowBytes();
  }

  // *done counts the rows read in all passes, also when it fails.
  bool ReadRows(std::uint8_t* out, std::size_t stride, std::int64_t* done) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    for (int pass = 0; pass < passes_; ++pass) {
      for (int y = 0; y < height(); ++y, ++*done) {
        png_read_row(png_, out + static_cast<std::size_t>(y) * stride, nullptr);
      }
    }
    return true;
  }

  bool IsWideGray() const {
    return png_get_color_type(png_, info_) == PNG_COLOR_TYPE_GRAY &&
           png_get_bit_depth(png_, info_) == 16;
  }
  std::size_t RowBytes() const {
    return static_cast<std::size_t>(width()) * (IsWideGray() ? 2U : 3U);
  }
  int width() const { return static_cast<int>(png_get_image_width(png_, info_)); }
  int height() const { return static_cast<int>(png_get_image_height(png_, info_)); }
  const char* message() const { return message_; }

 private:
  static void OnError(png_structp png, png_const_charp message) {
    static_cast<PngReader*>(png_get_error_ptr(png))->SetMessage(message);
    png_longjmp(png, 1);
  }
  static void OnWarning(png_structp, png_const_charp) {}
  static void OnRead(png_structp png, png_bytep to, std::size_t count) {
    PngReader* self = static_cast<PngReader*>(png_get_io_ptr(png));
    if (count > self->left_.size()) png_error(png, "its data end early");
    std::memcpy(to, self->left_.data(), count);
    self->left_.remove_prefix(count);
  }
  void SetMessage(const char* message) { std::snprintf(message_, sizeof message_, "%s", message); }

  std::string_view left_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  int passes_ = 1;
  char message_[128] = {};
};

}  // namespace

Result<ImageInfo> ProbePng(std::string_view bytes) {
  PngReader reader(bytes);
  if (!reader.ReadHeader()) return BadImage(ImageFormat::kPng, reader.message());
  return ImageInfo{reader.width(), reader.height(), ImageFormat::kPng, reader.IsWideGray()};
}

Result<DecodedImage> DecodePng(std::string_view bytes, const DecodeOptions& options) {
  PngReader reader(bytes);
  if (!reader.ReadHeader()) return BadImage(ImageFormat::kPng, reader.message());
  ROOST_TRY(CheckSize(reader.width(), reader.height(), ImageFormat::kPng, options.limits));
  const bool wide = reader.IsWideGray();
  if (!reader.Start()) return BadImage(ImageFormat::kPng, reader.message());

  DecodedImage decoded;
  decoded.format = ImageFormat::kPng;
  decoded.image = Image::Blank(reader.width(), reader.height());
  std::vector<std::uint8_t> wide_rows;
  if (wide) wide_rows.resize(reader.RowBytes() * static_cast<std::size_t>(reader.height()));
  std::int64_t done = 0;
  const bool complete = reader.ReadRows(wide ? wide_rows.data() : decoded.image.pixels.data(),
                                        reader.RowBytes(), &done);
  if (!complete && done == 0) return BadImage(ImageFormat::kPng, reader.message());
  if (wide) {
    std::vector<std::uint16_t> values(wide_rows.size() / 2);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<std::uint16_t>(wide_rows[2 * i] << 8 | wide_rows[2 * i + 1]);
    }
    NarrowGray(values, decoded);
  }
  if (!complete) return Truncated(std::move(decoded), reader.message(), options);
  return decoded;
}

}  // namespace roost::trainer
