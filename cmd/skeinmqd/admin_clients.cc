#include "cmd/skeinmqd/admin_clients.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cmd/skeinmqd/admin_shards.h"

namespace skein {
namespace {

using Left = shard::Question::Left;
using Result = shard::OperatorDesk::Result;

absl::Status Unknown(const std::string& client_id) {
  return absl::NotFoundError(absl::StrCat("there is no client '", client_id, "'"));
}

struct DetailScan {
  explicit DetailScan(std::string id) : client_id(std::move(id)) {}

  bool Step(const shard::ShardState& state) {
    const session::Session* const session = state.sessions.Find(client_id);
    if (session == nullptr) return true;
    detail.emplace().row = shard::RowOf(*session, state);
    shard::SubscriptionQuery query;
    query.client_id = client_id;
    query.limit = AdminClients::kShownSubscriptions;
    shard::SubscriptionScan subscriptions(query);
    subscriptions.Step(state);
    detail->subscriptions = subscriptions.Take();
    return true;
  }

  const std::string client_id;
  std::optional<admin::ClientDetail> detail;
};

struct QueueLook {
  struct Query {
    std::string client_id;
    size_t limit = 0;
  };
  explicit QueueLook(Query q) : query(std::move(q)) {}

  Left Step(shard::Core* core) {
    if (peek == nullptr) {
      const session::Session* const session = core->state().sessions.Find(query.client_id);
      if (session == nullptr) return Left::kNothing;
      const shard::ClientRow row = shard::RowOf(*session, core->state());
      total = session->connected() ? row.queued_messages + row.inflight : row.queued_messages;
      peek = core->desk().Look(query.client_id, query.limit, &busy);
      if (peek == nullptr) return Left::kNothing;
    }
    return peek->done ? Left::kNothing : Left::kWaits;
  }

  const Query query;
  uint64_t total = 0;
  bool busy = false;
  std::shared_ptr<shard::OperatorDesk::Peek> peek;
};

struct KickOrder {
  explicit KickOrder(std::string id) : client_id(std::move(id)) {}
  const std::string client_id;
  Result result = Result::kUnknown;
};

struct EndOrder {
  explicit EndOrder(std::string id) : client_id(std::move(id)) {}

  Left Step(shard::Core* core) {
    if (!begun) result = core->desk().EndSession(client_id, &lsn);
    begun = true;
    return lsn > core->state().ports.store->durable() ? Left::kWaits : Left::kNothing;
  }

  const std::string client_id;
  bool begun = false;
  session::Lsn lsn = 0;
  Result result = Result::kUnknown;
};

struct EventScan {
  explicit EventScan(admin::EventQuery q) : query(std::move(q)) {}

  bool Step(const shard::ShardState& state) {
    for (const shard::ClientEvent& event : state.events.events()) {
      const bool wanted = (!query.kind || event.kind == *query.kind) &&
                          (!query.after || event.number > *query.after);
      if (wanted) events.push_back(event);
    }
    return true;
  }

