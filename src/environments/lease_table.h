#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

namespace roost::environments {

// How many hold each environment, and which are being evicted: one of the two excludes the other.
// From any thread. Shared, since leases may outlive the cache.
class LeaseTable : public std::enable_shared_from_this<LeaseTable> {
 public:
  // nullptr while the environment is being evicted; else the lease lasts as long as the result.
  std::shared_ptr<void> Take(const std::string& key) {
    const std::lock_guard lock(mutex_);
    if (evicting_.count(key) != 0) return nullptr;
    ++counts_[key];
    return {this, [self = shared_from_this(), key](void*) { self->Release(key); }};
  }
  bool InUse(const std::string& key) const {
    const std::lock_guard lock(mutex_);
    return counts_.count(key) != 0;
  }
  // False when somebody uses it, or evicts it already.
  bool BeginEviction(const std::string& key) {
    const std::lock_guard lock(mutex_);
    return counts_.count(key) == 0 && evicting_.insert(key).second;
  }
  void EndEviction(const std::string& key) {
    const std::lock_guard lock(mutex_);
    evicting_.erase(key);
  }

 private:
  void Release(const std::string& key) {
    const std::lock_guard lock(mutex_);
    if (--counts_[key] == 0) counts_.erase(key);
  }

  mutable std::mutex mutex_;  // guards both
  std::map<std::string, int> counts_;
  std::set<std::string> evicting_;
};

}  // namespace roost::environments
