#include "trainer/folders/convert.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

#include <nlohmann/json.hpp>

#include "trainer/folders/folders_test_fixture.h"
#include "trainer/folders/image_directory.h"

namespace roost::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Entry {
  std::string name;
  std::string content{};
  unsigned type = AE_IFREG;
  std::string link{};
  bool hard = false;
};

enum class Pack { kZip, kTar, kTarGz, kTarBz2 };

void WriteArchive(const fs::path& path, Pack pack, const std::vector<Entry>& entries) {
  // Only for the writing: reading must not need a locale.
  const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  const locale_t before = uselocale(utf8);
  struct archive* out = archive_write_new();
  if (pack == Pack::kZip) {
    archive_write_set_format_zip(out);
  } else {
    archive_write_set_format_pax_restricted(out);
  }
  if (pack == Pack::kTarGz) archive_write_add_filter_gzip(out);
  if (pack == Pack::kTarBz2) archive_write_add_filter_bzip2(out);
  ASSERT_EQ(archive_write_open_filename(out, path.c_str()), ARCHIVE_OK);
  for (const Entry& item : entries) {
    struct archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname_utf8(entry, item.name.c_str());
    archive_entry_set_filetype(entry, item.type);
    archive_entry_set_perm(entry, 0777);
    if (item.type == AE_IFLNK) archive_entry_set_symlink(entry, item.link.c_str());
    if (item.hard) archive_entry_set_hardlink(entry, item.link.c_str());
    archive_entry_set_size(entry, static_cast<std::int64_t>(item.content.size()));
    ASSERT_GE(archive_write_header(out, entry), ARCHIVE_WARN) << archive_error_string(out);
    archive_write_data(out, item.content.data(), item.content.size());
    archive_entry_free(entry);
  }
  ASSERT_EQ(archive_write_close(out), ARCHIVE_OK);
  archive_write_free(out);
  uselocale(before);
  freelocale(utf8);
}

class ConvertTest : public ::testing::Test {
 protected:
  ConvertTest() : in(folder.path() / "in"), out(folder.path() / "out") { fs::create_directory(in); }

  Result<ConvertReport> Convert(const ConvertOptions& options = {}) {
    (void)RemoveTree(out);
    return ConvertToImageDirectory(in, out, options);
  }
  // Converts an archive that lies beside the input folder.
  Result<ConvertReport> ConvertFile(const fs::path& file, const ConvertOptions& options = {}) {
    (void)RemoveTree(out);
    return ConvertToImageDirectory(file, out, options);
  }
  ImageDirectory Opened() { return ROOST_VALUE(ImageDirectory::Open(out, "out")); }
  // "<file name> <class>" of each row.
  std::vector<std::string> Rows() {
    std::vector<std::string> rows;
    const ImageDirectory directory = Opened();
    for (std::size_t i = 0; i < directory.size(); ++i) {
      const int c = directory.ClassOf(i);
      rows.push_back(std::string(directory.FileName(i)) + " " +
                     (c < 0 ? "-" : directory.classes()[static_cast<std::size_t>(c)]));
      EXPECT_TRUE(fs::is_regular_file(directory.PathOf(i))) << directory.PathOf(i);
    }
    return rows;
  }
  void ExpectNothingLeft() {
    EXPECT_TRUE(!fs::exists(out) || fs::is_empty(out));
    EXPECT_FALSE(fs::exists(folder.path() / "evil"));
  }

  TempFolder folder;
  const fs::path in;
  const fs::path out;
};

