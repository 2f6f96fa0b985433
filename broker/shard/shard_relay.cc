// The shard runner's third part: peers, and clients whose session lives on one of them.
#include <algorithm>
#include <utility>

#include "broker/net/socket.h"
#include "broker/shard/shard.h"

namespace skein::shard {
namespace {

constexpr uint64_t kRelayTag = uint64_t{1} << 62;
constexpr uint64_t kSlotMask = UINT32_MAX;
constexpr uint32_t kGenerations = (1u << 29) - 1;

bool IsRelay(const Mail& mail) {
  return std::holds_alternative<RelayOpen>(mail) || std::holds_alternative<RelayData>(mail) ||
         std::holds_alternative<RelayCredit>(mail) || std::holds_alternative<RelayEnd>(mail);
}

}  // namespace

void Shard::OnPeer(PeerEvent event) {
  peer_backlog_.fetch_add(event.bytes, std::memory_order_relaxed);
  {
    MutexLock lock(auth_mutex_);
    peer_events_.push_back(std::move(event));
  }
  peers_waiting_.store(true, std::memory_order_release);
  loop_->Wake();
}

void Shard::TakePeers() {
  if (!peers_waiting_.exchange(false, std::memory_order_acq_rel)) return;
  std::vector<PeerEvent> events;
  {
    MutexLock lock(auth_mutex_);
    events.swap(peer_events_);
  }
  core_->SetNow(shared_.clock.NowMicros());
  for (PeerEvent& event : events) {
    peer_backlog_.fetch_sub(event.bytes, std::memory_order_relaxed);
    switch (event.kind) {
      case PeerEvent::Kind::kUp:
        if (peer_epochs_.size() <= event.node) peer_epochs_.resize(event.node + size_t{1});
        peer_epochs_[event.node] = event.epoch;
        core_->view().OnPeerUp(event.node, event.shard);
        break;
      case PeerEvent::Kind::kDown:
        EndRelaysOf(event.node);
        core_->view().OnPeerDown(event.node);
        break;
      case PeerEvent::Kind::kRows:
        core_->view().OnRows(event.rows);
        break;
      case PeerEvent::Kind::kMembers:
        core_->view().SetMembers(std::move(event.members), event.yes);
        break;
      case PeerEvent::Kind::kLease:
        core_->view().SetLease(event.yes);
        break;
      case PeerEvent::Kind::kGive:
        for (const RowChange& change : event.rows)
          core_->mover().Give(change.partition, change.row.node);
        break;
      case PeerEvent::Kind::kMoveFailed:
        for (const RowChange& change : event.rows)
          core_->mover().OnCommitFailed(change.partition);
        break;
      case PeerEvent::Kind::kRetire:
        Retire();
        break;
      case PeerEvent::Kind::kMail:
        TakePeerMail(core_->state().PlaceOf(event.node, event.shard), &event.mail);
    }
  }
}

// Clients of other nodes wait like those of our own until the routes are known.
void Shard::ServeRelays() {
  serving_relays_ = true;
  core_->BeginTick(shared_.clock.Now());
  for (auto& [from, mail] : std::exchange(held_relays_, {})) {
    std::vector<Mail> one;
    one.push_back(std::move(mail));
    TakePeerMail(from, &one);
  }
  CarryOut();
}

void Shard::TakePeerMail(PlaceId from, std::vector<Mail>* mail) {
  // Of another life of the link, or of a shard that its node did not speak of.
  if (from >= core_->state().places.size() || !core_->state().places[from].up) return;
  for (Mail& each : *mail) {
    if (!serving_relays_ && IsRelay(each)) {
      held_relays_.emplace_back(from, std::move(each));
    } else if (auto* open = std::get_if<RelayOpen>(&each)) {
      AdoptRelayed(from, open);
    } else if (auto* data = std::get_if<RelayData>(&each)) {
      OnRelayData(from, *data);
    } else if (auto* credit = std::get_if<RelayCredit>(&each)) {
      OnRelayCredit(from, *credit);
    } else if (auto* end = std::get_if<RelayEnd>(&each)) {
      OnRelayEnd(from, *end);
    } else {
      core_->OnMail(from, std::move(each));
    }
  }
}

// --- at the edge ---------------------------------------------------------------------------------

void Shard::StartRelay(Connection& connection, Outputs::Move* move) {
  auto slot = static_cast<uint32_t>(relays_.size());
  if (free_relays_.empty()) {
    relays_.emplace_back();
  } else {
    slot = free_relays_.back();
    free_relays_.pop_back();
  }
  relay_generation_ = (relay_generation_ + 1) & kGenerations;
  auto relay = std::make_unique<Relay>();
  relay->id = uint64_t{relay_generation_} << 32 | slot;
  relay->fd = connection.fd;
  relay->listener = connection.listener;
  relay->owner = move->target;
  RelayOpen open;
  open.relay = relay->id;
  open.listener = options_.listeners[connection.listener].name;
  open.policy = options_.listeners[connection.listener].policy;
  if (TransportOf(connection) != nullptr) {
    relay->transport = std::move(transports_[connection.slot]);
    if (relay->transport->certificate() != nullptr)
      open.certificate = std::make_unique<CertificateIdentity>(*relay->transport->certificate());
  }
  const net::PeerAddress* const told =
      relay->transport == nullptr ? nullptr : relay->transport->peer();
  open.peer = told == nullptr ? PeerOfDescriptor(connection.fd) : *told;
  open.accepted_at = core_->state().now;
  open.unread = std::move(move->unread);
  open.assigned_id = std::move(move->assigned_id);
  relay->credit -= std::min<uint64_t>(relay->credit, open.unread.size());
  if (connection.handshaking) HandshakeOver(connection);
  loop_->Remove(connection.fd);
  core_->Release(connection);
  core_->state().out.mail[move->target].emplace_back(std::move(open));
  Relay& made = *relay;
  relays_[slot] = std::move(relay);
  ++relay_count_;
  stats_.relays.Add(1);
  if (!loop_->Add(made.fd, EPOLLIN, kRelayTag | made.id)) CloseRelay(made, true);
}

Relay* Shard::FindRelay(uint64_t id) {
  const size_t slot = id & kSlotMask;
  if (slot >= relays_.size() || relays_[slot] == nullptr || relays_[slot]->id != id) return nullptr;
  return relays_[slot].get();
}

Relay* Shard::FindRelay(PlaceId owner, uint64_t id) {
  Relay* const relay = FindRelay(id);
  return relay == nullptr || relay->owner != owner ? nullptr : relay;
}

bool Shard::HandleRelayEvent(const net::EventLoop::Event& event) {
  if ((event.tag & kRelayTag) == 0) return false;
  Relay* const relay = FindRelay(event.tag & ~kRelayTag);
  if (relay == nullptr) return true;
  if ((event.events & EPOLLOUT) != 0 && !WriteRelay(*relay)) return true;
  if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) ReadRelay(*relay);
  return true;
}

