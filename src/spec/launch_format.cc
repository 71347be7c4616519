#include "spec/launch_format.h"

#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "base/strings.h"

namespace roost::spec {
namespace {

using Json = nlohmann::json;

constexpr std::array<std::pair<EndCause, std::string_view>, 5> kCauses = {{
    {EndCause::kExited, "exited"},
    {EndCause::kCanceled, "canceled"},
    {EndCause::kTimeLimit, "time_limit"},
    {EndCause::kMemoryLimit, "memory_limit"},
    {EndCause::kStartFailed, "start_failed"},
}};

// Paths, arguments and variables are bytes to Linux and texts to JSON. What is no UTF-8 travels as
// {"hex": "..."}, so nothing is bent on the way to exec.
Json FromBytes(const std::string& bytes) {
  if (IsValidUtf8(bytes)) return bytes;
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return {{"hex", hex}};
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::optional<std::string> ToBytes(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_object() || !value.contains("hex") || !value["hex"].is_string()) return {};
  const auto& hex = value["hex"].get_ref<const std::string&>();
  if (hex.size() % 2 != 0) return {};
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = HexValue(hex[i]);
    const int low = HexValue(hex[i + 1]);
    if (high < 0 || low < 0) return {};
    bytes += static_cast<char>(high << 4 | low);
  }
  return bytes;
}

// Reads one of these files. The first thing that is missing or wrong is kept; unknown fields are
// left alone, because a minor addition must not stop a program that does not need it.
class Reader {
 public:
  Reader(const std::string& text, std::string_view what)
      : what_(what), json_(Json::parse(text, nullptr, /*allow_exceptions=*/false)) {
    if (!json_.is_object()) {
      error_ = what_ + " is no JSON object; it is damaged or cut off";
      json_ = Json::object();
      return;
    }
    std::int64_t version = 0;
    Integer("version", &version);
    if (error_.empty() && version > kLaunchFormatVersion) {
      error_ = what_ + " has format version " + std::to_string(version) +
               ", which is newer than this program's " + std::to_string(kLaunchFormatVersion) +
               "; use the newer program";
    } else if (error_.empty() && version < 1) {
      error_ = what_ + " has no valid format version";
    }
  }

  template <class Number>
  void Integer(const char* field, Number* to) {
    const Json* value = Find(field);
    if (value == nullptr) return;
    if (!value->is_number_integer()) return Wrong(field, "a whole number");
    // An unsigned number above int64 turns negative in get<int64_t>; no field may hold one.
    const auto number = value->get<std::int64_t>();
    if ((value->is_number_unsigned() && number < 0) ||
        number < static_cast<std::int64_t>(std::numeric_limits<Number>::min()) ||
        number > static_cast<std::int64_t>(std::numeric_limits<Number>::max())) {
      return Wrong(field, "a number in range");
    }
    *to = static_cast<Number>(number);
  }
  void Number(const char* field, double* to) {
    const Json* value = Find(field);
    if (value == nullptr) return;
    if (!value->is_number()) return Wrong(field, "a number");
    *to = value->get<double>();
  }
  void Bool(const char* field, bool* to) {
    const Json* value = Find(field);
    if (value == nullptr) return;
    if (!value->is_boolean()) return Wrong(field, "true or false");
    *to = value->get<bool>();
  }
  void Text(const char* field, std::string* to) {
    const Json* value = Find(field);
    if (value == nullptr) return;
    if (auto bytes = ToBytes(*value)) {
      *to = *std::move(bytes);
    } else {
      Wrong(field, "a text");
    }
  }
  void Texts(const char* field, std::vector<std::string>* to) {
    const Json* value = Find(field);
    if (value == nullptr) return;
    if (!value->is_array()) return Wrong(field, "a list of texts");
    for (const Json& item : *value) {
      auto bytes = ToBytes(item);
      if (!bytes) return Wrong(field, "a list of texts");
      to->push_back(*std::move(bytes));
    }
  }
  void TextMap(const char* field, std::map<std::string, std::string>* to) {
    const Json* value = Find(field);
    if (value == nullptr) return;
    if (!value->is_object()) return Wrong(field, "an object of texts");
    for (const auto& [key, item] : value->items()) {
      auto bytes = ToBytes(item);
      if (!bytes) return Wrong(field, "an object of texts");
      to->emplace(key, *std::move(bytes));
    }
  }
  void Cause(const char* field, EndCause* to) {
    std::string text;
    Text(field, &text);
    if (!error_.empty()) return;
    for (const auto& [cause, name] : kCauses) {
      if (name == text) {
        *to = cause;
        return;
      }
    }
    Wrong(field, "a known cause");
  }
  // A list that older requests do not have.
  void Mounts(const char* field, std::vector<BindMount>* to) {
    if (!json_.contains(field)) return;
    const Json* value = Find(field);
    if (value == nullptr) return;
    if (!value->is_array()) return Wrong(field, "a list of mounts");
    for (const Json& item : *value) {
      const bool whole = item.is_object() && item.contains("source") && item.contains("target");
      auto source = whole ? ToBytes(item["source"]) : std::nullopt;
      auto target = whole ? ToBytes(item["target"]) : std::nullopt;
      if (!source || !target) return Wrong(field, "a list of mounts");
      to->push_back({*std::move(source), *std::move(target)});
    }
  }
  // For fields that may be null.
  bool IsNull(const char* field) const { return json_.contains(field) && json_[field].is_null(); }

