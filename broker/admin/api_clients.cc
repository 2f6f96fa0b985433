#include "broker/admin/api_clients.h"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "broker/admin/answers.h"
#include "broker/admin/gather.h"
#include "broker/admin/render.h"
#include "broker/admin/subscription_json.h"
#include "broker/routing/topic.h"

namespace skein::admin {
namespace {

constexpr size_t kMostPeeked = 100;
constexpr std::array<const char*, 3> kEventNames = {"client.connected", "client.disconnected",
                                                    "client.refused"};

const char* VersionOf(uint8_t version) {
  return version == 5 ? "5.0" : version == 4 ? "3.1.1" : "3.1";
}

Json ClientJson(const shard::ClientRow& row, const ClusterStatus& cluster) {
  Json json;
  json["client_id"] = row.client_id;
  json["node"] = row.connected ? NodeJson(row.node, cluster) : Json();
  json["owner"] = cluster.node;
  json["connected"] = row.connected;
  json["listener"] = OrNull(row.listener);
  json["protocol_version"] = VersionOf(row.version);
  json["username"] = OrNull(row.user_name);
  json["address"] = OrNull(row.address);
  json["connected_at"] = TimeOf(row.connected_at);
  json["durable"] = row.durable;
  json["session_expiry_seconds"] = row.expiry_seconds;
  json["keep_alive_seconds"] = row.keep_alive;
  json["subscriptions"] = row.subscriptions;
  json["queued_messages"] = row.queued_messages;
  json["queued_bytes"] = row.queued_bytes;
  json["inflight"] = row.inflight;
  return json;
}

Json SubscriptionRow(const std::string& filter, const routing::SubscriptionOptions& options) {
  Json json = SubscriptionJson(filter, options);
  json["share"] = OrNull(std::string(routing::ParseFilter(filter).share_name));
  return json;
}

Json QueuedJson(const session::StoredDelivery& delivery) {
  Json json;
  const bool there = static_cast<bool>(delivery.message);  // PUBREC has come: it is not needed
  json["topic"] = there ? Json(delivery.message->topic()) : Json();
  json["qos"] = static_cast<int>(delivery.qos);
  json["retain"] = delivery.retain;
  json["packet_id"] = delivery.packet_id == 0 ? Json() : Json(delivery.packet_id);
  json["payload_bytes"] = there ? Json(delivery.message->payload().size()) : Json();
  json["payload_base64"] =
      there ? Json(Base64(delivery.message->payload().substr(0, kShownPayload))) : Json();
  json["received_at"] = there ? TimeOf(delivery.message->received_at()) : Json();
  json["expires_at"] = there ? TimeOf(delivery.message->expires_at()) : Json();
  return json;
}

std::string StringOf(const Json& row, const char* name) {
  return row.contains(name) && row[name].is_string() ? row[name].get<std::string>() : "";
}

uint64_t NumberOf(const Json& row, const char* name) {
  return row.contains(name) && row[name].is_number_unsigned() ? row[name].get<uint64_t>() : 0;
}

bool MoreOf(const Parts& parts) {
  return std::any_of(parts.parts.begin(), parts.parts.end(), [](const Part& part) {
    return part.json->contains("more") && (*part.json)["more"] == true;
  });
}

// The first `limit` rows in the order of `place`, and where to go on.
template <typename Place>
Json Merge(Parts* parts, const char* list, size_t limit, Place place) {
  std::vector<Json> rows = RowsOf(parts, list);
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const Json& a, const Json& b) { return place(a) < place(b); });
  const bool more = rows.size() > limit || MoreOf(*parts);
  rows.resize(std::min(rows.size(), limit));
  Json json;
  json[list] = rows;
  json["next"] = more && !rows.empty() ? Json(CursorOf(place(rows.back()))) : Json();
  json["silent_nodes"] = parts->silent;
  return json;
}

std::string ClientPlace(const Json& row) {
  return StringOf(row, "client_id");
}

std::string SubscriptionPlace(const Json& row) {
  return StringOf(row, "client_id") + '\0' + StringOf(row, "filter");
}

