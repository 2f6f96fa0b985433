// How fast connections may come, by listener and by source.
//
// Purpose: token buckets of one second's worth that refuse instead of waiting. A source is an IPv4
// address, or the /64 of an IPv6 one (its owner has all of it). Thread: any. Limits: kMaxSources
// sources a listener are remembered; beyond, those that are even again are forgotten, and if there
// are none a new source is refused (and told so): a flood from everywhere.
#pragma once

#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "broker/base/address_range.h"
#include "broker/base/mutex.h"
#include "broker/base/rate.h"
#include "broker/base/types.h"

namespace skein::auth {

class ConnectionRates {
 public:
  static constexpr size_t kMaxSources = 100'000;

  // Connections a second; 0: no limit.
  struct Options {
    uint32_t all = 0;
    uint32_t per_source = 0;
  };

  // Keeps what was counted.
  void Configure(const Options& options);

  // A connection to the listener. Null: it may come in; else why not, static storage.
  const char* AdmitAny(TimeMs now);
  // The same by its source.
  const char* AdmitSource(const IpBytes& source, TimeMs now);

 private:
  Mutex mutex_;
  Options options_ ABSL_GUARDED_BY(mutex_);
  Rate all_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<IpBytes, Rate> sources_ ABSL_GUARDED_BY(mutex_);
  TimeMs next_cleaning_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace skein::auth
