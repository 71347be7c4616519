#include "trainer/folders/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "trainer/folders/coco.h"
#include "trainer/folders/folder_meta.h"
#include "trainer/folders/image_directory.h"
#include "trainer/folders/probe.h"

namespace roost::trainer {
namespace {

constexpr const char* kUnpackedFolder = ".unpacked";
constexpr const char* kHint =
    "Please give a folder <class>/<image>, a flat folder of images, or one with a COCO file; the "
    "extensions are .jpg, .jpeg, .png, .ppm, .bmp, .pgm, .tif, .tiff and .webp.";

bool IsHidden(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with('.') || name == "__MACOSX";
}

// What a folder holds, by name, without hidden entries and the metadata of macOS.
Result<std::vector<fs::path>> Entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code problem;
  fs::directory_iterator at(folder, problem);
  for (; !problem && at != fs::directory_iterator(); at.increment(problem)) {
    if (!IsHidden(at->path())) entries.push_back(at->path());
  }
  if (problem) return Fail(ErrnoError("reading " + folder.string(), problem.value()));
  std::sort(entries.begin(), entries.end(),
            [](const fs::path& a, const fs::path& b) { return a.native() < b.native(); });
  return entries;
}

bool IsFile(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}
bool IsFolder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

class Conversion {
 public:
  Conversion(const fs::path& input, const fs::path& output, const ConvertOptions& options)
      : input_(input), output_(output), options_(options) {
    dataset_ =
        ToValidUtf8((input.has_filename() ? input : input.parent_path()).filename().string());
  }

  Result<ConvertReport> Run() {
    ROOST_TRY(FindBase());
    ROOST_TRY(ConvertBase());
    ROOST_TRY(RemoveTree(output_ / kUnpackedFolder));
    return std::move(report_);
  }

 private:
  // --- Where the images are ---

  Status FindBase() {
    base_ = input_;
    std::error_code problem;
    if (!fs::exists(input_, problem)) return Refuse("the input path does not exist");
    if (!IsFolder(input_)) {
      if (!IsArchiveName(input_)) {
        return Refuse("a file with the extension '" + input_.extension().string() +
                      "' is not taken; archives are .zip, .tar, .gz and .bz2");
      }
      ROOST_TRY(Unpack(input_));
    } else {
      ROOST_ASSIGN(const std::vector<fs::path> entries, Entries(input_));
      const auto archive = std::find_if(entries.begin(), entries.end(), [](const fs::path& path) {
        return IsArchiveName(path) && IsFile(path);
      });
      if (archive != entries.end()) ROOST_TRY(Unpack(*archive));
    }
    return Descend();
  }

  Status Unpack(const fs::path& archive) {
    base_ = output_ / kUnpackedFolder;
    unpacked_ = true;
    ROOST_TRY(MakeFolders(base_));
    return ExtractArchive(archive, base_, dataset_, options_.archive);
  }

  // Goes down chains of single folders. A last folder that holds only images is a class, so its
  // parent is what counts.
  Status Descend() {
    const fs::path top = base_;
    while (true) {
      ROOST_ASSIGN(const std::vector<fs::path> entries, Entries(base_));
      if (entries.empty()) {
        return Refuse("no file is found in " + (base_ == top ? "it" : base_.filename().string()));
      }
      const bool has_folder = std::any_of(entries.begin(), entries.end(), IsFolder);
      const bool described = std::any_of(entries.begin(), entries.end(), [](const fs::path& path) {
        return path.extension() == ".json" || path.filename() == "images.lst";
      });
      if (!has_folder && !described && base_ != top) {
        base_ = base_.parent_path();
        return {};
      }
      if (entries.size() != 1 || !IsFolder(entries.front())) return {};
      base_ = entries.front();
    }
  }

  // --- What they are ---

  Status ConvertBase() {
    if (IsFile(base_ / "images.lst") && IsFile(base_ / "_schema.json")) return TakeDirectory();
    ROOST_ASSIGN(const std::vector<fs::path> entries, Entries(base_));
    for (const fs::path& entry : entries) {
      if (entry.extension() != ".json" || !IsFile(entry)) continue;
      ROOST_ASSIGN(const std::optional<CocoDataset> coco, ReadCoco(entry, dataset_));
      if (coco) return TakeCoco(*coco);
      break;  // Azure, too, looks at the first only
    }
    ROOST_ASSIGN(const bool classes, HasClassFolders(entries));
    return classes ? TakeClassFolders(entries) : TakeFlat(entries);
  }

  Result<bool> HasClassFolders(const std::vector<fs::path>& entries) {
    for (const fs::path& folder : entries) {
      if (!IsFolder(folder)) continue;
      ROOST_ASSIGN(const std::vector<fs::path> files, Entries(folder));
      for (const fs::path& file : files) {
        if (HasImageExtension(file) && IsFile(file) && ProbeImageFile(file)) return true;
      }
    }
    return false;
  }

