// What comes from peers, and what becomes of a link that ends.
#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "cluster/link/peer_net_impl.h"

namespace skein::cluster {

void PeerNet::Impl::OnFrame(Stream* stream, StreamState* state) {
  const int node = state->node;
  const bool current = node >= 0 && peers_[static_cast<size_t>(node)].stream == stream;
  if (stream->in.kind_case() == v1::Frame::kHello && !current) {
    OnHello(stream, state, stream->in.hello());
  } else if (stream->in.kind_case() == v1::Frame::kLetters && current) {
    const TimeMs now = options_.clock();
    PeerEvent event;
    event.node = static_cast<NodeNumber>(node);
    ShardId to = 0;
    const auto flush = [&] {
      if (!event.mail.empty()) options_.deliver(to, std::move(event));
      event = PeerEvent();
      event.node = static_cast<NodeNumber>(node);
    };
    TakePing(stream->in.letters(), state);
    for (v1::Letter& letter : *stream->in.mutable_letters()->mutable_letters()) {
      if (letter.to_shard() >= options_.shards || letter.from_shard() >= shard::kMaxShardsANode)
        continue;
      if (letter.to_shard() != to || letter.from_shard() != event.shard) flush();
      to = static_cast<ShardId>(letter.to_shard());
      event.shard = static_cast<ShardId>(letter.from_shard());
      Mail mail;
      if (!DecodeLetter(&letter, view_, now, &mail)) continue;
      event.bytes += CostOf(mail);
      peers_[static_cast<size_t>(node)].bytes_in.Add(CostOf(mail));
      event.mail.push_back(std::move(mail));
    }
    flush();
  } else {
    Lost(stream, state, "the peer breaks the protocol");
    stream->End();
    return;
  }
  if (options_.backlog() > options_.max_backlog_bytes) {
    state->read_waits = true;
    return;
  }
  stream->Read();
}

void PeerNet::Impl::TakePing(const v1::Letters& letters, StreamState* state) {
  if (letters.ping() != 0) state->pong = letters.ping();
  if (!state->pinging || letters.pong() != state->ping) return;
  state->pinging = false;
  peers_[static_cast<size_t>(state->node)].round_trip.Observe(
      static_cast<uint64_t>(SteadyMicros() - state->pinged_at));
}

void PeerNet::Impl::OnHello(Stream* stream, StreamState* state, const v1::Hello& hello) {
  int node = -1;
  std::string why =
      WhyRefuse(options_, numbers_, digest_, hello, state->ours ? state->node : -1, &node);
  if (why.empty() && !state->ours) why = WhyDoubt(options_, hello, stream->names);
  if (!why.empty()) {
    const std::string refusal = why;
    // A new node may know of us before we know of it.
    const bool early = !options_.fixed_members && absl::StrContains(why, kNotAMember);
    options_.log->Log(early ? LogLevel::kDebug : LogLevel::kError, "peer.refused",
                      {{"node", hello.node()}, {"why", why}});
    if (early) why.clear();
    if (!state->ours && hello.refusal().empty() && !state->writing)
      WriteHello(stream, state, refusal);
    Lost(stream, state, why);
    stream->End();
    return;
  }
  Peer& peer = peers_[static_cast<size_t>(node)];
  if (peer.stream != nullptr) {  // it has begun anew before we noticed that it was gone
    Stream* const old = peer.stream;
    SetDown(static_cast<NodeNumber>(node));
    old->End();
  }
  state->node = node;
  if (!state->ours) WriteHello(stream, state, {});
  peer.stream = stream;
  peer.dialing = nullptr;
  peer.pause = kFirstPauseMs;
  peer.told.clear();
  {
    const std::lock_guard lock(mutex_);
    peer.release = hello.release();
  }
  SetUp(static_cast<NodeNumber>(node), static_cast<ShardId>(hello.shards()));
}

void PeerNet::Impl::Lost(Stream* stream, StreamState* state, const std::string& why) {
  if (state->node < 0) return;
  const auto node = static_cast<NodeNumber>(state->node);
  Peer& peer = peers_[node];
  if (peer.stream == stream) SetDown(node);
  if (peer.dialing != stream) return;
  peer.dialing = nullptr;
  peer.dial_at = options_.clock() + peer.pause / 2 +
                 static_cast<TimeMs>(random_() % static_cast<uint64_t>(peer.pause));
  peer.pause = std::min(2 * peer.pause, kLongestPauseMs);
  if (why.empty() || why == peer.told) return;
  peer.told = why;
  options_.log->Log(LogLevel::kWarn, "peer.unreachable",
                    {{"node", peers_[node].member.node}, {"why", why}});
}

void PeerNet::Impl::SetUp(NodeNumber node, ShardId shards) {
  PeerEvent event;
  event.kind = PeerEvent::Kind::kUp;
  event.node = node;
  event.shard = shards;
  {
    std::lock_guard lock(mutex_);
    peers_[node].up = true;
    peers_[node].mute_until = 0;
    peers_[node].misses = 0;
    event.epoch = ++peers_[node].epoch;
  }
  options_.log->Log(LogLevel::kInfo, "peer.up", {{"node", peers_[node].member.node}});
  DeliverToAll(event);
}

void PeerNet::Impl::SetDown(NodeNumber node) {
  Peer& peer = peers_[node];
  peer.stream = nullptr;
  {
    std::lock_guard lock(mutex_);
    peer.up = false;
    peer.waiting.clear();
    peer.waiting_bytes = 0;
  }
  peer.dial_at = options_.clock() + kFirstPauseMs;
  options_.log->Log(LogLevel::kWarn, "peer.down", {{"node", peers_[node].member.node}});
  PeerEvent event;
  event.kind = PeerEvent::Kind::kDown;
  event.node = node;
  DeliverToAll(event);
}

void PeerNet::Impl::DeliverToAll(const PeerEvent& event) {
  for (ShardId to = 0; to < options_.shards; ++to) {
    PeerEvent copy;
    copy.kind = event.kind;
    copy.node = event.node;
    copy.shard = event.shard;
    copy.epoch = event.epoch;
    options_.deliver(to, std::move(copy));
  }
}

}  // namespace skein::cluster
