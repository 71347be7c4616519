#include <fcntl.h>

#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "base/digest.h"
#include "base/files.h"
#include "roost/client.h"
#include "trainer/program/run_report.h"

namespace roost::trainer {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds kGather(50);
constexpr milliseconds kLongestPause(2'000);
constexpr milliseconds kExitPatience(10'000);

struct Item {
  std::int64_t number = 0;
  const char* kind = "points";
  Json body;
};

std::int64_t NowMicros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

class ClientReport : public RunReport {
 public:
  ClientReport(client::ClientOptions options, std::string run, const char* report_file)
      : client_(std::move(options)), path_("/runs/" + run + "/metrics") {
    if (report_file != nullptr) {
      auto file = OpenFile(report_file, O_WRONLY | O_APPEND | O_CREAT);
      if (file) file_ = std::move(*file);
      report_name_ = report_file;
    }
    thread_ = std::thread([this] { SendForever(); });
  }

  ~ClientReport() override {
    {
      std::unique_lock lock(mutex_);
      stopping_ = true;
      wake_.notify_all();
      sent_.wait_for(lock, kExitPatience, [&] { return idle_; });
      abandoned_ = !idle_;
      wake_.notify_all();
      if (abandoned_) client_.http().Interrupt();  // a server that takes requests and is silent
    }
    thread_.join();
  }

  void Point(const std::string& name, double value, std::int64_t step) override {
    // The wire has no numbers for what is none.
    Json number = value;
    if (std::isnan(value)) number = "NaN";
    if (std::isinf(value)) number = value > 0 ? "Infinity" : "-Infinity";
    Add("points", {{"name", name}, {"value", number}, {"step", step}, {"time", NowMicros()}});
  }

  void Entry(const std::string& name, const char* type, const Json& value,
             const std::string& description) override {
    Add("entries", {{"name", name},
                    {"type", type},
                    {"value", value},
                    {"description", description},
                    {"time", NowMicros()}});
  }

 private:
  void Add(const char* kind, Json body) {
    const std::lock_guard lock(mutex_);
    ++number_;
    if (file_.valid()) {
      const Json line = {{"writer", writer_}, {"batch", number_}, {kind, Json::array({body})}};
      (void)WriteAll(file_.get(), line.dump() + "\n", report_name_);
    }
    waiting_.push_back({number_, kind, std::move(body)});
    wake_.notify_all();
  }

  void SendForever() {
    while (true) {
      std::vector<Item> batch;
      {
        std::unique_lock lock(mutex_);
        idle_ = waiting_.empty();
        if (idle_) sent_.notify_all();
        wake_.wait(lock, [&] { return !waiting_.empty() || stopping_; });
        if (waiting_.empty() || abandoned_) return;
        idle_ = false;
        if (!stopping_) wake_.wait_for(lock, kGather, [&] { return stopping_; });
        batch.swap(waiting_);
      }
      Send(batch);
    }
  }

  // Writer and number make it safe to send the same batch again.
  void Send(const std::vector<Item>& batch) {
    Json body = {{"writer", writer_},
                 {"batch", batch.back().number},
                 {"points", Json::array()},
                 {"entries", Json::array()}};
    for (const Item& item : batch) body[item.kind].push_back(item.body);
    milliseconds pause(100);
    while (true) {
      const auto answer = client_.PostRepeatable(path_, body);
      if (answer) return;
      const ErrorCode code = answer.error().code;
      const bool passing = code == ErrorCode::kUnavailable || code == ErrorCode::kExhausted ||
                           code == ErrorCode::kDeadline || code == ErrorCode::kInternal;
      Warn(answer.error().message);
      if (!passing) return;
      std::unique_lock lock(mutex_);
      if (wake_.wait_for(lock, pause, [&] { return abandoned_; })) return;
      pause = std::min(pause * 2, kLongestPause);
    }
  }

  void Warn(const std::string& message) {
    if (warned_.size() < 20 && warned_.insert(message).second) {
      std::fprintf(stderr, "roost: metrics: %s\n", message.c_str());
    }
  }

  client::Client client_;
  const std::string path_;
  const std::string writer_ = RandomHex(16);
  Fd file_;
  fs::path report_name_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable sent_;
  std::vector<Item> waiting_;
  std::int64_t number_ = 0;
  bool stopping_ = false;
  bool abandoned_ = false;
  bool idle_ = true;
  std::set<std::string> warned_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<RunReport> RunReport::FromEnvironment() {
  const char* run = std::getenv("ROOST_RUN_ID");
  const char* url = std::getenv("ROOST_URL");
  const char* token = std::getenv("ROOST_TOKEN");
  if (run == nullptr || url == nullptr || token == nullptr) return nullptr;
  return std::make_unique<ClientReport>(client::ClientOptions{.url = url, .token = token}, run,
                                        std::getenv("ROOST_REPORT_FILE"));
}

}  // namespace roost::trainer
