#include "trainer/folders/coco.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>

#include "base/strings.h"
#include "trainer/folders/component_error.h"

namespace roost::trainer {
namespace {

using nlohmann::json;

constexpr std::uint64_t kFileLimit = 4ULL << 30;

// Keeps the members that are used; outlines and captions make most of a COCO file.
bool Keep(int depth, json::parse_event_t event, json& parsed) {
  static const std::set<std::string> kKeys = {"images",    "annotations", "categories",  "id",
                                              "file_name", "image_id",    "category_id", "name"};
  if (event != json::parse_event_t::key) return depth < 16;
  return kKeys.contains(parsed.get_ref<const std::string&>());
}

class CocoReader {
 public:
  CocoReader(const json& root, std::string_view dataset, const fs::path& file)
      : root_(root), dataset_(dataset), file_(file) {}

  Result<CocoDataset> Read() {
    ROOST_TRY(ReadCategories());
    ROOST_TRY(ReadImages());
    ROOST_TRY(ReadAnnotations());
    return std::move(result_);
  }

 private:
  Status ReadCategories() {
    const auto list = root_.find("categories");
    if (list == root_.end() || list->is_null()) return {};
    if (!list->is_array()) return Invalid("categories", "is no list");
    std::map<std::int64_t, std::string> names;
    std::set<std::string> seen;
    for (std::size_t i = 0; i < list->size(); ++i) {
      const std::string place = fmt::format("categories[{}]", i);
      ROOST_ASSIGN(const std::int64_t id, Integer((*list)[i], "id", place));
      ROOST_ASSIGN(const std::string name, Text((*list)[i], "name", place));
      if (!seen.insert(name).second) return Invalid(place, "has a name that is there twice");
      if (!names.emplace(id, name).second) return Invalid(place, "has an id that is there twice");
    }
    for (const auto& [id, name] : names) {
      class_of_[id] = static_cast<int>(result_.classes.size());
      result_.classes.push_back(name);
    }
    return {};
  }

  Status ReadImages() {
    const json& list = root_["images"];
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string place = fmt::format("images[{}]", i);
      CocoImage image;
      ROOST_ASSIGN(image.id, Integer(list[i], "id", place));
      ROOST_ASSIGN(image.file_name, Text(list[i], "file_name", place));
      if (!IsSafeRelativePath(image.file_name)) {
        return Invalid(place, "has the file_name '" + image.file_name + "', which leads outside");
      }
      if (!index_of_.emplace(image.id, i).second) {
        return Invalid(place, "has an id that is there twice");
      }
      result_.images.push_back(std::move(image));
    }
    return {};
  }

  Status ReadAnnotations() {
    const json& list = root_["annotations"];
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string place = fmt::format("annotations[{}]", i);
      ROOST_ASSIGN(const std::int64_t image_id, Integer(list[i], "image_id", place));
      if (!list[i].contains("category_id")) continue;  // a caption
      ROOST_ASSIGN(const std::int64_t category_id, Integer(list[i], "category_id", place));
      const auto category = class_of_.find(category_id);
      if (category == class_of_.end()) {
        return Invalid(
            place, fmt::format("has the category_id {}, which is not in categories", category_id));
      }
      const auto found = index_of_.find(image_id);
      if (found == index_of_.end()) {
        ++result_.orphans;
        continue;
      }
      CocoImage& image = result_.images[found->second];
      if (image.several_classes || image.class_index == category->second) continue;
      image.several_classes = image.class_index >= 0;
      image.class_index = image.several_classes ? -1 : category->second;
    }
    return {};
  }

  Result<std::int64_t> Integer(const json& object, const char* key, const std::string& place) {
    if (!object.is_object() || !object.contains(key) || !object[key].is_number_integer()) {
      return Invalid(place, fmt::format("has no whole number '{}'", key));
    }
    return object[key].get<std::int64_t>();
  }

  Result<std::string> Text(const json& object, const char* key, const std::string& place) {
    if (!object.is_object() || !object.contains(key) || !object[key].is_string()) {
      return Invalid(place, fmt::format("has no text '{}'", key));
    }
    return object[key].get<std::string>();
  }

  tl::unexpected<Error> Invalid(const std::string& place, const std::string& reason) const {
    return FailModule(InvalidDataset(
        dataset_, ToValidUtf8(fmt::format("{} in {} {}", place, file_.filename().string(), reason)),
        "Please correct the COCO file."));
  }

  const json& root_;
  const std::string_view dataset_;
  const fs::path& file_;
  CocoDataset result_;
  std::unordered_map<std::int64_t, int> class_of_;
  std::unordered_map<std::int64_t, std::size_t> index_of_;
};

}  // namespace

Result<std::optional<CocoDataset>> ReadCoco(const fs::path& file, std::string_view dataset) {
  std::error_code problem;
  if (fs::file_size(file, problem) > kFileLimit || problem) {
    return FailModule(InvalidDataset(
        dataset, "the COCO file " + file.string() + " cannot be read or is over 4 GiB"));
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    return FailModule(InvalidDataset(dataset, "the file " + file.string() + " cannot be opened"));
  }
  const json root = json::parse(stream, Keep, false);
  if (!root.is_object() || !root.contains("images") || !root.contains("annotations") ||
      !root["images"].is_array() || !root["annotations"].is_array() || root["images"].empty() ||
      root["annotations"].empty()) {
    return std::nullopt;
  }
  ROOST_ASSIGN(CocoDataset coco, CocoReader(root, dataset, file).Read());
  return coco;
}

}  // namespace roost::trainer
