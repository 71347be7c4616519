#include "trainer/train/image_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <thread>

#include "base/digest.h"
#include "trainer/images/resize.h"
#include "trainer/train/image_source.h"
#include "trainer/train/images_test_fixture.h"

namespace roost::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ImageCacheTest : public ImagesTest {
 protected:
  Result<std::unique_ptr<const ImageCache>> Open(const ImageDirectory& images,
                                                 const ImageCache::Options& options = {}) {
    notes_.clear();
    return ImageCache::Open(file_, images, options, interrupt_,
                            [this](const std::string& note) { notes_.push_back(note); });
  }
  static Image Copied(const PixelView& view) {
    Image image = Image::Blank(view.width, view.height);
    std::memcpy(image.pixels.data(), view.data, image.pixels.size());
    return image;
  }
  std::vector<std::string> FilesInFolder() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(file_.parent_path())) {
      names.push_back(entry.path().filename());
    }
    return names;
  }
  // The cache is made anew, and right.
  void ExpectMadeAnew(const ImageDirectory& images, const std::string& reason) {
    const auto cache = ROOST_VALUE(Open(images));
    ASSERT_THAT(notes_, SizeIs(2)) << reason;
    EXPECT_THAT(notes_.front(), HasSubstr("anew: " + reason));
    EXPECT_EQ(Copied(*cache->Find(0)), image_);
  }

  const Image image_ = Noise(31, 20, 1);
  const fs::path file_ = folder_.path() / "cache" / "training.images";
  std::atomic<bool> interrupt_ = false;
  std::vector<std::string> notes_;
};

TEST_F(ImageCacheTest, HasTheImagesAndIsMadeOnce) {
  const Image other = Noise(7, 90, 2);
  const ImageDirectory images = Directory({image_, other});
  for (const bool first : {true, false}) {
    const auto cache = ROOST_VALUE(Open(images));
    EXPECT_EQ(notes_.size(), first ? 2U : 0U);
    EXPECT_EQ(Copied(*cache->Find(0)), image_);
    EXPECT_EQ(Copied(*cache->Find(1)), other);
  }
  EXPECT_THAT(FilesInFolder(), ElementsAre("training.images"));
}

TEST_F(ImageCacheTest, ShrinksWhatIsLarger) {
  const Image small = Noise(10, 40, 2);
  const ImageDirectory images = Directory({image_, small});
  const auto cache = ROOST_VALUE(Open(images, {.short_side = 16}));
  EXPECT_EQ(Copied(*cache->Find(0)), ResizeImage(image_, 24, 16, Filter::kBilinear));
  EXPECT_EQ(Copied(*cache->Find(1)), small);
  ExpectMadeAnew(images, "its short side is 16");
}

TEST_F(ImageCacheTest, AChangedImageOrListMakesItAnew) {
  const ImageDirectory images = Directory({image_, Noise(5, 5, 2)});
  ROOST_VALUE(Open(images));
  const ImageDirectory fewer = Directory({image_});
  ExpectMadeAnew(fewer, "it was made of other images");
  const fs::path file = fewer.PathOf(0);
  fs::last_write_time(file, fs::last_write_time(file) + std::chrono::seconds(1));
  ExpectMadeAnew(fewer, "it was made of other images, or they have changed");
}

TEST_F(ImageCacheTest, AnUnreadableImageIsReadFromItsFileAndNamed) {
  const ImageDirectory images = Directory({image_, Noise(31, 20, 2)});
  Spill(images.PathOf(1), "no image");
  const auto cache = ROOST_VALUE(Open(images));
  EXPECT_EQ(cache->Find(1), std::nullopt);
  const auto source = ROOST_VALUE(ImageSource::Open(images, {.cache = cache.get()}));
  const auto plain = ROOST_VALUE(ImageSource::Open(images, {}));
  std::vector<std::uint8_t> sample(source->sample_bytes());
  EXPECT_EQ(source->Fill(1, sample.data()).error().message,
            plain->Fill(1, sample.data()).error().message);
}

TEST_F(ImageCacheTest, ADamagedFileIsNotUsed) {
  const ImageDirectory images = Directory({image_, Noise(9, 9, 2)});
  ROOST_VALUE(Open(images));
  const std::string good = Slurp(file_);
  const auto with = [&](std::size_t at, std::uint64_t value, std::size_t bytes) {
    std::string bad = good;
    std::memcpy(bad.data() + at, &value, bytes);
    return bad;
  };
  Spill(file_, good.substr(0, good.size() - 1));
  ExpectMadeAnew(images, "it is damaged");
  Spill(file_, good.substr(0, 100));
  ExpectMadeAnew(images, "it is damaged");
  Spill(file_, with(24, good.size() + 1, 8));
  ExpectMadeAnew(images, "it is damaged");
  Spill(file_, with(8, 99, 4));
  ExpectMadeAnew(images, "it is of another version");
  Spill(file_, with(128, 8, 8));  // an offset, and the digest of the table does not fit
  ExpectMadeAnew(images, "it is damaged");
  Spill(file_, with(16, std::uint64_t{1} << 60, 8));
  ExpectMadeAnew(images, "it was made of other images");
}