TEST_F(ConvertTest, ClassFoldersAreSortedAndCopiedUnchanged) {
  Spill(in / "b ees/2.PPM", TinyPpm(2, 2, 3));
  Spill(in / "b ees/1.ppm", TinyPpm(3, 1));
  Spill(in / "Ants \u866b/x y.ppm", TinyPpm());
  Spill(in / "b ees/note.txt", "x");
  Spill(in / "b ees/fake.jpg", "no picture");
  Spill(in / "b ees/anim.gif", "GIF89a");
  Spill(in / "b ees/deep/3.ppm", TinyPpm());
  Spill(in / "stray.ppm", TinyPpm());
  Spill(in / ".DS_Store", "x");
  Spill(in / "__MACOSX/b/1.ppm", TinyPpm());
  const ConvertReport report = ROOST_VALUE(Convert());
  EXPECT_EQ(report.layout, ImageLayout::kClassFolders);
  EXPECT_THAT(report.classes, ElementsAre("Ants \u866b", "b ees"));
  EXPECT_THAT(report.class_counts, ElementsAre(1U, 2U));
  EXPECT_EQ(report.images, 3U);
  EXPECT_THAT(Rows(), ElementsAre("image/0_0.ppm Ants \u866b", "image/1_1.ppm b ees",
                                  "image/1_2.PPM b ees"));
  EXPECT_EQ(Slurp(out / "image/1_2.PPM"), TinyPpm(2, 2, 3));
  EXPECT_THAT(report.warnings.lines,
              ::testing::UnorderedElementsAre(
                  HasSubstr("stray.ppm"), HasSubstr("b ees/deep"), HasSubstr("b ees/note.txt"),
                  HasSubstr("b ees/fake.jpg"), HasSubstr("anim.gif was left out: the extension")));
  EXPECT_EQ(fs::status(out / "image/0_0.ppm").permissions() & fs::perms::all,
            fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read |
                fs::perms::others_read);
}

TEST_F(ConvertTest, TheNumberOfThreadsChangesNothing) {
  for (int i = 0; i < 30; ++i) {
    Spill(in / ("c" + std::to_string(i % 3)) / (std::to_string(i) + ".ppm"),
          i % 7 == 0 ? "broken" : TinyPpm(i % 4 + 1, 2));
  }
  EXPECT_OK(Convert({{}, 1}));
  const std::string list = Slurp(out / "images.lst");
  EXPECT_OK(Convert({{}, 4}));
  EXPECT_EQ(Slurp(out / "images.lst"), list);
}

TEST_F(ConvertTest, AClassWithoutReadableImageIsNamed) {
  Spill(in / "ants/1.ppm", TinyPpm());
  Spill(in / "bees/1.gif", "GIF89a");
  EXPECT_NUMBER(Convert(), 18, "'bees' has no readable image (bees/1.gif: the extension '.gif'");
  ExpectNothingLeft();
  fs::remove(in / "bees/1.gif");
  EXPECT_NUMBER(Convert(), 18, "'bees' has no readable image (it is empty)");
}

TEST_F(ConvertTest, InputsWithoutImagesAreRefused) {
  EXPECT_NUMBER(Convert(), 18, "no file is found");
  Spill(in / "a.txt", "x");
  EXPECT_NUMBER(Convert(), 18, "no readable image (The file a.txt was left out: the extension");
  EXPECT_NUMBER(ConvertFile(folder.path() / "none"), 18, "does not exist");
  Spill(folder.path() / "a.7z", "x");
  EXPECT_NUMBER(ConvertFile(folder.path() / "a.7z"), 18, "the extension '.7z' is not taken");
  Spill(out / "x", "x");
  EXPECT_NUMBER(ConvertToImageDirectory(in, out), 160, "is not empty");
  EXPECT_TRUE(fs::exists(out / "x"));
  EXPECT_NUMBER(ConvertToImageDirectory(in, in / "result"), 160, "lies in the input");
}

TEST_F(ConvertTest, GrayThatLosesBitsIsNamed) {
  const auto wide = [](const std::string& white) { return "P2\n1 2\n" + white + "\n0 " + white; };
  Spill(in / "cat" / "1.pgm", wide("4095"));
  Spill(in / "cat" / "2.pgm", wide("255"));
  const ConvertReport report = ROOST_VALUE(Convert());
  EXPECT_THAT(report.warnings.lines,
              ElementsAre("The image cat/1.pgm has gray values up to 4095; as 8 bits they become 0 "
                          "to 255."));
}

