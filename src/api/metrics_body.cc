#include "api/metrics_body.h"

#include <simdjson.h>

#include <cmath>
#include <limits>
#include <unordered_map>

#include "spec/run_definition.h"

namespace roost::api {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kMostProblems = 100;
// A parser keeps memory for the longest document that it has seen; after a large one it starts
// anew.
constexpr std::size_t kKeptCapacity = 1 << 20;
constexpr std::size_t kListFrom = 8;  // from so many names on they are looked up in a map

class BatchReader {
 public:
  explicit BatchReader(Micros now) : now_(now) {}

  Result<spec::MetricBatch> Read(dom::object root) {
    for (const auto [key, value] : root) {
      if (key == "writer") {
        std::string_view text;
        if (value.get(text) || text.size() > 128) {
          Add("writer", "must be a text of at most 128 bytes");
        } else {
          batch_.writer = text;
        }
      } else if (key == "batch") {
        if (value.get(batch_.number) || batch_.number < 1) {
          Add("batch", "must be a whole number from 1");
        }
      } else if (key == "points") {
        ReadList(value, "points", [this](auto item, const auto& path) { ReadPoint(item, path); });
      } else if (key == "series") {
        ReadList(value, "series", [this](auto item, const auto& path) { ReadSeries(item, path); });
      } else if (key == "entries") {
        ReadList(value, "entries", [this](auto item, const auto& path) { ReadEntry(item, path); });
      } else {
        Unknown("", key);
      }
    }
    if (batch_.writer.empty() != (batch_.number == 0)) {
      Add("batch", "and `writer` go together");
    }
    if (error_.details.empty()) return std::move(batch_);
    const Problem& first = error_.details.front();
    error_.message = "The metrics are not valid: `" + first.field + "` " + first.message;
    return tl::unexpected<Error>(std::move(error_));
  }

 private:
  // A path is only spelled when there is a problem to name.
  struct Path {
    std::string_view list;
    std::size_t index;
    std::string Field(std::string_view field) const {
      return std::string(list) + "[" + std::to_string(index) + "]." + std::string(field);
    }
  };

  void Add(std::string field, std::string message) {
    if (error_.details.size() < kMostProblems) {
      error_.details.push_back({std::move(field), std::move(message)});
    }
  }
  void Unknown(const std::string& prefix, std::string_view key) {
    Add(prefix + std::string(key), "is no field here");
  }

  template <class ReadItem>
  void ReadList(dom::element value, std::string_view name, const ReadItem& read) {
    dom::array items;
    if (value.get(items)) {
      if (!value.is_null()) Add(std::string(name), "must be a list");
      return;
    }
    std::size_t index = 0;
    for (const dom::element item : items) {
      const Path path{name, index++};
      dom::object object;
      if (item.get(object)) {
        Add(std::string(name) + "[" + std::to_string(path.index) + "]", "must be an object");
      } else {
        read(object, path);
      }
    }
  }

  static bool ReadNumber(dom::element value, double* to) {
    if (!value.get(*to)) return true;
    std::string_view text;
    if (value.get(text)) return false;
    if (text == "NaN") {
      *to = std::numeric_limits<double>::quiet_NaN();
    } else if (text == "Infinity") {
      *to = std::numeric_limits<double>::infinity();
    } else if (text == "-Infinity") {
      *to = -std::numeric_limits<double>::infinity();
    } else {
      return false;
    }
    return true;
  }
  // From 1970 to the end of 9999, which is what a time can be written as.
  static constexpr Micros kLatestTime = 253'402'300'799'999'999;
  static bool ReadTime(dom::element value, Micros* to) {
    if (!value.get(*to)) return *to >= 0 && *to <= kLatestTime;
    std::string_view text;
    if (value.get(text)) return false;
    const auto time = ParseTime(text);
    if (time) *to = *time;
    return time.has_value();
  }
  static bool ReadStep(dom::element value, std::int64_t* to) { return !value.get(*to) && *to >= 0; }

  bool ReadName(dom::element value, const Path& path, std::string_view* name) {
    if (value.get(*name)) {
      Add(path.Field("name"), "must be a text");
      return false;
    }
    if (*name == checked_name_) return true;
    if (auto checked = spec::CheckMetricName(*name); !checked) {
      Add(path.Field("name"), checked.error().message);
      return false;
    }
    checked_name_ = *name;
    return true;
  }

  spec::MetricSeries& SeriesOf(std::string_view name) {
    auto& series = batch_.series;
    if (!series.empty() && series[last_].name == name) return series[last_];
    if (series.size() < kListFrom) {
      for (last_ = 0; last_ < series.size(); ++last_) {
        if (series[last_].name == name) return series[last_];
      }
    } else {
      if (index_.empty()) {
        for (std::size_t i = 0; i < series.size(); ++i) index_.emplace(series[i].name, i);
      }
      const auto [found, added] = index_.emplace(std::string(name), series.size());
      last_ = found->second;
      if (!added) return series[last_];
    }
    series.push_back({std::string(name), {}});
    return series.back();
  }

  void ReadPoint(dom::object object, const Path& path) {
    std::string_view name;
    spec::MetricPoint point{spec::kNextStep, now_, 0};
    bool has_name = false, has_value = false;
    for (const auto [key, value] : object) {
      if (key == "name") {
        if (!ReadName(value, path, &name)) return;
        has_name = true;
      } else if (key == "value") {
        has_value = ReadNumber(value, &point.value);
        if (!has_value) {
          return Add(path.Field("value"),
                     "must be a number, \"NaN\", \"Infinity\" or \"-Infinity\"");
        }
      } else if (key == "step") {
        if (!value.is_null() && !ReadStep(value, &point.step)) {
          return Add(path.Field("step"), "must be a whole number from 0");
        }
      } else if (key == "time") {
        if (!value.is_null() && !ReadTime(value, &point.time)) {
          return Add(path.Field("time"),
                     "must be an ISO 8601 text or unix microseconds, from 1970 to 9999");
        }
      } else {
        return Unknown(path.Field(""), key);
      }
    }
    if (!has_name) return Add(path.Field("name"), "is required");
    if (!has_value) return Add(path.Field("value"), "is required");
    SeriesOf(name).points.push_back(point);
  }