absl::StatusOr<shard::ClientQuery> QueryOf(const Request& request, const ClusterStatus& cluster) {
  shard::ClientQuery query;
  query.prefix = ParameterOf(request, "prefix").value_or("");
  query.user_name = ParameterOf(request, "username");
  query.listener = ParameterOf(request, "listener");
  const auto connected = FlagOf(request, "connected");
  if (!connected.ok()) return connected.status();
  query.connected = *connected;
  const auto limit = LimitOf(request);
  if (!limit.ok()) return limit.status();
  query.limit = *limit;
  auto place = PlaceOf(request);
  if (!place.ok()) return place.status();
  query.after = std::move(*place);
  if (const auto order = ParameterOf(request, "order")) {
    if (*order != "client_id" && *order != "queued")
      return absl::InvalidArgumentError("order: client_id or queued");
    query.longest_queue_first = *order == "queued";
    if (query.longest_queue_first && !query.after.empty())
      return absl::InvalidArgumentError("cursor: there is none with order=queued");
  }
  if (const auto name = ParameterOf(request, "node")) {
    const auto number = NumberOfNode(*name, cluster);
    if (!number) return absl::NotFoundError(absl::StrCat("node: there is no node '", *name, "'"));
    query.node = *number;
  }
  return query;
}

}  // namespace

void ApiClients::AddTo(Router* router) {
  const auto add = [&](const char* method, const char* path, Role role,
                       std::vector<std::string> parameters, auto handle) {
    router->Add({method, path, role, std::move(parameters), handle});
  };
  using V = const Values&;
  using R = const Request&;
  add("GET", "/api/v1/clients", Role::kRead,
      {"prefix", "username", "listener", "connected", "node", "order", "limit", "cursor"},
      [this](R request, V) { return List(request); });
  add("GET", "/api/v1/clients/{client_id}", Role::kRead, {},
      [this](R request, V values) { return Find(request, values[0]); });
  add("GET", "/api/v1/clients/{client_id}/queue", Role::kRead, {"limit"},
      [this](R request, V values) { return Queue(request, values[0]); });
  add("DELETE", "/api/v1/clients/{client_id}/connection", Role::kOperate, {},
      [this](R request, V values) { return Kick(request, values[0]); });
  add("DELETE", "/api/v1/clients/{client_id}/session", Role::kAdmin, {},
      [this](R request, V values) { return EndSession(request, values[0]); });
  add("GET", "/api/v1/subscriptions", Role::kRead, {"filter", "client_id", "limit", "cursor"},
      [this](R request, V) { return Subscriptions(request); });
  add("GET", "/api/v1/events", Role::kRead, {"after", "kind", "limit"},
      [this](R request, V) { return Events(request); });
}

Response ApiClients::MyList(const Request& request) {
  const auto cluster = node_.Cluster();
  if (!cluster.ok()) return Fail(cluster.status());
  const auto query = QueryOf(request, *cluster);
  if (!query.ok()) return Fail(query.status());
  const auto list = clients_.List(*query);
  if (!list.ok()) return Fail(list.status());
  Json json;
  json["clients"] = Json::array();
  for (const shard::ClientRow& row : list->rows)
    json["clients"].push_back(ClientJson(row, *cluster));
  json["more"] = list->more;
  return Ok(json);
}

Response ApiClients::List(const Request& request) {
  const Response mine = MyList(request);
  if (request.from_node || (mine.status != 200 && mine.status < 500)) return mine;
  Parts parts = Gather(request, peers_, node_.name(), mine);
  const size_t limit = LimitOf(request).value();
  if (ParameterOf(request, "order").value_or("") != "queued")
    return Ok(Merge(&parts, "clients", limit, ClientPlace));
  Json json = Merge(&parts, "clients", limit, [](const Json& row) {
    const uint64_t shorter = UINT64_MAX - NumberOf(row, "queued_messages");
    return absl::StrCat(absl::Hex(shorter, absl::kZeroPad16), ClientPlace(row));
  });
  json["next"] = Json();
  return Ok(json);
}

Response ApiClients::Find(const Request& request, const std::string& client_id) {
  const auto cluster = node_.Cluster();
  if (!cluster.ok()) return Fail(cluster.status());
  const auto detail = clients_.Find(client_id);
  if (!detail.ok()) return FirstOf(request, peers_, Fail(detail.status()));
  Json json = ClientJson(detail->row, *cluster);
  json["subscription_list"] = Json::array();
  for (const shard::SubscriptionRow& row : detail->subscriptions.rows)
    json["subscription_list"].push_back(SubscriptionRow(row.filter, row.options));
  return Ok(json);
}

Response ApiClients::Queue(const Request& request, const std::string& client_id) {
  const auto limit = LimitOf(request, 20);
  if (!limit.ok()) return Fail(limit.status());
  const auto queue = clients_.Queue(client_id, std::min(*limit, kMostPeeked));
  if (!queue.ok()) return FirstOf(request, peers_, Fail(queue.status()));
  Json json;
  json["messages"] = Json::array();
  for (const session::StoredDelivery& delivery : queue->messages)
    json["messages"].push_back(QueuedJson(delivery));
  json["total"] = queue->total;
  return Ok(json);
}