TEST_F(ConvertTest, AFlatFolderHasNoLabels) {
  Spill(in / "2.ppm", TinyPpm());
  Spill(in / "1 \u00e4.ppm", TinyPpm());
  const ConvertReport report = ROOST_VALUE(Convert());
  EXPECT_EQ(report.layout, ImageLayout::kFlat);
  EXPECT_FALSE(Opened().labelled());
  EXPECT_THAT(Rows(), ElementsAre("image/1 \u00e4.ppm -", "image/2.ppm -"));
  EXPECT_THAT(report.warnings.lines, IsEmpty());

  // Folders in folders are no classes.
  Spill(in / "train/ants/3.ppm", TinyPpm());
  EXPECT_EQ(ROOST_VALUE(Convert()).warnings.count, 1U);
  EXPECT_THAT(Rows(),
              ElementsAre("image/1 \u00e4.ppm -", "image/2.ppm -", "image/train/ants/3.ppm -"));
}

TEST_F(ConvertTest, AnImageDirectoryPassesThrough) {
  Spill(in / "a/1.ppm", TinyPpm());
  Spill(in / "b/1.ppm", TinyPpm());
  ROOST_VALUE(Convert());
  const fs::path second = folder.path() / "second";
  EXPECT_EQ(ROOST_VALUE(ConvertToImageDirectory(out, second)).layout, ImageLayout::kImageDirectory);
  for (const char* name : {"images.lst", "_schema.json", "_meta.yaml", "image/1_1.ppm"}) {
    EXPECT_EQ(Slurp(second / name), Slurp(out / name)) << name;
  }
}

TEST_F(ConvertTest, ArchivesOfAllKinds) {
  const std::vector<Entry> entries = {{"top/", "", AE_IFDIR},
                                      {"top/data/", "", AE_IFDIR},
                                      {"top/data/a \u00e4\u866b/1.ppm", TinyPpm()},
                                      {"./top//data/b/2.ppm", TinyPpm(3, 3)},
                                      {"__MACOSX/top/._1.ppm", "x"}};
  const std::vector<std::pair<Pack, std::string>> kinds = {{Pack::kZip, "x.zip"},
                                                           {Pack::kTar, "x.tar"},
                                                           {Pack::kTarGz, "x.tar.gz"},
                                                           {Pack::kTarBz2, "x.TAR.BZ2"}};
  for (const auto& [pack, name] : kinds) {
    (void)RemoveTree(in);
    fs::create_directory(in);
    WriteArchive(in / name, pack, entries);
    const ConvertReport report = ROOST_VALUE(Convert());
    EXPECT_THAT(report.classes, ElementsAre("a \u00e4\u866b", "b")) << name;
    EXPECT_THAT(Rows(), ElementsAre("image/0_0.ppm a \u00e4\u866b", "image/1_1.ppm b")) << name;
    EXPECT_EQ(Slurp(out / "image/1_1.ppm"), TinyPpm(3, 3));
    EXPECT_FALSE(fs::exists(out / ".unpacked"));
    // The archive itself as the input.
    EXPECT_EQ(ROOST_VALUE(ConvertFile(in / name)).images, 2U);
  }
}

TEST_F(ConvertTest, TheFirstArchiveAtTheTopIsTaken) {
  WriteArchive(in / "b.zip", Pack::kZip, {{"x/1.ppm", TinyPpm()}, {"y/1.ppm", TinyPpm()}});
  WriteArchive(in / "a.tar", Pack::kTar, {{"c/1.ppm", TinyPpm()}, {"d/1.ppm", TinyPpm()}});
  Spill(in / "ants/1.ppm", TinyPpm());
  EXPECT_THAT(ROOST_VALUE(Convert()).classes, ElementsAre("c", "d"));
}