void Shard::ReadRelay(Relay& relay) {
  const uint64_t id = relay.id;
  while (relay.credit > 0) {
    const size_t wanted = std::min<uint64_t>(kReadBytes, relay.credit);
    const net::IoResult got = relay.transport == nullptr
                                  ? net::Read(relay.fd, read_buffer_.get(), wanted)
                                  : relay.transport->Read(read_buffer_.get(), wanted);
    if (got.status == net::IoStatus::kWouldBlock) break;
    if (got.status != net::IoStatus::kOk) return CloseRelay(relay, true);
    relay.credit -= got.bytes;
    core_->state().out.mail[relay.owner].emplace_back(
        RelayData{id, true, std::string(read_buffer_.get(), got.bytes)});
    if (relay.transport == nullptr && got.bytes < wanted) break;
  }
  WatchRelay(relay);
}

// False: it is gone.
bool Shard::WriteRelay(Relay& relay) {
  if (relay.transport != nullptr && relay.transport->wants_write() &&
      relay.transport->Flush().status == net::IoStatus::kError) {
    CloseRelay(relay, true);
    return false;
  }
  while (relay.written < relay.out.size()) {
    const iovec part{relay.out.data() + relay.written, relay.out.size() - relay.written};
    const net::IoResult wrote = relay.transport == nullptr ? net::Writev(relay.fd, &part, 1)
                                                           : relay.transport->Write(&part, 1);
    if (wrote.status == net::IoStatus::kWouldBlock) break;
    if (wrote.status != net::IoStatus::kOk) {
      CloseRelay(relay, true);
      return false;
    }
    relay.written += wrote.bytes;
    relay.earned += wrote.bytes;
  }
  if (relay.written == relay.out.size()) {
    relay.out = {};
    relay.written = 0;
  }
  if (relay.earned >= kRelayWindow / 4 || (relay.earned > 0 && relay.out.empty())) {
    core_->state().out.mail[relay.owner].emplace_back(
        RelayCredit{relay.id, true, std::exchange(relay.earned, 0)});
  }
  const bool flushed = relay.transport == nullptr || !relay.transport->wants_write();
  if (relay.ending && relay.out.empty() && flushed && !std::exchange(relay.shut, true)) {
    if (relay.transport == nullptr) {
      net::ShutdownWrite(relay.fd);
    } else {
      relay.transport->Shutdown();
    }
  }
  WatchRelay(relay);
  return true;
}

