#include "cli/run_ref.h"

#include <nlohmann/json.hpp>

#include "cli/format.h"

namespace roost::cli {
namespace {

using nlohmann::json;

Error SeveralRuns(const std::string& reference, const std::vector<json>& runs) {
  Error error{ErrorCode::kInvalidArgument,
              "'" + reference + "' fits several runs. Name one of them by its id.",
              {}};
  for (std::size_t i = 0; i < runs.size() && i < 10; ++i) {
    error.details.push_back(
        {Text(runs[i], "run_id"), Text(runs[i], "display_name") + ", " + Text(runs[i], "status") +
                                      ", made " + LocalTime(runs[i].value("created_at", json()))});
  }
  if (runs.size() > 10) {
    error.details.push_back({"", "and " + std::to_string(runs.size() - 10) + " more"});
  }
  return error;
}

Result<json> Latest(client::Client& client) {
  ROOST_ASSIGN(json runs, client.GetItems("/runs", {{"order_by", "created_at DESC"}}, 1));
  if (runs.empty()) {
    return Fail(ErrorCode::kNotFound, "There is no run yet. Make one with `roost submit`.");
  }
  return runs.front();
}

// Enough candidates to tell a unique one from several.
constexpr std::size_t kCandidates = 200;

// Archived runs are found like active ones; deleted ones only when no other fits.
Result<json> Search(client::Client& client, const std::string& condition) {
  json found;
  for (const char* lifecycle : {"all", "deleted"}) {
    ROOST_ASSIGN(found, client.GetItems("/runs", {{"filter", condition}, {"lifecycle", lifecycle}},
                                        kCandidates));
    if (!found.empty()) break;
  }
  return found;
}

}  // namespace

std::string RunPath(const std::string& run_id) { return "/runs/" + client::EncodePart(run_id); }

Result<std::string> QuoteForFilter(const std::string& text) {
  if (text.find('\'') == std::string::npos) return "'" + text + "'";
  if (text.find('"') == std::string::npos) return "\"" + text + "\"";
  return Fail(ErrorCode::kInvalidArgument,
              "'" + text + "' has both kinds of quotes. Name the run by its id.");
}

std::vector<json> WithIdPrefix(const json& runs, std::string_view prefix) {
  std::vector<json> matching;
  for (const json& run : runs) {
    if (Text(run, "run_id").starts_with(prefix)) matching.push_back(run);
  }
  return matching;
}

Result<json> FindRun(client::Client& client, const std::string& reference) {
  if (reference.empty()) return Fail(ErrorCode::kInvalidArgument, "The run's name is empty.");
  if (reference == "latest") return Latest(client);
  auto exact = client.Get(RunPath(reference));
  if (exact || (exact.error().code != ErrorCode::kNotFound &&
                exact.error().code != ErrorCode::kInvalidArgument)) {
    return exact;
  }
  ROOST_ASSIGN(const std::string name, QuoteForFilter(reference));
  ROOST_ASSIGN(const json named, Search(client, "display_name = " + name));
  if (named.size() == 1) return client.Get(RunPath(Text(named.front(), "run_id")));
  if (named.size() > 1) return Fail(SeveralRuns(reference, named.get<std::vector<json>>()));

  ROOST_ASSIGN(const std::string pattern, QuoteForFilter(reference + "%"));
  ROOST_ASSIGN(const json found, Search(client, "run_id LIKE " + pattern));
  const std::vector<json> matching = WithIdPrefix(found, reference);
  if (matching.size() == 1) return client.Get(RunPath(Text(matching.front(), "run_id")));
  if (matching.size() > 1) return Fail(SeveralRuns(reference, matching));
  return Fail(ErrorCode::kNotFound, "There is no run '" + reference +
                                        "': no id, start of an id or display name fits. `roost "
                                        "runs` lists the runs.");
}

Result<std::string> FindRunId(client::Client& client, const std::string& reference) {
  ROOST_ASSIGN(const json run, FindRun(client, reference));
  return Text(run, "run_id");
}

}  // namespace roost::cli
