#include "spec/json_reader.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/strings.h"
#include "spec/metrics.h"
#include "spec/text.h"

namespace roost::spec {
namespace {

// A request with thousands of mistakes gets an answer of a sensible size.
constexpr std::size_t kMaxProblems = 100;

const nlohmann::json& EmptyObject() {
  static const nlohmann::json empty = nlohmann::json::object();
  return empty;
}

std::string WithoutFinalDot(std::string path) {
  if (!path.empty() && path.back() == '.') path.pop_back();
  return path;
}

std::string TypeProblem(std::string_view expected, const nlohmann::json& value) {
  return "must be " + std::string(expected) + ", not " +
         (value.is_null() ? "null" : std::string("a JSON ") + value.type_name());
}

// Python's and JSON's way of writing it: 10.0 stays "10.0".
std::string ScalarAsText(const nlohmann::json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

bool IsTextLike(const nlohmann::json& value) {
  return value.is_string() || value.is_number() || value.is_boolean();
}

JsonReader::JsonReader(const nlohmann::json& object, std::string path)
    : JsonReader(object, std::move(path), nullptr) {}

JsonReader::JsonReader(const nlohmann::json& object, std::string path, Problems* problems)
    : object_(object.is_object() ? object : EmptyObject()),
      is_object_(object.is_object()),
      path_(std::move(path)),
      problems_(problems == nullptr ? &own_problems_ : problems) {
  if (!is_object_) AddProblem("", TypeProblem("a JSON object", object));
}

const nlohmann::json* JsonReader::Any(std::string_view field) {
  if (std::find(read_.begin(), read_.end(), field) == read_.end()) read_.emplace_back(field);
  const auto found = object_.find(field);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

bool JsonReader::Has(std::string_view field) const {
  const auto found = object_.find(field);
  return found != object_.end() && !found->is_null();
}

bool JsonReader::String(std::string_view field, std::string* to, StringRule rule) {
  const nlohmann::json* value = Any(field);
  if (value == nullptr) {
    if (rule.required && is_object_) AddProblem(field, "is required");
    return false;
  }
  if (!value->is_string()) {
    AddProblem(field, TypeProblem("a text", *value));
    return false;
  }
  const auto& text = value->get_ref<const std::string&>();
  if (!CheckText(field, text, rule.max_length)) return false;
  if (text.empty() && !rule.may_be_empty) {
    AddProblem(field, "must not be empty");
    return false;
  }
  *to = text;
  return true;
}

bool JsonReader::CheckText(std::string_view field, const std::string& text,
                           std::size_t max_length) {
  if (HasNul(text)) {
    AddProblem(field, "must not contain a NUL character");
    return false;
  }
  const std::size_t length = CountCharacters(text);
  if (length > max_length) {
    AddProblem(field, "has " + std::to_string(length) + " characters; at most " +
                          std::to_string(max_length) + " are allowed");
    return false;
  }
  return true;
}

bool JsonReader::Integer(std::string_view field, std::int64_t* to, std::int64_t min,
                         std::int64_t max) {
  const nlohmann::json* value = Any(field);
  if (value == nullptr) return false;
  std::int64_t number = 0;
  bool fits = true;
  if (value->is_number_unsigned()) {
    const auto big = value->get<std::uint64_t>();
    fits = big <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    number = fits ? static_cast<std::int64_t>(big) : 0;
  } else if (value->is_number_integer()) {
    number = value->get<std::int64_t>();
  } else if (value->is_number_float() && std::trunc(value->get<double>()) == value->get<double>()) {
    // 2.0 is an integer in JSON Schema. Doubles from 2^63 up do not fit.
    const double big = value->get<double>();
    fits = std::abs(big) < 0x1p63;
    number = fits ? static_cast<std::int64_t>(big) : 0;
  } else {
    AddProblem(field, value->is_number_float() ? "must be a whole number"
                                               : TypeProblem("a whole number", *value));
    return false;
  }
  if (!fits || number < min || number > max) {
    AddProblem(field, "must be from " + std::to_string(min) + " to " + std::to_string(max));
    return false;
  }
  *to = number;
  return true;
}

bool JsonReader::Number(std::string_view field, double* to, double min, double max) {
  const nlohmann::json* value = Any(field);
  if (value == nullptr) return false;
  if (!value->is_number()) {
    AddProblem(field, TypeProblem("a number", *value));
    return false;
  }
  const auto number = value->get<double>();
  if (!(number >= min && number <= max)) {
    AddProblem(field, "must be from " + FormatNumber(min) + " to " + FormatNumber(max));
    return false;
  }
  *to = number;
  return true;
}

bool JsonReader::Bool(std::string_view field, bool* to) {
  const nlohmann::json* value = Any(field);
  if (value == nullptr) return false;
  if (!value->is_boolean()) {
    AddProblem(field, TypeProblem("true or false", *value));
    return false;
  }
  *to = value->get<bool>();
  return true;
}

bool JsonReader::StringMap(std::string_view field, std::map<std::string, std::string>* to) {
  const nlohmann::json* value = Any(field);
  if (value == nullptr) return false;
  if (!value->is_object()) {
    AddProblem(field, TypeProblem("an object of texts", *value));
    return false;
  }
  std::map<std::string, std::string> map;
  bool valid = true;
  for (const auto& [key, text] : value->items()) {
    const std::string place = std::string(field) + "." + key;
    if (!text.is_string()) {
      AddProblem(place, TypeProblem("a text", text));
      valid = false;
    } else if (CheckText(place, text.get_ref<const std::string&>(), StringRule{}.max_length)) {
      map.emplace(key, text.get<std::string>());
    } else {
      valid = false;
    }
  }
  if (valid) *to = std::move(map);
  return valid;
}

bool JsonReader::OptionalStringMap(std::string_view field,
                                   std::map<std::string, std::optional<std::string>>* to) {
  const nlohmann::json* value = Any(field);
  if (value == nullptr) return false;
  if (!value->is_object()) {
    AddProblem(field, TypeProblem("an object of texts, numbers, booleans or nulls", *value));
    return false;
  }
  std::map<std::string, std::optional<std::string>> map;
  bool valid = true;
  for (const auto& [key, text] : value->items()) {
    const std::string place = std::string(field) + "." + key;
    if (text.is_null()) {
      map.emplace(key, std::nullopt);
    } else if (!IsTextLike(text)) {
      AddProblem(place, TypeProblem("a text, a number, true, false or null", text));
      valid = false;
    } else if (std::string plain = ScalarAsText(text);
               CheckText(place, plain, StringRule{}.max_length)) {
      map.emplace(key, std::move(plain));
    } else {
      valid = false;
    }
  }
  if (valid) *to = std::move(map);
  return valid;
}

bool JsonReader::StringList(std::string_view field, std::vector<std::string>* to,
                            bool numbers_as_text) {
  const nlohmann::json* value = Any(field);
  if (value == nullptr) return false;
  const std::string_view expected = numbers_as_text ? "a text, a number, true or false" : "a text";
  if (!value->is_array()) {
    AddProblem(field, TypeProblem("a list", *value));
    return false;
  }
  std::vector<std::string> list;
  bool valid = true;
  for (std::size_t i = 0; i < value->size(); ++i) {
    const nlohmann::json& item = (*value)[i];
    const std::string place = std::string(field) + "[" + std::to_string(i) + "]";
    if (!(numbers_as_text ? IsTextLike(item) : item.is_string())) {
      AddProblem(place, TypeProblem(expected, item));
      valid = false;
      continue;
    }
    std::string text = ScalarAsText(item);
    valid = CheckText(place, text, StringRule{}.max_length) && valid;
    list.push_back(std::move(text));
  }
  if (valid) *to = std::move(list);
  return valid;
}

void JsonReader::Object(std::string_view field, const std::function<void(JsonReader&)>& read) {
  const nlohmann::json* value = Any(field);
  if (value == nullptr) return;
  ReadNested(*value, std::string(field), read);
}

bool JsonReader::Objects(std::string_view field, const std::function<void(JsonReader&)>& read) {
  const nlohmann::json* value = Any(field);
  if (value == nullptr) return false;
  if (!value->is_array()) {
    AddProblem(field, TypeProblem("a list of objects", *value));
    return false;
  }
  for (std::size_t i = 0; i < value->size(); ++i) {
    ReadNested((*value)[i], std::string(field) + "[" + std::to_string(i) + "]", read);
  }
  return true;
}

void JsonReader::ReadNested(const nlohmann::json& value, const std::string& field,
                            const std::function<void(JsonReader&)>& read) {
  JsonReader nested(value, path_ + field + ".", problems_);
  if (!nested.is_object_) return;
  read(nested);
  nested.FindUnknownFields();
}

void JsonReader::AddProblem(std::string_view field, std::string message) {
  if (problems_->list.size() >= kMaxProblems) {
    ++problems_->left_out;
    return;
  }
  problems_->list.push_back({WithoutFinalDot(path_ + std::string(field)), std::move(message)});
}

void JsonReader::AddProblems(std::string_view field, const Error& error) {
  if (error.details.empty()) AddProblem(field, error.message);
  for (const Problem& problem : error.details) AddProblem(field, problem.message);
}

void JsonReader::FindUnknownFields() {
  for (const auto& [field, value] : object_.items()) {
    if (std::find(read_.begin(), read_.end(), field) != read_.end()) continue;
    AddProblem(field, "is not a known field; known are " + Join(read_, ", "));
  }
}

Status JsonReader::Finish(std::string_view sentence) {
  if (is_object_) FindUnknownFields();
  if (problems_->list.empty()) return {};
  const Problem& first = problems_->list.front();
  Error error{ErrorCode::kInvalidArgument, std::string(sentence) + ": ", problems_->list};
  if (!first.field.empty()) error.message += "`" + first.field + "` ";
  error.message += first.message;
  const std::size_t more = problems_->list.size() - 1 + problems_->left_out;
  if (more > 0) {
    error.message +=
        " (and " + std::to_string(more) + (more == 1 ? " more problem)" : " more problems)");
  }
  return Fail(std::move(error));
}

}  // namespace roost::spec