void Shard::WatchRelay(Relay& relay) {
  const bool read = relay.credit > 0;
  const bool write =
      !relay.out.empty() || (relay.transport != nullptr && relay.transport->wants_write());
  if (read == relay.read_armed && write == relay.write_armed) return;
  relay.read_armed = read;
  relay.write_armed = write;
  loop_->Modify(relay.fd, (read ? uint32_t{EPOLLIN} : 0u) | (write ? uint32_t{EPOLLOUT} : 0u),
                kRelayTag | relay.id);
}

void Shard::CloseRelay(Relay& relay, bool tell) {
  if (tell && core_->state().places[relay.owner].up)
    core_->state().out.mail[relay.owner].emplace_back(RelayEnd{relay.id, true, true});
  loop_->Remove(relay.fd);
  relay.transport.reset();
  net::Close(relay.fd);
  shared_.connections.fetch_sub(1, std::memory_order_relaxed);
  shared_.listener_connections[relay.listener].fetch_sub(1, std::memory_order_relaxed);
  stats_.connections_closed.Add();
  --relay_count_;
  stats_.relays.Add(-1);
  const auto slot = static_cast<uint32_t>(relay.id & kSlotMask);
  relays_[slot].reset();
  free_relays_.push_back(slot);
}

// --- at the owner --------------------------------------------------------------------------------

void Shard::AdoptRelayed(PlaceId from, RelayOpen* open) {
  auto known = std::find_if(options_.listeners.begin(), options_.listeners.end(),
                            [&](const ListenerInfo& info) { return info.name == open->listener; });
  if (known == options_.listeners.end()) {
    known = std::find_if(options_.listeners.begin(), options_.listeners.end(),
                         [&](const ListenerInfo& info) { return info.policy == open->policy; });
  }
  if (known == options_.listeners.end()) {
    log_->Log(LogLevel::kError, "relay.refused",
              {{"listener", open->listener},
               {"why", "this node has no listener of that name, nor one that asks the same"}});
    core_->state().out.mail[from].emplace_back(RelayEnd{open->relay, false, true});
    return;
  }
  const std::string unread = std::move(open->unread);
  const std::string assigned = std::move(open->assigned_id);
  const auto listener = static_cast<uint16_t>(known - options_.listeners.begin());
  const TimeMs accepted_at = open->accepted_at;
  const uint64_t id = open->relay;
  Connection& connection = core_->Accept(-1, listener, accepted_at, assigned);
  connection.edge = from;
  if (transports_.size() <= connection.slot) transports_.resize(connection.slot + 1);
  transports_[connection.slot] = std::make_unique<RelayTransport>(open, from);
  relayed_[{from, id}] = {connection.slot, connection.generation};
  RelayOf(connection)->Feed(unread);
  ReadFrom(connection);
  core_->state().MarkDirty(connection);
}

Connection* Shard::FindRelayed(PlaceId from, uint64_t id, RelayTransport** transport) {
  const auto found = relayed_.find({from, id});
  if (found == relayed_.end()) return nullptr;
  Connection* const connection =
      core_->state().connections.Find(found->second.slot, found->second.generation);
  if (connection == nullptr) return nullptr;
  *transport = RelayOf(*connection);
  return connection;
}

void Shard::SettleRelayed(const Connection& connection) {
  RelayTransport* const transport = RelayOf(connection);
  const PlaceId edge = transport->edge();
  if (!core_->state().places[edge].up) return;
  auto& mail = core_->state().out.mail[edge];
  std::string output = transport->TakeOutput();
  if (!output.empty()) mail.emplace_back(RelayData{transport->relay(), false, std::move(output)});
  const uint64_t consumed = transport->TakeConsumed();
  if (consumed > 0) mail.emplace_back(RelayCredit{transport->relay(), false, consumed});
  if (transport->TakeShutdown()) mail.emplace_back(RelayEnd{transport->relay(), false, false});
}