  Status TakeDirectory() {
    report_.layout = ImageLayout::kImageDirectory;
    ROOST_ASSIGN(const ImageDirectory directory, ImageDirectory::Open(base_, dataset_));
    ROOST_TRY(Begin(directory.schema()));
    for (std::size_t i = 0; i < directory.size(); ++i) {
      if (directory.ClassOf(i) >= 0) {
        ++report_.class_counts[static_cast<std::size_t>(directory.ClassOf(i))];
      }
    }
    ROOST_TRY(ParallelFor(directory.size(), options_.threads, [&](std::size_t i) {
      return Copy(directory.PathOf(i), std::string(directory.FileName(i)));
    }));
    ROOST_TRY(directory.ForEachLine([&](std::size_t, std::string_view line) {
      ++report_.images;
      return writer_->AddLine(line);
    }));
    return writer_->Finish();
  }

  Status TakeCoco(const CocoDataset& coco) {
    report_.layout = ImageLayout::kCoco;
    ROOST_TRY(Begin(coco.classes.empty() ? ImageSchema::Unlabelled()
                                         : ImageSchema::Classification(coco.classes)));
    std::vector<fs::path> files;
    for (const CocoImage& image : coco.images) files.push_back(base_ / image.file_name);
    const std::vector<std::string> problems = Probe(files);
    std::vector<std::size_t> taken;
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (problems[i].empty()) {
        taken.push_back(i);
      } else {
        LeftOut(files[i], problems[i]);
      }
    }
    const auto name_of = [&](std::size_t i) {
      return fmt::format("image/{}{}", coco.images[i].id, files[i].extension().string());
    };
    // Two rows may show the same file, so it is copied and not moved.
    ROOST_TRY(ParallelFor(taken.size(), options_.threads, [&](std::size_t at) {
      return Copy(files[taken[at]], name_of(taken[at]));
    }));
    for (const std::size_t i : taken) {
      const CocoImage& image = coco.images[i];
      if (image.several_classes) {
        report_.warnings.Add("The image " + image.file_name +
                             " has annotations of several categories and gets no label.");
      }
      ROOST_TRY(AddRow({name_of(i), image.class_index, image.id}));
    }
    if (coco.orphans > 0) {
      report_.warnings.Add(
          fmt::format("{} annotations belong to images that are not listed.", coco.orphans));
    }
    return FinishRows();
  }

  Status TakeClassFolders(const std::vector<fs::path>& entries) {
    report_.layout = ImageLayout::kClassFolders;
    std::vector<fs::path> folders;
    std::vector<std::string> classes;
    for (const fs::path& entry : entries) {
      if (!IsFolder(entry)) {
        LeftOut(entry, "it is in no class folder");
        continue;
      }
      folders.push_back(entry);
      classes.push_back(entry.filename().string());
      if (!IsValidUtf8(classes.back())) {
        return Refuse("the name of the class folder '" + ToValidUtf8(classes.back()) +
                      "' is not UTF-8");
      }
    }
    ROOST_TRY(Begin(ImageSchema::Classification(classes)));
    for (std::size_t c = 0; c < folders.size(); ++c) {
      ROOST_TRY(TakeClass(folders[c], static_cast<int>(c)));
    }
    return FinishRows();
  }

