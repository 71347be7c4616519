#include "trainer/folders/image_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>

#include "base/check.h"
#include "base/strings.h"
#include "trainer/folders/component_error.h"
#include "trainer/folders/folder_meta.h"
#include "trainer/images/decode.h"
#include "trainer/images/encode.h"
#include "trainer/images/resize.h"

namespace roost::trainer {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kType = "ImageDirectory";
constexpr const char* kListFile = "images.lst";
constexpr const char* kSchemaFile = "_schema.json";
constexpr const char* kSamplesFile = "_samples.json";
constexpr const char* kClassification = "COCO_classification";
constexpr const char* kMimeType = "image/png";
constexpr const char* kHint = "Please make it with Convert to Image Directory.";
constexpr std::uint64_t kSchemaLimit = 256ULL << 20;
// A class index above this is a mistake or an attack: a list of names up to it is kept in memory.
constexpr std::int64_t kMaxCategoryId = 1'000'000;
constexpr std::size_t kSampleRows = 3;
constexpr int kSampleSide = 512;
constexpr std::uint64_t kSampleMaxPixels = 64'000'000;

ordered_json Column(const char* name, const char* type, const char* element, bool feature) {
  ordered_json column;
  column["name"] = name;
  column["type"] = type;
  column["isFeature"] = feature;
  column["elementType"] = {{"typeName", element}, {"isNullable", false}};
  return column;
}

ordered_json BaseColumns() {
  ordered_json image = Column("image", "Bytes", "bytes", true);
  image["properties"] = {{"mime_type", kMimeType}, {"image_ref", "image_info"}};
  return ordered_json::array({image, Column("id", "Numeric", "int64", false)});
}

// JSON that never throws: a missing or differently typed member gives the fallback.
std::string TextAt(const json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

const json& ChildAt(const json& object, const char* key) {
  static const json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(key);
  return found == object.end() ? kNothing : *found;
}

// Base64 of a small PNG; empty for an image that cannot be shown at a reasonable cost.
std::string SampleImage(const fs::path& path) {
  DecodeOptions options;
  options.limits.max_pixels = kSampleMaxPixels;
  auto decoded = DecodeImageFile(path, options);
  if (!decoded) return {};
  Image image = std::move(decoded->image);
  const int longer = std::max(image.width, image.height);
  if (longer > kSampleSide) {
    const auto scaled = [&](int side) {
      return std::max(1, static_cast<int>(static_cast<std::int64_t>(side) * kSampleSide / longer));
    };
    image = ResizeImage(image, scaled(image.width), scaled(image.height), Filter::kBilinear);
  }
  const auto png = EncodePng(image);
  return png ? Base64(*png) : std::string();
}

Result<std::vector<Category>> ParseCategories(const json& list, std::string_view dataset) {
  const auto invalid = [&](const std::string& reason) {
    return FailModule(InvalidDataset(dataset, "the category list of its _schema.json " + reason));
  };
  std::vector<Category> categories;
  std::set<std::int64_t> ids;
  std::set<std::string> names;
  if (!list.is_array()) return invalid("is missing");
  for (const json& entry : list) {
    const json& id = ChildAt(entry, "id");
    const json& name = ChildAt(entry, "name");
    if (!id.is_number_integer() || !name.is_string()) {
      return invalid("has an entry without a whole number 'id' and a text 'name'");
    }
    const auto value = id.get<std::int64_t>();
    if (value < 0 || value > kMaxCategoryId) {
      return invalid(fmt::format("has the id {}, which is not in 0 to {}", value, kMaxCategoryId));
    }
    if (!ids.insert(value).second) return invalid(fmt::format("has the id {} twice", value));
    if (!names.insert(name.get<std::string>()).second) {
      return invalid("has the name '" + name.get<std::string>() + "' twice");
    }
    categories.push_back({value, name.get<std::string>()});
  }
  return categories;
}

}  // namespace

// --- The schema ---

ImageSchema ImageSchema::Classification(const std::vector<std::string>& classes) {
  ImageSchema schema;
  ordered_json list = ordered_json::array();
  for (const std::string& name : classes) {
    const auto id = static_cast<std::int64_t>(schema.categories.size());
    schema.categories.push_back({id, name});
    list.push_back(ordered_json{{"id", id}, {"name", name}});
  }
  schema.label_column = "category";
  ordered_json label = Column("category", "String", "str", false);
  label["properties"] = ordered_json{{"annotation_type", kClassification}, {"categories", list}};
  ordered_json columns = BaseColumns();
  columns.push_back(std::move(label));
  schema.text = ordered_json{{"columnAttributes", columns}}.dump(2, ' ', true);
  return schema;
}

ImageSchema ImageSchema::Unlabelled() {
  ImageSchema schema;
  schema.text = ordered_json{{"columnAttributes", BaseColumns()}}.dump(2, ' ', true);
  return schema;
}

Result<ImageSchema> ImageSchema::Parse(std::string text, std::string_view dataset) {
  const json root = json::parse(text, nullptr, false);
  const json& columns = ChildAt(root, "columnAttributes");
  if (!columns.is_array()) {
    return FailModule(InvalidDataset(
        dataset, "its _schema.json is no JSON object with the list columnAttributes", kHint));
  }
  ImageSchema schema;
  schema.text = std::move(text);
  bool has_image = false;
  for (const json& column : columns) {
    const json& properties = ChildAt(column, "properties");
    if (!has_image && TextAt(ChildAt(column, "elementType"), "typeName") == "bytes" &&
        TextAt(properties, "mime_type") == kMimeType) {
      has_image = true;
      schema.image_column = TextAt(column, "name");
      schema.reference_column = TextAt(properties, "image_ref");
    }
    if (schema.label_column.empty() && TextAt(properties, "annotation_type") == kClassification) {
      schema.label_column = TextAt(column, "name");
      ROOST_ASSIGN(schema.categories, ParseCategories(ChildAt(properties, "categories"), dataset));
    }
  }
  if (!has_image || schema.reference_column.empty()) {
    return FailModule(InvalidDataset(dataset, "its _schema.json has no image column", kHint));
  }
  return schema;
}

std::vector<std::string> ImageSchema::ClassNames() const {
  std::int64_t highest = -1;
  for (const Category& category : categories) highest = std::max(highest, category.id);
  std::vector<std::string> names(static_cast<std::size_t>(highest + 1), "Others");
  for (const Category& category : categories) {
    names[static_cast<std::size_t>(category.id)] = category.name;
  }
  return names;
}

// --- Reading ---

Result<ImageDirectory> ImageDirectory::Open(const fs::path& folder, std::string_view dataset) {
  const auto invalid = [&](const std::string& reason) {
    return FailModule(InvalidDataset(dataset, reason, kHint));
  };
  // Azure takes a folder without _meta.yaml when the files have their usual names.
  FolderMeta meta;
  if (auto read = ReadFolderMeta(folder)) {
    meta = std::move(*read);
    if (meta.Get("type", kType) != kType) {
      return invalid(folder.string() + " is of type " + ToValidUtf8(meta.Get("type")) +
                     ", not of type ImageDirectory");
    }
  } else if (read.error().code != ErrorCode::kNotFound) {
    return invalid(read.error().message);
  }

  ImageDirectory directory;
  directory.folder_ = folder;
  directory.dataset_ = dataset;
  const auto schema_path = FileInFolder(folder, meta.Get("schema", kSchemaFile));
  const auto list_path = FileInFolder(folder, meta.Get("image_list", kListFile));
  if (!schema_path) return invalid(schema_path.error().message);
  if (!list_path) return invalid(list_path.error().message);
  auto schema_text = ReadFile(*schema_path, kSchemaLimit);
  if (!schema_text) {
    return invalid(folder.string() + " is no image directory (" + schema_text.error().message +
                   ")");
  }
  ROOST_ASSIGN(directory.schema_, ImageSchema::Parse(std::move(*schema_text), dataset));
  directory.list_ = *list_path;
  directory.classes_ = directory.schema_.ClassNames();
  ROOST_TRY(directory.ReadRows());
  return directory;
}

Status ImageDirectory::ReadRows() {
  std::unordered_map<std::string, std::int32_t> index_of;
  for (const Category& category : schema_.categories) {
    index_of[category.name] = static_cast<std::int32_t>(category.id);
  }
  const Status read = ForEachLine([&](std::size_t index, std::string_view line) -> Status {
    const auto invalid = [&](const std::string& reason) {
      return FailModule(InvalidDataset(dataset_, fmt::format("line {} of {} {}", index + 1,
                                                             list_.string(), ToValidUtf8(reason))));
    };
    const json row = json::parse(line, nullptr, false);
    if (!row.is_object()) return invalid("is no JSON object");
    const std::string name = TextAt(ChildAt(row, schema_.reference_column.c_str()), "file_name");
    if (!IsSafeRelativePath(name)) {
      return invalid("has no file_name that leads to a file of the directory: '" + name + "'");
    }
    std::int32_t class_index = -1;
    if (labelled()) {
      const json& label = ChildAt(row, schema_.label_column.c_str());
      if (label.is_string() && !label.get_ref<const std::string&>().empty()) {
        const auto found = index_of.find(label.get_ref<const std::string&>());
        if (found == index_of.end()) {
          return invalid("has the category '" + label.get<std::string>() +
                         "', which is not in the category list of the schema");
        }
        class_index = found->second;
      } else if (!label.is_null() && !label.is_string()) {
        return invalid("has a category that is no text");
      }
    }
    const json& id = ChildAt(row, "id");
    names_ += name;
    ends_.push_back(names_.size());
    class_indexes_.push_back(class_index);
    ids_.push_back(id.is_number_integer() ? id.get<std::int64_t>()
                                          : static_cast<std::int64_t>(index));
    return {};
  });
  if (!read) {
    if (ModuleErrorOf(read.error())) return read;
    return FailModule(InvalidDataset(
        dataset_, folder_.string() + " is no image directory (" + read.error().message + ")",
        kHint));
  }
  names_.shrink_to_fit();
  ends_.shrink_to_fit();
  class_indexes_.shrink_to_fit();
  ids_.shrink_to_fit();
  if (size() == 0) return FailModule(InvalidDataset(dataset_, list_.string() + " is empty", kHint));
  std::error_code problem;
  if (!fs::is_regular_file(PathOf(0), problem)) {
    return FailModule(InvalidDataset(
        dataset_, "the image " + PathOf(0).string() + " is missing; only local files can be read"));
  }
  return {};
}

Status ImageDirectory::ForEachLine(
    const std::function<Status(std::size_t, std::string_view)>& visit) const {
  ROOST_ASSIGN(LineReader reader, LineReader::Open(list_));
  std::string_view line;
  std::size_t index = 0;
  while (true) {
    ROOST_ASSIGN(const bool more, reader.Next(line));
    if (!more) return {};
    if (Trim(line).empty()) continue;
    ROOST_TRY(visit(index++, line));
  }
}

std::string_view ImageDirectory::FileName(std::size_t index) const {
  const std::uint64_t begin = index == 0 ? 0 : ends_[index - 1];
  return std::string_view(names_).substr(begin, ends_[index] - begin);
}

std::size_t ImageDirectory::memory_bytes() const {
  return names_.capacity() + ends_.capacity() * sizeof(ends_[0]) +
         class_indexes_.capacity() * sizeof(class_indexes_[0]) + ids_.capacity() * sizeof(ids_[0]);
}

// --- Writing ---

Result<ImageDirectoryWriter> ImageDirectoryWriter::Create(const fs::path& folder,
                                                          ImageSchema schema) {
  if (const Status made = MakeFolders(folder / "image"); !made) {
    return FailModule(FailedToWriteOutputs(made.error().message));
  }
  auto list = TextWriter::Create(folder / kListFile);
  if (!list) return Fail(AsOutputError(list.error()));
  ImageDirectoryWriter writer(folder, std::move(schema), std::move(*list));
  writer.classes_ = writer.schema_.ClassNames();
  return writer;
}

Status ImageDirectoryWriter::Add(const ImageRow& row) {
  ordered_json line;
  line[schema_.reference_column]["file_name"] = row.file_name;
  if (schema_.labelled()) {
    if (row.class_index < 0) {
      line[schema_.label_column] = nullptr;
    } else {
      line[schema_.label_column] = classes_.at(static_cast<std::size_t>(row.class_index));
    }
  }
  line["id"] = row.id;
  return AddLine(line.dump(-1, ' ', true, ordered_json::error_handler_t::replace));
}

Status ImageDirectoryWriter::AddLine(std::string_view line) {
  if (samples_.size() < kSampleRows) samples_.emplace_back(line);
  ++count_;
  Status written = list_.Write(line);
  if (written) written = list_.Write("\n");
  if (!written) return Fail(AsOutputError(written.error()));
  return {};
}

std::string ImageDirectoryWriter::SamplesJson() const {
  ordered_json rows = ordered_json::array();
  for (const std::string& text : samples_) {
    const ordered_json line = ordered_json::parse(text, nullptr, false);
    ordered_json row;
    const std::string name =
        TextAt(ChildAt(json(line), schema_.reference_column.c_str()), "file_name");
    row[schema_.image_column] = SampleImage(folder_ / name);
    for (const auto& [key, value] : line.items()) {
      if (key != schema_.reference_column) row[key] = value;
    }
    rows.push_back(std::move(row));
  }
  return rows.dump(2, ' ', true, ordered_json::error_handler_t::replace);
}

Status ImageDirectoryWriter::Finish() {
  ROOST_CHECK(count_ > 0);
  Status written = list_.Close();
  if (written) written = WriteFileAtomic(folder_ / kSamplesFile, SamplesJson());
  if (written) written = WriteFileAtomic(folder_ / kSchemaFile, schema_.text);
  if (!written) return Fail(AsOutputError(written.error()));
  return WriteFolderMeta(
      folder_, kType,
      {{"image_list", kListFile}, {"samples", kSamplesFile}, {"schema", kSchemaFile}});
}

}  // namespace roost::trainer
