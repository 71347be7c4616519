#include "cli/watch.h"

#include <fmt/format.h>
#include <unistd.h>

#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/format.h"
#include "cli/run_ref.h"
#include "cli/terminal.h"
#include "roost/events.h"
#include "roost/log_follow.h"
#include "spec/run_layout.h"

namespace roost::cli {
namespace {

using nlohmann::json;

// Tells each state and reason once, from whichever thread learns of it first.
class StateTeller {
 public:
  void Tell(const json& run) {
    const std::string status = Text(run, "status");
    std::string reason = Text(run, "reason");
    if (reason == status) reason.clear();
    const std::lock_guard lock(mutex_);
    if (status == status_ && reason == reason_) return;
    status_ = status;
    reason_ = reason;
    const std::string shown = Styled(status, StyleOfStatus(status), UseColor(STDERR_FILENO)) +
                              (reason.empty() ? "" : ": " + OneLine(reason));
    Note(shown);
  }

 private:
  std::mutex mutex_;
  std::string status_;
  std::string reason_;
};

// Follows the run's events on a thread and a connection of their own until the object goes.
class StateFollower {
 public:
  StateFollower(const client::ClientOptions& options, const std::string& run_id,
                StateTeller& teller)
      : client_(options), thread_([this, run_id, &teller] {
          // Without events the log and the end are still told; nothing here is worth an error.
          (void)client::FollowEvents(client_, run_id, [&](const client::ServerEvent& event) {
            if (event.kind != "run") return true;
            const json run = json::parse(event.data, nullptr, false);
            if (!run.is_object() || Text(run, "run_id") != run_id) return true;
            // The end is told when the log has been shown.
            if (client::IsFinalStatus(Text(run, "status"))) return false;
            teller.Tell(run);
            return true;
          });
        }) {}
  ~StateFollower() {
    client_.http().Interrupt();
    thread_.join();
  }

 private:
  client::Client client_;
  std::thread thread_;
};

}  // namespace

int ExitCodeOfRun(const json& run) {
  const std::string status = Text(run, "status");
  if (status == "Completed") return 0;
  const std::string code =
      run.contains("error") && run["error"].is_object() ? Text(run["error"], "code") : "";
  if (code == "TimeLimit") return 124;
  if (code == "OutOfMemory") return 137;
  if (status == "Canceled") return 143;
  const json exit_code = run.contains("exit_code") ? run["exit_code"] : json();
  // A run can fail after its script did not, e.g. when its files could not be kept.
  if (exit_code.is_number_integer() && exit_code != 0) return exit_code.get<int>();
  return 1;
}

Result<int> WatchRun(client::Client& client, const json& run) {
  const std::string run_id = Text(run, "run_id");
  OnInterrupt(fmt::format("\nroost: stopped watching; the run goes on.\n"
                          "  watch it again:  roost logs {0} --follow\n"
                          "  end it:          roost cancel {0}\n",
                          run_id),
              130);
  StateTeller teller;
  teller.Tell(run);
  client::LogFollowOptions follow;
  follow.run_id = run_id;
  follow.on_connection = [](bool connected) {
    Note(connected
             ? "connected again"
             : "the connection to the server is lost; the run goes on, waiting for the server");
  };
  {
    const StateFollower states(client.options(), run_id, teller);
    follow.path = spec::kImageBuildLog;
    ROOST_TRY(client::FollowLog(client, follow, WriteErr));
    follow.path = spec::kDriverLog;
    ROOST_TRY(client::FollowLog(client, follow, WriteOut));
  }
  ROOST_ASSIGN(const json ended, client.Get(RunPath(run_id)));
  teller.Tell(ended);
  OnInterrupt("", 0);
  return ExitCodeOfRun(ended);
}

}  // namespace roost::cli
