// The links to the other nodes, over gRPC.
//
// Purpose: keeps one stream to each peer (the node with the smaller number opens it, and opens it
// again when it ends, with growing pauses), says who we are, carries mail both ways, and tells the
// shards who is there. Owner: cmd/. Thread: Send() on any shard's; everything else on one thread of
// its own; gRPC's threads only hand over. `deliver` is called on that thread. Limits:
// max_waiting_bytes a peer, max_backlog_bytes a shard; a frame of about kFrameBytes; one write
// under way a stream. Questions of operators go beside the streams, over connections of their own
// (Ask() waits on the asker's thread; question_desk.h answers). Errors: a peer of another cluster,
// another list of nodes, another number of partitions or another protocol is refused, and the log
// says which.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "broker/admin/http.h"
#include "broker/base/counter.h"
#include "broker/base/log.h"
#include "broker/shard/peers.h"

namespace skein::cluster {

struct Member {
  std::string node;
  std::string address;  // HOST:PORT
  shard::NodeNumber number = 0;
  bool operator==(const Member&) const = default;
};

// What the link to a peer has counted since the peer was heard of.
struct LinkFigures {
  Member member;
  bool up = false;
  std::string release;    // of the peer's program; empty: it has not said so
  uint64_t bytes_in = 0;  // of mail, about
  uint64_t bytes_out = 0;
  LatencyHistogram round_trip;  // microseconds, about one a second
};

struct PeerNetOptions {
  // What nodes say to each other, with the oldest that this program still speaks: docs/formats.md
  // says what a new version is, and how nodes of both run side by side.
  static constexpr uint32_t kProtocol = 3;
  static constexpr uint32_t kOldestProtocol = 3;

  std::string cluster = "skeinmq";
  std::string release;          // of this program
  std::vector<Member> members;  // this node among them
  shard::NodeNumber self = 0;   // its number
  // All nodes have to have the same list; else SetMembers() says who comes and goes.
  bool fixed_members = true;
  std::string listen;  // ADDR:PORT
  uint32_t partitions = 256;
  ShardId shards = 1;
  // PEM; all or none. Peers then show a certificate of the authority with their node id among its
  // DNS names.
  std::string ca_file, cert_file, key_file;
  size_t max_waiting_bytes = 64u << 20;
  Logger* log = nullptr;
  std::function<TimeMs()> clock;  // any thread
  // Bytes that the slowest shard has not taken over; above max_backlog_bytes no stream is read.
  std::function<size_t()> backlog;
  size_t max_backlog_bytes = 64u << 20;
  std::function<void(ShardId shard, shard::PeerEvent event)> deliver;
  // Answers what the operators of other nodes ask; on threads of its own. Empty: nothing is.
  admin::Handler answer;
};

class PeerNet final : public shard::Peers {
 public:
  static constexpr size_t kFrameBytes = 256u << 10;

  explicit PeerNet(PeerNetOptions options);
  ~PeerNet() override;

  // Listens and begins to dial.
  absl::Status Start();

  // Who belongs to the cluster now. Any thread. Links to others end.
  void SetMembers(std::vector<Member> members);

  // The peers with a link that has said hello. Any thread.
  std::vector<shard::NodeNumber> Linked() const;

  // Asks these peers, all at once, and waits up to about `ms`; the answers are beside `nodes`, none
  // where a peer is silent, not linked or does not belong to the cluster. Who has not answered
  // twice in a row counts as silent for five seconds. Any thread.
  std::vector<std::optional<admin::Response>> Ask(const std::vector<shard::NodeNumber>& nodes,
                                                  const admin::Request& request, int ms) const;

  // No question is answered from now on. Stop() does it, too.
  void StopAnswering();

  // The peers there are. Any thread.
  std::vector<LinkFigures> Figures() const;

  // Sends what waits, for at most two seconds, and ends all links. Nothing is delivered after it.
  void Stop();

  bool Send(ShardId from, shard::NodeNumber node, uint32_t epoch, ShardId shard,
            std::vector<shard::Mail>* mail) override;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace skein::cluster
