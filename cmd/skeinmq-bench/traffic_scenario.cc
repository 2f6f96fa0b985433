#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cmd/skeinmq-bench/clock.h"
#include "cmd/skeinmq-bench/fleet.h"
#include "cmd/skeinmq-bench/ledger.h"
#include "cmd/skeinmq-bench/opening.h"
#include "cmd/skeinmq-bench/scenarios.h"

namespace skein::bench {
namespace {

constexpr uint64_t kTurnNanos = 10'000'000;
constexpr size_t kMaxUnwritten = 256 * 1024;  // bytes a publisher may have waiting for the kernel

Wiring WiringOf(const Options& options) {
  const uint32_t n = options.clients;
  switch (options.scenario) {
    case Scenario::kPairs:
      return {.publishers = n, .subscribers = n, .fan = 1, .sources = 1};
    case Scenario::kFanin:
      return {.publishers = n, .subscribers = 1, .fan = 1, .sources = n};
    case Scenario::kFanout:
      return {.publishers = 1, .subscribers = n, .fan = n, .sources = 1};
    case Scenario::kPub:
      return {.publishers = n};
    case Scenario::kSub:
      return {.subscribers = n};
    case Scenario::kConnect:
      break;
  }
  return {};
}

class Traffic : public FleetHandler {
 public:
  explicit Traffic(const Options& options)
      : options_(options),
        wiring_(WiringOf(options)),
        ledger_(wiring_, options.window),
        fleet_({options.address, options.address_bytes, options.version}, *this) {}

  absl::StatusOr<Report> Run();

  void OnReady(Client& client) override;
  void OnDelivery(Client& client, const Delivery& delivery, uint64_t now_ns) override;
  void OnAcknowledged(Client& client) override;
  void OnRoom(Client& client) override { Refill(client); }

 private:
  // What is due and what may be sent, per publisher.
  struct Source {
    Client* client = nullptr;
    PublishImage image;
    uint64_t owed = 0;             // with a rate: messages due and not yet sent
    bool wakened = false;          // is in wakened_
    std::vector<uint64_t> stamps;  // `pub` with QoS > 0: when each outstanding message was sent
  };

  absl::Status OpenEverybody();
  absl::Status TurnUntil(uint64_t end_ns, uint64_t published_limit);
  absl::Status Drain();
  void Release(uint64_t now);
  uint64_t WaitNanos(uint64_t now, uint64_t end_ns) const;
  void Refill(Client& client);
  void SendAll();
  void SendFrom(Source& source, uint64_t now);
  void Measure(bool begin);
  std::string TopicOf(uint32_t publisher) const {
    return absl::StrCat(options_.topic, "/", publisher);
  }
  std::string FilterOf(uint32_t subscriber) const;
  uint64_t Progress() const {
    return ledger_.sent() + ledger_.acknowledged() + ledger_.delivered() + heard_;
  }

