#include "trainer/images/resize.h"

#include "base/result.h"
#include "trainer/images/flip.h"
#include "trainer/images/images_test_support.h"
#include "trainer/images/operations.h"

namespace roost::trainer {
namespace {

using ::testing::ElementsAre;

Image Row(std::vector<std::uint8_t> red) {
  Image image = Image::Blank(static_cast<int>(red.size()), 1);
  for (std::size_t i = 0; i < red.size(); ++i) image.pixels[3 * i] = red[i];
  return image;
}
std::vector<int> Reds(const Image& image) {
  std::vector<int> reds;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) reds.push_back(image.pixels[i]);
  return reds;
}

// Golden values by hand: the triangle of a halving has the weights 1 3 3 1, cut at the edges.
TEST(ResizeTest, BilinearByHand) {
  const Image row = Row({0, 80, 160, 240});
  EXPECT_THAT(Reds(ResizeImage(row, 2, 1, Filter::kBilinear)), ElementsAre(57, 183));
  EXPECT_THAT(Reds(ResizeImage(Row({0, 100}), 4, 1, Filter::kBilinear)),
              ElementsAre(0, 25, 75, 100));
  EXPECT_THAT(Reds(ResizeImage(row, 4, 1, Filter::kBilinear)), ElementsAre(0, 80, 160, 240));
  EXPECT_THAT(Reds(ResizeImage(row, 2, 1, Filter::kNearest)), ElementsAre(80, 240));
}

TEST(ResizeTest, EvenAreasStayEven) {
  for (const Filter filter : {Filter::kNearest, Filter::kBilinear, Filter::kBicubic}) {
    EXPECT_EQ(ResizeImage(Image::Blank(31, 17, 255), 50, 5, filter), Image::Blank(50, 5, 255));
    EXPECT_EQ(ResizeImage(Image::Blank(1, 1, 77), 9, 9, filter), Image::Blank(9, 9, 77));
  }
}

TEST(ResizeTest, ACropIsAPictureOfItsOwn) {
  const Image image = TestPicture(90, 70);
  const Rect crop{11, 7, 53, 41};
  const Image expected = ResizeImage(CropImage(image, crop), 24, 30, Filter::kBilinear);
  EXPECT_EQ(ResizeCrop(image, crop, 24, 30, Filter::kBilinear), expected);
  EXPECT_EQ(ResizeCrop(image, crop, 24, 30, Filter::kBilinear, true), FlipHorizontally(expected));
  // Also where a pass, or both, has nothing to do.
  for (const auto& [w, h] : {std::pair{53, 41}, {53, 20}, {20, 41}}) {
    for (const Filter filter : {Filter::kNearest, Filter::kBilinear}) {
      EXPECT_EQ(ResizeCrop(image, crop, w, h, filter, true),
                FlipHorizontally(ResizeCrop(image, crop, w, h, filter)));
    }
  }
}

TEST(ResizeTest, RowsKeepTheirDistance) {
  const Image image = TestPicture(40, 30);
  std::vector<std::uint8_t> out(20 * 100, 9);
  Resizer().Resize(ViewOf(image), {0, 0, 40, 30}, 17, 20, Filter::kBilinear, out.data(), 100);
  const Image expected = ResizeImage(image, 17, 20, Filter::kBilinear);
  for (int y = 0; y < 20; ++y) {
    EXPECT_TRUE(std::equal(expected.Row(y), expected.Row(y) + 51, out.data() + y * 100));
    EXPECT_EQ(std::count(out.begin() + y * 100 + 51, out.begin() + (y + 1) * 100, 9), 49);
  }
}

TEST(ResizeTest, FastAndPortablePassesAreEqual) {
  Random random(3, 0, 0);
  Resizer fast;
  Resizer portable;
  portable.set_portable(true);
  for (int i = 0; i < 200; ++i) {
    const auto side = [&] { return static_cast<int>(random.Integer(1, 70)); };
    Image image = Image::Blank(side(), side());
    for (std::uint8_t& value : image.pixels) value = static_cast<std::uint8_t>(random.Next32());
    const int width = side();
    const int height = side();
    const Box box{0.25 * (image.width > 1), 0, image.width - 0.25, double(image.height)};
    const Filter filter = i % 2 == 0 ? Filter::kBilinear : Filter::kBicubic;
    Image a = Image::Blank(width, height);
    Image b = a;
    const std::size_t stride = static_cast<std::size_t>(width) * 3;
    fast.Resize(ViewOf(image), box, width, height, filter, a.pixels.data(), stride, i % 3 == 0);
    portable.Resize(ViewOf(image), box, width, height, filter, b.pixels.data(), stride, i % 3 == 0);
    ASSERT_EQ(a, b) << image.width << " x " << image.height << " to " << width << " x " << height;
  }
}

}  // namespace
}  // namespace roost::trainer