  const admin::EventQuery query;
  std::vector<shard::ClientEvent> events;
};

}  // namespace

absl::StatusOr<shard::ClientList> AdminClients::List(const shard::ClientQuery& query) {
  const auto broker = node_.broker();
  if (!broker.ok()) return broker.status();
  const auto scans = ScanShards<shard::ClientScan>(*broker, query);
  if (!scans.ok()) return scans.status();
  shard::ClientList all;
  for (const auto& scan : *scans) {
    shard::ClientList part = scan->Take();
    all.more |= part.more;
    std::move(part.rows.begin(), part.rows.end(), std::back_inserter(all.rows));
  }
  const auto key = [&](const shard::ClientRow& row) {
    const uint64_t order = query.longest_queue_first ? UINT64_MAX - row.queued_messages : 0;
    return std::tuple(order, std::string_view(row.client_id));
  };
  std::sort(all.rows.begin(), all.rows.end(),
            [&](const auto& a, const auto& b) { return key(a) < key(b); });
  all.more |= all.rows.size() > query.limit;
  all.rows.resize(std::min(all.rows.size(), query.limit));
  return all;
}

absl::StatusOr<admin::ClientDetail> AdminClients::Find(const std::string& client_id) {
  const auto broker = node_.broker();
  if (!broker.ok()) return broker.status();
  const auto scans = ScanShards<DetailScan>(*broker, client_id);
  if (!scans.ok()) return scans.status();
  for (const auto& scan : *scans) {
    if (scan->detail) return *scan->detail;
  }
  return Unknown(client_id);
}

absl::StatusOr<admin::ClientQueue> AdminClients::Queue(const std::string& client_id, size_t limit) {
  const auto broker = node_.broker();
  if (!broker.ok()) return broker.status();
  const auto looks = AskShards<QueueLook, shard::Core*>(
      *broker, QueueLook::Query{client_id, limit},
      [](QueueLook* look, shard::Core* core) { return look->Step(core); });
  if (!looks.ok()) return looks.status();
  for (const auto& look : *looks) {
    if (look->busy) return absl::UnavailableError("too many look into queues; try again");
    if (look->peek == nullptr) continue;
    admin::ClientQueue queue;
    queue.messages = std::move(look->peek->messages);
    queue.total = std::max<uint64_t>(look->total, queue.messages.size());
    return queue;
  }
  return Unknown(client_id);
}

absl::StatusOr<shard::SubscriptionList> AdminClients::Subscriptions(
    const shard::SubscriptionQuery& query) {
  const auto broker = node_.broker();
  if (!broker.ok()) return broker.status();
  const auto scans = ScanShards<shard::SubscriptionScan>(*broker, query);
  if (!scans.ok()) return scans.status();
  shard::SubscriptionList all;
  for (const auto& scan : *scans) {
    shard::SubscriptionList part = scan->Take();
    all.more |= part.more;
    std::move(part.rows.begin(), part.rows.end(), std::back_inserter(all.rows));
  }
  std::sort(all.rows.begin(), all.rows.end(), [](const auto& a, const auto& b) {
    return std::tie(a.client_id, a.filter) < std::tie(b.client_id, b.filter);
  });
  all.more |= all.rows.size() > query.limit;
  all.rows.resize(std::min(all.rows.size(), query.limit));
  return all;
}

absl::StatusOr<admin::Events> AdminClients::EventsOf(const admin::EventQuery& query) {
  const auto broker = node_.broker();
  if (!broker.ok()) return broker.status();
  admin::Events all;
  // A shard that is asked later may have newer ones, and another one of in between may be missing.
  all.last = (*broker)->last_event();
  const auto scans = ScanShards<EventScan>(*broker, query);
  if (!scans.ok()) return scans.status();
  for (const auto& scan : *scans) {
    std::copy_if(scan->events.begin(), scan->events.end(), std::back_inserter(all.events),
                 [&](const shard::ClientEvent& event) { return event.number <= all.last; });
  }
  std::sort(all.events.begin(), all.events.end(),
            [](const auto& a, const auto& b) { return a.number < b.number; });
  if (all.events.size() <= query.limit) return all;
  if (query.after) {  // the rest comes the next time
    all.events.resize(query.limit);
    all.last = all.events.back().number;
  } else {
    all.events.erase(all.events.begin(), all.events.end() - static_cast<ptrdiff_t>(query.limit));
  }
  return all;
}

absl::Status AdminClients::Kick(const std::string& client_id) {
  const auto broker = node_.serving();
  if (!broker.ok()) return broker.status();
  const auto orders = AskShards<KickOrder, shard::Core*>(
      *broker, client_id, [](KickOrder* order, shard::Core* core) {
        order->result = core->desk().Kick(order->client_id);
        return Left::kNothing;
      });
  if (!orders.ok()) return orders.status();
  const bool kicked = std::any_of(orders->begin(), orders->end(),
                                  [](const auto& order) { return order->result == Result::kDone; });
  return kicked ? absl::OkStatus()
                : absl::NotFoundError(
                      absl::StrCat("there is no client '", client_id, "' that is connected"));
}

absl::Status AdminClients::EndSession(const std::string& client_id) {
  const auto broker = node_.serving();
  if (!broker.ok()) return broker.status();
  const auto orders = AskShards<EndOrder, shard::Core*>(
      *broker, client_id, [](EndOrder* order, shard::Core* core) { return order->Step(core); });
  if (!orders.ok()) return orders.status();
  absl::Status status = Unknown(client_id);
  for (const auto& order : *orders) {
    if (order->result == Result::kMoving)
      return absl::UnavailableError("the session is moving to another node; try again");
    if (order->result == Result::kDone) status = absl::OkStatus();
  }
  return status;
}

}  // namespace skein
