#include "api/mlflow/handlers.h"
#include "api/mlflow/limits.h"
#include "api/mlflow/log_body.h"
#include "api/mlflow/objects.h"
#include "api/run_access.h"
#include "base/log.h"

// The calls that clients make while they train: metrics, parameters and tags.
namespace roost::api::mlflow {
namespace {

using Reader = Result<LogBody> (*)(Request& request);

// Larger bodies are parsed by a worker, so that they hold up no other connection.
constexpr std::size_t kParsedAtOnce = 64 << 10;

Response EmptyAnswer() { return Response(200, "{}"); }

// Why a write was refused, told in MLflow's words. Reads the run, so it is no work for the writer's
// thread.
Error Explain(Services& services, const std::string& run_id, const Error& error) {
  if (error.code != ErrorCode::kConflict && error.code != ErrorCode::kNotFound) return error;
  const auto run = FindRun(services, run_id);
  if (!run) return run.error();
  if (run->lifecycle != spec::Lifecycle::kDeleted) return error;
  return Invalid("The run " + run_id + " must be in the 'active' state. Current state is deleted.")
      .value();
}

void Write(Services& services, RunKey run, LogBody body, Responder responder) {
  std::string run_id = std::move(body.run_id);
  services.store.metrics().Append(
      run, std::move(body.metrics), std::move(body.log),
      [&services, run_id = std::move(run_id), responder](const Status& status) {
        if (status) return responder.Answer(EmptyAnswer());
        services.pool.Post(WorkerPool::Lane::kNormal,
                           [&services, run_id, responder, error = status.error()] {
                             responder.Answer(ErrorResponse(Explain(services, run_id, error)));
                           });
      });
}

Status FindAndWrite(Services& services, Request& request, Reader read, Responder responder) {
  ROOST_ASSIGN(LogBody body, read(request));
  const auto run = services.run_access.Find(body.run_id);
  if (!run && run.error().code == ErrorCode::kNotFound) {
    if (read == ReadLogBatch && !IsRunIdForm(body.run_id)) {
      return InvalidValue("run_id", body.run_id, "");
    }
    return Fail(Code::kResourceDoesNotExist, "Run with id=" + body.run_id + " not found");
  }
  ROOST_TRY(run);
  ROOST_TRY(services.run_access.Check(request.token, *run));
  Write(services, run->key, std::move(body), responder);
  return {};
}

// Parsed on the I/O thread, appended to the store's queue, answered when its group commit is
// durable. Only the first request of a run looks into the database.
void Log(Services& services, Request& request, Responder responder, Reader read) {
  if (request.body.size() <= kParsedAtOnce) {
    auto body = read(request);
    if (!body) return responder.Answer(ErrorResponse(body.error()));
    const auto known = services.run_access.FindKnown(body->run_id, request.token);
    if (known && !known->allowed) return responder.Answer(ErrorResponse(known->allowed.error()));
    if (known) return Write(services, known->run.key, std::move(*body), responder);
  }
  services.pool.Post(WorkerPool::Lane::kNormal, [&services, &request, responder, read] {
    if (auto status = FindAndWrite(services, request, read, responder); !status) {
      responder.Answer(ErrorResponse(status.error()));
    }
  });
}

}  // namespace

void LogMetric(Services& services, Request& request, Responder responder) {
  Log(services, request, responder, ReadLogMetric);
}
void LogParam(Services& services, Request& request, Responder responder) {
  Log(services, request, responder, ReadLogParam);
}
void SetTag(Services& services, Request& request, Responder responder) {
  Log(services, request, responder, ReadSetTag);
}
void LogBatch(Services& services, Request& request, Responder responder) {
  Log(services, request, responder, ReadLogBatch);
}

}  // namespace roost::api::mlflow
