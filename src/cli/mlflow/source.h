#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "base/result.h"
#include "spec/imported_run.h"

// What a place that MLflow writes to holds, whatever its form: a server, a database file, a folder.
namespace roost::cli::mlflow {

struct Experiment {
  std::string id = {};  // in its source
  std::string name = {};
  std::string description = {};
  std::string artifact_location = {};
  std::map<std::string, std::string> tags = {};
  bool deleted = false;
  Micros created_at = 0;
  Micros updated_at = 0;
};

// Whose files: a run's or a logged model's.
struct Owner {
  enum class Kind { kRun, kModel };
  Kind kind = Kind::kRun;
  std::string id;
  std::string experiment_id;
  std::string uri;
};

struct LastPoint {
  std::string name;
  spec::MetricPoint point;
};

struct Run {
  spec::ImportedRun run;  // its series come with ReadPoints; its experiment is not set
  Owner files;
  // The last point of each metric, where the source tells it without reading histories.
  std::optional<std::vector<LastPoint>> last;
};

struct ModelPoint {
  std::string name;
  spec::MetricPoint point;
  std::string dataset_name;
  std::string dataset_digest;
  std::string run_id;
};

struct LoggedModel {
  Owner files;  // with its id
  std::string name;
  std::string status;  // "READY"
  std::string status_message;
  std::string model_type;
  std::string source_run_id;
  bool deleted = false;
  Micros created_at = 0;
  Micros updated_at = 0;
  std::map<std::string, std::string> tags;
  std::map<std::string, std::string> params;
  std::vector<ModelPoint> metrics;
};

struct Version {
  std::int64_t version = 0;
  std::string description;
  std::string source;
  std::string location;  // where its files are; empty: at the source
  std::string run_id;
  std::string run_link;
  std::string model_id;
  std::string stage = "None";
  std::string user_id;
  Micros created_at = 0;
  Micros updated_at = 0;
  std::map<std::string, std::string> tags;
};

struct RegisteredModel {
  std::string name;
  std::string description;
  Micros created_at = 0;
  Micros updated_at = 0;
  std::map<std::string, std::string> tags;
  std::map<std::string, std::int64_t> aliases;
  std::vector<Version> versions;
};

struct SourceFile {
  std::string path;
  std::uint64_t size = 0;
};

struct WantedFile {
  const Owner* owner;
  std::string path;
  std::uint64_t size = 0;
};

class Source {
 public:
  virtual ~Source() = default;

  // Whether what it holds has to be fetched over the network.
  virtual bool IsFar() const { return false; }
  // Deleted ones too, in all that follows where the source tells of them.
  virtual Result<std::vector<Experiment>> Experiments() = 0;
  // In groups, each by start time.
  virtual Status Runs(const Experiment& experiment,
                      const std::function<Status(std::vector<Run>)>& take) = 0;
  // Whole histories, in MLflow's order.
  virtual Status ReadPoints(std::span<Run* const> runs) = 0;
  virtual Result<std::vector<LoggedModel>> LoggedModels(
      const std::vector<Experiment>& experiments) = 0;
  virtual Result<std::vector<RegisteredModel>> Models() = 0;

  // True: its files stay where they are, and clients go on reading them from there.
  virtual bool StaysThere(const std::string& artifact_location) const = 0;
  // In the order of `owners`; an error is the reason why that one's files cannot be read.
  using FileList = Result<std::vector<SourceFile>>;
  virtual std::vector<FileList> ListFiles(std::span<const Owner> owners) = 0;
  // The files on this machine, in their order; `scratch` is a folder for what has to be fetched.
  virtual std::vector<Result<fs::path>> GetFiles(std::span<const WantedFile> files,
                                                 const fs::path& scratch) = 0;
  // What was left out, for the report.
  virtual std::vector<std::string> Notes() const { return {}; }
};

struct SourceOptions {
  std::string address;    // http://host:5000, sqlite:///mlflow.db, a file, a folder
  std::string artifacts;  // folder of the files that a server keeps for its clients; empty: guessed
};
Result<std::unique_ptr<Source>> OpenSource(const SourceOptions& options);

// By form; OpenSource chooses.
Result<std::unique_ptr<Source>> OpenSqliteSource(const fs::path& file, const fs::path& artifacts);
Result<std::unique_ptr<Source>> OpenFolderSource(const fs::path& folder, const fs::path& artifacts);
struct ServerAddress {
  std::string url;
  std::string authorization;  // the header's value; empty: none
  std::string ca_file;
};
std::unique_ptr<Source> OpenServerSource(ServerAddress address);

// What the forms share.

// Milliseconds of MLflow; never 0, which stands for "not known".
Micros FromMilliseconds(std::int64_t milliseconds);
// The same for what is shown as a date: from 1970 to the end of 9999.
Micros DateOf(std::int64_t milliseconds);
// Valid UTF-8 without NUL, which no text here has.
std::string CleanText(std::string text);
std::optional<spec::RunState> StateOf(std::string_view status);  // "FINISHED"
// Takes what Roost keeps as fields out of the tags.
void TakeRunTags(std::map<std::string, std::string> tags, spec::ImportedRun* run);
void TakeExperimentTags(std::map<std::string, std::string> tags, Experiment* experiment);
// By time, step and value, as MLflow lists a history.
void SortHistory(std::vector<spec::MetricPoint>* points);

}  // namespace roost::cli::mlflow