  const Options& options_;
  Wiring wiring_;
  Ledger ledger_;
  Fleet fleet_;
  std::vector<Source> sources_;
  std::vector<Source*> wakened_;  // may be able to send
  std::vector<Source*> served_;   // those of them that SendAll() looks at just now
  bool sending_ = false;
  uint64_t schedule_ns_ = 0;  // when message 0 of the rate was due
  uint64_t released_ = 0;     // messages of the rate that have become due
  uint64_t heard_ = 0;        // `sub`: deliveries
  uint64_t sent_limit_ = UINT64_MAX;
  absl::Status failure_;
  Report report_;
  Report start_;  // counters when the measured phase began
  uint64_t measured_from_ns_ = 0;
};

std::string Traffic::FilterOf(uint32_t subscriber) const {
  switch (options_.scenario) {
    case Scenario::kPairs:
      return TopicOf(subscriber);
    case Scenario::kFanout:
      return TopicOf(0);
    case Scenario::kFanin:
      return options_.topic + "/+";
    default:
      return options_.topic + "/#";
  }
}

absl::Status Traffic::OpenEverybody() {
  for (uint32_t number = 0; number < wiring_.subscribers; ++number) {
    fleet_.Add({.role = Role::kSubscriber,
                .number = number,
                .filter = FilterOf(number),
                .qos = options_.qos});
  }
  if (absl::Status status = OpenAll(fleet_, 0, 0, options_.stall_seconds); !status.ok())
    return status;
  sources_.reserve(wiring_.publishers);
  for (uint32_t number = 0; number < wiring_.publishers; ++number) {
    Client& client = fleet_.Add({.role = Role::kPublisher, .number = number});
    Source source{&client,
                  PublishImage(options_.version, TopicOf(number), options_.qos, options_.size)};
    if (wiring_.fan == 0 && options_.qos > 0) source.stamps.resize(options_.window);
    sources_.push_back(std::move(source));
  }
  return OpenAll(fleet_, wiring_.subscribers, 0, options_.stall_seconds);
}

void Traffic::OnReady(Client& client) {
  if (client.spec.role != Role::kPublisher || options_.qos == 0) return;
  ledger_.Limit(client.spec.number, client.receive_maximum);
}

void Traffic::OnDelivery(Client& client, const Delivery& delivery, uint64_t now_ns) {
  const Stamp& stamp = delivery.stamp;
  if (options_.scenario == Scenario::kSub) {
    ++heard_;
    if (stamp.magic == Stamp::kMagic && stamp.sent_ns <= now_ns && !delivery.retain) {
      report_.latency.Record(now_ns - stamp.sent_ns);
    }
    return;
  }
  if (stamp.magic != Stamp::kMagic || stamp.publisher >= sources_.size()) {
    failure_ = absl::FailedPreconditionError("a message arrived that was not sent from here");
    return;
  }
  switch (ledger_.Deliver(client.spec.number, stamp.publisher, stamp.sequence)) {
    case Ledger::Verdict::kRepeated:
      return;
    case Ledger::Verdict::kUnknown:
      failure_ = absl::FailedPreconditionError("a message arrived at the wrong subscriber");
      return;
    case Ledger::Verdict::kNew:
      break;
  }
  report_.latency.Record(now_ns - std::min(stamp.sent_ns, now_ns));
  Refill(*sources_[stamp.publisher].client);
}

void Traffic::OnAcknowledged(Client& client) {
  const uint32_t publisher = client.spec.number;
  if (!ledger_.Acknowledge(publisher)) {
    failure_ = absl::FailedPreconditionError("the broker acknowledged more than was sent");
    return;
  }
  Source& source = sources_[publisher];
  if (!source.stamps.empty()) {
    const uint64_t now = NowNanos();
    const uint64_t sent = source.stamps[(client.completed - 1) % source.stamps.size()];
    report_.latency.Record(now - std::min(sent, now));
  }
  Refill(client);
}

void Traffic::Refill(Client& client) {
  if (client.spec.role != Role::kPublisher || client.spec.number >= sources_.size()) return;
  Source& source = sources_[client.spec.number];
  if (source.wakened) return;
  source.wakened = true;
  wakened_.push_back(&source);
}

// With a rate: tells the publishers, in turn, which messages have become due.
void Traffic::Release(uint64_t now) {
  if (options_.rate <= 0 || !sending_ || sources_.empty()) return;
  const double due = static_cast<double>(now - schedule_ns_) / 1e9 * options_.rate;
  for (; released_ < static_cast<uint64_t>(due); ++released_) {
    Source& source = sources_[released_ % sources_.size()];
    ++source.owed;
    Refill(*source.client);
  }
}

void Traffic::SendAll() {
  if (wakened_.empty()) return;
  const uint64_t now = NowNanos();
  served_.swap(wakened_);
  for (Source* source : served_) {
    source->wakened = false;
    if (sending_) SendFrom(*source, now);
  }
  served_.clear();
}

void Traffic::SendFrom(Source& source, uint64_t now) {
  Client& client = *source.client;
  const uint32_t publisher = client.spec.number;
  const bool paced = options_.rate > 0;
  while (ledger_.MaySend(publisher) && client.unwritten() < kMaxUnwritten &&
         ledger_.sent() < sent_limit_ && (!paced || source.owed > 0)) {
    const uint32_t sequence = ledger_.Send(publisher);
    uint64_t stamp_ns = now;
    if (paced) {
      --source.owed;
      const double turn = static_cast<double>(uint64_t{sequence} * sources_.size() + publisher);
      stamp_ns = schedule_ns_ + static_cast<uint64_t>(turn / options_.rate * 1e9);
    }
    source.image.AppendTo(client.out, PacketIdOf(sequence),
                          Stamp{.publisher = static_cast<uint16_t>(publisher),
                                .sequence = sequence,
                                .sent_ns = stamp_ns});
    if (options_.qos == 0) ledger_.Acknowledge(publisher);
    if (!source.stamps.empty()) source.stamps[sequence % source.stamps.size()] = stamp_ns;
  }
  if (client.unwritten() == 0) return;
  fleet_.Touch(client);
  // Held back by its own output only: it goes on as soon as that is written. If the kernel takes no
  // more, OnRoom() tells.
  if (client.unwritten() >= kMaxUnwritten && !client.waits_for_room) Refill(client);
}

uint64_t Traffic::WaitNanos(uint64_t now, uint64_t end_ns) const {
  if (!wakened_.empty()) return 0;
  uint64_t wait = std::min(kTurnNanos, end_ns > now ? end_ns - now : 0);
  if (options_.rate > 0 && sending_) {
    const double next = static_cast<double>(released_ + 1) / options_.rate * 1e9;
    const uint64_t due = schedule_ns_ + static_cast<uint64_t>(next);
    wait = std::min(wait, due > now ? due - now : 0);
  }
  return wait;
}

// Runs until `end_ns`, or until `published_limit` messages are sent, or (`sub`) heard.
absl::Status Traffic::TurnUntil(uint64_t end_ns, uint64_t published_limit) {
  sent_limit_ = published_limit;
  const auto stall_ns = static_cast<uint64_t>(options_.stall_seconds * 1e9);
  uint64_t progress = Progress();
  uint64_t progress_ns = NowNanos();
  for (uint64_t now = progress_ns; now < end_ns; now = NowNanos()) {
    if (std::max(ledger_.sent(), heard_) >= published_limit) break;
    Release(now);
    SendAll();
    if (absl::Status status = fleet_.Turn(WaitNanos(now, end_ns)); !status.ok()) return status;
    if (!failure_.ok()) return failure_;
    if (Progress() != progress) {
      progress = Progress();
      progress_ns = now;
    } else if (now - progress_ns > stall_ns && !sources_.empty() && options_.rate <= 0) {
      break;  // Drain() finds out what is missing.
    }
  }
  return absl::OkStatus();
}

absl::Status Traffic::Drain() {
  sending_ = false;
  const auto stall_ns = static_cast<uint64_t>(options_.stall_seconds * 1e9);
  const auto settled = [&] {
    if (!ledger_.Settled()) return false;
    return std::all_of(sources_.begin(), sources_.end(),
                       [](const Source& source) { return source.client->unwritten() == 0; });
  };
  uint64_t progress = Progress();
  uint64_t progress_ns = NowNanos();
  while (!settled() && NowNanos() - progress_ns < stall_ns) {
    if (absl::Status status = fleet_.Turn(kTurnNanos); !status.ok()) return status;
    if (!failure_.ok()) return failure_;
    if (Progress() == progress) continue;
    progress = Progress();
    progress_ns = NowNanos();
  }
  return absl::OkStatus();
}

void Traffic::Measure(bool begin) {
  Report& now = begin ? start_ : report_;
  std::optional<BrokerUsage> usage;
  if (options_.broker_pid > 0) usage = ReadCpu(options_.broker_pid);
  const uint64_t clock = NowNanos();
  now.published = ledger_.sent();
  now.acknowledged = ledger_.acknowledged();
  now.delivered = ledger_.delivered() + heard_;
  now.generator_cpu_seconds = OwnCpuSeconds();
  if (begin) {
    measured_from_ns_ = clock;
    report_.latency.Clear();
    report_.broker_before = usage;
    return;
  }
  report_.seconds = static_cast<double>(clock - measured_from_ns_) / 1e9;
  report_.published -= start_.published;
  report_.acknowledged -= start_.acknowledged;
  report_.delivered -= start_.delivered;
  report_.generator_cpu_seconds -= start_.generator_cpu_seconds;
  if (usage) ReadMemory(options_.broker_pid, *usage);
  report_.broker_after = usage;
}

absl::StatusOr<Report> Traffic::Run() {
  if (absl::Status status = OpenEverybody(); !status.ok()) return status;
  schedule_ns_ = NowNanos();
  sending_ = true;
  for (Source& source : sources_)
    Refill(*source.client);
  const auto warmup_end = schedule_ns_ + static_cast<uint64_t>(options_.warmup * 1e9);
  if (absl::Status status = TurnUntil(warmup_end, UINT64_MAX); !status.ok()) return status;

  Measure(true);
  const bool counted = options_.count > 0;
  const uint64_t done_before = std::max(ledger_.sent(), heard_);
  const uint64_t limit = counted ? done_before + options_.count : UINT64_MAX;
  const auto end = measured_from_ns_ + static_cast<uint64_t>(options_.seconds * 1e9);
  for (Source& source : sources_)
    Refill(*source.client);
  if (absl::Status status = TurnUntil(end, limit); !status.ok()) return status;
  // By time, what is under way at both ends evens out; by count, the last message belongs to the
  // phase.
  if (!counted) Measure(false);
  if (absl::Status status = Drain(); !status.ok()) return status;
  if (counted) Measure(false);

  report_.lost = ledger_.missing();
  report_.repeated = ledger_.repeated();
  report_.unacknowledged = ledger_.unacknowledged();
  fleet_.CloseAll();
  return report_;
}

}  // namespace

absl::StatusOr<Report> RunTraffic(const Options& options) {
  Traffic traffic(options);
  return traffic.Run();
}

}  // namespace skein::bench
