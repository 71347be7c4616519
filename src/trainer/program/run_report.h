#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"

namespace roost::trainer {

// Metrics of the Roost run that this program is. Each is first appended to the run's report file,
// of which the server takes in what never arrived, and then sent by a thread of its own: training
// never waits for the server. Used by one thread.
class RunReport {
 public:
  // Null where ROOST_RUN_ID, ROOST_URL and ROOST_TOKEN say that this is no run, or when the program
  // was built without the client.
  static std::unique_ptr<RunReport> FromEnvironment();
  virtual ~RunReport() = default;  // waits up to ten seconds for what is under way

  virtual void Point(const std::string& name, double value, std::int64_t step) = 0;
  // Of the kinds that docs/wire.md names: "row", "confusion_matrix", "image"...
  virtual void Entry(const std::string& name, const char* type, const nlohmann::json& value,
                     const std::string& description = "") = 0;
};

}  // namespace roost::trainer
