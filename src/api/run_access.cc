#include "api/run_access.h"

#include <algorithm>

#include "store/runs.h"

namespace roost::api {
namespace {

// Enough for every run that is live; beyond it the map starts anew rather than grow for ever.
constexpr std::size_t kRemembered = 4096;
constexpr int kMaxDepth = 64;

Status Judge(const store::Token& token, const RunRef& run, int current_attempt) {
  const bool own = run.key == *token.run || std::find(run.ancestors.begin(), run.ancestors.end(),
                                                      *token.run) != run.ancestors.end();
  if (!own) {
    return Fail(ErrorCode::kPermissionDenied,
                "A run's own token may only touch its run and its children.");
  }
  if (token.attempt != current_attempt) {
    return Fail(ErrorCode::kConflict, "This token belongs to attempt " +
                                          std::to_string(token.attempt) + " of the run; attempt " +
                                          std::to_string(current_attempt) + " is the current one.");
  }
  return {};
}

}  // namespace

Result<RunRef> RunAccess::Find(const std::string& run_id) {
  {
    std::lock_guard lock(mutex_);
    if (const auto found = runs_.find(run_id); found != runs_.end()) return found->second;
  }
  ROOST_ASSIGN(const store::Run run, store_.runs().Get(RunId(run_id)));
  RunRef ref;
  ref.key = run.key;
  std::string parent = run.parent_id;
  for (int depth = 0; !parent.empty() && depth < kMaxDepth; ++depth) {
    auto above = store_.runs().Get(RunId(parent));
    if (!above) break;  // the parent was removed for good
    ref.ancestors.push_back(above->key);
    parent = above->parent_id;
  }
  std::lock_guard lock(mutex_);
  if (runs_.size() >= kRemembered) runs_.clear();
  runs_.emplace(run_id, ref);
  return ref;
}

std::optional<int> RunAccess::KnownAttempt(RunKey run) {
  const auto found = attempts_.find(run);
  if (found == attempts_.end()) return std::nullopt;
  if (found->second.generation != generation_.load(std::memory_order_relaxed)) return std::nullopt;
  return found->second.number;
}

std::optional<RunAccess::Known> RunAccess::FindKnown(const std::string& run_id,
                                                     const store::Token& token) {
  std::lock_guard lock(mutex_);
  const auto found = runs_.find(run_id);
  if (found == runs_.end()) return std::nullopt;
  Known known{found->second, {}};
  if (token.run) {
    const std::optional<int> attempt = KnownAttempt(*token.run);
    if (!attempt) return std::nullopt;
    known.allowed = Judge(token, known.run, *attempt);
  }
  return known;
}

Status RunAccess::Check(const store::Token& token, const RunRef& run) {
  if (!token.run) return {};
  std::optional<int> attempt;
  // Read before the row: a change that comes in between makes the entry old at once.
  const std::uint64_t generation = generation_.load(std::memory_order_relaxed);
  {
    std::lock_guard lock(mutex_);
    attempt = KnownAttempt(*token.run);
  }
  if (!attempt) {
    ROOST_ASSIGN(const store::Run own, store_.runs().Get(*token.run));
    attempt = own.attempt;
    std::lock_guard lock(mutex_);
    if (attempts_.size() >= kRemembered) attempts_.clear();
    attempts_[*token.run] = {own.attempt, generation};
  }
  return Judge(token, run, *attempt);
}

Status RunAccess::Check(const store::Token& token, const std::string& run_id) {
  if (!token.run) return {};
  ROOST_ASSIGN(const RunRef run, Find(run_id));
  return Check(token, run);
}

}  // namespace roost::api
