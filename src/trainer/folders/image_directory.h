#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "trainer/folders/text_files.h"

namespace roost::trainer {

// The typed folder ImageDirectory, as Azure ML's image components read and write it:
//
//   images.lst     one JSON object a line: {"image_info": {"file_name": "image/0_0.jpg"},
//                  "category": "ants", "id": 0}
//   _schema.json   the columns image, id and category; the category column lists the classes
//   _samples.json  the first three rows, each image as base64 of a PNG of at most 512 pixels a side
//   _meta.yaml     type, and the names of the three files above
//   image/         the images, named <class id>_<number><extension>
//
// Texts are written as ASCII with \u escapes, since Azure's readers use the locale's encoding.

struct Category {
  std::int64_t id = 0;
  std::string name;
};

// What _schema.json says. `text` is the file as it was read or will be written, so that columns of
// other kinds (bounding boxes, captions) pass through Split and Apply unchanged.
struct ImageSchema {
  std::string text;
  std::string reference_column = "image_info";
  std::string image_column = "image";
  std::string label_column;  // empty: no classification labels
  std::vector<Category> categories{};

  // Classes 0, 1, ... in the given order. Requires: the names differ.
  static ImageSchema Classification(const std::vector<std::string>& classes);
  static ImageSchema Unlabelled();
  // Errors: 18 with the name of the dataset.
  static Result<ImageSchema> Parse(std::string text, std::string_view dataset);

  bool labelled() const { return !label_column.empty(); }
  // The class of each index up to the highest category id; an id that no category has is called
  // "Others", as Azure does. Requires: ids were checked by Parse.
  std::vector<std::string> ClassNames() const;
};

// One row. `class_index` counts in ClassNames(); -1: without label.
struct ImageRow {
  std::string file_name;  // relative to the folder
  int class_index = -1;
  std::int64_t id = 0;
};

// An image directory that is there. Keeps 20 bytes and the file name for each image, so a million
// images cost about 40 MB; images are not opened. Immutable: any thread may read.
class ImageDirectory {
 public:
  // `dataset` names the input in errors ("Training dataset"). Errors: 18 for a folder that is none,
  // an empty one, a line that is not as it should be (with its number), a category that the schema
  // does not have, a file name that leads outside; it also looks whether the first image exists.
  static Result<ImageDirectory> Open(const fs::path& folder, std::string_view dataset);

  const fs::path& folder() const { return folder_; }
  const ImageSchema& schema() const { return schema_; }
  bool labelled() const { return schema_.labelled(); }
  const std::vector<std::string>& classes() const { return classes_; }
  std::size_t size() const { return ids_.size(); }
  std::string_view FileName(std::size_t index) const;
  fs::path PathOf(std::size_t index) const { return folder_ / FileName(index); }
  int ClassOf(std::size_t index) const { return class_indexes_[index]; }  // -1: without label
  // The row's id; its position where the id is missing or no whole number.
  std::int64_t IdOf(std::size_t index) const { return ids_[index]; }
  std::size_t memory_bytes() const;

  // Reads images.lst again, in order, and gives each line as it stands.
  Status ForEachLine(
      const std::function<Status(std::size_t index, std::string_view line)>& visit) const;

 private:
  ImageDirectory() = default;
  Status AddLine(std::string_view line);
  Status ReadRows();

  fs::path folder_;
  std::string dataset_;
  fs::path list_;
  ImageSchema schema_;
  std::vector<std::string> classes_;
  std::string names_;                // file names, one after the other
  std::vector<std::uint64_t> ends_;  // of the names
  std::vector<std::int32_t> class_indexes_;
  std::vector<std::int64_t> ids_;
};

// Writes an image directory row by row with constant memory. The caller puts each image at
// folder/file_name before Finish.
class ImageDirectoryWriter {
 public:
  // Makes the folder and folder/image. Errors: 160.
  static Result<ImageDirectoryWriter> Create(const fs::path& folder, ImageSchema schema);

  const fs::path& folder() const { return folder_; }
  std::size_t size() const { return count_; }
  Status Add(const ImageRow& row);
  // A row as a line of JSON, for directories with other columns.
  Status AddLine(std::string_view line);
  // Writes samples, schema and, last, _meta.yaml. Requires: at least one row.
  Status Finish();

 private:
  ImageDirectoryWriter(fs::path folder, ImageSchema schema, TextWriter list)
      : folder_(std::move(folder)), schema_(std::move(schema)), list_(std::move(list)) {}
  std::string SamplesJson() const;

  fs::path folder_;
  ImageSchema schema_;
  std::vector<std::string> classes_{};
  TextWriter list_;
  std::size_t count_ = 0;
  std::vector<std::string> samples_{};  // the first three lines
};

}  // namespace roost::trainer
