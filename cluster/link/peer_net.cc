#include "cluster/link/peer_net.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "cluster/link/hello.h"
#include "cluster/link/stream.h"
#include "cluster/table/rendezvous.h"
#include "cluster/wire/letters.h"

namespace skein::cluster {
namespace {

using shard::Mail;
using shard::NodeNumber;
using shard::PeerEvent;

constexpr TimeMs kFirstPauseMs = 100;
constexpr TimeMs kLongestPauseMs = 3'000;
constexpr TimeMs kBacklogMs = 5;    // between looks at shards that are behind
constexpr TimeMs kDrainMs = 2'000;  // for what waits, when we stop
constexpr TimeMs kHelloMs = 5'000;  // within which a peer says who it is

}  // namespace

class PeerNet::Impl {
 public:
  explicit Impl(PeerNetOptions options)
      : options_(std::move(options)),
        view_{options_.self, options_.shards},
        peers_(options_.members.size()) {
    std::vector<std::string> names;
    for (const Member& member : options_.members)
      names.push_back(member.node);
    digest_ = DigestOf(names);
  }

  absl::Status Start();
  void Stop();
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
    // The thread's.
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
    TimeMs opened_at = 0;
  };
  struct Posted {
    Stream* stream;
    Stream::Event event;
  };

  void Run();
  void Handle(const Posted& posted);
  void OnFrame(Stream* stream, StreamState* state);
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
  std::unique_ptr<StreamServer> server_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Posted> posted_;
  bool work_ = false;
  bool stopping_ = false;
  std::vector<Peer> peers_;
  std::map<Stream*, StreamState> streams_;
  std::minstd_rand random_{std::random_device{}()};
  std::thread thread_;
};

absl::Status PeerNet::Impl::Start() {
  const absl::StatusOr<StreamCredentials> credentials =
      ReadCredentials(options_.ca_file, options_.cert_file, options_.key_file);
  if (!credentials.ok()) return credentials.status();
  const auto post = [this](Stream* stream, Stream::Event event) {
    std::lock_guard lock(mutex_);
    posted_.push_back({stream, event});
    work_ = true;
    wake_.notify_one();
  };
  server_ = ListenForStreams(options_.listen, *credentials, post);
  if (server_ == nullptr)
    return absl::UnavailableError(
        absl::StrCat("cluster.listen: cannot listen on ", options_.listen));
  for (size_t node = options_.self + size_t{1}; node < options_.members.size(); ++node) {
    const Member& member = options_.members[node];
    peers_[node].dialer = MakeDialer(member.address, *credentials, member.node, post);
  }
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void PeerNet::Impl::Stop() {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
    work_ = true;
    wake_.notify_one();
  }
  if (server_ != nullptr) server_->Shutdown();
  if (thread_.joinable()) thread_.join();
  server_.reset();
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
    {
      std::unique_lock lock(mutex_);
      const TimeMs longest = read_waits ? kBacklogMs : TimeMs{1'000};
      const TimeMs wait = std::clamp<TimeMs>(NextDial() - options_.clock(), 0, longest);
      wake_.wait_for(lock, std::chrono::milliseconds(wait), [this] { return work_; });
      work_ = false;
      posted.swap(posted_);
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
    for (v1::Letter& letter : *stream->in.mutable_letters()->mutable_letters()) {
      if (letter.to_shard() >= options_.shards || letter.from_shard() >= shard::kMaxShardsANode)
        continue;
      if (letter.to_shard() != to || letter.from_shard() != event.shard) flush();
      to = static_cast<ShardId>(letter.to_shard());
      event.shard = static_cast<ShardId>(letter.from_shard());
      Mail mail;
      if (!DecodeLetter(&letter, view_, now, &mail)) continue;
      event.bytes += CostOf(mail);
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

void PeerNet::Impl::OnHello(Stream* stream, StreamState* state, const v1::Hello& hello) {
  int node = -1;
  std::string why = WhyRefuse(options_, digest_, hello, state->ours ? state->node : -1, &node);
  if (why.empty() && !state->ours) why = WhyDoubt(options_, hello, stream->names);
  if (!why.empty()) {
    options_.log->Log(LogLevel::kError, "peer.refused", {{"node", hello.node()}, {"why", why}});
    if (!state->ours && hello.refusal().empty() && !state->writing) WriteHello(stream, state, why);
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
                    {{"node", options_.members[node].node}, {"why", why}});
}

void PeerNet::Impl::SetUp(NodeNumber node, ShardId shards) {
  PeerEvent event;
  event.kind = PeerEvent::Kind::kUp;
  event.node = node;
  event.shard = shards;
  {
    std::lock_guard lock(mutex_);
    peers_[node].up = true;
    event.epoch = ++peers_[node].epoch;
  }
  options_.log->Log(LogLevel::kInfo, "peer.up", {{"node", options_.members[node].node}});
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
  options_.log->Log(LogLevel::kWarn, "peer.down", {{"node", options_.members[node].node}});
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

void PeerNet::Impl::WriteHello(Stream* stream, StreamState* state, const std::string& refusal) {
  v1::Hello& hello = *stream->out.mutable_hello();
  hello.set_version(PeerNetOptions::kProtocol);
  hello.set_cluster(options_.cluster);
  hello.set_node(options_.members[options_.self].node);
  hello.set_partitions(options_.partitions);
  hello.set_shards(options_.shards);
  hello.set_members(digest_);
  hello.set_refusal(refusal);
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
      taken.push_back(std::move(peer.waiting.front()));
      peer.waiting.pop_front();
    }
  }
  if (taken.empty()) return;
  const TimeMs now = options_.clock();
  v1::Letters& letters = *stream->out.mutable_letters();
  letters.Clear();
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

absl::Status PeerNet::Start() {
  return impl_->Start();
}

void PeerNet::Stop() {
  impl_->Stop();
}

bool PeerNet::Send(ShardId from, NodeNumber node, uint32_t epoch, ShardId shard,
                   std::vector<Mail>* mail) {
  return impl_->Send(from, node, epoch, shard, mail);
}

}  // namespace skein::cluster
