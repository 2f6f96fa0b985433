#include "broker/shard/access.h"

#include <utility>

#include "broker/routing/topic.h"

namespace skein::shard {

using auth::AccessRules;
using auth::Principal;
using session::Session;

namespace {

struct SplitFilter {
  std::string_view inner;
  bool shared = false;
};

// "$share/group/filter" -> "filter".
SplitFilter Split(std::string_view filter) {
  constexpr std::string_view kShare = "$share/";
  if (!filter.starts_with(kShare)) return {filter, false};
  filter.remove_prefix(kShare.size());
  filter.remove_prefix(std::min(filter.size(), filter.find('/') + 1));
  return {filter, true};
}

}  // namespace

Principal PrincipalOf(const ShardState& state, const Session& session) {
  if (session.principal != nullptr) return *session.principal;
  Principal client;
  client.client_id = session.client_id();
  if (!session.connected()) return client;
  const Connection& connection = state.connections[session.connection];
  client.address = state.ports.peer(connection).address;
  client.listener = state.options.listeners[connection.listener].name;
  return client;
}

AccessRules::Verdict RuleFor(const ShardState& state, const Principal& client, auth::Action action,
                             std::string_view topic) {
  if (client.superuser) return {true, "superuser"};
  if (client.own_rules != nullptr) {
    if (const auto verdict = client.own_rules->Find(client, action, topic)) return *verdict;
  }
  if (state.rules == nullptr) return {true, {}};
  return state.rules->Check(client, action, topic);
}

AccessRules::Verdict RuleForPublish(const ShardState& state, const Principal& client,
                                    std::string_view topic, bool retain) {
  const AccessRules::Verdict publish = RuleFor(state, client, auth::kPublish, topic);
  if (!publish.allowed || !retain) return publish;
  return RuleFor(state, client, auth::kRetain, topic);
}

void Access::SetRules(std::shared_ptr<const AccessRules> rules) {
  state_.rules = std::move(rules);
  ++state_.access_epoch;
  recheck_next_ = 0;
  rechecking_ = true;
}

bool Access::Recheck() {
  if (!rechecking_) return false;
  const size_t end = std::min<size_t>(state_.sessions.slots(), recheck_next_ + kRecheckSlice);
  for (; recheck_next_ < end; ++recheck_next_) {
    if (Session* session = state_.sessions.At(recheck_next_)) {
      Judge(*session);
      CheckBan(*session);
    }
  }
  rechecking_ = end < state_.sessions.slots();
  return rechecking_;
}

void Access::CheckBan(const Session& session) {
  if (state_.ports.bans == nullptr || !state_.ports.bans->Anybody() || !session.connected()) return;
  const Connection& connection = state_.connections[session.connection];
  const std::string address = state_.ports.peer(connection).address;
  if (state_.ports.bans->Find(session.client_id(), Of(session).user_name, address) == nullptr)
    return;
  banned_.push_back({connection.slot, connection.generation});
}

void Access::Judge(Session& session) {
  session.access_epoch = state_.access_epoch;
  if (session.rules_unknown || Free(session.principal.get())) {
    session.check_each = session.rules_unknown;
    return;
  }
  const Principal& client = Of(session);
  // What waits for the session was matched when other rules held.
  bool check = session.has_queued();
  for (const auto& [filter, handle] : session.subscriptions) {
    std::string_view source;
    const std::string_view text = state_.subscriptions.text(filter);
    const auth::Access access = CheckFilter(client, text, &source);
    if (access == auth::Access::kAllow) continue;
    check = true;
    if (access == auth::Access::kDeny)
      Audit("access.subscription_lost", client, nullptr, "subscribe", text, source);
  }
  session.check_each = check;
}

const Principal& Access::Of(const Session& session) const {
  if (session.principal != nullptr) return *session.principal;
  unknown_.client_id = session.client_id();
  unknown_.address.clear();
  unknown_.listener.clear();
  if (session.connected()) {
    const Connection& connection = state_.connections[session.connection];
    unknown_.address = state_.ports.peer(connection).address;
    unknown_.listener = state_.options.listeners[connection.listener].name;
  }
  return unknown_;
}

AccessRules::Verdict Access::Check(const Principal& client, auth::Action action,
                                   std::string_view topic) const {
  return RuleFor(state_, client, action, topic);
}

auth::Access Access::CheckFilter(const Principal& client, std::string_view filter,
                                 std::string_view* source) const {
  if (client.superuser) return auth::Access::kAllow;
  const SplitFilter split = Split(filter);
  auth::Access worst = auth::Access::kAllow;
  for (const auth::Action action : {auth::kSubscribe, auth::kShare}) {
    if (action == auth::kShare && !split.shared) continue;
    AccessRules::FilterVerdict verdict{auth::Access::kAllow, {}};
    if (client.own_rules != nullptr) {
      verdict = client.own_rules->CheckFilter(client, action, split.inner);
      // Rules of its own that say nothing about the filter leave it to the node's.
      if (verdict.access == auth::Access::kDeny && verdict.source.empty() &&
          state_.rules != nullptr)
        verdict = state_.rules->CheckFilter(client, action, split.inner);
    } else if (state_.rules != nullptr) {
      verdict = state_.rules->CheckFilter(client, action, split.inner);
    }
    if (verdict.access == auth::Access::kAllow || worst == auth::Access::kDeny) continue;
    worst = verdict.access;
    *source = verdict.source;
  }
  return worst;
}

bool Access::CheckPublish(const Principal& client, uint8_t actions, std::string_view topic,
                          std::string_view event, const Connection* connection) {
  for (const auth::Action action : {auth::kPublish, auth::kRetain, auth::kWill}) {
    if ((actions & action) == 0) continue;
    const AccessRules::Verdict verdict = Check(client, action, topic);
    if (verdict.allowed) continue;
    const std::string_view word = action == auth::kPublish  ? "publish"
                                  : action == auth::kRetain ? "retain"
                                                            : "will";
    state_.stats.publish_allowed[0].Add();
    Audit(event, client, connection, word, topic, verdict.source);
    return false;
  }
  state_.stats.publish_allowed[1].Add();
  return true;
}

bool Access::MayPublish(Connection& connection, Session& session, std::string_view topic,
                        bool retain) {
  if (Free(session.principal.get())) return true;
  // Most clients publish to one topic: its last answer is kept until the rules change.
  AllowedPublish* const last = connection.allowed_publish.get();
  if (last != nullptr && last->epoch == state_.access_epoch && last->retain == retain &&
      last->topic == topic) {
    state_.stats.publish_allowed[1].Add();
    return true;
  }
  const uint8_t actions = auth::kPublish | (retain ? auth::kRetain : 0);
  if (!CheckPublish(Of(session), actions, topic, "access.refused", &connection)) return false;
  if (last == nullptr) connection.allowed_publish = std::make_unique<AllowedPublish>();
  connection.allowed_publish->epoch = state_.access_epoch;
  connection.allowed_publish->retain = retain;
  connection.allowed_publish->topic.assign(topic);
  return true;
}

bool Access::MayHaveWill(const Principal* client, std::string_view topic, bool retain,
                         const Connection* connection) {
  if (Free(client)) return true;
  const uint8_t actions = auth::kPublish | auth::kWill | (retain ? auth::kRetain : 0);
  return CheckPublish(*client, actions, topic, "access.refused", connection);
}

bool Access::MayPublishWill(const Session& session, std::string_view topic, bool retain) {
  return Free(session.principal.get()) || MayHaveWill(&Of(session), topic, retain, nullptr);
}

bool Access::MaySubscribe(Session& session, std::string_view filter) {
  if (Free(session.principal.get())) return true;
  std::string_view source;
  const Principal& client = Of(session);
  const auth::Access access = CheckFilter(client, filter, &source);
  if (access == auth::Access::kDeny) {
    const Connection* connection =
        session.connected() ? &state_.connections[session.connection] : nullptr;
    state_.stats.subscribe_allowed[0].Add();
    Audit("access.refused", client, connection, "subscribe", filter, source);
    return false;
  }
  session.check_each |= access == auth::Access::kCheckEach;
  state_.stats.subscribe_allowed[1].Add();
  return true;
}

bool Access::MayReceiveEach(const Session& session, std::string_view topic) const {
  if (Free(session.principal.get())) return true;
  // It is asked again when it leaves the queue, then with the rules the client brings.
  if (session.rules_unknown && !session.connected()) return true;
  return Check(Of(session), auth::kSubscribe, topic).allowed;
}

void Access::Audit(std::string_view event, const Principal& client, const Connection* connection,
                   std::string_view action, std::string_view topic, std::string_view source) {
  state_.stats.access_refused.Add();
  if (state_.now - audit_second_ >= 1'000) {
    if (unlogged_ > 0)
      state_.ports.log->Log(LogLevel::kWarn, "access.unlogged", {{"lines", unlogged_}});
    audit_second_ = state_.now;
    audited_ = 0;
    unlogged_ = 0;
  }
  if (++audited_ > kAuditASecond) {
    ++unlogged_;
    return;
  }
  std::string peer = client.address;
  if (connection != nullptr) peer = state_.ports.peer(*connection).name;
  state_.ports.log->Log(LogLevel::kInfo, event,
                        {{"client_id", client.client_id},
                         {"user_name", client.user_name},
                         {"peer", peer},
                         {"listener", client.listener},
                         {"action", action},
                         {"topic", topic},
                         {"rule", source.empty() ? std::string_view("default") : source}});
}

}  // namespace skein::shard
