#pragma once

#include <vector>

#include "trainer/folders/folders_test_fixture.h"
#include "trainer/folders/image_directory.h"
#include "trainer/images/encode.h"
#include "trainer/images/random.h"

namespace roost::trainer {

inline Image Noise(int width, int height, std::uint64_t seed) {
  Image image = Image::Blank(width, height);
  Random random(seed, 0, 0);
  for (std::uint8_t& byte : image.pixels) byte = static_cast<std::uint8_t>(random.Next32());
  return image;
}

// Directories of given images, all of one class.
class ImagesTest : public ::testing::Test {
 protected:
  // As PNG files; what an earlier directory had is gone.
  ImageDirectory Directory(const std::vector<Image>& images) {
    const fs::path folder = folder_.path() / "images";
    fs::remove_all(folder);
    auto writer =
        ROOST_VALUE(ImageDirectoryWriter::Create(folder, ImageSchema::Classification({"a"})));
    for (std::size_t i = 0; i < images.size(); ++i) {
      const std::string name = "image/" + std::to_string(i) + ".png";
      Spill(folder / name, ROOST_VALUE(EncodePng(images[i], 1)));
      EXPECT_OK(writer.Add({name, 0, static_cast<std::int64_t>(i)}));
    }
    EXPECT_OK(writer.Finish());
    return ROOST_VALUE(ImageDirectory::Open(folder, "Training dataset"));
  }

  TempFolder folder_;
};

}  // namespace roost::trainer
