// One message on its way to one session.
//
// Purpose: what remains of a match once the subscription's options are applied: the message, the
// QoS and RETAIN it goes out with, the subscription identifiers it matched. Thread: confined to the
// session's shard.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "broker/base/types.h"
#include "broker/mqtt/message.h"
#include "broker/routing/share_ref.h"

namespace skein::session {

// The subscription identifiers of a delivery [MQTT-3.3.4-3]. None and one cost no allocation.
class SubscriptionIds {
 public:
  SubscriptionIds() = default;
  explicit SubscriptionIds(uint32_t single) : single_(single) {}
  explicit SubscriptionIds(std::span<const uint32_t> ids) {
    if (ids.size() == 1) single_ = ids[0];
    if (ids.size() > 1) many_ = std::make_unique<std::vector<uint32_t>>(ids.begin(), ids.end());
  }
  SubscriptionIds(SubscriptionIds&&) = default;
  SubscriptionIds& operator=(SubscriptionIds&&) = default;

  std::span<const uint32_t> view() const {
    if (many_ != nullptr) return *many_;
    return single_ == 0 ? std::span<const uint32_t>{} : std::span<const uint32_t>{&single_, 1};
  }

 private:
  std::unique_ptr<std::vector<uint32_t>> many_;
  uint32_t single_ = 0;  // 0 = none, identifiers start at 1 [MQTT-3.8.2.1.2]
};

struct Delivery {
  mqtt::MessagePtr message;
  SubscriptionIds ids;
  Qos qos = Qos::kAtMostOnce;
  bool retain = false;
  uint32_t cost = 0;  // what the message counts in the queue, also when it is no longer needed
  uint64_t lsn = 0;   // of its Enqueued record if that may still be cancelled, else 0
  // Position in a durable session's queue, from 1; 0 in transient sessions.
  uint64_t sequence = 0;
  routing::ShareRef share;  // the group that it came through, if any
};

}  // namespace skein::session
