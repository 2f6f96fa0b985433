#include "tests/sim/books.h"

#include <algorithm>

namespace skein::sim {
namespace {

constexpr std::string_view kShare = "$share/";

bool IsShared(const std::string& filter) {
  return filter.starts_with(kShare);
}

std::string Describe(const Publication& p) {
  return p.payload + " to " + p.topic + " (QoS " + std::to_string(static_cast<int>(p.qos)) +
         ", sent at " + std::to_string(p.sent) +
         (p.acknowledged == kNotYet ? ")"
                                    : ", acknowledged at " + std::to_string(p.acknowledged) + ")");
}

}  // namespace

bool Matches(const std::string& filter, const std::string& topic) {
  std::string_view plain = filter;
  if (IsShared(filter)) plain.remove_prefix(plain.find('/', kShare.size()) + 1);
  if (plain == topic) return true;
  if (!plain.ends_with("/+") && !plain.ends_with("/#")) return false;
  plain.remove_suffix(1);
  return topic.starts_with(plain);
}

size_t Books::Sent(Publication publication) {
  publication.sent = Next();
  if (!publication.payload.empty()) by_payload_[publication.payload] = publications_.size();
  publications_.push_back(std::move(publication));
  return publications_.size() - 1;
}

size_t Books::Open(const std::string& client_id, bool durable) {
  SessionBook book;
  book.client_id = client_id;
  book.durable = durable;
  sessions_.push_back(std::move(book));
  return sessions_.size() - 1;
}

size_t Books::AddWill(std::string payload) {
  wills_.push_back({std::move(payload)});
  return wills_.size() - 1;
}

size_t Books::acknowledged() const {
  return static_cast<size_t>(std::count_if(publications_.begin(), publications_.end(),
                                           [](auto& p) { return p.acknowledged != kNotYet; }));
}

void Books::Received(size_t session, const std::string& topic, const std::string& payload,
                     Qos qos) {
  Next();
  ++received_;
  SessionBook& book = sessions_[session];
  const std::string who = book.client_id + " got " + payload;
  const bool wanted = std::any_of(book.subscriptions.begin(), book.subscriptions.end(),
                                  [&](auto& s) { return Matches(s.filter, topic); });
  if (!wanted) return Broken(who + ", which it has not subscribed to");
  const int times = ++book.received[payload];
  if (payload.starts_with("w")) {
    if (book.durable && times > 1) Broken(who + ", a will, twice");
    ++wills_received_[payload];
    return;
  }
  const auto known = by_payload_.find(payload);
  if (known == by_payload_.end()) return Broken(who + ", which nobody has published");
  const Publication& publication = publications_[known->second];
  if (publication.topic != topic || publication.qos != qos)
    return Broken(who + " with another topic or QoS than it was published with");
  const bool shared =
      std::any_of(book.subscriptions.begin(), book.subscriptions.end(),
                  [&](auto& s) { return IsShared(s.filter) && Matches(s.filter, topic); });
  if (shared) return;  // when nobody knows who has it, another member may get it as well
  if (qos == Qos::kExactlyOnce && times > 1) return Broken(who + ", QoS 2, twice");
  if (times > 1) return;
  // What was sent before somebody subscribed, and comes again after it, comes late.
  const bool promised =
      std::any_of(book.subscriptions.begin(), book.subscriptions.end(), [&](auto& s) {
        return Matches(s.filter, topic) && s.acknowledged < publication.sent &&
               s.ended > publication.sent;
      });
  if (!promised) return;
  const auto check = [&](int stretch) {
    int& last = book.last_number[{publication.publisher, topic, stretch}];
    if (publication.number < last) Broken(who + " after number " + std::to_string(last));
    last = std::max(last, publication.number);
  };
  // Sent again, it may overtake what is kept where it was sent first.
  if (publication.repeated && outbox_used_) return;
  check(publication.stretch);
  if (publication.durable_publisher && !outbox_used_) check(-1);
}

void Books::Judge(Event last_fault) {
  std::set<std::string> groups;
  for (const SessionBook& book : sessions_) {
    for (const SubscriptionEntry& sub : book.subscriptions) {
      if (IsShared(sub.filter)) groups.insert(sub.filter);
      if (IsShared(sub.filter) || sub.ended != kNotYet || sub.acknowledged == kNotYet) continue;
      // A transient session has no promise but while nothing happens to it.
      if (!book.durable && book.connected < last_fault) continue;
      const Event from = book.durable ? sub.acknowledged : std::max(sub.acknowledged, last_fault);
      for (const Publication& p : publications_) {
        if (p.payload.empty() || p.acknowledged == kNotYet || p.sent < from ||
            !Matches(sub.filter, p.topic))
          continue;
        if (!book.received.contains(p.payload))
          Broken(book.client_id + " (" + sub.filter + ", SUBACK at " +
                 std::to_string(sub.acknowledged) + ") never got " + Describe(p));
      }
    }
  }
  for (const std::string& group : groups)
    JudgeShared(group);
  for (const WillBook& will : wills_) {
    const int times = wills_received_[will.payload];
    if (will.taken_back && times > 0) Broken("will " + will.payload + " after DISCONNECT 0x00");
    const bool owed = will.accepted != kNotYet && will.closed != kNotYet && !will.taken_back &&
                      will.accepted > last_fault;
    if (owed && times == 0) Broken("will " + will.payload + " was never published");
  }
}

// While a group had a durable member, somebody in it has everything.
void Books::JudgeShared(const std::string& group_filter) {
  Event from = kNotYet;
  for (const SessionBook& book : sessions_) {
    for (const SubscriptionEntry& sub : book.subscriptions) {
      if (book.durable && sub.filter == group_filter && sub.ended == kNotYet)
        from = std::min(from, sub.acknowledged);
    }
  }
  for (const Publication& p : publications_) {
    if (p.payload.empty() || p.acknowledged == kNotYet || p.sent < from ||
        !Matches(group_filter, p.topic))
      continue;
    const bool had = std::any_of(sessions_.begin(), sessions_.end(), [&](const SessionBook& book) {
      return book.received.contains(p.payload) &&
             std::any_of(book.subscriptions.begin(), book.subscriptions.end(),
                         [&](auto& s) { return s.filter == group_filter; });
    });
    if (!had) Broken("nobody in " + group_filter + " ever got " + Describe(p));
  }
}

void Books::JudgeRetained(const std::string& topic,
                          const std::vector<std::optional<std::string>>& at_nodes) {
  for (const auto& each : at_nodes) {
    if (each != at_nodes.front())
      return Broken(topic + ": nodes retain different messages: " + each.value_or("none") +
                    " and " + at_nodes.front().value_or("none"));
  }
  const std::string last = at_nodes.front().value_or("");
  bool any = false;
  for (const Publication& p : publications_) {
    if (!p.retain || p.topic != topic) continue;
    any |= p.acknowledged != kNotYet;
    if (p.payload != last) continue;
    const bool overwritten =
        std::any_of(publications_.begin(), publications_.end(), [&](const Publication& later) {
          return later.retain && later.topic == topic && later.acknowledged != kNotYet &&
                 p.acknowledged != kNotYet && later.sent > p.acknowledged;
        });
    if (!overwritten) return;  // it may be the last
  }
  if (last.empty() && !any) return;
  Broken(topic + ": retains '" + last + "', which is not the last that was acknowledged");
}

}  // namespace skein::sim
