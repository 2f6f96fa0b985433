// Matching and fan-out.
#include "broker/shard/dispatcher.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/string_view.h"
#include "broker/shard/tracing.h"

namespace skein::shard {
namespace {

absl::string_view Key(std::string_view text) {
  return {text.data(), text.size()};
}

// A subscription that matches and does not bring the message all the same, which a trace is told.
bool IsNotFor(ShardState& state, const routing::Subscriber& subscriber,
              const session::Session& session, const mqtt::Message& message, bool came_before) {
  const bool own = subscriber.no_local() && session.token() == message.publisher();
  if (!own && !came_before) return false;
  if (state.tracer.on()) [[unlikely]]
    Trace(state, trace::Step::kDropped, session, message, own ? kNoLocalText : kCameBeforeText);
  return true;
}

}  // namespace

Dispatcher::Outcome Dispatcher::Publish(const mqtt::MessagePtr& message, Gate* gate,
                                        uint64_t* token, bool atomic, const Once& once) {
  Outcome outcome;
  atomic_ = atomic;
  once_ = once;
  if (message->retain()) outcome.retained_full = !Retain(message, gate);
  const uint64_t answers = gate != nullptr ? next_token_ : 0;
  uint32_t destinations = 0;
  if (!state_.frozen.empty() && !stays_here_ && IsFrozen(message->topic())) {
    if (state_.tracer.on()) [[unlikely]]
      TraceMessage(trace::Step::kHeld, *message, "a partition with subscribers is moving");
    held_.push_back({message, answers, once});
    outcome.matched = outcome.held = true;
    if (gate != nullptr) destinations = 1;
  } else {
    Route(message, gate, answers, &destinations, &outcome.matched);
    if (!outcome.matched && state_.tracer.on()) [[unlikely]]
      TraceMessage(trace::Step::kNoRoute, *message, "no subscription on any node matches");
  }
  if (gate != nullptr && destinations > 0) {
    gate->destinations = destinations;
    *token = next_token_++;
    Pending& pending = pending_[*token];
    pending.remaining = destinations;
    if (state_.clustered()) pending.message = message;
    pending.once = once.id;
  }
  return outcome;
}

void Dispatcher::Route(const mqtt::MessagePtr& message, Gate* gate, uint64_t token,
                       uint32_t* destinations, bool* matched) {
  bool sliced = false;
  if (!state_.has_others()) {
    *matched = DeliverHere(message, nullptr, gate, state_.options.id, token, &sliced);
  } else {
    std::vector<std::string> groups_here;
    LookAside(*message);
    Forward(message, token, &groups_here, destinations, matched);
    *matched |= DeliverHere(message, &groups_here, gate, state_.options.id, token, &sliced);
    if (message->qos() > Qos::kAtMostOnce) KeepAside(message, gate, matched);
    if (!groups_here.empty()) *destinations += PassOn(message, token, groups_here, {}, gate);
  }
  if (sliced) ++*destinations;
}

void Dispatcher::PublishOwn(const mqtt::MessagePtr& message, bool everywhere) {
  stays_here_ = !everywhere;
  Publish(message, nullptr, nullptr);
  stays_here_ = false;
  EndPublish();
}

void Dispatcher::PublishWill(const mqtt::MessagePtr& message, std::string_view name, bool atomic) {
  Gate gate;
  uint64_t token = 0;
  const bool waits = message->qos() > Qos::kAtMostOnce;
  Once once;
  if (message->qos() == Qos::kExactlyOnce && state_.clustered()) {
    once.id = XXH3_64bits(name.data(), name.size()) | 1;
    once.repeated = true;
  }
  Publish(message, waits ? &gate : nullptr, &token, atomic, once);
}

bool Dispatcher::Retain(const mqtt::MessagePtr& message, Gate* gate) {
  if (!MayRecord(gate)) return false;
  mqtt::MessagePtr kept = message;
  const RetainedStore::PutResult result = state_.clustered()
                                              ? state_.ports.retained->PutLatest(&kept)
                                              : state_.ports.retained->Put(kept);
  if (result == RetainedStore::PutResult::kFull) {
    Drop(DropReason::kRetainedFull);
    state_.stats.Hit(LimitHit::kMaxRetained);
    if (state_.tracer.on()) [[unlikely]]
      TraceMessage(trace::Step::kDropped, *message, DropText(DropReason::kRetainedFull));
    return false;
  }
  if (state_.tracer.on()) [[unlikely]]
    TraceMessage(trace::Step::kRetained, *message,
                 message->payload().empty() ? "what was retained is removed" : "");
  state_.last_lsn = state_.ports.store->AppendRetained(kept);
  if (state_.clustered()) feed_.Announce(kept);
  if (gate != nullptr) gate->lsn = state_.last_lsn;
  return true;
}

const session::CommitGroupPtr& Dispatcher::AddPart() {
  if (atomic_) {
    if (state_.commit_group == nullptr) {
      state_.commit_group = std::make_shared<session::CommitGroup>();
    }
    state_.ports.store->Open(state_.commit_group);
  }
  return state_.commit_group;
}

void Dispatcher::EndPublish() {
  atomic_ = false;
  once_ = Once();
  for (auto each = later_.rbegin(); each != later_.rend() && each->lsn == 0; ++each)
    each->lsn = state_.last_lsn;
  if (state_.commit_group == nullptr) return;
  state_.ports.store->Close(state_.commit_group);
  state_.commit_group.reset();
}

void Dispatcher::Bind(uint64_t token, ConnectionSlot slot, uint32_t generation, uint64_t ordinal) {
  Pending& pending = pending_[token];
  pending.slot = slot;
  pending.generation = generation;
  pending.ordinal = ordinal;
}

void Dispatcher::Forward(const mqtt::MessagePtr& message, uint64_t token,
                         std::vector<std::string>* groups_here, uint32_t* sent, bool* matched) {
  const ShardId self = state_.options.id;
  route_matches_.Clear();
  state_.routes.Match(message->topic(), &route_matches_);
  shares_.clear();
  for (const routing::Destination destination : route_matches_.destinations) {
    if (stays_here_ && destination >= state_.options.count) continue;
    if (destination != self) shares_.push_back({static_cast<ShardId>(destination), true, {}});
  }
  for (routing::RouteTable::SharedRoute* route : route_matches_.shared) {
    *matched = true;
    const PlaceId target = *picker_.PickPlace(route, *message);
    if (target == self) {
      groups_here->emplace_back(route->text);
      continue;
    }
    auto share = std::find_if(shares_.begin(), shares_.end(),
                              [&](const Share& s) { return s.shard == target; });
    if (share == shares_.end()) share = shares_.insert(shares_.end(), Share{target, false, {}});
    share->groups.emplace_back(route->text);
  }
  for (Share& share : shares_) {
    ForwardedPublish mail;
    mail.message = message;
    mail.token = token;
    mail.plain = share.plain;
    mail.scope.except = aside_;
    mail.once = once_.id;
    mail.repeated = once_.repeated;
    if (!share.groups.empty())
      mail.groups = std::make_unique<std::vector<std::string>>(std::move(share.groups));
    Send(share.shard, std::move(mail));
    *matched = true;
    ++*sent;
  }
}

bool Dispatcher::DeliverHere(const mqtt::MessagePtr& message, std::vector<std::string>* groups,
                             Gate* gate, ShardId origin, uint64_t token, bool* sliced) {
  matches_.Clear();
  state_.subscriptions.Match(message->topic(), &matches_);
  if (state_.tracer.on()) [[unlikely]]
    TraceMatched(trace::Step::kMatched, *message);
  const bool shared = DeliverToGroups(message, groups, gate);
  Special special{once_.id, once_.repeated, {DeliveryScope::kAll, aside_}};
  special_ = special.id != 0 || !aside_.empty() ? &special : nullptr;
  const bool plain = DeliverPlain(message, gate, origin, token, sliced);
  special_ = nullptr;
  if (!*sliced) RememberGiven(special);
  return plain || shared;
}

bool Dispatcher::DeliverPlain(const mqtt::MessagePtr& message, Gate* gate, ShardId origin,
                              uint64_t token, bool* sliced) {
  size_t receivers = 0;
  for (const auto* list : matches_.plain)
    receivers += list->size();
  if (receivers == 0) return false;
  const bool topic_busy = !job_topics_.empty() && job_topics_.contains(Key(message->topic()));
  if (receivers > state_.limits.fanout_slice || topic_busy) {
    if (!topic_busy) state_.stats.Hit(LimitHit::kFanoutSlice);
    StartJob(message, receivers, origin, token);
    *sliced = token != 0;
    return true;
  }
  images_.Begin(receivers < 3);
  if (matches_.plain.size() == 1) {
    DeliverList(message, *matches_.plain[0], gate);
    return true;
  }
  Collect(message, &merged_);
  for (const Target& target : merged_.targets)
    DeliverTarget(message, merged_, target, gate);
  return true;
}

bool Dispatcher::DeliverToGroups(const mqtt::MessagePtr& message, std::vector<std::string>* groups,
                                 Gate* gate) {
  if (matches_.shared.empty()) return false;
  bool matched = false;
  images_.Begin(true);
  for (routing::SharedGroup* group : matches_.shared) {
    if (groups == nullptr) {
      DeliverShared(message, group, gate);
      matched = true;
      continue;
    }
    const std::string_view text = state_.subscriptions.text(group->id);
    const auto asked = std::find(groups->begin(), groups->end(), text);
    if (asked == groups->end()) continue;
    matched = true;
    if (DeliverShared(message, group, gate)) groups->erase(asked);
  }
  return matched;
}

bool Dispatcher::CameBefore(const mqtt::Message& message,
                            const routing::Subscriber& subscriber) const {
  return state_.subscriptions.since(subscriber.handle) > message.received_at() + kSubscribedSlackMs;
}

bool Dispatcher::DeliverList(const mqtt::MessagePtr& message,
                             const std::vector<routing::Subscriber>& list, Gate* gate) {
  const bool was_kept = WasKept();
  for (const routing::Subscriber& subscriber : list) {
    session::Session& session = state_.sessions[subscriber.session];
    if (IsNotFor(state_, subscriber, session, *message,
                 was_kept && CameBefore(*message, subscriber)))
      continue;
    const bool retain = message->retain() && subscriber.retain_as_published();
    const std::span<const uint32_t> ids = subscriber.identifier == 0
                                              ? std::span<const uint32_t>{}
                                              : std::span(&subscriber.identifier, 1);
    Offer(session, message, subscriber.qos(), retain, ids, &images_, gate);
  }
  return !list.empty();
}

void Dispatcher::Collect(const mqtt::MessagePtr& message, TargetList* list) {
  list->targets.clear();
  list->ids.clear();
  ++stamp_;
  const bool was_kept = WasKept();
  for (const auto* subscribers : matches_.plain) {
    for (const routing::Subscriber& subscriber : *subscribers) {
      session::Session& session = state_.sessions[subscriber.session];
      if (IsNotFor(state_, subscriber, session, *message,
                   was_kept && CameBefore(*message, subscriber)))
        continue;
      if (session.match_stamp != stamp_) {
        session.match_stamp = stamp_;
        session.match_position = static_cast<uint32_t>(list->targets.size());
        list->targets.push_back({subscriber.session, subscriber.identifier, session.token(), -1,
                                 subscriber.qos(), subscriber.retain_as_published()});
        continue;
      }
      Target& target = list->targets[session.match_position];
      target.qos = std::max(target.qos, subscriber.qos());
      target.retain_as_published |= subscriber.retain_as_published();
      if (subscriber.identifier == 0) continue;
      if (target.identifier == 0) {
        target.identifier = subscriber.identifier;
      } else {
        if (target.more_ids < 0) {
          target.more_ids = static_cast<int32_t>(list->ids.size());
          list->ids.push_back({target.identifier});
        }
        list->ids[static_cast<size_t>(target.more_ids)].push_back(subscriber.identifier);
      }
    }
  }
}

void Dispatcher::DeliverTarget(const mqtt::MessagePtr& message, const TargetList& list,
                               const Target& target, Gate* gate) {
  session::Session* session = state_.sessions.Find(SessionRef{target.session, target.token});
  if (session == nullptr) return;
  std::span<const uint32_t> ids;
  if (target.more_ids >= 0) {
    ids = list.ids[static_cast<size_t>(target.more_ids)];
  } else if (target.identifier != 0) {
    ids = std::span(&target.identifier, 1);
  }
  Offer(*session, message, target.qos, message->retain() && target.retain_as_published, ids,
        &images_, gate);
}

Member Dispatcher::Look(const routing::Subscriber& subscriber, std::string_view topic, bool waits) {
  session::Session& session = state_.sessions[subscriber.session];
  Member member{MemberState::kUnfit, session.client_hash()};
  if (!access_.MayReceive(session, topic)) return member;
  const Connection* connection = ServingConnection(session);
  if (connection == nullptr) {
    if (waits) member.state = MemberState::kAway;
  } else {
    const bool at_once = sender_.HasRoom(*connection) && !session.has_queued();
    member.state = at_once ? MemberState::kReady : MemberState::kBusy;
  }
  return member;
}

bool Dispatcher::DeliverShared(const mqtt::MessagePtr& message, routing::SharedGroup* group,
                               Gate* gate) {
  const bool waits = message->qos() != Qos::kAtMostOnce;
  const routing::Subscriber* member = picker_.PickMember(
      group, *message,
      [&](const routing::Subscriber& each) { return Look(each, message->topic(), waits); });
  if (member == nullptr) {
    if (state_.tracer.on()) [[unlikely]]
      TraceNoMember(*message, *group);
    return false;
  }
  const std::span<const uint32_t> ids =
      member->identifier == 0 ? std::span<const uint32_t>{} : std::span(&member->identifier, 1);
  if (state_.tracer.on()) [[unlikely]]
    TracePicked(*message, *group, state_.sessions[member->session]);
  via_ = &group->name;
  Offer(state_.sessions[member->session], message, member->qos(),
        message->retain() && member->retain_as_published(), ids, &images_, gate);
  via_ = nullptr;
  return true;
}

void Dispatcher::StartJob(const mqtt::MessagePtr& message, size_t expected, ShardId origin,
                          uint64_t token) {
  // No Local makes the list depend on the publisher, so only messages of one publisher may share
  // it; and who was subscribed in time is another question for each message that was kept.
  const bool reusable = !WasKept() && last_list_ != nullptr &&
                        last_epoch_ == state_.subscription_epoch &&
                        last_topic_ == message->topic() && last_publisher_ == message->publisher();
  if (!reusable) {
    auto list = std::make_shared<TargetList>();
    list->targets.reserve(expected);
    Collect(message, list.get());
    last_list_ = std::move(list);
    last_epoch_ = WasKept() ? 0 : state_.subscription_epoch;
    last_topic_ = std::string(message->topic());
    last_publisher_ = message->publisher();
  }
  if (special_ != nullptr && special_->id != 0) atomic_ = true;
  jobs_.push_back({message, last_list_, 0, origin, token, AddPart(), false, {}});
  if (special_ != nullptr) jobs_.back().special = std::make_unique<Special>(*special_);
  ++jobs_begun_;
  ++job_topics_[Key(message->topic())];
}

bool Dispatcher::RunJobs() {
  size_t left = state_.limits.fanout_slice;
  while (!jobs_.empty() && left > 0) {
    Job& job = jobs_.front();
    images_.Begin(false);
    const size_t end = std::min(job.list->targets.size(), job.next + left);
    Gate gate;
    state_.commit_group = job.commit_group;
    special_ = job.special.get();
    left -= end - job.next;
    for (; job.next < end; ++job.next)
      DeliverTarget(job.message, *job.list, job.list->targets[job.next], &gate);
    special_ = nullptr;
    job.refused |= gate.refused;
    if (job.next == job.list->targets.size() && job.special != nullptr) RememberGiven(*job.special);
    state_.commit_group.reset();
    if (job.next < job.list->targets.size()) break;
    if (job.commit_group != nullptr) state_.ports.store->Close(job.commit_group);
    if (job.token != 0) Answer(job.origin, job.token, state_.last_lsn, job.refused);
    const auto topic = job_topics_.find(Key(job.message->topic()));
    if (--topic->second == 0) job_topics_.erase(topic);
    jobs_.pop_front();
  }
  if (jobs_.empty()) last_list_.reset();
  return !jobs_.empty();
}

void Dispatcher::PassOnForwarded(ForwardedPublish* mail, Chain* chain, Gate* gate) {
  const uint32_t sent = PassOn(mail->message, mail->token == 0 ? 0 : next_token_, *mail->groups,
                               std::move(mail->tried), gate);
  if (sent == 0 || mail->token == 0) return;
  const uint64_t token = next_token_++;
  Pending& pending = pending_[token];
  pending.remaining = sent + 1;  // and our own part
  pending.message = mail->message;
  pending.chain = *chain;
  *chain = {state_.options.id, token};
}

uint32_t Dispatcher::PassOn(const mqtt::MessagePtr& message, uint64_t token,
                            const std::vector<std::string>& groups, std::vector<PlaceId> tried,
                            Gate* gate) {
  uint32_t sent = 0;
  tried.push_back(state_.options.id);
  route_matches_.Clear();
  state_.routes.Match(message->topic(), &route_matches_);
  for (const std::string& group : groups) {
    const auto& routes = route_matches_.shared;
    const auto route =
        std::find_if(routes.begin(), routes.end(), [&](const auto* r) { return r->text == group; });
    const std::optional<PlaceId> next =
        route == routes.end() ? std::nullopt : picker_.PickPlace(*route, *message, tried);
    if (!next) {
      KeepForGroup(group, message, gate);
      continue;
    }
    ForwardedPublish onward;
    onward.message = message;
    onward.token = token;
    onward.plain = false;
    onward.groups = std::make_unique<std::vector<std::string>>(1, group);
    onward.tried = tried;
    Send(*next, std::move(onward));
    ++sent;
  }
  return sent;
}

}  // namespace skein::shard
