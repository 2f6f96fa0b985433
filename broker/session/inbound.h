// Messages from one client to the broker: exactly-once bookkeeping and the Receive Maximum.
//
// Purpose: remembers which QoS 2 packet ids have been taken and not yet released, so that a
// repeated PUBLISH is acknowledged but not delivered again [MQTT-4.3.3-10]. An id may be taken
// while it is not certain yet that its message has arrived everywhere: then a repetition waits for
// that, or asks again. Counts what the client has unacknowledged [MQTT-3.3.4-7]. Owner and thread:
// its session, confined to the session's shard. Limits: at most 65,535 ids; with MQTT 5 at most the
// Receive Maximum the client was told.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "broker/base/types.h"
#include "broker/session/store.h"

namespace skein::session {

class Inbound {
 public:
  enum class PublishResult : uint8_t { kNew, kDuplicate, kReceiveMaximumExceeded };
  // What is known of the message of an id that was taken; any other value names the answers that it
  // waits for.
  static constexpr uint64_t kArrived = 0;
  // Who has it is not known, and the client has not been told anything: somebody was refused it, or
  // it was taken before the process started, or by another node.
  static constexpr uint64_t kUnsettled = UINT64_MAX;
  // More refusals that the client may not have heard of are forgotten.
  static constexpr size_t kMaxRefused = 256;

  // A QoS 2 PUBLISH came. kNew: deliver it and remember the id. held: QoS 1 messages taken and not
  // yet acknowledged. dup: the client has sent it before.
  PublishResult OnPublish(PacketId id, size_t held, size_t receive_maximum, bool dup = false) {
    if (taken_.contains(id)) return PublishResult::kDuplicate;
    if (taken_.size() + held >= receive_maximum) return PublishResult::kReceiveMaximumExceeded;
    const auto refused = refused_.find(id);
    const bool again = dup && refused != refused_.end();
    taken_.emplace(id, again ? Taken{kUnsettled, refused->second} : Taken{});
    if (refused != refused_.end()) refused_.erase(refused);
    return PublishResult::kNew;
  }
  // The PUBLISH was refused after all (PUBREC with an error): its id is free again.
  // False: it was.
  bool Forget(PacketId id) { return taken_.erase(id) > 0; }
  // The same, but some may have it: should the client not hear of the refusal it is sent again.
  bool Refuse(PacketId id) {
    const auto found = taken_.find(id);
    if (found == taken_.end()) return false;
    if (refused_.size() >= kMaxRefused) refused_.clear();
    if (found->second.once != 0) refused_[id] = found->second.once;
    taken_.erase(found);
    return true;
  }
  // PUBREL. False: the id is not known (answer 0x92 in v5).
  bool OnPubrel(PacketId id) { return taken_.erase(id) > 0; }

  // Its message, which other nodes know as `once`, waits for answers; or is safe everywhere.
  void Await(PacketId id, uint64_t answers, uint64_t once) { taken_[id] = {answers, once}; }
  void Arrived(PacketId id) {
    if (const auto found = taken_.find(id); found != taken_.end()) found->second = Taken{};
  }
  void Unsettle(PacketId id, uint64_t once) {
    if (const auto found = taken_.find(id); found != taken_.end())
      found->second = {kUnsettled, once};
  }
  // Of one that was taken. OnceOf: what it is called on other nodes (InboundTaken::once).
  uint64_t StateOf(PacketId id) const { return taken_.at(id).state; }
  uint64_t OnceOf(PacketId id) const { return taken_.at(id).once; }

  // One that was recorded.
  void Restore(const InboundTaken& taken) {
    taken_[taken.packet_id] = {taken.once == 0 ? kArrived : kUnsettled, taken.once};
  }
  size_t unreleased() const { return taken_.size(); }
  // All, with `once` of those that may come again.
  std::vector<InboundTaken> taken() const {
    std::vector<InboundTaken> all;
    for (const auto& [id, taken] : taken_)
      all.push_back({id, taken.once});
    return all;
  }

 private:
  struct Taken {
    uint64_t state = kArrived;
    uint64_t once = 0;  // of those that come again
  };
  absl::flat_hash_map<PacketId, Taken> taken_;
  absl::flat_hash_map<PacketId, uint64_t> refused_;  // what they were called
};

}  // namespace skein::session
