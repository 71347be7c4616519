#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "trainer/folders/image_directory.h"
#include "trainer/images/decode.h"
#include "trainer/train/batch_loader.h"
#include "trainer/train/image_cache.h"

namespace roost::trainer {

// The images of a directory as samples: height x width x 3 bytes each.
class ImageSource : public SampleSource {
 public:
  struct Options {
    std::string dataset = "Training dataset";  // for messages
    // Side of what is cut out and resized, see TrainOptions; 0: images as they are, which must all
    // have one size.
    std::int64_t crop = 0;
    bool random = false;  // the cut and a mirroring drawn by (seed, epoch, index); else the middle
    std::uint64_t seed = 0;
    // Where the pixels are taken from; images that are not in it are read from their files. Must
    // outlive the source. The crops of a cache that shrank nothing are those of the files, save
    // that a JPEG's crop of twice the samples' side is decoded smaller, not resized, without one.
    const ImageCache* cache = nullptr;
  };
  // The size of the samples: that of the crop, or of the first image that can be read. Errors: 18
  // when none can. `images` must outlive the source.
  static Result<std::unique_ptr<ImageSource>> Open(const ImageDirectory& images,
                                                   const Options& options);

  // Of the random cuts. Not while a loader is at work, as SetSide.
  void SetEpoch(std::uint64_t epoch) { epoch_ = epoch; }
  // Makes the shorter side of the samples `side` pixels, at most full_side(), and the longer one in
  // proportion: whole images are shrunk (bilinear), crops resized to less.
  void SetSide(std::int64_t side);

  // The shorter side of samples that are not shrunk.
  std::int64_t full_side() const { return std::min(full_height_, full_width_); }
  std::int64_t height() const { return height_; }
  std::int64_t width() const { return width_; }
  std::size_t sample_bytes() const override {
    return static_cast<std::size_t>(height_) * static_cast<std::size_t>(width_) * 3;
  }
  // Module error 18 for an image of another size, a plain error for one that cannot be read.
  Status Fill(std::size_t index, std::uint8_t* to) const override;

 private:
  ImageSource(const ImageDirectory& images, Options options)
      : images_(images), options_(std::move(options)) {}
  void SetFullSize(std::int64_t height, std::int64_t width);
  // The whole image: the cache's, or decoded into `decoded`.
  Result<PixelView> PixelsOf(std::size_t index, DecodedImage& decoded) const;
  Status FillWhole(std::size_t index, std::uint8_t* to) const;
  Status FillRandomCrop(std::size_t index, std::uint8_t* to) const;
  Status FillMiddle(std::size_t index, std::uint8_t* to) const;

  const ImageDirectory& images_;
  const Options options_;
  std::int64_t full_height_ = 0;
  std::int64_t full_width_ = 0;
  std::int64_t height_ = 0;
  std::int64_t width_ = 0;
  std::uint64_t epoch_ = 0;
};

}  // namespace roost::trainer
