// Acknowledgements, released when what they promise is done.
//
// Purpose: the only way by which a PUBACK, PUBREC, PUBCOMP, SUBACK, UNSUBACK or CONNACK leaves.
// Each names its Gate; with nothing to wait for it goes into the output at once, else it is held,
// and so are those behind it. Thread: confined to the shard. Limits: see HeldReplies; TooMany()
// tells the shard to stop reading.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "broker/shard/dispatcher.h"
#include "broker/shard/sender.h"
#include "broker/shard/state.h"

namespace skein::shard {

class Promises {
 public:
  Promises(ShardState* state, Sender* sender, Dispatcher* dispatcher)
      : state_(*state), sender_(*sender), dispatcher_(*dispatcher) {}

  // What gate.destinations waits for is named by `token` of Dispatcher::Publish, 0 = none.
  struct Wait {
    Gate gate;
    uint64_t token = 0;
    bool repeats = false;  // see HeldReplies::Reply
  };

  // publish_qos1: the acknowledged packet counts against the Receive Maximum until this leaves.
  void Ack(Connection& connection, const Wait& wait, mqtt::PacketType type, PacketId id,
           mqtt::ReasonCode reason, bool publish_qos1);
  // PUBACK or PUBREC for a message that was delivered; a refusal if gate.refused is set by the time
  // it may leave: the reason code 0x97, or, where there are none, the end of the connection.
  void AckPublish(Connection& connection, const Wait& wait, Qos qos, PacketId id,
                  mqtt::ReasonCode reason);
  // Returns the ordinal by which HeldReplies knows it, 0 if it left at once.
  uint64_t Reply(Connection& connection, const Wait& wait, std::string_view packet);
  // The connection begins to serve when its CONNACK leaves.
  void ReplyConnack(Connection& connection, const Wait& wait, std::string_view packet);

  // Lets go whatever no longer has to wait, on all connections that hold something.
  void ReleaseWaiting();

  // Connections that are to be closed for such a refusal, since last asked.
  std::vector<SlotAndGeneration> TakeRefused() { return std::exchange(refused_, {}); }

  static bool TooMany(const Connection& connection) {
    return connection.held != nullptr && connection.held->size() >= HeldReplies::kMaxHeld;
  }

 private:
  bool Satisfied(const Gate& gate) const;
  bool MustHold(const Connection& connection, const Wait& wait) const;
  uint64_t Hold(Connection& connection, const Wait& wait, HeldReplies::Reply reply);
  void Release(Connection& connection);
  void BeginServing(Connection& connection);
  void RefusePublish(Connection& connection, mqtt::PacketType type, PacketId id);

  ShardState& state_;
  Sender& sender_;
  Dispatcher& dispatcher_;
  std::vector<ConnectionSlot> looking_at_;
  std::vector<SlotAndGeneration> refused_;
};

}  // namespace skein::shard
