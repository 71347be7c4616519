#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/files.h"
#include "base/strings.h"
#include "launch/local_launcher.h"
#include "launch/proc.h"

namespace roost::launch {

// The vocabulary of the tests that run real shims: a scratch folder, scripts, and a launcher whose
// news is collected by launch id.
class LaunchFixture : public testing::Test {
 protected:
  struct News {
    int starts = 0;
    std::optional<spec::ExitRecord> exit;
    std::optional<std::string> lost;
    bool over() const { return exit.has_value() || lost.has_value(); }
  };

  // The name of a file or folder in the scratch folder.
  std::string Path(const std::string& name) const { return (temp_.path() / name).string(); }
  fs::path FolderOf(const std::string& id) const { return temp_.path() / ("launch-" + id); }

  spec::LaunchRequest Program(const std::string& id, std::vector<std::string> argv) const {
    spec::LaunchRequest request;
    request.launch_id = id;
    request.argv = std::move(argv);
    request.environment = {{"PATH", "/usr/local/bin:/usr/bin:/bin"}};
    request.working_folder = temp_.path().string();
    request.log_file = Path(id + ".log");
    request.grace_ms = 300;
    return request;
  }
  spec::LaunchRequest Script(const std::string& id, const std::string& text) const {
    return Program(id, {"/bin/sh", "-c", text});
  }

  LocalLauncher& launcher() {
    if (!launcher_) {
      launcher_ = std::make_unique<LocalLauncher>(
          loop_, ROOST_SHIM_PROGRAM, [this](const std::string& id, const LaunchEvent& event) {
            News& news = news_[id];
            EXPECT_FALSE(news.over()) << "news of " << id << " after its end";
            if (std::holds_alternative<Started>(event)) ++news.starts;
            if (const auto* exited = std::get_if<Exited>(&event)) news.exit = exited->record;
            if (const auto* lost = std::get_if<Lost>(&event)) news.lost = lost->reason;
          });
    }
    return *launcher_;
  }
  // As after a restart of the server: a new launcher that knows nothing.
  void RestartServer() {
    launcher_.reset();
    news_.clear();
  }

  News& news(const std::string& id) { return news_[id]; }

  void Start(const spec::LaunchRequest& request) {
    const Status started = launcher().Start(request, FolderOf(request.launch_id));
    ASSERT_TRUE(started) << started.error().message;
  }
  void Reattach(const std::string& id) { launcher().Reattach(id, FolderOf(id)); }
  void Stop(const std::string& id) { launcher().Stop(id, FolderOf(id)); }

  // Runs the loop until the condition holds; a test that waits for long has failed.
  [[nodiscard]] bool WaitUntil(const std::function<bool()>& condition) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(100);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      if (!loop_.RunReady()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }
  [[nodiscard]] bool WaitForFile(const std::string& name) {
    return WaitUntil([&] { return fs::exists(Path(name)) && fs::file_size(Path(name)) > 0; });
  }
  [[nodiscard]] bool WaitForEnd(const std::string& id) {
    return WaitUntil([&] { return news(id).over(); });
  }
  // Starts it and waits for its record.
  spec::ExitRecord RunToEnd(const spec::LaunchRequest& request) {
    Start(request);
    EXPECT_TRUE(WaitForEnd(request.launch_id));
    const News& end = news(request.launch_id);
    if (end.lost) ADD_FAILURE() << *end.lost;
    return end.exit.value_or(spec::ExitRecord{});
  }

  std::string Content(const std::string& name) const {
    return ReadFile(Path(name)).value_or(std::string());
  }
  void Write(const std::string& name, const std::string& text, unsigned mode = 0644) const {
    const Status written = WriteFileAtomic(Path(name), text, mode);
    ASSERT_TRUE(written) << written.error().message;
  }
  // Whether the process whose id a script wrote into the file still runs.
  bool LivesIn(const std::string& name) const {
    const std::string pid(Trim(Content(name)));
    EXPECT_FALSE(pid.empty()) << name;
    ProcessInfo info;
    return ParseStat(ReadSmallFile("/proc/" + pid + "/stat"), info) && !info.ended;
  }

 private:
  TempFolder temp_{"roost-launch"};
  EventLoop loop_;
  std::map<std::string, News> news_;
  std::unique_ptr<LocalLauncher> launcher_;

 protected:
  EventLoop& loop() { return loop_; }
};

}  // namespace roost::launch
