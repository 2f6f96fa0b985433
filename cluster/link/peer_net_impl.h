// The links as PeerNet keeps them.
//
// Purpose: see peer_net.h. For .cc files of this folder only.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cluster/link/hello.h"
#include "cluster/link/peer_net.h"
#include "cluster/link/question_desk.h"
#include "cluster/link/stream.h"
#include "cluster/table/rendezvous.h"
#include "cluster/wire/letters.h"

namespace skein::cluster {

using shard::Mail;
using shard::NodeNumber;
using shard::PeerEvent;

constexpr TimeMs kFirstPauseMs = 100;
constexpr TimeMs kLongestPauseMs = 3'000;
// A node that hangs must not make everybody who asks wait: those are threads that probes need.
constexpr int kMisses = 2;
constexpr TimeMs kMuteMs = 5'000;
constexpr int64_t kPingMicros = 1'000'000;  // between measurements of the round trip

// A clock for what takes time, not for when it was.
inline int64_t SteadyMicros() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

class PeerNet::Impl {
 public:
  explicit Impl(PeerNetOptions options)
      : options_(std::move(options)),
        view_{options_.self, options_.shards},
        desk_(options_.answer),
        peers_(shard::kMaxNodes) {
    std::vector<std::string> names;
    for (const Member& member : options_.members)
      names.push_back(member.node);
    std::sort(names.begin(), names.end());
    if (options_.fixed_members) digest_ = DigestOf(names);
  }

  absl::Status Start();
  void Stop();
  void SetMembers(std::vector<Member> members);
  std::vector<NodeNumber> Linked();
  std::vector<std::optional<admin::Response>> Ask(const std::vector<NodeNumber>& nodes,
                                                  const admin::Request& request, int ms);
  void StopAnswering() { desk_.Stop(); }
  std::vector<LinkFigures> Figures();
  bool Send(ShardId from, NodeNumber node, uint32_t epoch, ShardId shard, std::vector<Mail>* mail);

 private:
  struct Outgoing {
    ShardId from;
    ShardId to;
    Mail mail;
  };
  struct Peer {
    // Guarded by mutex_.
    bool up = false;
    uint32_t epoch = 0;
    std::deque<Outgoing> waiting;
    size_t waiting_bytes = 0;
    std::shared_ptr<Asker> asker;
    std::string asks_as;  // its node id; empty: it does not belong to the cluster
    std::string release;
    // One writer, the thread; copied under the mutex while the peer stays.
    Counter bytes_in, bytes_out;
    LatencyHistogram round_trip;
    int misses = 0;         // questions in a row that it did not answer
    TimeMs mute_until = 0;  // after kMisses of them: until then nobody waits for it
    // The thread's.
    Member member;             // no name: there is none
    Stream* stream = nullptr;  // the one that has said hello
    Stream* dialing = nullptr;
    std::unique_ptr<StreamDialer> dialer;  // of peers with greater numbers
    TimeMs dial_at = 0;
    TimeMs pause = kFirstPauseMs;
    std::string told;  // the last failure in the log
  };
  struct StreamState {
    int node = -1;  // who it is; -1: has not said so
    bool ours = false;
    bool writing = false;
    bool read_waits = false;  // for the shards
    int64_t pinged_at = 0;    // steady clock, microseconds
    uint64_t ping = 0;        // the last one
    bool pinging = false;     // its answer is awaited
    uint64_t pong = 0;        // to be sent; 0: none
    TimeMs opened_at = 0;
  };
  struct Posted {
    Stream* stream;
    Stream::Event event;
  };

  void Run();
  // On threads of gRPC's.
  void TakeQuestion(AskedQuestion asked);
  std::string WhyNoAnswer(const AskedQuestion& asked);
  void TakeMembers(std::vector<Member> members);
  void Remove(NodeNumber node);
  void Handle(const Posted& posted);
  void OnFrame(Stream* stream, StreamState* state);
  void TakePing(const v1::Letters& letters, StreamState* state);
  void OnHello(Stream* stream, StreamState* state, const v1::Hello& hello);
  void Lost(Stream* stream, StreamState* state, const std::string& why);
  void SetUp(NodeNumber node, ShardId shards);
  void SetDown(NodeNumber node);
  void WriteHello(Stream* stream, StreamState* state, const std::string& refusal);
  void WriteNext(Stream* stream, StreamState* state);
  void DialDue(TimeMs now);
  TimeMs NextDial() const;
  // Streams that waited for the shards; true: some still do.
  bool ReadAgain();
  bool Busy() const;  // something waits for a peer; needs mutex_
  void DeliverToAll(const PeerEvent& event);

  const PeerNetOptions options_;
  const Viewpoint view_;
  uint64_t digest_ = 0;
  StreamCredentials credentials_;
  Stream::Post post_;
  std::unique_ptr<StreamServer> server_;
  QuestionDesk desk_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Posted> posted_;
  bool work_ = false;
  bool stopping_ = false;
  std::optional<std::vector<Member>> new_members_;
  std::vector<Peer> peers_;             // by number
  std::map<NodeNumber, Member> known_;  // who has a place in peers_; guarded by mutex_
  Numbers numbers_;
  std::string self_;
  std::map<Stream*, StreamState> streams_;
  std::minstd_rand random_{std::random_device{}()};
  std::thread thread_;
};

}  // namespace skein::cluster
