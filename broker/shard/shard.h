// The thread that runs one shard.
//
// Purpose: feeds Core from sockets, timers and mail, and carries out what it says: reads and writes
// connections, moves them between shards, sends mail. One tick is one turn of the event loop; all
// output of a tick leaves at its end, one write a connection. Owner: Broker. Thread: Run() is the
// shard's thread; RequestStop(), Post() and Wake() may be called on any. Limits: one read of
// kReadBytes a connection and turn; mail to a shard that is behind is kept and publishers are
// paused meanwhile.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "broker/base/mutex.h"
#include "broker/base/stats.h"
#include "broker/net/clock.h"
#include "broker/net/event_loop.h"
#include "broker/net/listener.h"
#include "broker/net/mailbox.h"
#include "broker/net/transport.h"
#include "broker/shard/core.h"
#include "broker/shard/question.h"
#include "broker/shard/relay.h"

namespace skein::shard {

using MailBatch = std::vector<Mail>;
using ShardMailbox = net::Mailbox<MailBatch>;

class Shard;

// Why a connection may not come in.
struct Refusal {
  const char* why = nullptr;  // static storage; null: it may
  ShedReason reason = ShedReason::kOverloaded;

  explicit operator bool() const { return why != nullptr; }
};

// Who may knock: asked on any shard for each new connection, before anything is read from it.
class Gatekeeper {
 public:
  virtual ~Gatekeeper() = default;
  virtual Refusal Refuse(uint16_t listener, const net::PeerAddress& peer, TimeMs now) = 0;
};

// Makes what lies between a new connection and MQTT; null for plain TCP. Any shard.
using MakeTransport = std::function<std::unique_ptr<net::Transport>(int fd)>;

// What the shards of one broker share.
struct BrokerShared {
  std::vector<net::Listener> listeners;
  std::vector<MakeTransport> make_transport;  // beside `listeners`; may be empty functions
  Gatekeeper* gatekeeper = nullptr;           // null: everybody may
  Peers* peers = nullptr;                     // null: there is no cluster
  std::vector<std::unique_ptr<Shard>> shards;
  // mailboxes[from][to]
  std::vector<std::vector<std::unique_ptr<ShardMailbox>>> mailboxes;
  std::atomic<uint32_t> connections{0};
  std::atomic<uint64_t> event_numbers{0};
  std::atomic<uint32_t> settled{0};   // shards whose recovered routes all others know
  std::atomic<uint32_t> finished{0};  // shards that have seen off what died with the process
  std::atomic<uint32_t> serving{0};   // shards that let clients in
  std::deque<std::atomic<uint32_t>> listener_connections;  // beside `listeners`
  // Those of them that have not sent an accepted CONNECT yet.
  std::deque<std::atomic<uint32_t>> listener_handshakes;
  net::Clock clock;
};

class Shard {
 public:
  static constexpr size_t kReadBytes = 64 * 1024;
  // How long a stopping shard waits for clients to take their last bytes; milliseconds.
  static constexpr TimeMs kStopGraceMs = 1'000;

  // ports.stats, peer, wake and auth_answer are filled in here.
  Shard(const ShardOptions& options, Ports ports, BrokerShared* shared,
        std::unique_ptr<net::EventLoop> loop);
  ~Shard();

  // Until RequestStop(). Recovers the durable sessions first.
  void Run();

  void RequestStop() {
    stop_.store(true, std::memory_order_release);
    loop_->Wake();
  }
  void Wake() { loop_->Wake(); }
  const ShardStats& stats() const { return stats_; }
  // Any thread: taken over in the shard's next turn.
  void OnPeer(PeerEvent event);
  // Bytes that were brought and not taken over yet. Any thread.
  size_t peer_backlog() const { return peer_backlog_.load(std::memory_order_relaxed); }

  // Any thread: answered in the shard's next turns, one question after the other. False: too many
  // wait already.
  bool Ask(std::shared_ptr<Question> question);

  // Any thread: published in the shard's next turn. Limits: those that were not taken yet are
  // replaced.
  void PublishOwn(std::vector<OwnMessage> messages);

  // Any thread: other access rules, from the shard's next turn on.
  void SetRules(std::shared_ptr<const auth::AccessRules> rules);
  // Until the running shard has taken over what SetRules() gave it last.
  void AwaitRules() { rules_waiting_.wait(true); }

 private:
  struct AuthAnswerEntry {
    ConnectionSlot slot;
    uint32_t generation;
    auth::Decision decision;
  };

  void Recover();
  void AwaitPeers();
  void ServeRelays();
  void Turn(int timeout_ms);
  // Notes how long the turn took, and the latencies of what it sent.
  void EndTurn(int64_t began);
  void HandleEvents(std::span<const net::EventLoop::Event> events);
  void AcceptFrom(uint16_t listener);
  void Adopt(std::unique_ptr<MovedConnection> moved);
  // Counts a new connection against the bounds. Refused: nothing is counted.
  Refusal Admit(uint16_t listener, const net::PeerAddress& peer);
  void Shed(uint16_t listener, const Refusal& refusal);
  void LogShed(uint16_t listener, const char* why);
  Connection& Open(int fd, std::unique_ptr<net::Transport> transport, uint16_t listener,
                   TimeMs accepted_at, std::string_view assigned_id = {});
  void WatchListeners(bool on);
  void ReadFrom(Connection& connection);
  // One read. False: nothing more can be read now.
  bool ReadOnce(Connection& connection, net::Transport* transport, size_t wanted, size_t* left);
  void ReadAgain();
  Peer PeerOf(const Connection& connection) const;
  static net::PeerAddress PeerOfDescriptor(int fd);
  net::Transport* TransportOf(const Connection& connection) const {
    return connection.slot < transports_.size() ? transports_[connection.slot].get() : nullptr;
  }
  void TransportFailed(Connection& connection, const net::IoResult& result);
  void LogTransportFailure(const Connection& connection);
  void TransportGone(Connection& connection, EndReason why = EndReason::kClosed);
  void TakeMail();
  void TakeAuthAnswers();
  void PublishOwnWaiting();

