// Messages from one client to the broker: exactly-once bookkeeping and the Receive Maximum.
//
// Purpose: remembers which QoS 2 packet ids have been taken and not yet released, so that a
// repeated PUBLISH is acknowledged but not delivered again [MQTT-4.3.3-10]. Counts what the client
// has unacknowledged [MQTT-3.3.4-7]. Owner and thread: its session, confined to the session's
// shard. Limits: at most 65,535 ids; with MQTT 5 at most the Receive Maximum the client was told.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "broker/base/types.h"

namespace skein::session {

class Inbound {
 public:
  enum class PublishResult : uint8_t { kNew, kDuplicate, kReceiveMaximumExceeded };

  // A QoS 2 PUBLISH came. kNew: deliver it and remember the id. held: QoS 1 messages taken and not
  // yet acknowledged.
  PublishResult OnPublish(PacketId id, size_t held, size_t receive_maximum) {
    if (taken_.contains(id)) return PublishResult::kDuplicate;
    if (taken_.size() + held >= receive_maximum) return PublishResult::kReceiveMaximumExceeded;
    taken_.insert(id);
    return PublishResult::kNew;
  }
  // The PUBLISH was refused after all (PUBREC with an error): its id is free again.
  void Forget(PacketId id) { taken_.erase(id); }
  // PUBREL. False: the id is not known (answer 0x92 in v5).
  bool OnPubrel(PacketId id) { return taken_.erase(id) > 0; }

  void Restore(PacketId id) { taken_.insert(id); }
  size_t unreleased() const { return taken_.size(); }
  std::vector<PacketId> taken() const { return {taken_.begin(), taken_.end()}; }

 private:
  absl::flat_hash_set<PacketId> taken_;
};

}  // namespace skein::session