Response ApiClients::MySubscriptions(const Request& request) {
  shard::SubscriptionQuery query;
  query.client_id = ParameterOf(request, "client_id");
  query.filter = ParameterOf(request, "filter");
  const auto limit = LimitOf(request);
  if (!limit.ok()) return Fail(limit.status());
  query.limit = *limit;
  const auto place = PlaceOf(request);
  if (!place.ok()) return Fail(place.status());
  const size_t end = place->find('\0');
  if (end != place->npos) query.after = {place->substr(0, end), place->substr(end + 1)};
  const auto list = clients_.Subscriptions(query);
  if (!list.ok()) return Fail(list.status());
  Json json;
  json["subscriptions"] = Json::array();
  for (const shard::SubscriptionRow& row : list->rows) {
    Json each;
    each["client_id"] = row.client_id;
    each["node"] = node_.name();
    each.update(SubscriptionRow(row.filter, row.options));
    json["subscriptions"].push_back(std::move(each));
  }
  json["more"] = list->more;
  return Ok(json);
}

Response ApiClients::Subscriptions(const Request& request) {
  const Response mine = MySubscriptions(request);
  if (request.from_node || (mine.status != 200 && mine.status < 500)) return mine;
  Parts parts = Gather(request, peers_, node_.name(), mine);
  return Ok(Merge(&parts, "subscriptions", LimitOf(request).value(), SubscriptionPlace));
}

Response ApiClients::MyEvents(const Request& request) {
  EventQuery query;
  const auto limit = LimitOf(request);
  if (!limit.ok()) return Fail(limit.status());
  query.limit = *limit;
  const auto after = AfterOf(request);
  if (!after.ok()) return Fail(after.status());
  // A node that was not there before begins at its beginning.
  if (!after->empty()) query.after = after->contains(node_.name()) ? after->at(node_.name()) : 0;
  if (const auto kind = ParameterOf(request, "kind")) {
    const auto found = std::find(kEventNames.begin(), kEventNames.end(), *kind);
    if (found == kEventNames.end())
      return Fail(400, "kind: client.connected, client.disconnected or client.refused");
    query.kind = static_cast<shard::EventKind>(found - kEventNames.begin());
  }
  const auto events = clients_.EventsOf(query);
  if (!events.ok()) return Fail(events.status());
  Json json;
  json["events"] = Json::array();
  for (const shard::ClientEvent& event : events->events) {
    Json each;
    each["id"] = event.number;
    each["time"] = TimeOf(event.time);
    each["node"] = node_.name();
    each["kind"] = kEventNames[static_cast<size_t>(event.kind)];
    each["client_id"] = OrNull(event.client_id);
    each["listener"] = OrNull(event.listener);
    each["address"] = OrNull(event.address);
    each["reason"] = OrNull(event.reason);
    json["events"].push_back(std::move(each));
  }
  json["last"] = events->last;
  return Ok(json);
}

Response ApiClients::Events(const Request& request) {
  const Response mine = MyEvents(request);
  if (request.from_node || (mine.status != 200 && mine.status < 500)) return mine;
  Parts parts = Gather(request, peers_, node_.name(), mine);
  // A silent node goes on where it was.
  std::map<std::string, uint64_t> last = *AfterOf(request);
  const bool newest = last.empty();
  for (const Part& part : parts.parts)
    last[part.node] = NumberOf(*part.json, "last");
  std::vector<Json> rows = RowsOf(&parts, "events");
  const auto key = [](const Json& row) {
    return std::tuple(StringOf(row, "time"), StringOf(row, "node"), NumberOf(row, "id"));
  };
  std::sort(rows.begin(), rows.end(),
            [&](const Json& a, const Json& b) { return key(a) < key(b); });
  const size_t limit = LimitOf(request).value();
  if (newest && rows.size() > limit)
    rows.erase(rows.begin(), rows.end() - static_cast<ptrdiff_t>(limit));
  Json json;
  json["events"] = rows;
  json["last"] = AfterText(last);
  json["silent_nodes"] = parts.silent;
  return Ok(json);
}

Response ApiClients::Kick(const Request& request, const std::string& client_id) {
  const absl::Status status = clients_.Kick(client_id);
  return FirstOf(request, peers_, status.ok() ? Ok({{"disconnected", true}}) : Fail(status));
}

Response ApiClients::EndSession(const Request& request, const std::string& client_id) {
  const absl::Status status = clients_.EndSession(client_id);
  return FirstOf(request, peers_, status.ok() ? Ok({{"deleted", true}}) : Fail(status));
}

}  // namespace skein::admin
