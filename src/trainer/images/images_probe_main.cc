// For the comparison with Pillow: reads an image, carries out operations with explicit parameters,
// and writes raw RGB.
//
//   images_probe IMAGE OPERATION...      e.g.  images_probe a.jpg crop:1,2,30,40 rotate:12.5
//
// Writes "WIDTH HEIGHT TRUNCATED\n" and the pixels to standard output; an error to standard error,
// with exit status 1. `images_probe -` takes such calls from standard input, one a line, with its
// words separated by tabs; an error is then a line "error MESSAGE".

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>

#include "base/files.h"
#include "trainer/images/colour.h"
#include "trainer/images/decode.h"
#include "trainer/images/encode.h"
#include "trainer/images/flip.h"
#include "trainer/images/operations.h"
#include "trainer/images/resize.h"
#include "trainer/images/warp.h"

namespace roost::trainer {
namespace {

std::vector<std::string> Split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, by);) parts.push_back(part);
  return parts;
}

Result<Image> RunOne(const std::string& call, const Image& image) {
  const std::size_t colon = call.find(':');
  const std::string name = call.substr(0, colon);
  std::vector<double> a;
  if (colon != std::string::npos) {
    for (const std::string& part : Split(call.substr(colon + 1), ',')) {
      a.push_back(std::strtod(part.c_str(), nullptr));
    }
  }
  const auto whole = [&](std::size_t i) { return static_cast<int>(a.at(i)); };
  Random random(1, 2, 3);
  if (name == "bilinear") return ResizeImage(image, whole(0), whole(1), Filter::kBilinear);
  if (name == "bicubic") return ResizeImage(image, whole(0), whole(1), Filter::kBicubic);
  if (name == "nearest") return ResizeImage(image, whole(0), whole(1), Filter::kNearest);
  if (name == "box" || name == "box_portable") {  // left, top, right, bottom, width, height
    Image out = Image::Blank(whole(4), whole(5));
    Resizer resizer;
    resizer.set_portable(name == "box_portable");
    resizer.Resize(ViewOf(image), {a[0], a[1], a[2], a[3]}, out.width, out.height,
                   Filter::kBilinear, out.pixels.data(), static_cast<std::size_t>(out.width) * 3);
    return out;
  }
  if (name == "resize") return Apply(operations::Resize{whole(0)}, image, random);
  if (name == "resized_crop") {  // left, top, width, height, size
    return ResizeCrop(image, {whole(0), whole(1), whole(2), whole(3)}, whole(4), whole(4),
                      Filter::kBilinear);
  }
  if (name == "center_crop") return Apply(operations::CenterCrop{whole(0)}, image, random);
  if (name == "crop") return CropImage(image, {whole(0), whole(1), whole(2), whole(3)});
  if (name == "pad") return Apply(operations::Pad{whole(0)}, image, random);
  if (name == "hflip") return FlipHorizontally(image);
  if (name == "vflip") return FlipVertically(image);
  if (name == "grayscale") return ToGrayscale(image);
  if (name == "brightness") return AdjustBrightness(image, a.at(0));
  if (name == "contrast") return AdjustContrast(image, a.at(0));
  if (name == "saturation") return AdjustSaturation(image, a.at(0));
  if (name == "hue") return AdjustHue(image, a.at(0));
  if (name == "rotate") return Rotate(image, a.at(0));
  if (name == "affine") return WarpAffine(image, AffineOf(image.width, image.height, a.at(0)));
  if (name == "perspective") {  // where the four corners go
    return MoveCorners(
        image, {{{a.at(0), a.at(1)}, {a.at(2), a.at(3)}, {a.at(4), a.at(5)}, {a.at(6), a.at(7)}}});
  }
  if (name == "perspective_map") {
    PerspectiveMap map;
    for (std::size_t i = 0; i < map.size(); ++i) map[i] = a.at(i);
    return WarpPerspective(image, map);
  }
  if (name == "png") {  // there and back
    ROOST_ASSIGN(const std::string bytes, EncodePng(image, whole(0)));
    ROOST_ASSIGN(const DecodedImage decoded, DecodeImage(bytes));
    return decoded.image;
  }
  return Fail(ErrorCode::kInvalidArgument, "There is no operation " + name + ".");
}

Result<DecodedImage> Run(const std::vector<std::string>& words) {
  ROOST_ASSIGN(DecodedImage decoded, DecodeImageFile(words.at(0)));
  std::size_t next = 1;
  // region:left,top,width,height,min_width,min_height comes first, as it decodes by itself.
  if (words.size() > 1 && words[1].starts_with("region:")) {
    std::vector<int> a;
    for (const std::string& part : Split(words[1].substr(7), ','))
      a.push_back(std::atoi(part.c_str()));
    ROOST_ASSIGN(const std::string bytes, ReadFile(words[0]));
    JpegRegion region;
    ROOST_TRY(DecodeJpegRegion(bytes, {a.at(0), a.at(1), a.at(2), a.at(3)}, a.at(4), a.at(5), {},
                               region));
    decoded.image = Image::Blank(a.at(4), a.at(5));
    Resizer().Resize(region.view, region.box, a.at(4), a.at(5), Filter::kBilinear,
                     decoded.image.pixels.data(), static_cast<std::size_t>(a.at(4)) * 3);
    next = 2;
  }
  for (; next < words.size(); ++next) {
    ROOST_ASSIGN(decoded.image, RunOne(words[next], decoded.image));
  }
  return decoded;
}

void Write(const DecodedImage& decoded) {
  std::printf("%d %d %d\n", decoded.image.width, decoded.image.height, decoded.truncated ? 1 : 0);
  std::fwrite(decoded.image.pixels.data(), 1, decoded.image.pixels.size(), stdout);
  std::fflush(stdout);
}

int Main(const std::vector<std::string>& words) {
  if (words.empty()) {
    std::fprintf(stderr, "usage: images_probe IMAGE OPERATION... | images_probe -\n");
    return 2;
  }
  if (words[0] != "-") {
    const Result<DecodedImage> decoded = Run(words);
    if (decoded) {
      Write(*decoded);
      return 0;
    }
    std::fprintf(stderr, "%s\n", decoded.error().message.c_str());
    return 1;
  }
  for (std::string line; std::getline(std::cin, line);) {
    const Result<DecodedImage> decoded = Run(Split(line, '\t'));
    if (decoded) {
      Write(*decoded);
    } else {
      std::printf("error %s\n", decoded.error().message.c_str());
      std::fflush(stdout);
    }
  }
  return 0;
}

}  // namespace
}  // namespace roost::trainer

int main(int argc, char** argv) {
  return roost::trainer::Main(std::vector<std::string>(argv + 1, argv + argc));
}