TEST_F(ConvertTest, AChainThatEndsInImagesIsOneClass) {
  WriteArchive(in / "x.zip", Pack::kZip,
               {{"data/dog/1.ppm", TinyPpm()}, {"data/dog/2.ppm", TinyPpm()}});
  EXPECT_THAT(ROOST_VALUE(Convert()).classes, ElementsAre("dog"));
  // Images at the top of the archive have no class.
  WriteArchive(in / "x.zip", Pack::kZip, {{"1.ppm", TinyPpm()}, {"2.ppm", TinyPpm()}});
  EXPECT_EQ(ROOST_VALUE(Convert()).layout, ImageLayout::kFlat);
}

TEST_F(ConvertTest, HostileEntriesAreRefusedByName) {
  const std::vector<std::pair<Entry, std::string>> cases = {
      {{"../evil", "x"}, "'../evil', which leads outside"},
      {{"a/../../evil", "x"}, "which leads outside"},
      {{"..\\evil", "x"}, "which leads outside"},
      {{fs::path(folder.path() / "evil").string(), "x"}, "which leads outside"},
      {{"a/\x01.ppm", "x"}, "which leads outside"},
      {{"a/link", "", AE_IFLNK, "/etc"}, "the link 'a/link'"},
      {{"a/hard", "", AE_IFREG, "a/1.ppm", true}, "the link 'a/hard'"},
      {{"a/device", "", AE_IFCHR}, "no regular file"},
      {{"a/pipe", "", AE_IFIFO}, "no regular file"},
      {{std::string(300, 'n'), "x"}, "cannot be unpacked"},
      {{"a/1.ppm/x", "x"}, "cannot be unpacked"},
  };
  for (const auto& [entry, reason] : cases) {
    WriteArchive(in / "x.tar", Pack::kTar, {{"a/1.ppm", TinyPpm()}, entry});
    EXPECT_NUMBER(Convert(), 18, reason) << entry.name;
    ExpectNothingLeft();
  }
  for (const char* name : {"../evil", "/evil", "a/../../evil", "..\\evil"}) {
    WriteArchive(in / "x.tar", Pack::kZip, {{"a/1.ppm", TinyPpm()}, {name, "x"}});
    EXPECT_NUMBER(Convert(), 18, "which leads outside") << name;
    ExpectNothingLeft();
  }
}

TEST_F(ConvertTest, BombsAreStopped) {
  const std::string zeros(4 << 20, '\0');
  for (const Pack pack : {Pack::kZip, Pack::kTarGz, Pack::kTarBz2}) {
    const fs::path bomb = in / (pack == Pack::kZip ? "x.zip" : "x.tar.gz");
    WriteArchive(bomb, pack, {{"a/1.ppm", zeros}, {"a/2.ppm", zeros}});
    ConvertOptions options;
    options.archive.max_bytes = 5 << 20;
    EXPECT_NUMBER(Convert(options), 18, "unpacks to more than 5");
    options = {};
    options.archive.ratio_from_bytes = 1 << 20;
    EXPECT_NUMBER(Convert(options), 18, "more than 100 times its size");
    options = {};
    options.archive.max_files = 1;
    EXPECT_NUMBER(Convert(options), 18, "more than 1 entries");
    ExpectNothingLeft();
    fs::remove(bomb);
  }
}

TEST_F(ConvertTest, AHoleInASparseFileCounts) {
  // A tar whose one file claims to be 1 TiB of hole and then one byte.
  struct archive* writer = archive_write_new();
  archive_write_set_format_pax(writer);
  ASSERT_EQ(archive_write_open_filename(writer, (in / "x.tar").c_str()), ARCHIVE_OK);
  struct archive_entry* entry = archive_entry_new();
  archive_entry_set_pathname(entry, "a/1.ppm");
  archive_entry_set_filetype(entry, AE_IFREG);
  constexpr std::int64_t kSize = 1LL << 40;
  archive_entry_set_size(entry, kSize);
  archive_entry_sparse_add_entry(entry, kSize - 1, 1);
  ASSERT_EQ(archive_write_header(writer, entry), ARCHIVE_OK);
  const std::string hole(1 << 20, '\0');
  for (int i = 0; i < 1 << 20; ++i) {
    if (archive_write_data(writer, hole.data(), hole.size()) < 1) break;
  }
  archive_entry_free(entry);
  archive_write_close(writer);
  archive_write_free(writer);
  EXPECT_NUMBER(Convert(), 18, "times its size");
}

