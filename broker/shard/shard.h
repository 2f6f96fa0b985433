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
#include "broker/shard/core.h"

namespace skein::shard {

using MailBatch = std::vector<Mail>;
using ShardMailbox = net::Mailbox<MailBatch>;

class Shard;

// What the shards of one broker share.
struct BrokerShared {
  std::vector<net::Listener> listeners;
  std::vector<std::unique_ptr<Shard>> shards;
  // mailboxes[from][to]
  std::vector<std::vector<std::unique_ptr<ShardMailbox>>> mailboxes;
  std::atomic<uint32_t> connections{0};
  std::atomic<uint32_t> settled{0};  // shards whose recovered routes all others know
  std::deque<std::atomic<uint32_t>> listener_connections;  // beside `listeners`
  net::Clock clock;
};

class Shard {
 public:
  static constexpr size_t kReadBytes = 64 * 1024;
  // How long a stopping shard waits for clients to take their last bytes; milliseconds.
  static constexpr TimeMs kStopGraceMs = 1'000;

  // ports.stats, peer_name and auth_answer are filled in here.
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

 private:
  struct AuthAnswerEntry {
    ConnectionSlot slot;
    uint32_t generation;
    auth::Decision decision;
  };

  void Recover();
  void Turn(int timeout_ms);
  void HandleEvents(std::span<const net::EventLoop::Event> events);
  void AcceptFrom(uint16_t listener);
  void Adopt(std::unique_ptr<MovedConnection> moved);
  // Counts a new connection against the bounds; false: one is reached, nothing is counted.
  bool Admit(uint16_t listener);
  void WatchListeners(bool on);
  void ReadFrom(Connection& connection);
  void TransportGone(Connection& connection);
  void TakeMail();
  void TakeAuthAnswers();

  void CarryOut();
  void FlushDirty();
  // Writes what the connection has, then closes, shuts or watches it as its state says.
  void Settle(Connection& connection);
  bool Write(Connection& connection);
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
  std::atomic<bool> stop_{false};
  bool more_work_ = false;
  bool listening_ = false;
  TimeMs listen_again_at_ = kNever;  // after running out of descriptors
  TimeMs next_sweep_ = 0;

  Mutex auth_mutex_;
  std::vector<AuthAnswerEntry> auth_answers_ ABSL_GUARDED_BY(auth_mutex_);
};

}  // namespace skein::shard
