#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace roost::spec {

// Reads a JSON object field by field and collects every problem instead of stopping at the first.
// Fields that nobody asked for are problems too, found by Finish.
//
//   JsonReader reader(body);
//   reader.String("name", &name, {.required = true, .max_length = 256});
//   ROOST_TRY(reader.Finish("The experiment is not valid"));
class JsonReader {
 public:
  struct StringRule {
    bool required = false;
    std::size_t max_length = 1 << 20;
    bool may_be_empty = true;
  };

  // `path` is put before field names in problems ("resources." for a nested object). `object`
  // outlives the reader; when it is no JSON object, that is the one problem.
  explicit JsonReader(const nlohmann::json& object, std::string path = "");
  JsonReader(const JsonReader&) = delete;
  JsonReader& operator=(const JsonReader&) = delete;

  // Each returns true when the field was there and valid; the target is untouched otherwise. JSON
  // null counts as missing. Lengths are characters; a text with a NUL is never valid. An integer
  // may be written as 2.0.
  bool String(std::string_view field, std::string* to, StringRule rule);
  bool String(std::string_view field, std::string* to) { return String(field, to, StringRule{}); }
  bool Integer(std::string_view field, std::int64_t* to, std::int64_t min, std::int64_t max);
  bool Number(std::string_view field, double* to, double min, double max);
  bool Bool(std::string_view field, bool* to);
  bool StringMap(std::string_view field, std::map<std::string, std::string>* to);
  // Values are texts, numbers and booleans as text, or null: tags.
  bool OptionalStringMap(std::string_view field,
                         std::map<std::string, std::optional<std::string>>* to);
  // With `numbers_as_text`, numbers and booleans are taken as JSON writes them: 0.1, 10.0, true.
  bool StringList(std::string_view field, std::vector<std::string>* to,
                  bool numbers_as_text = false);
  // The raw value, marked as read; nullptr when missing. For fields that have a reader of their
  // own.
  const nlohmann::json* Any(std::string_view field);
  // Reads a nested object with the same problem list.
  void Object(std::string_view field, const std::function<void(JsonReader&)>& read);
  // The same for a list of objects; true when the list was there.
  bool Objects(std::string_view field, const std::function<void(JsonReader&)>& read);

  bool Has(std::string_view field) const;
  bool HasProblems() const { return !problems_->list.empty(); }
  void AddProblem(std::string_view field, std::string message);
  // E.g. of a Check function; every problem is told about `field`.
  void AddProblems(std::string_view field, const Error& error);
  // No problems: success. Otherwise one kInvalidArgument error: `sentence`, ": " and the first
  // problem, with all of them (the first hundred) as details.
  Status Finish(std::string_view sentence);

 private:
  struct Problems {
    std::vector<Problem> list;
    std::size_t left_out = 0;
  };
  JsonReader(const nlohmann::json& object, std::string path, Problems* problems);
  void ReadNested(const nlohmann::json& value, const std::string& field,
                  const std::function<void(JsonReader&)>& read);
  bool CheckText(std::string_view field, const std::string& text, std::size_t max_length);
  void FindUnknownFields();

  const nlohmann::json& object_;
  bool is_object_;
  std::string path_;
  Problems own_problems_;
  Problems* problems_;
  std::vector<std::string> read_;
};

// A text, or a number or boolean that is taken as one.
bool IsTextLike(const nlohmann::json& value);

}  // namespace roost::spec