TEST_F(ConvertTest, BrokenArchivesAreRefused) {
  Spill(in / "x.zip", "this is no zip at all");
  EXPECT_NUMBER(Convert(), 102, "Given ZIP file is not in the correct format.");
  fs::remove(in / "x.zip");
  Spill(in / "x.tar.gz", "neither is this");
  EXPECT_NUMBER(Convert(), 18, "is broken");
  Spill(in / "x.tar.gz", "");
  EXPECT_NUMBER(Convert(), 18, "is empty");
  WriteArchive(in / "x.tar.gz", Pack::kTarGz, {});
  EXPECT_NUMBER(Convert(), 18, "no file is found");

  // Cut at many places: an error or, past the last entry, a success; never a crash.
  std::string noise;
  for (unsigned i = 0, x = 1; i < 5000; ++i)
    noise += static_cast<char>((x = x * 48271U % 2147483647U) >> 8U);
  for (const Pack pack : {Pack::kZip, Pack::kTarGz, Pack::kTarBz2}) {
    fs::remove(in / "x.tar.gz");
    WriteArchive(in / "x.tar.gz", pack, {{"a/1.ppm", TinyPpm() + noise}, {"a/2.ppm", TinyPpm()}});
    const std::string whole = Slurp(in / "x.tar.gz");
    for (std::size_t part = 1; part < 20; ++part) {
      Spill(in / "x.tar.gz", whole.substr(0, whole.size() * part / 20));
      const auto converted = Convert();
      if (!converted) {
        EXPECT_EQ(ModuleErrorOf(converted.error())->number, 18);
      } else {
        EXPECT_GT(part, 10U);
      }
    }
  }
}

// Real pictures, where they are: shared/data beside the source tree.
TEST_F(ConvertTest, AntsAndBees) {
  const fs::path archive =
      fs::path(__FILE__).parent_path() / "../../../../shared/data/hymenoptera.tar";
  if (!fs::exists(archive)) GTEST_SKIP() << "needs " << archive;
  EXPECT_OK(ExtractArchive(archive, in, "hymenoptera.tar"));
  const ConvertReport report = ROOST_VALUE(ConvertFile(in / "hymenoptera" / "train"));
  EXPECT_THAT(report.classes, ElementsAre("ants", "bees"));
  EXPECT_THAT(report.class_counts, ElementsAre(123U, 121U));
  EXPECT_THAT(report.warnings.lines, ElementsAre(HasSubstr("ants/imageNotFound.gif")));
  const auto samples = nlohmann::json::parse(Slurp(out / "_samples.json"));
  EXPECT_GT(samples[0]["image"].get<std::string>().size(), 10'000U);
}

// --- COCO ---

TEST_F(ConvertTest, CocoGivesEachImageItsOneCategory) {
  Spill(in / "pictures/1.ppm", TinyPpm());
  Spill(in / "2.ppm", TinyPpm());
  Spill(in / "3.ppm", TinyPpm());
  Spill(in / "coco.json", R"({
    "info": {"x": [1]},
    "images": [{"id": 30, "file_name": "3.ppm", "width": 2}, {"id": 10, "file_name": "pictures/1.ppm"},
               {"id": 20, "file_name": "2.ppm"}, {"id": 40, "file_name": "missing.ppm"}],
    "annotations": [{"image_id": 10, "category_id": 7, "segmentation": [[1, 2, 3]]},
                    {"image_id": 10, "category_id": 7}, {"image_id": 30, "category_id": 2},
                    {"image_id": 20, "category_id": 2}, {"image_id": 20, "category_id": 7},
                    {"image_id": 99, "category_id": 2}],
    "categories": [{"id": 7, "name": "z\u00e4"}, {"id": 2, "name": "a b"}, {"id": 9, "name": "none"}]})");
  const ConvertReport report = ROOST_VALUE(Convert());
  EXPECT_EQ(report.layout, ImageLayout::kCoco);
  EXPECT_THAT(report.classes, ElementsAre("a b", "z\u00e4", "none"));
  EXPECT_THAT(report.class_counts, ElementsAre(1U, 1U, 0U));
  EXPECT_THAT(Rows(), ElementsAre("image/30.ppm a b", "image/10.ppm z\u00e4", "image/20.ppm -"));
  EXPECT_EQ(Opened().IdOf(0), 30);
  EXPECT_THAT(report.warnings.lines,
              ElementsAre(HasSubstr("missing.ppm was left out"), HasSubstr("2.ppm has annotations"),
                          HasSubstr("1 annotations belong")));
}

