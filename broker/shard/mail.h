// What shards tell each other, on one node and between nodes.
//
// Purpose: the values that cross from one shard thread to another. Nothing else does, but immutable
// messages and the two stores. MovedConnection and commit groups stay within a node. Thread: made
// on one shard, moved to another; nothing in it is shared but MessagePtr. Order: mail from one
// shard to another arrives in the order it was sent.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "broker/base/types.h"
#include "broker/mqtt/message.h"
#include "broker/net/transport.h"
#include "broker/session/store.h"
#include "broker/shard/partition_row.h"
#include "broker/shard/retained_digest.h"

namespace skein::shard {

// A shard, of this node or of a peer, as a node numbers them (state.h).
using PlaceId = ShardId;

// A connection whose CONNECT names a client id that the receiving shard owns. `unread` begins with
// that CONNECT.
struct MovedConnection {
  int fd = -1;
  std::unique_ptr<net::Transport> transport;  // null: plain TCP
  uint16_t listener = 0;
  TimeMs accepted_at = 0;
  std::string unread;
  std::string assigned_id;  // the client id that an authenticator chose; empty: CONNECT has it
};

// The sender now has `weight` subscribers for the filter, 0 = none. Shared filters: 2 for each
// connected member, or 1 if all are offline, so that a receiver can prefer shards that can deliver
// at once.
struct RouteChange {
  uint64_t sequence = 0;
  uint32_t weight = 0;
  std::string filter;
};

// Durable sessions of the partition do, or do not any more, subscribe to the filter. Numbered with
// the RouteChanges; only its owner's word counts. It outlives the owner's absence and a hand-over.
struct DurableRoute {
  uint64_t sequence = 0;
  session::PartitionId partition = 0;
  bool present = false;
  std::string filter;
  // The owner cannot be reached and the sender passes on what it knows. Without a filter: it has
  // passed on all there is of the partition.
  bool hearsay = false;
};

// What the sender knows of the partition table. The row with the higher epoch is right.
struct RowChange {
  session::PartitionId partition = 0;
  PartitionRow row;
  // From the owner: it has the partition, and has told its routes, or does so before RouteReady.
  bool claim = false;
};

// Hold what you publish to the partition's durable sessions: it is about to move. Or go on (thaw).
struct Freeze {
  session::PartitionId partition = 0;
  bool thaw = false;
  uint64_t move = 0;
};

// All that the sender published before it froze the partition is on its way before this.
struct Frozen {
  session::PartitionId partition = 0;
  uint64_t move = 0;
};

// In the sender's outbox are messages for a partition, and until they have gone (done) the
// receiver's own publishers' go behind them. Either the partition is of the receiver's node, and
// they were published before the two could reach each other (again): clients that the sender served
// meanwhile may be among these. Or sessions have moved from the sender to the receiver, who sends
// for them from now on. Told twice, it is done twice, in order.
struct Kept {
  session::PartitionId partition = 0;
  bool done = false;
};

// A partition that moves: its sessions, each followed by the messages of its queue in order. `move`
// is the giver's number of this attempt.
struct MoveBegin {
  session::PartitionId partition = 0;
  uint64_t move = 0;
};
struct MovedSession {
  session::PartitionId partition = 0;
  uint64_t move = 0;
  session::SessionImage image;  // but for its key
};
struct MovedMessage {
  session::PartitionId partition = 0;
  uint64_t move = 0;
  session::StoredDelivery delivery;
};
struct MoveEnd {
  session::PartitionId partition = 0;
  uint64_t move = 0;
  uint64_t parts = 0;           // sessions and messages
  std::vector<uint64_t> given;  // QoS 2 messages that its sessions were given (once_book.h)
};
// All of it is durable at the receiver; or it could not be taken.
struct MoveDone {
  session::PartitionId partition = 0;
  uint64_t move = 0;
  bool ok = false;
};

// What the sender has said about its routes is void: all of them follow, then RouteChanges go on
// from `sequence`. again: it was asked for, and what was said holds until RouteReady.
struct RouteReset {
  uint64_t sequence = 0;
  bool again = false;
};

// All that RouteReset announced has been said.
struct RouteReady {};

// All of the receiver's RouteChanges up to `sequence` are in the sender's table.
struct RouteApplied {
  uint64_t sequence = 0;
};

// What the receiver has of the sender when it has applied all up to `sequence`: the digest of its
// routes, and of what its partitions' durable sessions subscribe to. Which partitions these are,
// and of which epoch, is in `rows`.
struct RouteDigest {
  uint64_t sequence = 0;
  uint64_t routes = 0;
  uint64_t rows = 0;
  uint64_t durable = 0;
};

// The receiver's routes are not what it says they are: RouteReset is asked for.
struct RouteAsk {};

// Which durable sessions a publish is for; transient ones only if it is for all.
struct DeliveryScope {
  static constexpr session::PartitionId kAll = UINT32_MAX;
  session::PartitionId only = kAll;          // those of this partition
  std::vector<session::PartitionId> except;  // all but those of these: they get it later
};

// Deliver to your own subscribers: to all that match if `plain`, and to one member of each group
// named.
struct ForwardedPublish {
  mqtt::MessagePtr message;
  uint64_t token = 0;  // answer PublishDone with it once every promise is kept; 0 = no answer
  bool plain = true;
  std::unique_ptr<std::vector<std::string>> groups;
  std::vector<PlaceId> tried;  // places that had no member of the groups who could have it
  DeliveryScope scope;         // of the plain ones
  // Names a QoS 2 message, however often it is sent; 0: it is none. Whoever has it says so and does
  // no more, also when it is the first copy that comes second. repeated: it may have been sent
  // before; who cannot know yet whether it has it refuses it.
  uint64_t once = 0;
  bool repeated = false;
  session::CommitGroupPtr commit_group;  // the records belong to it; null = to none
};

// refused: a durable session that matched could not take the message.
struct PublishDone {
  uint64_t token = 0;
  bool refused = false;
};

// What is retained, or without a payload: was removed, at the sender.
struct RetainedChange {
  mqtt::MessagePtr message;
  bool repair = false;  // the receiver should have it already
};

// What the sender retains, see retained_digest.h: whose buckets differ, sends what it has in them.
struct RetainedDigestMail {
  std::unique_ptr<RetainedDigest> digest;
};

// A client's connection ends at one node (the edge) and its session lives on another (the owner).
// Its bytes are relayed. `relay` is the edge shard's number for it; to_owner says which way a part
// goes.

struct RelayOpen {
  uint64_t relay = 0;
  std::string listener;
  std::string policy;
  net::PeerAddress peer;
  std::unique_ptr<CertificateIdentity> certificate;  // null: none
  TimeMs accepted_at = 0;
  std::string unread;  // begins with CONNECT
  std::string assigned_id;
};

struct RelayData {
  uint64_t relay = 0;
  bool to_owner = false;
  std::string bytes;
};

// So many more bytes may be sent: the other side has got rid of them.
struct RelayCredit {
  uint64_t relay = 0;
  bool to_owner = false;
  uint64_t bytes = 0;
};

struct RelayEnd {
  uint64_t relay = 0;
  bool to_owner = false;
  // The connection has ended. Else, from the owner: nothing more will be sent; from the edge: it
  // stops, and the client has to be told.
  bool gone = false;
};

using Mail = std::variant<std::unique_ptr<MovedConnection>, RouteChange, RouteApplied, RouteReset,
                          RouteReady, ForwardedPublish, PublishDone, RetainedChange, RelayOpen,
                          RelayData, RelayCredit, RelayEnd, DurableRoute, RowChange, Freeze, Frozen,
                          MoveBegin, MovedSession, MovedMessage, MoveEnd, MoveDone, RouteDigest,
                          RouteAsk, RetainedDigestMail, Kept>;

}  // namespace skein::shard
