#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/ids.h"
#include "base/result.h"
#include "spec/run_query.h"
#include "spec/run_state.h"

namespace roost::store {

class Database;

// One row of the table of runs with what hangs on it. Text columns that may be unset are empty.
struct Run {
  RunKey key;
  RunId id;
  std::int64_t number = 0;  // 1, 2, 3... within its experiment
  ExperimentId experiment;
  std::string experiment_name;
  std::string artifact_location;  // the experiment's
  spec::RunKind kind = spec::RunKind::kManaged;
  spec::RunState state = spec::RunState::kNotStarted;
  std::string reason;  // a sentence: why it is in this state
  bool cancel_requested = false;
  bool not_responding = false;
  spec::Lifecycle lifecycle = spec::Lifecycle::kActive;
  std::string parent_id;  // empty: none
  std::string display_name;
  std::string description;
  std::string submitter;  // the token's name
  std::string user_id;    // as an MLflow client gave it
  std::string compute_target;
  std::optional<Digest> snapshot;
  std::string definition_json;   // spec::ToJson(RunDefinition); empty for tracked runs
  std::string error_json;        // docs/wire.md, "error"; empty: none
  std::string client_status;     // what a managed run's client reported; does not move the run
  int attempt = 0;               // of the newest launch
  std::optional<int> exit_code;  // of the newest launch, once it ended; docs/wire.md
  Micros created_at = 0;
  Micros started_at = 0;  // 0: not yet
  Micros ended_at = 0;    // 0: not yet
  std::map<std::string, std::optional<std::string>> tags;
  std::map<std::string, std::string> properties;
};

struct NewRun {
  RunId id;
  ExperimentId experiment;
  spec::RunKind kind = spec::RunKind::kManaged;
  spec::RunState state = spec::RunState::kNotStarted;
  std::string reason;
  std::string parent_id;
  std::string display_name;
  std::string description;
  std::string submitter;
  std::string user_id;
  std::string compute_target;
  std::optional<Digest> snapshot;
  std::string definition_json;
  std::string idempotency_key;  // empty: none
  std::string request_digest;  // of the request's body: the same key with another body is kConflict
  Micros started_at = 0;
  std::map<std::string, std::optional<std::string>> tags;
  std::map<std::string, std::string> properties;
};

struct Move {
  spec::RunState to;
  std::string reason;
  std::optional<std::string> error_json;
  Micros at = 0;  // 0: now
  // Keeps `at` as it is, also when it lies before the run's start: a client's word.
  bool keeps_time = false;
};

// May hold fewer runs than asked for while there are more: a page that would take long to fill is
// given as it is, unless the order has several keys. None is empty, except perhaps the last one.
struct RunPage {
  std::vector<Run> runs;
  std::string next_page_token;  // empty: no more
};

struct RunSearch {
  std::vector<std::string> experiments;  // names; empty: all
  // Beside the names; empty: no run at all.
  std::optional<std::vector<ExperimentId>> experiment_ids;
  std::vector<spec::Condition> filter;
  std::vector<spec::OrderBy> order;                                     // ties: newest first
  std::optional<spec::Lifecycle> lifecycle = spec::Lifecycle::kActive;  // none: all but deleted
  bool with_deleted = false;                                            // if `lifecycle` is none
  std::string parent_id;                                                // only this run's children
  int limit = 100;
  // Keyset: from next_page_token; another search's token is kInvalidArgument.
  std::string page_token;
};

class Runs {
 public:
  explicit Runs(Database& database) : database_(database) {}

  // Keeps the run and its first event in one transaction; when it returns the run is not lost. A
  // known idempotency key gives the run that it made the first time (`created` is false). A
  // snapshot that was collected in the meantime is kInvalidArgument.
  struct Created {
    Run run;
    bool created = true;
  };
  Result<Created> Create(const NewRun& run);

  Result<Run> Get(const RunId& id) const;  // deleted ones too
  Result<Run> Get(RunKey key) const;
  // The parameters of several runs, in the order of `runs`.
  Result<std::vector<std::map<std::string, std::string>>> Params(
      const std::vector<RunKey>& runs) const;
  // Pages and children come without their definition_json: lists never show it.
  Result<RunPage> Search(const RunSearch& search) const;
  Result<std::vector<Run>> Active() const;  // managed and not final, oldest first: for recovery
  Result<std::vector<Run>> Children(const RunId& parent, bool recursive) const;  // newest first

  // Moves the state if spec::MayMove allows it, checked in the writing statement itself; kConflict
  // names both states otherwise. Writes started_at on the first Running, ended_at on a final state,
  // and the event, in the same transaction.
  Result<Run> MoveState(RunKey key, const Move& move);
  // The reason alone, e.g. what a queued run waits for; makes an event when it changed.
  Status SetReason(RunKey key, const std::string& reason);
  Status SetCancelRequested(RunKey key);
  Status SetNotResponding(RunKey key, bool not_responding);
  Status SetClientStatus(RunKey key, const std::string& status, const std::string& error_json);
  // Whatever the state: of runs that their clients move.
  Status SetEndTime(RunKey key, Micros ended_at);
  Status ClearParent(RunKey key);
  Status SetDisplayName(RunKey key, const std::string& name);
  Status SetDescription(RunKey key, const std::string& description);
  Status SetTags(RunKey key, const std::map<std::string, std::optional<std::string>>& tags);
  Status RemoveTag(RunKey key, const std::string& tag);
  // Adding works, the same value again is fine, another value is kConflict.
  Status AddProperties(RunKey key, const std::map<std::string, std::string>& properties);
  // Active <-> archived, any -> deleted, deleted -> active (until gc). A managed run that is not
  // final cannot be deleted.
  Status SetLifecycle(RunKey key, spec::Lifecycle lifecycle);
  Result<std::map<spec::RunState, std::int64_t>> CountActive() const;

 private:
  Database& database_;
};

}  // namespace roost::store
