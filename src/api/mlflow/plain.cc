#include "api/mlflow/handlers.h"

// What MLflow's clients and tools ask beside the API.
namespace roost::api::mlflow {
namespace {

// The release whose answers this surface gives.
constexpr const char* kVersion = "3.12.0";

Response PlainText(std::string text) {
  Response response(200, std::move(text));
  response.content_type = "text/plain; charset=utf-8";
  return response;
}

}  // namespace

Result<Response> GetHealth(Services&, Request&) { return PlainText("OK"); }

Result<Response> GetVersion(Services&, Request&) { return PlainText(kVersion); }

Result<Answer> GetServerInfo(Call&) {
  return Answer{{"store_type", "SqlStore"}, {"workspaces_enabled", false}};
}

}  // namespace roost::api::mlflow