  Status TakeClass(const fs::path& folder, int class_index) {
    ROOST_ASSIGN(std::vector<fs::path> files, Entries(folder));
    std::erase_if(files, [&](const fs::path& file) {
      if (!IsFolder(file)) return false;
      report_.warnings.Add("The folder " + Shown(file) +
                           " lies deeper than the class folders and was left out.");
      return true;
    });
    const std::vector<std::string> problems = Probe(files);
    std::vector<std::pair<fs::path, std::string>> taken;  // file, name in the output
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (!problems[i].empty()) {
        LeftOut(files[i], problems[i]);
        continue;
      }
      taken.emplace_back(files[i],
                         fmt::format("image/{}_{}{}", class_index, report_.images + taken.size(),
                                     files[i].extension().string()));
    }
    if (taken.empty()) {
      const std::string detail = files.empty() ? std::string("it is empty")
                                               : Shown(files.front()) + ": " + problems.front();
      return Refuse("the class folder '" + folder.filename().string() +
                    "' has no readable image (" + detail + ")");
    }
    ROOST_TRY(ParallelFor(taken.size(), options_.threads,
                          [&](std::size_t i) { return Place(taken[i].first, taken[i].second); }));
    for (const auto& [file, name] : taken) {
      ROOST_TRY(AddRow({name, class_index, static_cast<std::int64_t>(report_.images)}));
    }
    return {};
  }

  Status TakeFlat(const std::vector<fs::path>& entries) {
    report_.layout = ImageLayout::kFlat;
    if (std::any_of(entries.begin(), entries.end(), IsFolder)) {
      report_.warnings.Add(
          "No class folder <class>/<image> was found, so the images of all "
          "folders were taken without labels.");
    }
    ROOST_TRY(Begin(ImageSchema::Unlabelled()));
    ROOST_ASSIGN(const std::vector<TreeEntry> tree, ListTree(base_));
    std::vector<fs::path> files;
    std::vector<std::string> names;
    for (const TreeEntry& entry : tree) {
      const std::vector<std::string> parts = Split(entry.path, '/');
      if (std::any_of(parts.begin(), parts.end(), IsHidden)) continue;
      files.push_back(base_ / entry.path);
      names.push_back("image/" + entry.path);
    }
    std::vector<std::string> problems = Probe(files);
    std::vector<std::size_t> taken;
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (problems[i].empty() && (!IsValidUtf8(names[i]) || !IsSafeRelativePath(names[i]))) {
        problems[i] = "its name is not UTF-8 or has control characters";
      }
      if (problems[i].empty()) {
        taken.push_back(i);
      } else {
        LeftOut(files[i], problems[i]);
      }
    }
    ROOST_TRY(ParallelFor(taken.size(), options_.threads, [&](std::size_t at) {
      return Place(files[taken[at]], names[taken[at]]);
    }));
    for (const std::size_t i : taken) {
      ROOST_TRY(AddRow({names[i], -1, static_cast<std::int64_t>(report_.images)}));
    }
    return FinishRows();
  }

  // --- Steps of all layouts ---

  Status Begin(const ImageSchema& schema) {
    ROOST_ASSIGN(writer_, ImageDirectoryWriter::Create(output_, schema));
    report_.classes = schema.ClassNames();
    report_.class_counts.assign(report_.classes.size(), 0);
    return {};
  }

  // Why each file cannot be taken; empty for those that can. Warns of those that lose something.
  std::vector<std::string> Probe(const std::vector<fs::path>& files) {
    std::vector<std::string> problems(files.size());
    std::vector<std::string> warnings(files.size());
    (void)ParallelFor(files.size(), options_.threads, [&](std::size_t i) -> Status {
      if (!IsFile(files[i])) {
        problems[i] = "it is missing or no regular file";
      } else if (!HasImageExtension(files[i])) {
        problems[i] = "the extension '" + files[i].extension().string() + "' is not taken";
      } else if (const Result<ImageInfo> probed = ProbeImageFile(files[i]); !probed) {
        problems[i] = probed.error().message;
      } else if (probed->wide_gray) {
        const Result<DecodedImage> decoded = DecodeImageFile(files[i]);
        if (decoded) warnings[i] = GrayWarning(Shown(files[i]), *decoded);
      }
      return {};
    });
    for (std::string& warning : warnings) {
      if (!warning.empty()) report_.warnings.Add(std::move(warning));
    }
    return problems;
  }

  Status Copy(const fs::path& from, const std::string& name) const {
    ROOST_TRY(MakeFolders((output_ / name).parent_path()));
    const Status copied = CopyFile(from, output_ / name, 0644);
    if (!copied) return Fail(AsOutputError(copied.error()));
    return {};
  }

  Status Place(const fs::path& from, const std::string& name) const {
    if (!unpacked_) return Copy(from, name);
    const fs::path to = output_ / name;
    ROOST_TRY(MakeFolders(to.parent_path()));
    std::error_code problem;
    fs::rename(from, to, problem);
    if (problem) return Fail(AsOutputError(ErrnoError("moving " + from.string(), problem.value())));
    return {};
  }

  Status AddRow(const ImageRow& row) {
    ++report_.images;
    if (row.class_index >= 0) ++report_.class_counts[static_cast<std::size_t>(row.class_index)];
    return writer_->Add(row);
  }

  Status FinishRows() {
    if (report_.images > 0) return writer_->Finish();
    const std::string detail =
        report_.warnings.lines.empty() ? "" : " (" + report_.warnings.lines.back() + ")";
    return Refuse("it has no readable image" + detail);
  }

  std::string Shown(const fs::path& path) const {
    return ToValidUtf8(path.lexically_relative(base_).string());
  }

  void LeftOut(const fs::path& file, const std::string& reason) {
    report_.warnings.Add("The file " + Shown(file) + " was left out: " + reason + ".");
  }

  Status Refuse(const std::string& reason) const {
    return FailModule(InvalidDataset(dataset_, ToValidUtf8(reason), kHint));
  }

  const fs::path& input_;
  const fs::path& output_;
  const ConvertOptions& options_;
  std::string dataset_;
  fs::path base_;
  bool unpacked_ = false;
  std::optional<ImageDirectoryWriter> writer_;
  ConvertReport report_;
};

}  // namespace

Result<ConvertReport> ConvertToImageDirectory(const fs::path& input, const fs::path& output,
                                              const ConvertOptions& options) {
  ROOST_TRY(PrepareOutputFolder(output));
  const std::string below =
      fs::weakly_canonical(output).lexically_relative(fs::weakly_canonical(input));
  if (!below.empty() && !below.starts_with("..")) {
    return FailModule(
        FailedToWriteOutputs("the output folder " + output.string() + " lies in the input folder",
                             "Choose a folder beside it."));
  }
  OutputGuard guard({output});
  ROOST_ASSIGN(ConvertReport report, Conversion(input, output, options).Run());
  guard.Keep();
  return report;
}

}  // namespace roost::trainer
