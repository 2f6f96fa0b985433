// Where token keys come from, and how they stay fresh.
//
// Purpose: the keys of a file, read once (a reload reads them again), or of a URL, fetched again
// and again: every `refresh_ms`, and sooner when a token names a key that is not there, but not
// within `min_refresh_ms` of the last try. What was fetched last stays in use when the server does
// not answer, for `max_age_ms`; then there are no keys. Owner: the token authenticator and cmd/,
// which calls Tick(). Thread: any. Limits: 1 MiB a key set.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "broker/auth/fetcher.h"
#include "broker/auth/token_keys.h"
#include "broker/base/log.h"
#include "broker/base/mutex.h"
#include "broker/base/types.h"

namespace skein::auth {

struct KeyUrl {
  std::string url;
  std::string ca_file;
  TimeMs refresh_ms = 300'000;
  TimeMs min_refresh_ms = 10'000;
  TimeMs max_age_ms = 86'400'000;
  TimeMs timeout_ms = 5'000;
};

class KeySource : public std::enable_shared_from_this<KeySource> {
 public:
  // Keys that do not change.
  explicit KeySource(std::shared_ptr<const TokenKeys> keys);
  // Keys of a URL; log, if not null, hears of failures. clock: milliseconds, any thread. previous,
  // if not null and of the same URL: its keys are used until there are newer ones.
  KeySource(KeyUrl url, std::shared_ptr<Fetcher> fetcher, Logger* log,
            std::function<TimeMs()> clock, const KeySource* previous);

  // Null: there are none, or they are too old. *version moves with each new set.
  std::shared_ptr<const TokenKeys> Keys(uint64_t* version);
  // About once a second: fetches when it is time.
  void Tick();
  // A token named a key that is not here.
  void KeyMissing();

 private:
  void Fetch(TimeMs now);
  void OnAnswer(const FetchAnswer& answer);

  const KeyUrl url_;
  const std::shared_ptr<Fetcher> fetcher_;
  Logger* const log_ = nullptr;
  const std::function<TimeMs()> clock_;
  mutable Mutex mutex_;
  std::shared_ptr<const TokenKeys> keys_ ABSL_GUARDED_BY(mutex_);
  uint64_t version_ ABSL_GUARDED_BY(mutex_) = 1;
  TimeMs fetched_at_ ABSL_GUARDED_BY(mutex_) = 0;
  TimeMs tried_at_ ABSL_GUARDED_BY(mutex_) = -kNever / 2;
  bool under_way_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace skein::auth
