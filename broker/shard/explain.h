// Who would be given a message that is published now, and why somebody would not.
//
// Purpose: the shard's part of the answer to "why did this message not arrive?": its subscribers
// to the topic, what would become of the message on the way to each, and which rule or limit
// decides. Nothing is published, counted or changed: it sees the state as const. Thread: the
// shard's, slice by slice; the result on any, after the last. Limits: `limit` receivers, looked at
// in one slice; more are said to exist. What changes meanwhile is not in it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "broker/base/types.h"
#include "broker/mqtt/message.h"
#include "broker/routing/subscription_table.h"
#include "broker/shard/mail.h"
#include "broker/shard/retained_store.h"

namespace skein::shard {

struct ShardState;

struct ExplainQuery {
  static constexpr size_t kMostReceivers = 1'000;

  std::string topic;
  std::string publisher;  // a client id; empty: not asked about
  Qos qos = Qos::kAtLeastOnce;
  bool retain = false;
  uint32_t payload_bytes = 0;
  size_t limit = 100;  // receivers of a shard
  // What only one node of the cluster is to say, by its first shard: what waits for nodes that
  // cannot be reached, and whether something is retained.
  bool as_publisher = false;
};

enum class Would : uint8_t { kDeliver, kQueue, kDrop };
inline constexpr std::array<std::string_view, 3> kWouldNames = {"deliver", "queue", "drop"};

struct ExplainRow {
  std::string client_id;       // empty: whoever has subscribed on a node that cannot be reached
  NodeNumber node = 0;         // where the session is; kNoNode: nobody knows
  std::string filter;          // without "$share/NAME/"
  Qos qos = Qos::kAtMostOnce;  // granted
  std::string share;           // the group's name; one of its members is given the message
  std::string strategy;        // by which that is picked
  bool connected = false;
  bool durable = false;
  Would would = Would::kDeliver;
  std::string why;
  std::string rule;  // that lets it receive, or does not; empty: there are no rules
  bool operator==(const ExplainRow&) const = default;
};

struct ExplainPublisher {
  bool known = false;  // it has a session here
  bool connected = false;
  bool allowed = false;
  std::string rule;
  std::string why;
};

struct Explanation {
  ExplainPublisher publisher;
  std::vector<ExplainRow> rows;
  bool truncated = false;  // there are more
  bool retained = false;
};

class Explain {
 public:
  explicit Explain(ExplainQuery query) : query_(std::move(query)) {}

  // True: that was all.
  bool Step(const ShardState& state);

  Explanation Take() { return std::move(result_); }

 private:
  bool Speaks(const ShardState& state) const;
  void Publisher(const ShardState& state);
  void Receivers(const ShardState& state);
  void OutOfReach(const ShardState& state);
  bool Retained(const ShardState& state);
  void Add(const ShardState& state, const routing::Subscriber& subscriber,
           const routing::SharedGroup* group);
  void Judge(const ShardState& state, const routing::Subscriber& subscriber, ExplainRow* row);
  void JudgeQueue(const ShardState& state, SessionSlot slot, ExplainRow* row);
  void Away(const ShardState& state, std::string_view filter, uint32_t partition);
  // The publisher's, without its own messages.
  bool IsOwn(const ShardState& state, const routing::Subscriber& subscriber) const;
  bool Full() {
    result_.truncated |= result_.rows.size() >= query_.limit;
    return result_.rows.size() >= query_.limit;
  }

  // What a session's plain subscriptions add up to.
  struct Merged {
    Qos qos = Qos::kAtMostOnce;
    size_t subscriptions = 0;
  };

  const ExplainQuery query_;
  absl::flat_hash_map<SessionSlot, Merged> merged_;
  bool began_ = false;
  mqtt::MessagePtr message_;  // as it would be
  std::unique_ptr<RetainedReader> reader_;
  Explanation result_;
};

}  // namespace skein::shard
