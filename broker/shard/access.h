// What clients may do, as their shard asks.
//
// Purpose: puts the node's access rules, and those that came with a client's credentials, before
// every way a message can take: SUBSCRIBE, PUBLISH, RETAIN, will, and delivery. Whoever is refused
// is told, and the operator's log says who, what and which rule (audit). Owner and thread: Core,
// confined to the shard. Limits: kAuditASecond log lines a second, the rest is counted;
// kRecheckSlice sessions a tick after a change of rules.
//
// A subscription was judged with the rules of its time. When they change, or when its filter is
// wider than what is allowed, each message is asked about before it goes to the session
// (Session::check_each): until its turn in Recheck() has come, that holds for every session.
#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/auth/access_rules.h"
#include "broker/shard/state.h"

namespace skein::shard {

// The session's principal, or one made of what is known.
auth::Principal PrincipalOf(const ShardState& state, const session::Session& session);
// The rule that decides whether the client may; no action but kSubscribe is asked with a filter.
auth::AccessRules::Verdict RuleFor(const ShardState& state, const auth::Principal& client,
                                   auth::Action action, std::string_view topic);
// The same for PUBLISH, with RETAIN or without: what denies it, or what allows it.
auth::AccessRules::Verdict RuleForPublish(const ShardState& state, const auth::Principal& client,
                                          std::string_view topic, bool retain);

class Access {
 public:
  static constexpr uint32_t kAuditASecond = 50;
  static constexpr size_t kRecheckSlice = 500;

  explicit Access(ShardState* state) : state_(*state) {}

  // Other rules from now on; null: everything is allowed.
  void SetRules(std::shared_ptr<const auth::AccessRules> rules);
  // Looks at the subscriptions of some sessions again. True if there are more.
  bool Recheck();
  // The bans may have changed: connected clients are asked about as well.
  std::vector<SlotAndGeneration> TakeBanned() { return std::exchange(banned_, {}); }

  // The session changed hands or rules: may it still have what it subscribed to?
  void Judge(session::Session& session);

  // PUBLISH by a connected client. False: it is to be refused with 0x87; the log has it.
  bool MayPublish(Connection& connection, session::Session& session, std::string_view topic,
                  bool retain);
  // A will in CONNECT, and once more when it is published. `connection` may be null.
  bool MayHaveWill(const auth::Principal* client, std::string_view topic, bool retain,
                   const Connection* connection);
  bool MayPublishWill(const session::Session& session, std::string_view topic, bool retain);
  // SUBSCRIBE, `filter` as in the packet. False: SUBACK 0x87.
  bool MaySubscribe(session::Session& session, std::string_view filter);

  // What MaySubscribe() goes by: *source names the rule that denies or restricts it.
  auth::Access ExplainFilter(const session::Session& session, std::string_view filter,
                             std::string_view* source) const {
    return CheckFilter(Of(session), filter, source);
  }

  // A message with this topic may be given to the session.
  bool MayReceive(const session::Session& session, std::string_view topic) {
    if (session.access_epoch == state_.access_epoch && !session.check_each) [[likely]]
      return true;
    return MayReceiveEach(session, topic);
  }

  // A log line about a refusal, unless there were too many this second.
  void Audit(std::string_view event, const auth::Principal& client, const Connection* connection,
             std::string_view action, std::string_view topic, std::string_view source);

 private:
  // No rule has a say: there are none, or the client is above them.
  bool Free(const auth::Principal* client) const {
    return (client == nullptr || client->own_rules == nullptr || client->superuser) &&
           (state_.rules == nullptr || (client != nullptr && client->superuser));
  }
  auth::AccessRules::Verdict Check(const auth::Principal& client, auth::Action action,
                                   std::string_view topic) const;
  auth::Access CheckFilter(const auth::Principal& client, std::string_view filter,
                           std::string_view* source) const;
  bool CheckPublish(const auth::Principal& client, uint8_t actions, std::string_view topic,
                    std::string_view event, const Connection* connection);
  bool MayReceiveEach(const session::Session& session, std::string_view topic) const;
  void CheckBan(const session::Session& session);
  // The session's principal, or one made of what is known.
  const auth::Principal& Of(const session::Session& session) const;

  ShardState& state_;
  SessionSlot recheck_next_ = 0;
  bool rechecking_ = false;
  std::vector<SlotAndGeneration> banned_;  // found by Recheck()
  TimeMs audit_second_ = 0;
  uint32_t audited_ = 0;
  uint64_t unlogged_ = 0;
  mutable auth::Principal unknown_;  // scratch of Of()
};

}  // namespace skein::shard
