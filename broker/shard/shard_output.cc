// The shard runner's second half: what leaves at the end of a tick.
#include <sys/socket.h>

#include <utility>

#include "broker/net/socket.h"
#include "broker/shard/shard.h"

namespace skein::shard {
namespace {

constexpr size_t kIovecs = 64;

}  // namespace

void Shard::CarryOut() {
  core_->Commit();
  MoveOut();
  FlushDirty();
  SendMail();
}

void Shard::FlushDirty() {
  auto& dirty = core_->state().out.dirty;
  // Writing may free room for queued messages, which make connections dirty again: these are
  // written in the same turn, but only for a few rounds, so that a fast reader with a long queue
  // cannot hold the shard.
  for (int round = 0; round < 4 && !dirty.empty(); ++round) {
    std::swap(flushing_, dirty);
    for (const ConnectionSlot slot : flushing_) {
      Connection& connection = core_->state().connections[slot];
      connection.dirty = false;
      if (connection.state != Connection::State::kFree) Settle(connection);
    }
    flushing_.clear();
    core_->Commit();
  }
  if (!dirty.empty()) more_work_ = true;
}

void Shard::Settle(Connection& connection) {
  if (connection.state == Connection::State::kMoved) return;
  if (connection.state == Connection::State::kDead) return CloseDescriptor(connection);
  if (connection.handshaking && connection.state >= Connection::State::kConnecting)
    HandshakeOver(connection);
  net::Transport* const transport = TransportOf(connection);
  const bool had_output = !connection.out.empty();
  const bool flushed = transport == nullptr || !transport->wants_write() ||
                       transport->Flush().status != net::IoStatus::kError;
  if (!flushed || (had_output && !Write(connection))) {
    if (connection.handshaking) LogTransportFailure(connection);
    core_->OnTransportClosed(connection);
    return CloseDescriptor(connection);
  }
  if (connection.state == Connection::State::kLingering) return SettleLingering(connection);
  if (had_output) core_->Drained(connection);
  UpdateInterest(connection);
  if (IsRelayed(connection)) SettleRelayed(connection);
}

bool Shard::Write(Connection& connection) {
  iovec parts[kIovecs];
  net::Transport* const transport = TransportOf(connection);
  while (!connection.out.empty()) {
    const int count = static_cast<int>(connection.out.Gather(parts, kIovecs));
    const net::IoResult wrote = transport == nullptr ? net::Writev(connection.fd, parts, count)
                                                     : transport->Write(parts, count);
    if (wrote.status == net::IoStatus::kWouldBlock) return true;
    if (wrote.status != net::IoStatus::kOk) return false;
    stats_.bytes_out.Add(wrote.bytes);
    connection.out.Consume(core_->state().chunks, wrote.bytes);
  }
  return true;
}

void Shard::HandshakeOver(Connection& connection) {
  connection.handshaking = false;
  shared_.listener_handshakes[connection.listener].fetch_sub(1, std::memory_order_relaxed);
}

// Our last bytes first; then the write side is shut and the client's end awaited, so that unread
// input does not make the kernel reset the connection before the client has read why it ends.
void Shard::SettleLingering(Connection& connection) {
  if (connection.linger_until > core_->state().ports.store->durable()) return;
  net::Transport* const transport = TransportOf(connection);
  const bool written =
      connection.out.empty() && (transport == nullptr || !transport->wants_write());
  if (written && !connection.write_shut) {
    connection.write_shut = true;
    if (transport == nullptr) {
      net::ShutdownWrite(connection.fd);
    } else {
      transport->Shutdown();
    }
  }
  UpdateInterest(connection);
  if (IsRelayed(connection)) SettleRelayed(connection);
}

void Shard::UpdateInterest(Connection& connection) {
  const bool read = !connection.read_paused;
  const net::Transport* const transport = TransportOf(connection);
  const bool write = !connection.out.empty() || (transport != nullptr && transport->wants_write());
  // Its reader was paused when it had input left.
  if (read && !connection.read_armed && transport != nullptr && transport->has_input() &&
      !connection.read_again) {
    connection.read_again = true;
    read_again_.push_back({connection.slot, connection.generation});
    more_work_ = true;
  }
  if (read == connection.read_armed && write == connection.write_armed) return;
  connection.read_armed = read;
  connection.write_armed = write;
  if (IsRelayed(connection)) return;
  loop_->Modify(connection.fd, (read ? uint32_t{EPOLLIN} : 0u) | (write ? uint32_t{EPOLLOUT} : 0u),
                Tag(connection));
}

void Shard::CloseDescriptor(Connection& connection) {
  if (IsRelayed(connection)) return CloseRelayed(connection);
  loop_->Remove(connection.fd);
  if (connection.handshaking) HandshakeOver(connection);
  if (TransportOf(connection) != nullptr) transports_[connection.slot].reset();
  net::Close(connection.fd);
  shared_.connections.fetch_sub(1, std::memory_order_relaxed);
  shared_.listener_connections[connection.listener].fetch_sub(1, std::memory_order_relaxed);
  stats_.connections_closed.Add();
  core_->Release(connection);
}

void Shard::MoveOut() {
  auto& moves = core_->state().out.moves;
  for (Outputs::Move& move : moves) {
    Connection& connection = core_->state().connections[move.slot];
    if (move.target >= options_.count) {
      StartRelay(connection, &move);
      continue;
    }
    auto moved = std::make_unique<MovedConnection>();
    moved->fd = connection.fd;
    if (TransportOf(connection) != nullptr)
      moved->transport = std::move(transports_[connection.slot]);
    moved->assigned_id = std::move(move.assigned_id);
    moved->listener = connection.listener;
    moved->accepted_at = core_->state().now;
    moved->unread = std::move(move.unread);
    loop_->Remove(connection.fd);
    core_->Release(connection);
    core_->state().out.mail[move.target].emplace_back(std::move(moved));
  }
  moves.clear();
}

void Shard::SendMail() {
  auto& mail = core_->state().out.mail;
  bool congested = false;
  for (ShardId to = 0; to < options_.count; ++to) {
    if (mail[to].empty()) continue;
    if (shared_.mailboxes[options_.id][to]->Push(std::move(mail[to]))) {
      mail[to] = MailBatch();
      shared_.shards[to]->Wake();
    } else {
      stats_.mailbox_full.Add();
      congested = true;
    }
  }
  if (shared_.peers != nullptr) SendToPeers(&congested);
  core_->set_mail_congested(congested);
  if (congested) more_work_ = true;
}

void Shard::Stop() {
  WatchListeners(false);
  listen_again_at_ = kNever;
  core_->BeginTick(shared_.clock.Now());
  SendClientsAway();
  CarryOut();
  const TimeMs deadline = core_->state().now + kStopGraceMs;
  while (core_->state().connections.size() + relay_count_ > 0 && shared_.clock.Now() < deadline)
    Turn(50);
  for (size_t slot = 0; slot < relays_.size(); ++slot) {
    if (relays_[slot] != nullptr) CloseRelay(*relays_[slot], true);
  }
  for (ConnectionSlot slot = 0; slot < core_->state().connections.slots(); ++slot) {
    Connection& connection = core_->state().connections[slot];
    if (connection.state != Connection::State::kFree) CloseDescriptor(connection);
  }
}

}  // namespace skein::shard