// As CloseDescriptor(), for a connection whose descriptor is elsewhere.
void Shard::CloseRelayed(Connection& connection) {
  RelayTransport* const transport = RelayOf(connection);
  SettleRelayed(connection);
  if (core_->state().places[transport->edge()].up) {
    core_->state().out.mail[transport->edge()].emplace_back(
        RelayEnd{transport->relay(), false, true});
  }
  relayed_.erase({transport->edge(), transport->relay()});
  transports_[connection.slot].reset();
  core_->Release(connection);
}

// --- both ----------------------------------------------------------------------------------------

void Shard::OnRelayData(PlaceId from, const RelayData& data) {
  if (data.to_owner) {
    RelayTransport* transport = nullptr;
    Connection* const connection = FindRelayed(from, data.relay, &transport);
    if (connection == nullptr) return;
    transport->Feed(data.bytes);
    if (!connection->read_paused) ReadFrom(*connection);
    core_->state().MarkDirty(*connection);
    return;
  }
  Relay* const relay = FindRelay(from, data.relay);
  if (relay == nullptr) return;
  relay->out.append(data.bytes);
  WriteRelay(*relay);
}

void Shard::OnRelayCredit(PlaceId from, const RelayCredit& credit) {
  if (credit.to_owner) {
    RelayTransport* transport = nullptr;
    Connection* const connection = FindRelayed(from, credit.relay, &transport);
    if (connection == nullptr) return;
    transport->AddCredit(credit.bytes);
    core_->state().MarkDirty(*connection);
    return;
  }
  Relay* const relay = FindRelay(from, credit.relay);
  if (relay == nullptr) return;
  relay->credit += credit.bytes;
  ReadRelay(*relay);
}

void Shard::OnRelayEnd(PlaceId from, const RelayEnd& end) {
  if (end.to_owner) {
    RelayTransport* transport = nullptr;
    Connection* const connection = FindRelayed(from, end.relay, &transport);
    if (connection == nullptr) return;
    if (end.gone) return TransportGone(*connection);
    core_->Close(*connection, mqtt::ReasonCode::kServerShuttingDown, "the client's node stops");
    core_->state().MarkDirty(*connection);
    return;
  }
  Relay* const relay = FindRelay(from, end.relay);
  if (relay == nullptr) return;
  relay->ending = true;
  if (!WriteRelay(*relay)) return;
  // What the client has not taken by now it does not get.
  if (end.gone) CloseRelay(*relay, false);
}

void Shard::EndRelaysOf(NodeNumber node) {
  const ShardState& state = core_->state();
  const PlaceId first = state.PlaceOf(node, 0);
  const auto of_node = [&](PlaceId place) {
    return place >= first && place < first + kMaxShardsANode;
  };
  for (size_t slot = 0; slot < relays_.size(); ++slot) {
    if (relays_[slot] != nullptr && of_node(relays_[slot]->owner))
      CloseRelay(*relays_[slot], false);
  }
  std::erase_if(held_relays_, [&](const auto& held) { return of_node(held.first); });
  std::vector<SlotAndGeneration> gone;
  for (const auto& [key, entry] : relayed_) {
    if (of_node(key.first)) gone.push_back(entry);
  }
  for (const SlotAndGeneration& entry : gone) {
    Connection* const connection = core_->state().connections.Find(entry.slot, entry.generation);
    if (connection != nullptr) TransportGone(*connection);
  }
}

void Shard::SendToPeers(bool* congested) {
  auto& mail = core_->state().out.mail;
  for (size_t place = options_.count; place < mail.size(); ++place) {
    if (mail[place].empty()) continue;
    const auto node = static_cast<NodeNumber>((place - options_.count) / kMaxShardsANode);
    const auto to = static_cast<ShardId>((place - options_.count) % kMaxShardsANode);
    if (!shared_.peers->Send(options_.id, node, peer_epochs_[node], to, &mail[place])) {
      stats_.mailbox_full.Add();
      *congested = true;
    }
  }
}

}  // namespace skein::shard