  // --- shard_relay.cc
  void TakePeers();
  void TakePeerMail(PlaceId from, std::vector<Mail>* mail);
  void SendToPeers(bool* congested);
  void EndRelaysOf(NodeNumber node);
  // The client's end of a relay.
  void StartRelay(Connection& connection, Outputs::Move* move);
  Relay* FindRelay(uint64_t id);
  Relay* FindRelay(PlaceId owner, uint64_t id);  // null if it is not that owner's
  bool HandleRelayEvent(const net::EventLoop::Event& event);
  void ReadRelay(Relay& relay);
  bool WriteRelay(Relay& relay);
  void WatchRelay(Relay& relay);
  void CloseRelay(Relay& relay, bool tell);
  // The session's end.
  static bool IsRelayed(const Connection& connection) { return connection.fd < 0; }
  void AdoptRelayed(PlaceId from, RelayOpen* open);
  Connection* FindRelayed(PlaceId from, uint64_t id, RelayTransport** transport);
  RelayTransport* RelayOf(const Connection& connection) const {
    return static_cast<RelayTransport*>(TransportOf(connection));
  }
  void SettleRelayed(const Connection& connection);
  void CloseRelayed(Connection& connection);
  void OnRelayData(PlaceId from, const RelayData& data);
  void OnRelayCredit(PlaceId from, const RelayCredit& credit);
  void OnRelayEnd(PlaceId from, const RelayEnd& end);

  // --- shard_questions.cc
  // One slice. True: there is more to do.
  bool AnswerQuestions();
  // Tells all clients to go, those of other nodes' sessions too.
  void SendClientsAway();
  // As when the node stops, but it goes on running: new connections are closed at accept. To be
  // repeated, for a client may be between two shards.
  void Retire();

  void CarryOut();
  void FlushDirty();
  // Writes what the connection has, then closes, shuts or watches it as its state says.
  void Settle(Connection& connection);
  bool Write(Connection& connection);
  void HandshakeOver(Connection& connection);
  void SettleLingering(Connection& connection);
  void UpdateInterest(Connection& connection);
  void CloseDescriptor(Connection& connection);
  void MoveOut();
  void SendMail();
  void Stop();

  static uint64_t Tag(const Connection& connection) {
    return (uint64_t{connection.generation} << 32) | connection.slot;
  }

  ShardOptions options_;
  BrokerShared& shared_;
  std::unique_ptr<net::EventLoop> loop_;
  ShardStats stats_;
  Logger* log_;
  std::unique_ptr<Core> core_;
  std::unique_ptr<char[]> read_buffer_;
  std::vector<ConnectionSlot> flushing_;
  std::vector<std::unique_ptr<net::Transport>> transports_;  // by slot; plain TCP has none
  std::vector<SlotAndGeneration> read_again_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> rules_waiting_{false};
  std::atomic<bool> own_waiting_{false};
  bool more_work_ = false;
  int64_t turn_ended_ = 0;  // microseconds
  bool listening_ = false;
  TimeMs listen_again_at_ = kNever;  // after running out of descriptors
  TimeMs next_sweep_ = 0;

  TimeMs shed_logged_at_ = 0;
  uint64_t shed_ = 0;  // since then
  bool retired_ = false;
  bool overloaded_ = false;  // the last turn took longer than Limits::max_loop_lag_ms

  std::vector<uint32_t> peer_epochs_;                  // by NodeNumber
  std::vector<std::unique_ptr<Relay>> relays_;         // by slot
  bool recovered_ = false;                             // peers are spoken to
  bool serving_relays_ = false;                        // and their clients served
  std::vector<std::pair<PlaceId, Mail>> held_relays_;  // until then
  std::vector<uint32_t> free_relays_;                  // slots of them
  size_t relay_count_ = 0;
  uint32_t relay_generation_ = 0;
  absl::flat_hash_map<std::pair<PlaceId, uint64_t>, SlotAndGeneration> relayed_;

  Mutex auth_mutex_;
  std::vector<PeerEvent> peer_events_ ABSL_GUARDED_BY(auth_mutex_);
  std::atomic<bool> peers_waiting_{false};
  std::atomic<size_t> peer_backlog_{0};
  std::deque<std::shared_ptr<Question>> questions_ ABSL_GUARDED_BY(auth_mutex_);
  std::atomic<bool> questions_waiting_{false};
  std::vector<AuthAnswerEntry> auth_answers_ ABSL_GUARDED_BY(auth_mutex_);
  std::shared_ptr<const auth::AccessRules> new_rules_ ABSL_GUARDED_BY(auth_mutex_);
  bool has_new_rules_ ABSL_GUARDED_BY(auth_mutex_) = false;
  std::vector<OwnMessage> own_messages_ ABSL_GUARDED_BY(auth_mutex_);
};

}  // namespace skein::shard