  // Reads one of a series' three lists into its points.
  template <class ReadItem>
  bool ReadColumn(dom::element value, std::vector<spec::MetricPoint>* points, bool* sized,
                  const ReadItem& read) {
    dom::array items;
    if (value.get(items)) return false;
    if (!*sized) {
      points->assign(items.size(), {spec::kNextStep, now_, 0});
      *sized = true;
    } else if (points->size() != items.size()) {
      return false;
    }
    auto point = points->begin();
    for (const dom::element item : items) {
      if (!read(item, &*point)) return false;
      ++point;
    }
    return true;
  }

  void ReadSeries(dom::object object, const Path& path) {
    std::string_view name;
    std::vector<spec::MetricPoint> points;
    bool sized = false, has_name = false, has_value = false;
    for (const auto [key, value] : object) {
      bool good = true;
      if (key == "name") {
        if (!ReadName(value, path, &name)) return;
        has_name = true;
      } else if (key == "value") {
        has_value = good = ReadColumn(value, &points, &sized, [](dom::element item, auto* point) {
          return ReadNumber(item, &point->value);
        });
      } else if (key == "step") {
        good = value.is_null() ||
               ReadColumn(value, &points, &sized, [](dom::element item, auto* point) {
                 return ReadStep(item, &point->step);
               });
      } else if (key == "time") {
        good = value.is_null() ||
               ReadColumn(value, &points, &sized, [](dom::element item, auto* point) {
                 return ReadTime(item, &point->time);
               });
      } else {
        return Unknown(path.Field(""), key);
      }
      if (!good) {
        return Add(path.Field(key),
                   "must be a list as long as the others: value of numbers, step of whole numbers "
                   "from 0, time of ISO 8601 texts or microseconds");
      }
    }
    if (!has_name) return Add(path.Field("name"), "is required");
    if (!has_value) return Add(path.Field("value"), "is required");
    auto& kept = SeriesOf(name).points;
    if (kept.empty()) {
      kept = std::move(points);
    } else {
      kept.insert(kept.end(), points.begin(), points.end());
    }
  }

  void ReadEntry(dom::object object, const Path& path) {
    spec::MetricEntry entry;
    entry.time = now_;
    std::string_view name, text;
    bool has_name = false, has_type = false, has_value = false;
    for (const auto [key, value] : object) {
      if (key == "name") {
        if (!ReadName(value, path, &name)) return;
        entry.name = name;
        has_name = true;
      } else if (key == "type") {
        const auto type = value.get(text) ? std::nullopt : spec::ParseMetricType(text);
        if (!type || *type == spec::MetricType::kScalar) {
          return Add(path.Field("type"), "must be a type of entry, like table");
        }
        entry.type = *type;
        has_type = true;
      } else if (key == "value") {
        entry.value = simdjson::minify(value);
        has_value = true;
      } else if (key == "step") {
        std::int64_t step = 0;
        if (!value.is_null() && !ReadStep(value, &step)) {
          return Add(path.Field("step"), "must be a whole number from 0");
        }
        if (!value.is_null()) entry.step = step;
      } else if (key == "time") {
        if (!value.is_null() && !ReadTime(value, &entry.time)) {
          return Add(path.Field("time"),
                     "must be an ISO 8601 text or unix microseconds, from 1970 to 9999");
        }
      } else if (key == "description") {
        if (value.get(text) || text.size() > spec::kMaxDescription) {
          return Add(path.Field("description"), "must be a text of at most 5000 bytes");
        }
        entry.description = text;
      } else {
        return Unknown(path.Field(""), key);
      }
    }
    if (!has_name) return Add(path.Field("name"), "is required");
    if (!has_type) return Add(path.Field("type"), "is required");
    if (!has_value) return Add(path.Field("value"), "is required");
    if (auto checked = spec::CheckMetricEntry(entry); !checked) {
      return Add(path.Field("value"), checked.error().message);
    }
    batch_.entries.push_back(std::move(entry));
  }

  const Micros now_;
  spec::MetricBatch batch_;
  Error error_{ErrorCode::kInvalidArgument, "", {}};
  std::string checked_name_;
  std::size_t last_ = 0;
  std::unordered_map<std::string, std::size_t> index_;
};

}  // namespace

Result<spec::MetricBatch> ParseMetricBatch(std::string& body, Micros now) {
  thread_local std::unique_ptr<dom::parser> parser;
  if (!parser) parser = std::make_unique<dom::parser>();
  const std::size_t size = body.size();
  body.reserve(size + simdjson::SIMDJSON_PADDING);
  dom::element root;
  const auto parse_error = parser->parse(body.data(), size, false).get(root);
  dom::object object;
  Result<spec::MetricBatch> batch =
      Fail(ErrorCode::kInvalidArgument, "The request's body is not valid JSON.");
  if (!parse_error && root.get(object)) {
    batch = Fail(ErrorCode::kInvalidArgument, "The request's body must be a JSON object.");
  } else if (!parse_error) {
    batch = BatchReader(now).Read(object);
  }
  if (size > kKeptCapacity) parser.reset();
  return batch;
}

}  // namespace roost::api