  Status Finish() const {
    if (error_.empty()) return {};
    return Fail(ErrorCode::kInvalidArgument, error_);
  }

 private:
  const Json* Find(const char* field) {
    if (!error_.empty()) return nullptr;
    const auto found = json_.find(field);
    if (found != json_.end()) return &*found;
    error_ = what_ + " lacks `" + field + "`";
    return nullptr;
  }
  void Wrong(const char* field, std::string_view expected) {
    error_ = what_ + ": `" + field + "` must be " + std::string(expected);
  }

  std::string what_;
  Json json_;
  std::string error_;
};

std::string Dump(const Json& json) {
  // Texts that are only told, such as messages, may hold any bytes; they are mended.
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string_view ToString(EndCause cause) {
  for (const auto& [known, name] : kCauses) {
    if (known == cause) return name;
  }
  return "exited";
}

}  // namespace

std::string ToJsonText(const LaunchRequest& request) {
  Json argv = Json::array();
  for (const std::string& argument : request.argv) argv.push_back(FromBytes(argument));
  Json environment = Json::object();
  for (const auto& [name, value] : request.environment) environment[name] = FromBytes(value);
  Json mounts = Json::array();
  for (const BindMount& mount : request.mounts) {
    mounts.push_back({{"source", FromBytes(mount.source)}, {"target", FromBytes(mount.target)}});
  }
  return Dump({{"version", kLaunchFormatVersion},
               {"launch_id", request.launch_id},
               {"attempt", request.attempt},
               {"rank", request.rank},
               {"argv", std::move(argv)},
               {"environment", std::move(environment)},
               {"working_folder", FromBytes(request.working_folder)},
               {"log_file", FromBytes(request.log_file)},
               {"time_limit_ms", request.time_limit_ms},
               {"grace_ms", request.grace_ms},
               {"memory_limit_mb", request.memory_limit_mb},
               {"mounts", std::move(mounts)}});
}

std::string ToJsonText(const ExitRecord& record) {
  return Dump({{"version", kLaunchFormatVersion},
               {"launch_id", record.launch_id},
               {"attempt", record.attempt},
               {"rank", record.rank},
               {"boot_id", record.boot_id},
               {"pid", record.pid},
               {"started_at", record.started_at},
               {"ended_at", record.ended_at},
               {"code", record.code},
               {"signal", record.signal ? Json(*record.signal) : Json()},
               {"out_of_memory", record.out_of_memory},
               {"cause", ToString(record.cause)},
               {"message", record.message},
               {"user_cpu_seconds", record.user_cpu_seconds},
               {"system_cpu_seconds", record.system_cpu_seconds},
               {"max_rss_kb", record.max_rss_kb}});
}

std::string ToJsonText(const Claim& claim) {
  return Dump({{"version", kLaunchFormatVersion},
               {"launch_id", claim.launch_id},
               {"boot_id", claim.boot_id},
               {"shim_pid", claim.shim_pid},
               {"child_pid", claim.child_pid},
               {"time", claim.time}});
}

Result<LaunchRequest> ParseLaunchRequest(const std::string& text) {
  LaunchRequest request;
  Reader reader(text, "The launch request");
  reader.Text("launch_id", &request.launch_id);
  reader.Integer("attempt", &request.attempt);
  reader.Integer("rank", &request.rank);
  reader.Texts("argv", &request.argv);
  reader.TextMap("environment", &request.environment);
  reader.Text("working_folder", &request.working_folder);
  reader.Text("log_file", &request.log_file);
  reader.Integer("time_limit_ms", &request.time_limit_ms);
  reader.Integer("grace_ms", &request.grace_ms);
  reader.Integer("memory_limit_mb", &request.memory_limit_mb);
  reader.Mounts("mounts", &request.mounts);
  ROOST_TRY(reader.Finish());
  if (request.argv.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "The launch request has no program in `argv`");
  }
  return request;
}

Result<ExitRecord> ParseExitRecord(const std::string& text) {
  ExitRecord record;
  Reader reader(text, "The exit record");
  reader.Text("launch_id", &record.launch_id);
  reader.Integer("attempt", &record.attempt);
  reader.Integer("rank", &record.rank);
  reader.Text("boot_id", &record.boot_id);
  reader.Integer("pid", &record.pid);
  reader.Integer("started_at", &record.started_at);
  reader.Integer("ended_at", &record.ended_at);
  reader.Integer("code", &record.code);
  if (!reader.IsNull("signal")) {
    int signal = 0;
    reader.Integer("signal", &signal);
    record.signal = signal;
  }
  reader.Bool("out_of_memory", &record.out_of_memory);
  reader.Cause("cause", &record.cause);
  reader.Text("message", &record.message);
  reader.Number("user_cpu_seconds", &record.user_cpu_seconds);
  reader.Number("system_cpu_seconds", &record.system_cpu_seconds);
  reader.Integer("max_rss_kb", &record.max_rss_kb);
  ROOST_TRY(reader.Finish());
  return record;
}

Result<Claim> ParseClaim(const std::string& text) {
  Claim claim;
  Reader reader(text, "The claim");
  reader.Text("launch_id", &claim.launch_id);
  reader.Text("boot_id", &claim.boot_id);
  reader.Integer("shim_pid", &claim.shim_pid);
  reader.Integer("child_pid", &claim.child_pid);
  reader.Integer("time", &claim.time);
  ROOST_TRY(reader.Finish());
  return claim;
}

}  // namespace roost::spec