// A file made by someone who can compute digests, too, leads nowhere.
TEST_F(ImageCacheTest, AHostileTableIsNotUsed) {
  const ImageDirectory images = Directory({image_});
  ROOST_VALUE(Open(images));
  const std::string good = Slurp(file_);
  struct Bad {
    std::uint64_t offset;
    std::uint32_t width, height;
  };
  const std::uint64_t size = good.size();
  for (const Bad bad : std::initializer_list<Bad>{{144, 31, 21},
                                                  {145, 31, 20},
                                                  {0, 31, 20},
                                                  {143, 31, 20},
                                                  {size + 1, 1, 1},
                                                  {UINT64_MAX, 1, 1},
                                                  {144, UINT32_MAX, UINT32_MAX},
                                                  {144, 1U << 30, 1U << 30},
                                                  {144, 31, 0}}) {
    std::string file = good;
    std::memcpy(file.data() + 128, &bad, sizeof bad);
    const Digest digest = DigestOf(std::string_view(file).substr(128, 16));
    std::memcpy(file.data() + 64, digest.bytes.data(), digest.bytes.size());
    Spill(file_, file);
    ExpectMadeAnew(images, "it is damaged");
  }
}

TEST_F(ImageCacheTest, SomebodyElsesFileIsLeftAlone) {
  const ImageDirectory images = Directory({image_});
  Spill(file_, "holiday pictures");
  const auto cache = Open(images);
  ASSERT_FALSE(cache);
  EXPECT_THAT(cache.error().message, HasSubstr("is no image cache"));
  EXPECT_EQ(Slurp(file_), "holiday pictures");
}

TEST_F(ImageCacheTest, AFullDiskIsToldAndLeavesNothing) {
  const ImageDirectory images = Directory({image_, image_, image_});
  // Stands for a full disk: a device that never takes a byte cannot hold a folder, so a limit does.
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4000, 4000};
    setrlimit(RLIMIT_FSIZE, &limit);
    const auto cache = Open(images, {.threads = 1});
    _exit(!cache && cache.error().message.find("training.images") != std::string::npos ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_THAT(FilesInFolder(), IsEmpty());
}

TEST_F(ImageCacheTest, KilledMeanwhileItLeavesNothing) {
  const ImageDirectory images = Directory(std::vector<Image>(40, Noise(400, 300, 3)));
  int killed_before_the_end = 0;
  // More than seven only where none was killed in the middle.
  for (int round = 0; round < 7 || (killed_before_the_end == 0 && round < 1000); ++round) {
    fs::remove_all(file_.parent_path());
    const pid_t child = fork();
    if (child == 0) {
      (void)Open(images, {.threads = 1});
      _exit(0);
    }
    int status = 0;
    pid_t ended = 0;
    while (!fs::exists(file_.parent_path()) && ended == 0) ended = waitpid(child, &status, WNOHANG);
    // Time is what is tested: the child is killed wherever it is.
    std::this_thread::sleep_for(std::chrono::milliseconds(round % 7 * 3));
    kill(child, SIGKILL);
    if (ended == 0) waitpid(child, &status, 0);
    if (WIFEXITED(status) || !fs::exists(file_.parent_path())) continue;
    if (fs::exists(file_)) continue;  // between renaming and the end
    ++killed_before_the_end;
    EXPECT_THAT(FilesInFolder(), IsEmpty());
  }
  EXPECT_GT(killed_before_the_end, 0);
  EXPECT_EQ(Copied(*ROOST_VALUE(Open(images))->Find(39)), Noise(400, 300, 3));
}

TEST_F(ImageCacheTest, SeveralProcessesMakeItOnce) {
  const ImageDirectory images = Directory(std::vector<Image>(30, Noise(200, 150, 3)));
  std::vector<pid_t> children;
  for (int i = 0; i < 3; ++i) {
    children.push_back(fork());
    if (children.back() != 0) continue;
    const auto cache = Open(images, {.threads = 1});
    _exit(cache && Copied(*(*cache)->Find(29)) == Noise(200, 150, 3) ? (notes_.empty() ? 10 : 11)
                                                                     : 1);
  }
  int made = 0;
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) >= 10);
    made += WEXITSTATUS(status) - 10;
  }
  EXPECT_EQ(made, 1);
  EXPECT_THAT(FilesInFolder(), ElementsAre("training.images"));
}

TEST_F(ImageCacheTest, AnInterruptEndsIt) {
  interrupt_ = true;
  const auto cache = Open(Directory({image_}));
  ASSERT_FALSE(cache);
  EXPECT_EQ(cache.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(FilesInFolder(), IsEmpty());
}

}  // namespace
}  // namespace roost::trainer
