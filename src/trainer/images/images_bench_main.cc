// For bench/bench_decode.py: what the data loader does for one image, on one core.
//
//   images_bench SIZE
//
// Takes lines "KIND SECONDS FILE..." from standard input, reads the files, then works through them
// for that processor time, and answers each with "IMAGES SECONDS". KINDs: `jpeg` decodes what a
// random resized crop needs, resizes and flips; `packed` takes files of width and height (32 bits
// each, little endian) and raw RGB, and crops, resizes and flips.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iostream>
#include <sstream>

#include "base/files.h"
#include "trainer/images/decode.h"
#include "trainer/images/operations.h"
#include "trainer/images/resize.h"

namespace roost::trainer {
namespace {

// Processor time, which other programs on the machine do not lengthen.
double Seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

class Worker {
 public:
  explicit Worker(int size) : crop_{size}, out_(static_cast<std::size_t>(size * size) * 3) {}

  Status RunJpeg(const std::string& bytes, Random& random) {
    ROOST_ASSIGN(const ImageInfo info, ProbeImage(bytes));
    const Rect crop = Draw(crop_, info.width, info.height, random);
    ROOST_TRY(DecodeJpegRegion(bytes, crop, crop_.size, crop_.size, {}, region_));
    Resize(region_.view, region_.box, random);
    return {};
  }

  Status RunPacked(const std::string& bytes, Random& random) {
    int size[2];
    std::memcpy(size, bytes.data(), sizeof size);
    const PixelView whole{reinterpret_cast<const std::uint8_t*>(bytes.data()) + sizeof size,
                          size[0], size[1], static_cast<std::size_t>(size[0]) * 3};
    const PixelView view = ViewOf(whole, Draw(crop_, size[0], size[1], random));
    Resize(view, {0, 0, static_cast<double>(view.width), static_cast<double>(view.height)}, random);
    return {};
  }

 private:
  void Resize(const PixelView& view, const Box& box, Random& random) {
    resizer_.Resize(view, box, crop_.size, crop_.size, Filter::kBilinear, out_.data(),
                    static_cast<std::size_t>(crop_.size) * 3, random.Chance(0.5));
  }

  operations::RandomResizedCrop crop_;
  std::vector<std::uint8_t> out_;
  JpegRegion region_{};
  Resizer resizer_{};
};

int Main(int size) {
  Worker worker(size);
  std::uint64_t index = 0;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string kind;
    double seconds = 0;
    words >> kind >> seconds;
    std::vector<std::string> files;
    for (std::string path; words >> path;) {
      Result<std::string> bytes = ReadFile(path);
      if (!bytes) {
        std::fprintf(stderr, "%s\n", bytes.error().message.c_str());
        return 1;
      }
      files.push_back(std::move(*bytes));
    }
    if (files.empty()) return 2;
    std::size_t done = 0;
    const double start = Seconds();
    double took = 0;
    for (; took < seconds; took = Seconds() - start) {
      Random random(1, 0, index++);
      const std::string& file = files[done++ % files.size()];
      const Status status =
          kind == "packed" ? worker.RunPacked(file, random) : worker.RunJpeg(file, random);
      if (!status) {
        std::fprintf(stderr, "%s\n", status.error().message.c_str());
        return 1;
      }
    }
    std::printf("%zu %.6f\n", done, took);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace roost::trainer

int main(int argc, char** argv) {
  return roost::trainer::Main(argc > 1 ? std::atoi(argv[1]) : 224);
}
