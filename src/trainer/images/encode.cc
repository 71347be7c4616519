#include "trainer/images/encode.h"

#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstdlib>

// jpeglib.h needs size_t and FILE from above it.
#include <jpeglib.h>

#include "base/check.h"

// Both libraries report errors by longjmp: the functions with setjmp have only trivial locals, and
// their output lives with the callers.
namespace roost::trainer {
namespace {

// --- PNG ---

bool WritePng(const Image& image, int level, std::string* out) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr,
                                            [](png_structp, png_const_charp) {});
  png_infop info = png == nullptr ? nullptr : png_create_info_struct(png);
  if (info == nullptr || setjmp(png_jmpbuf(png)) != 0) {
    png_destroy_write_struct(&png, &info);
    return false;
  }
  png_set_write_fn(
      png, out,
      [](png_structp writer, png_bytep data, std::size_t count) {
        static_cast<std::string*>(png_get_io_ptr(writer))
            ->append(reinterpret_cast<const char*>(data), count);
      },
      [](png_structp) {});
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_compression_level(png, level);
  png_set_IHDR(png, info, static_cast<png_uint_32>(image.width),
               static_cast<png_uint_32>(image.height), 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  for (int y = 0; y < image.height; ++y) png_write_row(png, image.Row(y));
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  return true;
}

// --- JPEG ---

struct JpegErrors {
  jpeg_error_mgr base;  // first, so that libjpeg's pointer to it is one to us
  std::jmp_buf jump;
};

struct JpegWriter {
  jpeg_compress_struct jpeg{};
  JpegErrors errors{};
  unsigned char* data = nullptr;
  unsigned long size = 0;
  JpegWriter() = default;
  JpegWriter(const JpegWriter&) = delete;
  ~JpegWriter() {
    jpeg_destroy_compress(&jpeg);
    std::free(data);
  }
};

bool WriteJpeg(const Image& image, int quality, JpegWriter* writer) {
  jpeg_compress_struct& jpeg = writer->jpeg;
  jpeg.err = jpeg_std_error(&writer->errors.base);
  writer->errors.base.output_message = [](j_common_ptr) {};
  writer->errors.base.error_exit = [](j_common_ptr failed) {
    std::longjmp(reinterpret_cast<JpegErrors*>(failed->err)->jump, 1);
  };
  if (setjmp(writer->errors.jump) != 0) return false;
  jpeg_create_compress(&jpeg);
  jpeg_mem_dest(&jpeg, &writer->data, &writer->size);
  jpeg.image_width = static_cast<JDIMENSION>(image.width);
  jpeg.image_height = static_cast<JDIMENSION>(image.height);
  jpeg.input_components = 3;
  jpeg.in_color_space = JCS_RGB;
  jpeg_set_defaults(&jpeg);  // 4:2:0 is its default
  jpeg_set_quality(&jpeg, quality, TRUE);
  jpeg.dct_method = JDCT_ISLOW;
  jpeg_start_compress(&jpeg, TRUE);
  for (int y = 0; y < image.height; ++y) {
    JSAMPROW row = const_cast<JSAMPROW>(image.Row(y));  // libjpeg does not write to it
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  return true;
}

}  // namespace

Result<std::string> EncodePng(const Image& image, int level) {
  ROOST_CHECK(level >= 0 && level <= 9 && image.width > 0 && image.height > 0);
  std::string out;
  if (WritePng(image, level, &out)) return out;
  return Fail(ErrorCode::kInternal, "The image could not be written as PNG.");
}

Result<std::string> EncodeJpeg(const Image& image, int quality) {
  ROOST_CHECK(quality >= 1 && quality <= 100 && image.width > 0 && image.height > 0);
  if (image.width > JPEG_MAX_DIMENSION || image.height > JPEG_MAX_DIMENSION) {
    return Fail(ErrorCode::kTooLarge, "The image has " + std::to_string(image.width) + " x " +
                                          std::to_string(image.height) +
                                          " pixels; JPEG holds up to 65,500 a side.");
  }
  JpegWriter writer;
  if (WriteJpeg(image, quality, &writer)) {
    return std::string(reinterpret_cast<const char*>(writer.data), writer.size);
  }
  return Fail(ErrorCode::kInternal, "The image could not be written as JPEG.");
}

}  // namespace roost::trainer
