#pragma once

#include <nlohmann/json.hpp>

#include "api/mlflow/errors.h"
#include "api/mlflow/message.h"
#include "api/services.h"
#include "store/experiments.h"
#include "store/runs.h"

namespace roost::api::mlflow {

// What a handler answers: objects keep the order in which fields are put, which is MLflow's.
using Answer = nlohmann::ordered_json;

// One call of MLflow's API.
struct Call {
  Services& services;
  const Request& http;
  Message message;

  store::Store& store() const { return services.store; }
  // Of the path's {parameters}.
  const std::string& Parameter(std::size_t index) const { return http.parameters[index]; }
};
// Answers with an Answer or, where there may be very much, with its text.
using TextHandler = Result<std::string> (*)(Call& call);

Response RunHandler(TextHandler handler, Services& services, Request& request);
std::string ToText(const Answer& answer);
// On one line with blanks behind commas and colons, as Python writes the tags that hold JSON:
// clients compare their text.
std::string ToTagText(const Answer& value);

// A handler as the route table wants it; whatever happens is told in MLflow's form.
template <auto handler>
Result<Response> Serve(Services& services, Request& request) {
  const TextHandler as_text = [](Call& call) -> Result<std::string> {
    auto answer = handler(call);
    if constexpr (std::is_same_v<decltype(answer), Result<std::string>>) {
      return answer;
    } else {
      if (!answer) return tl::unexpected<Error>(std::move(answer.error()));
      return ToText(*answer);
    }
  };
  return RunHandler(as_text, services, request);
}

// --- What most calls begin with ---

// The experiment of a field; INVALID_PARAMETER_VALUE when the field is missing, else
// RESOURCE_DOES_NOT_EXIST.
Result<store::Experiment> RequireExperiment(Call& call, std::string_view field = "experiment_id");
Result<store::Experiment> FindExperiment(Services& services, const std::string& id);
// The run of `run_id` (or `run_uuid`), deleted ones too.
Result<store::Run> RequireRun(Call& call);
Result<store::Run> FindRun(Services& services, const std::string& id);
// The same for writes: not deleted, and one that the caller's token may change.
Result<store::Run> RequireWritableRun(Call& call);
Status MayWrite(const Call& call, const store::Run& run);
// Refuses the token of a run: what only a user may do.
Status RequireUser(const Call& call);

}  // namespace roost::api::mlflow
