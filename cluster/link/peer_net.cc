#include "cluster/link/peer_net.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "cluster/link/peer_net_impl.h"

namespace skein::cluster {
namespace {

constexpr TimeMs kBacklogMs = 5;    // between looks at shards that are behind
constexpr TimeMs kDrainMs = 2'000;  // for what waits, when we stop
constexpr TimeMs kHelloMs = 5'000;  // within which a peer says who it is

}  // namespace

absl::Status PeerNet::Impl::Start() {
  absl::StatusOr<StreamCredentials> credentials =
      ReadCredentials(options_.ca_file, options_.cert_file, options_.key_file);
  if (!credentials.ok()) return credentials.status();
  credentials_ = std::move(*credentials);
  post_ = [this](Stream* stream, Stream::Event event) {
    std::lock_guard lock(mutex_);
    posted_.push_back({stream, event});
    work_ = true;
    wake_.notify_one();
  };
  server_ = ListenForStreams(options_.listen, credentials_, post_,
                             [this](AskedQuestion asked) { TakeQuestion(std::move(asked)); });
  if (server_ == nullptr)
    return absl::UnavailableError(
        absl::StrCat("cluster.listen: cannot listen on ", options_.listen));
  for (const Member& member : options_.members) {
    if (member.number == options_.self) self_ = member.node;
  }
  TakeMembers(options_.members);
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void PeerNet::Impl::SetMembers(std::vector<Member> members) {
  std::lock_guard lock(mutex_);
  new_members_ = std::move(members);
  work_ = true;
  wake_.notify_one();
}

void PeerNet::Impl::TakeMembers(std::vector<Member> members) {
  std::vector<bool> stays(peers_.size());
  for (Member& member : members) {
    if (member.number == options_.self || member.number >= peers_.size()) continue;
    Peer& peer = peers_[member.number];
    stays[member.number] = true;
    if (peer.member == member) continue;
    if (!peer.member.node.empty()) Remove(member.number);
    numbers_[member.node] = member.number;
    if (member.number > options_.self)
      peer.dialer = MakeDialer(member.address, credentials_, member.node, post_);
    peer.dial_at = 0;
    peer.pause = kFirstPauseMs;
    {
      const std::lock_guard lock(mutex_);
      peer.asker = MakeAsker(member.address, credentials_, member.node);
      peer.asks_as = member.node;
      known_[member.number] = member;
    }
    peer.member = std::move(member);
  }
  for (NodeNumber node = 0; node < peers_.size(); ++node) {
    if (!stays[node] && !peers_[node].member.node.empty()) Remove(node);
  }
}

void PeerNet::Impl::Remove(NodeNumber node) {
  Peer& peer = peers_[node];
  Stream* const stream = peer.stream;
  if (stream != nullptr) {
    SetDown(node);
    stream->End();
  }
  if (peer.dialing != nullptr) peer.dialing->End();
  peer.dialing = nullptr;
  peer.dialer.reset();
  peer.told.clear();
  numbers_.erase(peer.member.node);
  peer.member = Member();
  const std::lock_guard lock(mutex_);
  peer.asker.reset();
  peer.asks_as.clear();
  known_.erase(node);
  peer.release.clear();
  peer.bytes_in = peer.bytes_out = Counter();
  peer.round_trip = LatencyHistogram();
}

void PeerNet::Impl::Stop() {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
    work_ = true;
    wake_.notify_one();
  }
  desk_.Stop();
  if (server_ != nullptr) server_->Shutdown();
  if (thread_.joinable()) thread_.join();
  server_.reset();
}

std::vector<NodeNumber> PeerNet::Impl::Linked() {
  const std::lock_guard lock(mutex_);
  std::vector<NodeNumber> linked;
  for (NodeNumber node = 0; node < peers_.size(); ++node) {
    if (peers_[node].up) linked.push_back(node);
  }
  return linked;
}

std::vector<LinkFigures> PeerNet::Impl::Figures() {
  const std::lock_guard lock(mutex_);
  std::vector<LinkFigures> all;
  for (const auto& [number, member] : known_) {
    const Peer& peer = peers_[number];
    all.push_back({member, peer.up, peer.release, peer.bytes_in.value(), peer.bytes_out.value(),
                   peer.round_trip});
  }
  return all;
}

bool PeerNet::Impl::Send(ShardId from, NodeNumber node, uint32_t epoch, ShardId shard,
                         std::vector<Mail>* mail) {
  {
    std::lock_guard lock(mutex_);
    Peer& peer = peers_[node];
    if (!peer.up || peer.epoch != epoch) {
      mail->clear();
      return true;
    }
    if (peer.waiting_bytes >= options_.max_waiting_bytes) return false;
    for (Mail& each : *mail) {
      peer.waiting_bytes += CostOf(each);
      peer.waiting.push_back({from, shard, std::move(each)});
    }
    mail->clear();
    work_ = true;
  }
  wake_.notify_one();
  return true;
}

void PeerNet::Impl::Run() {
  bool ending = false;
  TimeMs drain_until = kNever;
  bool read_waits = false;
  for (;;) {
    std::deque<Posted> posted;
    std::optional<std::vector<Member>> members;
    {
      std::unique_lock lock(mutex_);
      const TimeMs longest = read_waits ? kBacklogMs : TimeMs{1'000};
      const TimeMs wait = std::clamp<TimeMs>(NextDial() - options_.clock(), 0, longest);
      wake_.wait_for(lock, std::chrono::milliseconds(wait), [this] { return work_; });
      work_ = false;
      posted.swap(posted_);
      members.swap(new_members_);
      if (stopping_ && drain_until == kNever) drain_until = options_.clock() + kDrainMs;
      if (!ending && (options_.clock() >= drain_until || (stopping_ && !Busy()))) {
        ending = true;
        for (auto& [stream, state] : streams_)
          stream->End();
      }
    }
    for (const Posted& each : posted) {
      if (ending && each.event == Stream::Event::kOpened) {
        streams_[each.stream] = {};
        each.stream->End();
      } else if (!ending || each.event == Stream::Event::kDone) {
        Handle(each);
      }
    }
    if (ending) {
      if (streams_.empty()) return;
      continue;
    }
    if (members.has_value()) TakeMembers(std::move(*members));
    DialDue(options_.clock());
    read_waits = ReadAgain();
    for (auto& [stream, state] : streams_) {
      if (state.node >= 0 && peers_[static_cast<size_t>(state.node)].stream == stream)
        WriteNext(stream, &state);
    }
  }
}

void PeerNet::Impl::Handle(const Posted& posted) {
  Stream* const stream = posted.stream;
  if (posted.event == Stream::Event::kOpened) {
    streams_[stream].opened_at = options_.clock();
    stream->Read();
    return;
  }
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  StreamState& state = found->second;
  switch (posted.event) {
    case Stream::Event::kRead:
      return OnFrame(stream, &state);
    case Stream::Event::kWritten:
      state.writing = false;
      return;
    case Stream::Event::kReadFailed:
    case Stream::Event::kWriteFailed:
      Lost(stream, &state, "the link ended");
      stream->End();
      return;
    default:
      Lost(stream, &state, stream->error);
      streams_.erase(found);
      delete stream;
  }
}

void PeerNet::Impl::WriteHello(Stream* stream, StreamState* state, const std::string& refusal) {
  v1::Hello& hello = *stream->out.mutable_hello();
  hello.set_version(PeerNetOptions::kProtocol);
  hello.set_oldest(PeerNetOptions::kOldestProtocol);
  hello.set_cluster(options_.cluster);
  hello.set_node(self_);
  hello.set_partitions(options_.partitions);
  hello.set_shards(options_.shards);
  hello.set_members(digest_);
  hello.set_refusal(refusal);
  hello.set_release(options_.release);
  state->writing = true;
  stream->Write();
}

void PeerNet::Impl::WriteNext(Stream* stream, StreamState* state) {
  if (state->writing) return;
  std::vector<Outgoing> taken;
  {
    std::lock_guard lock(mutex_);
    Peer& peer = peers_[static_cast<size_t>(state->node)];
    size_t bytes = 0;
    while (!peer.waiting.empty() && bytes < kFrameBytes) {
      const size_t cost = CostOf(peer.waiting.front().mail);
      bytes += cost;
      peer.waiting_bytes -= cost;
      peer.bytes_out.Add(cost);
      taken.push_back(std::move(peer.waiting.front()));
      peer.waiting.pop_front();
    }
  }
  const int64_t micros = SteadyMicros();
  const bool ping = !state->pinging && micros - state->pinged_at >= kPingMicros;
  if (taken.empty() && !ping && state->pong == 0) return;
  const TimeMs now = options_.clock();
  v1::Letters& letters = *stream->out.mutable_letters();
  letters.Clear();
  letters.set_pong(std::exchange(state->pong, 0));
  if (ping) {
    state->pinged_at = micros;
    state->pinging = true;
    letters.set_ping(++state->ping);
  }
  for (Outgoing& each : taken) {
    v1::Letter& letter = *letters.add_letters();
    letter.set_from_shard(each.from);
    letter.set_to_shard(each.to);
    EncodeLetter(&each.mail, view_, now, &letter);
  }
  state->writing = true;
  stream->Write();
}

bool PeerNet::Impl::ReadAgain() {
  const bool full = options_.backlog() > options_.max_backlog_bytes;
  bool waiting = false;
  for (auto& [stream, state] : streams_) {
    if (!state.read_waits) continue;
    waiting |= full;
    if (full) continue;
    state.read_waits = false;
    stream->Read();
  }
  return waiting;
}

bool PeerNet::Impl::Busy() const {
  return std::any_of(streams_.begin(), streams_.end(), [this](const auto& entry) {
    const StreamState& state = entry.second;
    if (state.node < 0) return false;
    const Peer& peer = peers_[static_cast<size_t>(state.node)];
    return peer.stream == entry.first && (state.writing || !peer.waiting.empty());
  });
}

TimeMs PeerNet::Impl::NextDial() const {
  TimeMs next = kNever;
  for (const Peer& peer : peers_) {
    if (peer.dialer != nullptr && peer.stream == nullptr && peer.dialing == nullptr)
      next = std::min(next, peer.dial_at);
  }
  return next;
}

void PeerNet::Impl::DialDue(TimeMs now) {
  for (size_t node = 0; node < peers_.size(); ++node) {
    Peer& peer = peers_[node];
    if (peer.dialer == nullptr || peer.stream != nullptr || peer.dialing != nullptr ||
        peer.dial_at > now)
      continue;
    Stream* const stream = peer.dialer->Dial();
    StreamState& state = streams_[stream];
    state.node = static_cast<int>(node);
    state.ours = true;
    state.opened_at = now;
    peer.dialing = stream;
    WriteHello(stream, &state, {});
    stream->Read();
  }
  for (auto& [stream, state] : streams_) {
    const bool silent = state.node < 0 || peers_[static_cast<size_t>(state.node)].dialing == stream;
    if (silent && now - state.opened_at > kHelloMs) stream->End();
  }
}

PeerNet::PeerNet(PeerNetOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}

PeerNet::~PeerNet() {
  Stop();
}

void PeerNet::SetMembers(std::vector<Member> members) {
  impl_->SetMembers(std::move(members));
}

absl::Status PeerNet::Start() {
  return impl_->Start();
}

std::vector<LinkFigures> PeerNet::Figures() const {
  return impl_->Figures();
}

std::vector<NodeNumber> PeerNet::Linked() const {
  return impl_->Linked();
}

std::vector<std::optional<admin::Response>> PeerNet::Ask(
    const std::vector<shard::NodeNumber>& nodes, const admin::Request& request, int ms) const {
  return impl_->Ask(nodes, request, ms);
}

void PeerNet::StopAnswering() {
  impl_->StopAnswering();
}

void PeerNet::Stop() {
  impl_->Stop();
}

bool PeerNet::Send(ShardId from, NodeNumber node, uint32_t epoch, ShardId shard,
                   std::vector<Mail>* mail) {
  return impl_->Send(from, node, epoch, shard, mail);
}

}  // namespace skein::cluster
