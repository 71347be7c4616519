#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstring>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/digest.h"
#include "base/strings.h"
#include "cli/mlflow/source.h"
#include "roost/client.h"
#include "roost/http.h"

// A running server that speaks MLflow's REST API.
namespace roost::cli::mlflow {
namespace {

using nlohmann::json;

constexpr int kRunsAtOnce = 500;
constexpr int kPageSize = 1000;
// Histories are asked for side by side: the server's workers have all to do then.
constexpr std::size_t kConnections = 8;
constexpr auto kPatience = std::chrono::seconds(60);
// What metrics/get-history-bulk gives at most, of how many runs.
constexpr std::size_t kBulkPoints = 25'000;
constexpr std::size_t kBulkRuns = 100;

std::string Text(const json& object, const char* field) {
  const auto found = object.find(field);
  if (found == object.end()) return "";
  if (found->is_string()) return CleanText(found->get<std::string>());
  return found->is_number_integer() ? found->dump() : "";
}

// int64 come as numbers, and from old servers as texts.
std::int64_t Int(const json& object, const char* field) {
  const auto found = object.find(field);
  if (found == object.end()) return 0;
  if (found->is_number()) return found->get<std::int64_t>();
  if (!found->is_string()) return 0;
  std::int64_t number = 0;
  const auto& text = found->get_ref<const std::string&>();
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

Micros Time(const json& object, const char* field) {
  return object.contains(field) && !object.at(field).is_null() ? DateOf(Int(object, field)) : 0;
}

double Number(const json& value) {
  if (value.is_number()) return value.get<double>();
  const std::string text = value.is_string() ? value.get<std::string>() : "";
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  return std::numeric_limits<double>::quiet_NaN();
}

spec::MetricPoint PointOf(const json& metric) {
  return {Int(metric, "step"), FromMilliseconds(Int(metric, "timestamp")),
          Number(metric.contains("value") ? metric.at("value") : json(0.0))};
}

const json& ListOf(const json& object, const char* field) {
  static const json kNone = json::array();
  const auto found = object.find(field);
  return found == object.end() || !found->is_array() ? kNone : *found;
}

std::map<std::string, std::string> PairsOf(const json& object, const char* field) {
  std::map<std::string, std::string> pairs;
  for (const json& pair : ListOf(object, field)) {
    pairs[Text(pair, "key")] = Text(pair, "value");
  }
  return pairs;
}

// One connection. Used by one thread at a time.
class Connection {
 public:
  explicit Connection(const ServerAddress& address)
      : address_(address), http_({.url = address.url, .token = "", .ca_file = address.ca_file}) {}

  Result<json> Get(const std::string& path, const client::Query& query) {
    return Ask("GET", path + client::EncodeQuery(query), nullptr);
  }
  Result<json> Post(const std::string& path, const json& body) { return Ask("POST", path, &body); }

  Status Download(const std::string& target, const fs::path& to) {
    client::HttpRequest request = NewRequest("GET", target);
    std::ofstream file(to, std::ios::binary);
    request.on_body = [&](std::string_view piece) -> Status {
      file.write(piece.data(), static_cast<std::streamsize>(piece.size()));
      if (file) return {};
      return Fail(ErrorCode::kExhausted, "Writing " + to.string() + " failed.");
    };
    ROOST_ASSIGN(const auto answer, http_.Send(request));
    file.close();
    if (!answer.ok()) return Fail(ErrorOf(answer, target));
    return {};
  }

 private:
  client::HttpRequest NewRequest(const std::string& method, const std::string& target) const {
    client::HttpRequest request;
    request.method = method;
    request.target = target;
    request.stall_limit = std::chrono::seconds(300);
    if (!address_.authorization.empty()) {
      request.headers.emplace_back("Authorization", address_.authorization);
    }
    return request;
  }

  // Nothing that is asked here changes anything, so it may be asked again.
  Result<json> Ask(const std::string& method, const std::string& target, const json* body) {
    client::HttpRequest request = NewRequest(method, target);
    if (body != nullptr) {
      request.headers.emplace_back("Content-Type", "application/json");
      request.body = body->dump();
    }
    client::Backoff backoff(kPatience);
    while (true) {
      auto answer = http_.Send(request);
      const bool busy = answer && (answer->status == 429 || answer->status >= 500);
      const bool away = !answer && answer.error().code == ErrorCode::kUnavailable;
      if ((busy || (away && has_answered_)) && backoff.Wait()) continue;
      if (!answer) return Fail(answer.error());
      has_answered_ = true;
      if (!answer->ok()) return Fail(ErrorOf(*answer, target));
      json parsed = json::parse(answer->body, nullptr, false);
      if (parsed.is_object()) return parsed;
      return Fail(ErrorCode::kInvalidArgument,
                  address_.url + " does not speak MLflow's REST API: " + target.substr(0, 80) +
                      " gave no JSON object.");
    }
  }

  Error ErrorOf(const client::HttpAnswer& answer, const std::string& target) const {
    const json body = json::parse(answer.body, nullptr, false);
    std::string message = body.is_object() ? Text(body, "message") : "";
    if (message.empty()) message = "status " + std::to_string(answer.status);
    const auto code = answer.status == 401   ? ErrorCode::kUnauthenticated
                      : answer.status == 403 ? ErrorCode::kPermissionDenied
                      : answer.status == 404 ? ErrorCode::kNotFound
                                             : ErrorCode::kInvalidArgument;
    if (code == ErrorCode::kUnauthenticated) {
      message +=
          " (MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
          "MLFLOW_TRACKING_TOKEN, say who asks)";
    }
    return {code, address_.url + target.substr(0, target.find('?')) + ": " + message, {}};
  }

  const ServerAddress& address_;
  client::Http http_;
  bool has_answered_ = false;
};

constexpr const char* kApi = "/api/2.0/mlflow/";
constexpr const char* kAjax = "/ajax-api/2.0/mlflow/";

class ServerSource : public Source {
 public:
  explicit ServerSource(ServerAddress address) : address_(std::move(address)), main_(address_) {
    for (std::size_t i = 0; i < kConnections; ++i) {
      others_.push_back(std::make_unique<Connection>(address_));
    }
  }

  bool IsFar() const override { return true; }

  Result<std::vector<Experiment>> Experiments() override {
    std::vector<Experiment> experiments;
    const auto take = [&](const json& page) -> Status {
      for (const json& item : ListOf(page, "experiments")) {
        Experiment experiment;
        experiment.id = Text(item, "experiment_id");
        experiment.name = Text(item, "name");
        experiment.artifact_location = Text(item, "artifact_location");
        experiment.deleted = Text(item, "lifecycle_stage") == "deleted";
        experiment.created_at = Time(item, "creation_time");
        experiment.updated_at = Time(item, "last_update_time");
        TakeExperimentTags(PairsOf(item, "tags"), &experiment);
        experiments.push_back(std::move(experiment));
      }
      return {};
    };
    ROOST_TRY(EachPage(
        "experiments/search",
        {{"max_results", kPageSize}, {"view_type", "ALL"}, {"order_by", {"experiment_id ASC"}}},
        take));
    return experiments;
  }

  Status Runs(const Experiment& experiment,
              const std::function<Status(std::vector<Run>)>& take) override {
    const json body = {{"experiment_ids", {experiment.id}},
                       {"run_view_type", "ALL"},
                       {"max_results", kRunsAtOnce},
                       {"order_by", {"attributes.start_time ASC"}}};
    return EachPage("runs/search", body, [&](const json& page) -> Status {
      std::vector<Run> runs;
      for (const json& item : ListOf(page, "runs")) runs.push_back(ReadRun(item, experiment));
      return runs.empty() ? Status() : take(std::move(runs));
    });
  }

  Status ReadPoints(std::span<Run* const> runs) override {
    // By name, so that one request can give the histories of many runs.
    std::map<std::string, std::vector<Run*>> by_name;
    for (Run* const run : runs) {
      run->run.series.clear();
      for (const LastPoint& last : *run->last) by_name[last.name].push_back(run);
    }
    std::vector<Request> requests;
    for (auto& [name, of] : by_name) {
      for (std::size_t first = 0; first < of.size(); first += kBulkRuns) {
        const auto begin = of.begin() + static_cast<std::ptrdiff_t>(first);
        const auto end =
            of.begin() + static_cast<std::ptrdiff_t>(std::min(of.size(), first + kBulkRuns));
        requests.push_back({name, {begin, end}});
      }
    }
    return SideBySide(requests.size(), [&](Connection& connection, std::size_t index) {
      return ReadHistories(connection, requests[index]);
    });
  }

  Result<std::vector<LoggedModel>> LoggedModels(
      const std::vector<Experiment>& experiments) override {
    std::vector<LoggedModel> models;
    for (const Experiment& experiment : experiments) {
      const auto take = [&](const json& page) -> Status {
        for (const json& item : ListOf(page, "models")) {
          models.push_back(ReadLoggedModel(item, experiment));
        }
        return {};
      };
      const Status read = EachPage(
          "logged-models/search", {{"experiment_ids", {experiment.id}}, {"max_results", 50}}, take);
      if (!read && read.error().code == ErrorCode::kNotFound) return models;  // before release 3
      ROOST_TRY(read);
    }
    return models;
  }

  Result<std::vector<RegisteredModel>> Models() override {
    std::vector<RegisteredModel> models;
    // Searches hide prompts unless they are asked for.
    for (const char* prompts : {"", "tags.`mlflow.prompt.is_prompt` = 'true'"}) {
      client::Query query = {{"max_results", std::to_string(kPageSize)}};
      const std::string filter = prompts;
      if (!filter.empty()) query.emplace_back("filter", filter);
      ROOST_TRY(EachGetPage("registered-models/search", query, [&](const json& page) -> Status {
        for (const json& item : ListOf(page, "registered_models")) {
          const bool known = std::any_of(models.begin(), models.end(), [&](const auto& model) {
            return model.name == Text(item, "name");
          });
          if (known) continue;
          ROOST_ASSIGN(models.emplace_back(), ReadModel(item, filter));
        }
        return {};
      }));
    }
    return models;
  }

  // They come through the server, wherever it keeps them.
  bool StaysThere(const std::string&) const override { return false; }

  std::vector<FileList> ListFiles(std::span<const Owner> owners) override {
    std::vector<FileList> lists(owners.size());
    (void)SideBySide(owners.size(), [&](Connection& connection, std::size_t index) -> Status {
      lists[index] = FilesOf(connection, owners[index]);
      return {};
    });
    return lists;
  }

  std::vector<Result<fs::path>> GetFiles(std::span<const WantedFile> files,
                                         const fs::path& scratch) override {
    std::vector<Result<fs::path>> paths(files.size());
    (void)SideBySide(files.size(), [&](Connection& connection, std::size_t index) -> Status {
      paths[index] = Fetch(connection, files[index], scratch);
      return {};
    });
    return paths;
  }

 private:
  // The history of one name for some runs.
  struct Request {
    std::string name;
    std::vector<Run*> runs;
  };

  Status EachPage(const std::string& path, json body,
                  const std::function<Status(const json&)>& take) {
    while (true) {
      ROOST_ASSIGN(const json page, main_.Post(kApi + path, body));
      ROOST_TRY(take(page));
      const std::string token = Text(page, "next_page_token");
      if (token.empty()) return {};
      body["page_token"] = token;
    }
  }

  Status EachGetPage(const std::string& path, const client::Query& query,
                     const std::function<Status(const json&)>& take) {
    return EachGetPage(main_, path, query, take);
  }
  static Status EachGetPage(Connection& connection, const std::string& path,
                            const client::Query& query,
                            const std::function<Status(const json&)>& take) {
    std::string token;
    while (true) {
      client::Query asked = query;
      if (!token.empty()) asked.emplace_back("page_token", token);
      ROOST_ASSIGN(const json page, connection.Get(kApi + path, asked));
      ROOST_TRY(take(page));
      token = Text(page, "next_page_token");
      if (token.empty()) return {};
    }
  }

  static FileList FilesOf(Connection& connection, const Owner& owner) {
    const bool is_run = owner.kind == Owner::Kind::kRun;
    const std::string call =
        is_run ? "artifacts/list"
               : "logged-models/" + client::EncodePart(owner.id) + "/artifacts/directories";
    std::vector<SourceFile> files;
    std::vector<std::string> folders = {""};
    while (!folders.empty()) {
      const std::string folder = std::move(folders.back());
      folders.pop_back();
      client::Query query;
      if (is_run) query.emplace_back("run_id", owner.id);
      if (!folder.empty()) query.emplace_back(is_run ? "path" : "artifact_directory_path", folder);
      ROOST_TRY(EachGetPage(connection, call, query, [&](const json& page) -> Status {
        for (const json& item : ListOf(page, "files")) {
          if (item.value("is_dir", false)) {
            folders.push_back(Text(item, "path"));
          } else {
            files.push_back(
                {Text(item, "path"), static_cast<std::uint64_t>(Int(item, "file_size"))});
          }
        }
        return {};
      }));
    }
    return files;
  }

  static Result<fs::path> Fetch(Connection& connection, const WantedFile& file,
                                const fs::path& scratch) {
    const fs::path to = scratch / RandomHex(8);
    const Owner& owner = *file.owner;
    const std::string target =
        owner.kind == Owner::Kind::kRun
            ? "/get-artifact" + client::EncodeQuery({{"run_id", owner.id}, {"path", file.path}})
            : kAjax + ("logged-models/" + client::EncodePart(owner.id)) + "/artifacts/files" +
                  client::EncodeQuery({{"artifact_file_path", file.path}});
    ROOST_TRY(connection.Download(target, to));
    return to;
  }

  Status SideBySide(std::size_t count,
                    const std::function<Status(Connection&, std::size_t)>& work) {
    std::atomic<std::size_t> next = 0;
    std::mutex mutex;  // guards `failed`
    Status failed;
    const auto run = [&](Connection& connection) {
      for (std::size_t i = next++; i < count; i = next++) {
        Status done = work(connection, i);
        if (done) continue;
        std::lock_guard lock(mutex);
        if (failed) failed = std::move(done);
        next = count;
      }
    };
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < std::min(count, others_.size()); ++i) {
      threads.emplace_back([&run, &connection = *others_[i]] { run(connection); });
    }
    for (std::thread& thread : threads) thread.join();
    return failed;
  }

  static Run ReadRun(const json& item, const Experiment& experiment) {
    const json none = json::object();
    const json& info = item.contains("info") ? item.at("info") : none;
    const json& data = item.contains("data") ? item.at("data") : none;
    Run run;
    spec::ImportedRun& head = run.run;
    head.id = Text(info, "run_id").empty() ? Text(info, "run_uuid") : Text(info, "run_id");
    head.name = Text(info, "run_name");
    head.user_id = Text(info, "user_id");
    head.state = StateOf(Text(info, "status")).value_or(spec::RunState::kRunning);
    head.started_at = Time(info, "start_time");
    head.ended_at = Time(info, "end_time");
    head.deleted = Text(info, "lifecycle_stage") == "deleted";
    run.files = {Owner::Kind::kRun, head.id, experiment.id, Text(info, "artifact_uri")};
    TakeRunTags(PairsOf(data, "tags"), &head);
    head.params = PairsOf(data, "params");
    run.last.emplace();
    for (const json& metric : ListOf(data, "metrics")) {
      run.last->push_back({Text(metric, "key"), PointOf(metric)});
    }
    if (item.contains("inputs")) ReadInputs(item.at("inputs"), &head);
    if (item.contains("outputs")) {
      for (const json& link : ListOf(item.at("outputs"), "model_outputs")) {
        head.models_out.push_back({Text(link, "model_id"), Int(link, "step")});
      }
    }
    return run;
  }

  static void ReadInputs(const json& inputs, spec::ImportedRun* run) {
    for (const json& input : ListOf(inputs, "dataset_inputs")) {
      if (!input.contains("dataset")) continue;
      const json& dataset = input.at("dataset");
      spec::ImportedDataset read{Text(dataset, "name"),
                                 Text(dataset, "digest"),
                                 Text(dataset, "source_type"),
                                 Text(dataset, "source"),
                                 {},
                                 {},
                                 PairsOf(input, "tags")};
      if (dataset.contains("schema")) read.schema = Text(dataset, "schema");
      if (dataset.contains("profile")) read.profile = Text(dataset, "profile");
      run->datasets.push_back(std::move(read));
    }
    for (const json& link : ListOf(inputs, "model_inputs")) {
      run->models_in.push_back({Text(link, "model_id"), 0});
    }
  }

  Status ReadHistories(Connection& connection, const Request& request) {
    if (request.runs.size() > 1 && has_bulk_) {
      ROOST_ASSIGN(const bool done, ReadBulk(connection, request));
      if (done) return {};
    }
    for (Run* const run : request.runs) ROOST_TRY(ReadHistory(connection, request.name, run));
    return {};
  }

  // Several runs at once; false when that does not give all their points.
  Result<bool> ReadBulk(Connection& connection, const Request& request) {
    client::Query query;
    for (const Run* run : request.runs) query.emplace_back("run_id", run->run.id);
    query.emplace_back("metric_key", request.name);
    query.emplace_back("max_results", std::to_string(kBulkPoints));
    const auto page = connection.Get(kAjax + std::string("metrics/get-history-bulk"), query);
    if (!page) {
      // Servers without it, and histories with a NaN, which it writes as no JSON has it.
      const ErrorCode code = page.error().code;
      if (code == ErrorCode::kNotFound) has_bulk_ = false;
      if (code == ErrorCode::kNotFound || code == ErrorCode::kInvalidArgument) return false;
      return Fail(page.error());
    }
    const json& metrics = ListOf(*page, "metrics");
    if (metrics.size() >= kBulkPoints) return false;
    std::map<std::string, std::vector<spec::MetricPoint>> points;
    for (const json& metric : metrics) {
      points[Text(metric, "run_id")].push_back(PointOf(metric));
    }
    // Each of them has at least its last point.
    if (points.size() != request.runs.size()) return false;
    for (Run* const run : request.runs) Keep(run, request.name, std::move(points[run->run.id]));
    return true;
  }

  Status ReadHistory(Connection& connection, const std::string& name, Run* run) {
    std::vector<spec::MetricPoint> points;
    std::string token;
    do {
      client::Query query = {{"run_id", run->run.id}, {"metric_key", name}};
      query.emplace_back("max_results", std::to_string(kBulkPoints));
      if (!token.empty()) query.emplace_back("page_token", token);
      ROOST_ASSIGN(const json page,
                   connection.Get(kApi + std::string("metrics/get-history"), query));
      for (const json& metric : ListOf(page, "metrics")) points.push_back(PointOf(metric));
      token = Text(page, "next_page_token");
    } while (!token.empty());
    Keep(run, name, std::move(points));
    return {};
  }

  void Keep(Run* run, const std::string& name, std::vector<spec::MetricPoint> points) {
    SortHistory(&points);
    std::lock_guard lock(keep_);
    if (!points.empty()) run->run.series.push_back({name, 0, std::move(points)});
  }

  static LoggedModel ReadLoggedModel(const json& item, const Experiment& experiment) {
    const json none = json::object();
    const json& info = item.contains("info") ? item.at("info") : none;
    const json& data = item.contains("data") ? item.at("data") : none;
    LoggedModel model;
    model.files = {Owner::Kind::kModel, Text(info, "model_id"), experiment.id,
                   Text(info, "artifact_uri")};
    model.name = Text(info, "name");
    std::string status = Text(info, "status");
    if (status.starts_with("LOGGED_MODEL_")) status.erase(0, std::strlen("LOGGED_MODEL_"));
    if (status.starts_with("STATUS_") || status.empty()) status = "UNSPECIFIED";
    model.status = std::move(status);
    model.status_message = Text(info, "status_message");
    model.model_type = Text(info, "model_type");
    model.source_run_id = Text(info, "source_run_id");
    model.created_at = Time(info, "creation_timestamp_ms");
    model.updated_at = Time(info, "last_updated_timestamp_ms");
    model.tags = PairsOf(info, "tags");
    model.params = PairsOf(data, "params");
    for (const json& metric : ListOf(data, "metrics")) {
      model.metrics.push_back({Text(metric, "key"), PointOf(metric), Text(metric, "dataset_name"),
                               Text(metric, "dataset_digest"), Text(metric, "run_id")});
    }
    return model;
  }

  Result<RegisteredModel> ReadModel(const json& item, const std::string& prompts) {
    RegisteredModel model;
    model.name = Text(item, "name");
    model.description = Text(item, "description");
    model.created_at = Time(item, "creation_timestamp");
    model.updated_at = Time(item, "last_updated_timestamp");
    model.tags = PairsOf(item, "tags");
    for (const json& alias : ListOf(item, "aliases")) {
      model.aliases.emplace(Text(alias, "alias"), Int(alias, "version"));
    }
    const char quote = model.name.find('\'') == std::string::npos ? '\'' : '"';
    std::string filter = std::string("name = ") + quote + model.name + quote;
    if (!prompts.empty()) filter += " AND " + prompts;
    const client::Query query = {{"filter", filter}, {"max_results", std::to_string(kPageSize)}};
    ROOST_TRY(EachGetPage("model-versions/search", query, [&](const json& page) -> Status {
      for (const json& version : ListOf(page, "model_versions")) {
        ROOST_ASSIGN(model.versions.emplace_back(), ReadVersion(version, model.name));
      }
      return {};
    }));
    std::sort(model.versions.begin(), model.versions.end(),
              [](const Version& a, const Version& b) { return a.version < b.version; });
    return model;
  }

  Result<Version> ReadVersion(const json& item, const std::string& model) {
    Version version;
    version.version = Int(item, "version");
    version.description = Text(item, "description");
    version.source = Text(item, "source");
    version.run_id = Text(item, "run_id");
    version.run_link = Text(item, "run_link");
    version.model_id = Text(item, "model_id");
    if (!Text(item, "current_stage").empty()) version.stage = Text(item, "current_stage");
    version.user_id = Text(item, "user_id");
    version.created_at = Time(item, "creation_timestamp");
    version.updated_at = Time(item, "last_updated_timestamp");
    version.tags = PairsOf(item, "tags");
    const auto place = main_.Get(kApi + std::string("model-versions/get-download-uri"),
                                 {{"name", model}, {"version", std::to_string(version.version)}});
    if (place) version.location = Text(*place, "artifact_uri");
    if (version.location == version.source) version.location.clear();
    return version;
  }

  const ServerAddress address_;
  Connection main_;
  std::vector<std::unique_ptr<Connection>> others_;
  std::atomic<bool> has_bulk_ = true;
  std::mutex keep_;  // guards the series of runs while histories come side by side
};

}  // namespace

std::unique_ptr<Source> OpenServerSource(ServerAddress address) {
  return std::make_unique<ServerSource>(std::move(address));
}

}  // namespace roost::cli::mlflow
