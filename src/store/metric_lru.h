#pragma once

#include <cstddef>
#include <list>
#include <unordered_map>
#include <utility>

namespace roost::store {

// A map that forgets the entries that were not asked for the longest time, when it is told to.
// Pointers to values are good until the entry is erased or trimmed. Used by one thread.
template <class Key, class Value, class Hash = std::hash<Key>>
class LruMap {
 public:
  // nullptr when it is not there; otherwise it counts as used now.
  Value* Find(const Key& key) {
    const auto found = index_.find(key);
    if (found == index_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return &found->second->second;
  }
  // Requires: the key is not there.
  Value* Insert(const Key& key, Value value) {
    entries_.emplace_front(key, std::move(value));
    index_.emplace(key, entries_.begin());
    return &entries_.front().second;
  }
  void Erase(const Key& key) {
    const auto found = index_.find(key);
    if (found == index_.end()) return;
    entries_.erase(found->second);
    index_.erase(found);
  }
  template <class Predicate>
  void EraseIf(Predicate matches) {
    for (auto entry = entries_.begin(); entry != entries_.end();) {
      if (!matches(entry->first)) {
        ++entry;
        continue;
      }
      index_.erase(entry->first);
      entry = entries_.erase(entry);
    }
  }
  void TrimTo(std::size_t limit) {
    while (entries_.size() > limit) {
      index_.erase(entries_.back().first);
      entries_.pop_back();
    }
  }
  void Clear() {
    index_.clear();
    entries_.clear();
  }
  std::size_t size() const { return index_.size(); }

 private:
  using Entries = std::list<std::pair<Key, Value>>;
  Entries entries_;  // the most recently used first
  std::unordered_map<Key, typename Entries::iterator, Hash> index_;
};

}  // namespace roost::store
