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

  // `path` is put before field names in problems ("resources." for a nested object).
  explicit JsonReader(const nlohmann::json& object, std::string path = "");

  // Each returns true when the field was there and valid; the target is untouched otherwise. JSON
  // null counts as missing.
  bool String(std::string_view field, std::string* to, StringRule rule);
  bool String(std::string_view field, std::string* to) { return String(field, to, StringRule{}); }
  bool Integer(std::string_view field, std::int64_t* to, std::int64_t min, std::int64_t max);
  bool Number(std::string_view field, double* to, double min, double max);
  bool Bool(std::string_view field, bool* to);
  bool StringMap(std::string_view field, std::map<std::string, std::string>* to);
  bool StringList(std::string_view field, std::vector<std::string>* to,
                  bool numbers_as_text = false);
  // The raw value, marked as read; nullptr when missing. For fields that have a reader of their
  // own.
  const nlohmann::json* Any(std::string_view field);
  // Reads a nested object with the same problem list.
  void Object(std::string_view field, const std::function<void(JsonReader&)>& read);

  bool Has(std::string_view field) const;
  void AddProblem(std::string_view field, std::string message);
  void AddProblems(std::string_view field, const Error& error);  // e.g. of a Check function
  // No problems: success. Otherwise one kInvalidArgument error: `sentence`, ": " and the first
  // problem, with all of them as details.
  Status Finish(std::string_view sentence);

 private:
  JsonReader(const nlohmann::json& object, std::string path, std::vector<Problem>* problems);
  void FindUnknownFields();

  const nlohmann::json& object_;
  std::string path_;
  std::vector<Problem> own_problems_;
  std::vector<Problem>* problems_;
  std::vector<std::string> read_;
};

}  // namespace roost::spec
