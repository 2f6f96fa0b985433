#include "broker/trace/tracer.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "broker/routing/topic.h"

namespace skein::trace {
namespace {

std::string Cut(std::string_view text) {
  if (text.size() <= Event::kMostText) return std::string(text);
  size_t end = Event::kMostText;
  // Not within a character of UTF-8.
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80)
    --end;
  return std::string(text.substr(0, end)) + "...";
}

// A subscription is of interest to who follows messages that it might match.
bool Overlaps(std::string_view traced, std::string_view subscribed) {
  const std::string_view filter = routing::ParseFilter(subscribed).topic_filter;
  return filter == traced || routing::TopicMatchesFilter(traced, filter) ||
         routing::TopicMatchesFilter(filter, traced);
}

}  // namespace

uint64_t NumberOf(uint64_t publisher, std::string_view topic, std::string_view payload) {
  const uint64_t hash = XXH3_64bits_withSeed(topic.data(), topic.size(), publisher);
  return XXH3_64bits_withSeed(payload.data(), payload.size(), hash) | 1;
}

void Tracer::Set(std::shared_ptr<const Targets> targets) {
  ends_at_ = 0;
  targets_.reset();
  if (sink_ == nullptr || targets == nullptr) return;
  for (const Target& target : *targets)
    ends_at_ = std::max(ends_at_, target.ends_at);
  if (!targets->empty()) targets_ = std::move(targets);
}

bool Tracer::Runs(TimeMs now) {
  if (now < ends_at_) return true;
  targets_.reset();
  return false;
}

void Tracer::Message(TimeMs now, Step step, const mqtt::Message& message, const Detail& detail) {
  if (!Runs(now)) return;
  uint64_t number = 0;
  for (const Target& target : *targets_) {
    if (now >= target.ends_at) continue;
    const bool wanted =
        target.client_id.empty()
            ? routing::TopicMatchesFilter(message.topic(), target.filter)
            : target.client_id == detail.client || target.client_hash == message.client_hash();
    if (!wanted) continue;
    if (number == 0) number = NumberOf(message.publisher(), message.topic(), message.payload());
    Write(target, now, step, message.topic(), detail, number);
  }
}

void Tracer::Topic(TimeMs now, Step step, std::string_view topic, const Detail& detail) {
  if (!Runs(now)) return;
  for (const Target& target : *targets_) {
    if (now >= target.ends_at) continue;
    if (target.client_id.empty() ? routing::TopicMatchesFilter(topic, target.filter)
                                 : target.client_id == detail.client)
      Write(target, now, step, topic, detail, detail.message);
  }
}

void Tracer::Client(TimeMs now, Step step, std::string_view filter, const Detail& detail) {
  if (!Runs(now)) return;
  for (const Target& target : *targets_) {
    if (now >= target.ends_at) continue;
    const bool wanted = target.client_id.empty()
                            ? !filter.empty() && Overlaps(target.filter, filter)
                            : target.client_id == detail.client;
    if (wanted) Write(target, now, step, filter, detail, 0);
  }
}

void Tracer::Write(const Target& target, TimeMs now, Step step, std::string_view topic,
                   const Detail& detail, uint64_t message) {
  Event event;
  event.time = now;
  event.step = step;
  event.client_id = Cut(detail.client);
  event.topic = Cut(topic);
  event.message = message;
  event.qos = detail.qos;
  event.dup = detail.dup;
  event.retain = detail.retain;
  event.packet_id = detail.packet_id;
  event.why = Cut(detail.why);
  event.rule = Cut(detail.rule);
  event.nodes = detail.nodes;
  stats_.trace_events.Add();
  stats_.trace_events_lost.Add(sink_->Write(target.number, std::move(event)));
}

}  // namespace skein::trace
