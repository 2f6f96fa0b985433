// The dispatcher's part about other places: what comes from them, and their answers.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "broker/shard/dispatcher.h"

namespace skein::shard {
namespace {

// For groups it is another message.
uint64_t OnceOfGroups(const ForwardedPublish& mail) {
  uint64_t once = mail.once;
  if (once == 0 || mail.groups == nullptr) return 0;
  for (const std::string& group : *mail.groups)
    once = XXH3_64bits_withSeed(group.data(), group.size(), once);
  return once;
}

}  // namespace

void Dispatcher::OnForwarded(ShardId from, ForwardedPublish mail) {
  if (from >= state_.options.count)
    state_.stats.forwarded_in[static_cast<size_t>(mail.message->qos())].Add();
  Gate gate;
  // What it was given before has to be durable, too.
  if (mail.repeated) gate.lsn = state_.last_lsn;
  // The sender takes us for the owner, and we are not any more, or do not know it yet.
  if (mail.scope.only != DeliveryScope::kAll && !state_.IsMine(mail.scope.only))
    return Answer(from, mail.token, 0, true);
  bool sliced = false;
  Chain chain{from, mail.token};
  state_.commit_group = mail.commit_group;
  atomic_ = mail.commit_group != nullptr;
  matches_.Clear();
  state_.subscriptions.Match(mail.message->topic(), &matches_);
  if (state_.tracer.on()) [[unlikely]]
    TraceTaken(from, mail);
  const uint64_t group_id = OnceOfGroups(mail);
  if (group_id != 0 && once_book_.TransientHave(group_id)) {
    gate.lsn = state_.last_lsn;
  } else if (mail.groups != nullptr) {
    DeliverToGroups(mail.message, mail.groups.get(), &gate);
    if (!mail.groups->empty()) {
      PassOnForwarded(&mail, &chain, &gate);
    } else if (group_id != 0 && !gate.refused) {
      once_book_.RememberTransient(group_id);
    }
  }
  if (mail.plain) {
    const bool scoped = mail.scope.only != DeliveryScope::kAll || !mail.scope.except.empty();
    Special special{mail.once, mail.repeated, std::move(mail.scope)};
    special_ = special.id != 0 || scoped ? &special : nullptr;
    DeliverPlain(mail.message, &gate, chain.origin, chain.token, &sliced);
    special_ = nullptr;
    if (!sliced) RememberGiven(special);
  }
  EndPublish();
  if (mail.token != 0 && !sliced) Answer(chain.origin, chain.token, gate.lsn, gate.refused);
}

bool Dispatcher::Admits(const session::Session& session, Gate* gate) {
  Special& special = *special_;
  const DeliveryScope& scope = special.scope;
  if (!session.recorded()) {
    if (scope.only != DeliveryScope::kAll) return false;
    if (special.id != 0 && once_book_.TransientHave(special.id)) return false;
    special.given_to_transient = true;
    return true;
  }
  const session::PartitionId partition = session.key.partition;
  const auto is = [&](session::PartitionId other) { return other == partition; };
  if (scope.only != DeliveryScope::kAll && !is(scope.only)) return false;
  if (std::any_of(scope.except.begin(), scope.except.end(), is)) return false;
  if (special.repeated && !once_book_.Known(partition)) {
    if (gate != nullptr) gate->refused = true;
    return false;
  }
  if (std::any_of(special.given_to.begin(), special.given_to.end(), is)) return true;
  // Not only what is sent for a second time is looked up: its first copy may be on the way still.
  if (special.id != 0 && once_book_.Has(special.id, partition)) {
    if (gate != nullptr) gate->lsn = state_.last_lsn;  // the copy it was given has to be durable
    return false;
  }
  special.given_to.push_back(partition);
  return true;
}

void Dispatcher::RememberGiven(const Special& special) {
  // With a full disk nobody knows who has it and who was refused.
  if (special.id == 0 || state_.ports.store->full()) return;
  for (const session::PartitionId partition : special.given_to)
    once_book_.Remember(special.id, partition);
  if (special.given_to_transient) once_book_.RememberTransient(special.id);
}

void Dispatcher::Send(PlaceId place, ForwardedPublish mail) {
  if (state_.tracer.on()) [[unlikely]]
    TraceForward(place, mail);
  if (place >= state_.options.count)
    state_.stats.forwarded_out[static_cast<size_t>(mail.message->qos())].Add();
  if (place < state_.options.count) {
    mail.commit_group = AddPart();
  } else if (mail.token != 0) {
    Place::Awaited& awaited = state_.places[place].awaited[mail.token];
    if (awaited.times++ == 0) awaited.table_version = state_.table_version;
    awaited.plain |= mail.plain;
    if (mail.groups != nullptr)
      awaited.groups.insert(awaited.groups.end(), mail.groups->begin(), mail.groups->end());
  }
  if (!Delay(place, &mail)) state_.out.mail[place].emplace_back(std::move(mail));
}

void Dispatcher::OnPeerDone(PlaceId place, uint64_t token, bool refused) {
  auto& awaited = state_.places[place].awaited;
  const auto found = awaited.find(token);
  if (found == awaited.end()) return;  // it was answered when the peer went away
  if (--found->second.times == 0) awaited.erase(found);
  OnPublishDone(token, refused);
}

void Dispatcher::Answer(ShardId origin, uint64_t token, session::Lsn lsn, bool refused) {
  if (lsn > state_.ports.store->durable()) {
    waiting_.push_back({lsn, origin, token, refused});
  } else if (origin == state_.options.id) {
    OnPublishDone(token, refused);
  } else if (state_.places[origin].up) {
    state_.out.mail[origin].emplace_back(PublishDone{token, refused});
  }
}

bool Dispatcher::Delay(PlaceId place, ForwardedPublish* mail) {
  if (place < state_.options.count) return false;
  const uint64_t publisher = mail->message->publisher();
  const bool later = once_.later && mail->once != 0;
  // What its publisher sent before goes first.
  if (!later && !delayed_.contains(publisher)) return false;
  ++delayed_[publisher];
  later_.push_back({later ? 0 : later_.back().lsn, place, std::move(*mail)});
  return true;
}

void Dispatcher::OnDurable(session::Lsn durable) {
  while (!later_.empty() && later_.front().lsn != 0 && later_.front().lsn <= durable) {
    Later& later = later_.front();
    const auto delayed = delayed_.find(later.mail.message->publisher());
    if (--delayed->second == 0) delayed_.erase(delayed);
    // If the place has gone down meanwhile, that was seen to (OnPlaceDown).
    Place& place = state_.places[later.place];
    if (place.up && (later.mail.token == 0 || place.awaited.contains(later.mail.token)))
      state_.out.mail[later.place].emplace_back(std::move(later.mail));
    later_.pop_front();
  }
  while (!waiting_.empty() && waiting_.front().lsn <= durable) {
    const WaitingAnswer answer = waiting_.front();
    waiting_.pop_front();
    Answer(answer.origin, answer.token, 0, answer.refused);
  }
  while (!waiting_sends_.empty() && waiting_sends_.front().lsn <= durable) {
    const WaitingSend send = waiting_sends_.front();
    waiting_sends_.pop_front();
    SendWaiting(send);
  }
}

}  // namespace skein::shard
