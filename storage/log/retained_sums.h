// The digest of what a retained store holds, kept as it changes.
//
// Purpose: broker/shard/retained_digest.h without a walk over the messages. Owner: a retained
// store, under its lock. Limits: about 64 bytes for each bucket and minute in which something ends;
// AsOf() takes time by what has left since the last one.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <utility>

#include "broker/shard/retained_digest.h"
#include "storage/log/retained_stamp.h"

namespace skein::storage {

class RetainedSums {
 public:
  // Something with this stamp is under the key from now on, or was and is not any more. It ends by
  // itself at `until`, kNever: it does not.
  void Flip(std::string_view key, const RetainedStamp& stamp, TimeMs until);

  // As of the last full minute, or of the latest that it was asked for.
  const shard::RetainedDigest& AsOf(TimeMs now);

 private:
  shard::RetainedDigest digest_;
  std::map<std::pair<TimeMs, size_t>, uint64_t> leaving_;  // by time and bucket
};

}  // namespace skein::storage
