#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/files.h"
#include "base/result.h"
#include "trainer/folders/image_directory.h"
#include "trainer/images/image.h"
#include "trainer/state/mapped_file.h"

namespace roost::trainer {

// The images of a directory decoded once, as three bytes a pixel in one file that is mapped for
// reading, so that all processes on a machine share its pages. Immutable: any thread may read.
//
// The file, numbers in this machine's byte order (little-endian on all that we build for):
//   0   "roostimg", version (u32), short side (u32), number of images (u64), bytes of the file
//   (u64) 32  BLAKE2b-256 of what it was made of: name, size and time of change of each image 64
//   BLAKE2b-256 of the table 128 the table: offset (u64), width and height (u32) of each image; all
//   0: it could not be read then the pixels, images in the order in which they were decoded
// The digests do not cover the pixels: to check these would cost reading the whole file.
class ImageCache {
 public:
  struct Options {
    // Images whose shorter side is longer are shrunk to it (bilinear); 0: none is.
    int short_side = 0;
    int threads = 0;  // that decode; 0: one for each core
  };
  using Note = std::function<void(const std::string&)>;

  // Maps the file, after making it where it is missing, of other images or options, or damaged.
  // Processes that want the same folder's caches wait for the one that makes them. A file is put in
  // place whole; one that is killed meanwhile leaves nothing behind on file systems that know files
  // without names, else one hidden file that the next takes over. `note` is told what is made and
  // why. Errors: 160 for a full disk or a folder that may not be written, kConflict for a file that
  // is no image cache, kUnavailable when `interrupt` became true.
  static Result<std::unique_ptr<const ImageCache>> Open(const fs::path& file,
                                                        const ImageDirectory& images,
                                                        const Options& options,
                                                        const std::atomic<bool>& interrupt,
                                                        const Note& note);

  // Nothing for an image that could not be read when the file was made. Valid as long as the cache.
  std::optional<PixelView> Find(std::size_t index) const;

 private:
  explicit ImageCache(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {}
  static Result<std::unique_ptr<const ImageCache>> Map(const fs::path& file,
                                                       std::string_view made_of, std::size_t count,
                                                       const Options& options);

  std::shared_ptr<const MappedFile> file_;
};

}  // namespace roost::trainer
