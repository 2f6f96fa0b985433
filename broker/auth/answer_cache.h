// What was decided about the same credentials a moment ago.
//
// Purpose: spares a back end, or a signature, the same question. Keys are keyed hashes, so that no
// password is kept. Thread: any. Limits: max_entries; the oldest goes first.
#pragma once

#include <array>
#include <deque>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "broker/auth/authenticator.h"
#include "broker/base/mutex.h"

namespace skein::auth {

class AnswerCache {
 public:
  explicit AnswerCache(size_t max_entries);

  // Names the credentials. Empty: there were no random numbers at the start, and nothing is kept.
  std::string KeyOf(std::initializer_list<std::string_view> parts) const;

  std::optional<Decision> Find(const std::string& key, TimeMs now);
  void Keep(const std::string& key, const Decision& decision, TimeMs until);

 private:
  struct Entry {
    Decision decision;
    TimeMs until = 0;
  };

  const size_t max_entries_;
  std::string secret_;
  Mutex mutex_;
  absl::flat_hash_map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::string> order_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skein::auth