TEST_F(ConvertTest, CocoWithMissingFieldsNamesThePlace) {
  Spill(in / "1.ppm", TinyPpm());
  const std::string categories = R"(, "categories": [{"id": 1, "name": "a"}]})";
  for (const auto& [text, reason] : std::vector<std::pair<std::string, std::string>>{
           {R"({"images": [{"id": 1}], "annotations": [{}])" + categories,
            "images[0] in coco.json has no text 'file_name'"},
           {R"({"images": [{"file_name": "1.ppm"}], "annotations": [{}])" + categories,
            "images[0] in coco.json has no whole number 'id'"},
           {R"({"images": [5], "annotations": [{}])" + categories, "images[0]"},
           {R"({"images": [{"id": 1, "file_name": "../1.ppm"}], "annotations": [{}])" + categories,
            "'../1.ppm', which leads outside"},
           {R"({"images": [{"id": 1, "file_name": "1.ppm"}, {"id": 1, "file_name": "1.ppm"}],
               "annotations": [{}])" +
                categories,
            "images[1] in coco.json has an id"},
           {R"({"images": [{"id": 1, "file_name": "1.ppm"}], "annotations": [{"category_id": 1}])" +
                categories,
            "annotations[0] in coco.json has no whole number 'image_id'"},
           {R"({"images": [{"id": 1, "file_name": "1.ppm"}],
               "annotations": [{"image_id": 1, "category_id": 5}])" +
                categories,
            "the category_id 5, which is not in categories"},
           {R"({"images": [{"id": 1, "file_name": "1.ppm"}], "annotations": [{"image_id": 1}],
               "categories": [{"id": 1}]})",
            "categories[0] in coco.json has no text 'name'"},
           {R"({"images": [{"id": 1, "file_name": "x.ppm"}], "annotations": [{"image_id": 1}]})",
            "no readable image"}}) {
    Spill(in / "coco.json", text);
    EXPECT_NUMBER(Convert(), 18, reason) << text;
  }
  // Captions: an image directory without labels.
  Spill(in / "coco.json", R"({"images": [{"id": 1, "file_name": "1.ppm"}],
                              "annotations": [{"image_id": 1, "caption": "a cat"}]})");
  EXPECT_EQ(ROOST_VALUE(Convert()).layout, ImageLayout::kCoco);
  EXPECT_FALSE(Opened().labelled());
}

TEST_F(ConvertTest, OtherJsonFilesDoNotDisturb) {
  Spill(in / "ants/1.ppm", TinyPpm());
  Spill(in / "bees/1.ppm", TinyPpm());
  for (const std::string text : {"{}", "", "[1, 2", "{\"images\": 3, \"annotations\": []}"}) {
    Spill(in / "labels.json", text);
    EXPECT_EQ(ROOST_VALUE(Convert()).layout, ImageLayout::kClassFolders) << text;
  }
  // Depth costs no stack.
  Spill(in / "labels.json", std::string(1'000'000, '['));
  EXPECT_EQ(ROOST_VALUE(Convert()).layout, ImageLayout::kClassFolders);
  Spill(in / "labels.json",
        "{\"images\":" + std::string(1'000'000, '[') + std::string(1'000'000, ']') + "}");
  EXPECT_EQ(ROOST_VALUE(Convert()).layout, ImageLayout::kClassFolders);
}

}  // namespace
}  // namespace roost::trainer
