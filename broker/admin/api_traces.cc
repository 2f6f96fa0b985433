#include "broker/admin/api_traces.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "broker/admin/gather.h"
#include "broker/admin/render.h"
#include "broker/mqtt/utf8.h"

namespace skein::admin {
namespace {

// What is wrong with a topic to publish to; empty: nothing.
std::string CheckTopic(const std::string& topic) {
  if (topic.empty()) return "topic: is needed";
  if (topic.size() > ApiTraces::kMostTopic) return "topic: is too long";
  if (topic.find_first_of("+#") != topic.npos) return "topic: is a topic name, without '+' and '#'";
  if (!mqtt::IsUtf8(topic)) return "topic: is no UTF-8 text as MQTT allows it";
  return {};
}

absl::StatusOr<uint32_t> NumberOf(const Request& request, const char* name, uint32_t usual,
                                  uint32_t most) {
  const auto text = ParameterOf(request, name);
  if (!text) return usual;
  uint32_t number = 0;
  if (!absl::SimpleAtoi(*text, &number) || number > most)
    return absl::InvalidArgumentError(absl::StrCat(name, ": a number from 0 to ", most));
  return number;
}

absl::StatusOr<shard::ExplainQuery> QueryOf(const Request& request) {
  shard::ExplainQuery query;
  query.topic = ParameterOf(request, "topic").value_or("");
  query.publisher = ParameterOf(request, "client_id").value_or("");
  query.as_publisher = !request.from_node;
  if (std::string wrong = CheckTopic(query.topic); !wrong.empty())
    return absl::InvalidArgumentError(wrong);
  if (query.publisher.size() > ApiTraces::kMostTopic)
    return absl::InvalidArgumentError("client_id: is too long");
  const auto qos = NumberOf(request, "qos", 1, 2);
  if (!qos.ok()) return qos.status();
  query.qos = static_cast<Qos>(*qos);
  const auto bytes = NumberOf(request, "payload_bytes", 0, 16u << 20);
  if (!bytes.ok()) return bytes.status();
  query.payload_bytes = *bytes;
  const auto retain = FlagOf(request, "retain");
  if (!retain.ok()) return retain.status();
  query.retain = retain->value_or(false);
  const auto limit = LimitOf(request);
  if (!limit.ok()) return limit.status();
  query.limit = *limit;
  return query;
}

Json RowOf(const shard::ExplainRow& row, const ClusterStatus& cluster) {
  Json json;
  json["client_id"] = OrNull(row.client_id);
  json["node"] = NodeJson(row.node, cluster);
  json["filter"] = row.filter;
  json["qos"] = static_cast<int>(row.qos);
  json["share"] = OrNull(row.share);
  json["strategy"] = OrNull(row.strategy);
  json["connected"] = row.connected;
  json["durable"] = row.durable;
  json["would"] = shard::kWouldNames[static_cast<size_t>(row.would)];
  json["why"] = row.why;
  json["rule"] = OrNull(row.rule);
  return json;
}

// Of whoever has its session; else as this node sees it.
Json PublisherOf(Parts* parts) {
  Json first;
  for (Part& part : parts->parts) {
    Json& publisher = (*part.json)["publisher"];
    if (!publisher.is_object()) continue;
    if (publisher.value("known", false)) return std::move(publisher);
    if (first.is_null()) first = std::move(publisher);
  }
  return first;
}

bool Less(const Json& a, const Json& b) {
  const auto key = [](const Json& row) {
    return std::pair(row.value("client_id", Json()).dump(), row.value("filter", std::string()));
  };
  return key(a) < key(b);
}

Json EventOf(const trace::Event& event, const ClusterStatus& cluster) {
  Json json;
  json["id"] = event.id;
  json["time"] = TimeOf(event.time);
  json["node"] = cluster.node;
  json["step"] = trace::NameOf(event.step);
  json["client_id"] = OrNull(event.client_id);
  json["topic"] = OrNull(event.topic);
  json["message"] =
      event.message == 0 ? Json() : Json(absl::StrCat(absl::Hex(event.message, absl::kZeroPad16)));
  json["qos"] = static_cast<int>(event.qos);
  json["dup"] = event.dup;
  json["retain"] = event.retain;
  json["packet_id"] = event.packet_id == 0 ? Json() : Json(event.packet_id);
  json["why"] = OrNull(event.why);
  json["rule"] = OrNull(event.rule);
  json["nodes"] = Json::array();
  for (const uint32_t node : event.nodes)
    json["nodes"].push_back(NodeJson(node, cluster));
  return json;
}

// A trace as it is told to the other nodes, whose clocks may differ.
Json ToPeers(const trace::Spec& spec, TimeMs now) {
  Json json;
  json["id"] = spec.id;
  if (!spec.client_id.empty()) json["client_id"] = spec.client_id;
  if (!spec.filter.empty()) json["topic"] = spec.filter;
  json["milliseconds"] = std::max<TimeMs>(spec.ends_at - now, 0);
  return json;
}

// Who did not do it, though it answered.
void AddRefusals(Parts* parts) {
  for (const Part& part : parts->parts) {
    if (part.status >= 400 && part.status != 404) parts->silent.push_back(part.node);
  }
}

Response FailOf(const absl::Status& status) {
  if (!absl::IsResourceExhausted(status)) return Fail(status);
  return Fail(429, std::string(status.message()));
}

}  // namespace

void ApiTraces::AddTo(Router* router) {
  router->Add({"GET",
               "/api/v1/explain",
               Role::kRead,
               {"topic", "client_id", "qos", "retain", "payload_bytes", "limit"},
               [this](const Request& request, const Values&) { return Explain(request); }});
  router->Add(
      {"POST", "/api/v1/traces", Role::kOperate, {}, [this](const Request& request, const Values&) {
         return Start(request);
       }});
  router->Add(
      {"GET", "/api/v1/traces", Role::kOperate, {}, [this](const Request& request, const Values&) {
         return List(request);
       }});
  router->Add({"GET",
               "/api/v1/traces/{id}",
               Role::kOperate,
               {"after"},
               [this](const Request& request, const Values& v) { return Read(request, v[0]); }});
  router->Add({"DELETE",
               "/api/v1/traces/{id}",
               Role::kOperate,
               {},
               [this](const Request& request, const Values& v) { return End(request, v[0]); }});
}

Response ApiTraces::ExplainHere(const shard::ExplainQuery& query, const ClusterStatus& cluster) {
  const absl::StatusOr<shard::Explanation> told = traces_.Explain(query);
  if (!told.ok()) return FailOf(told.status());
  Json json;
  json["topic"] = query.topic;
  json["publisher"] = nullptr;
  if (!query.publisher.empty()) {
    const shard::ExplainPublisher& publisher = told->publisher;
    json["publisher"] = {
        {"client_id", query.publisher}, {"node", publisher.known ? Json(cluster.node) : Json()},
        {"known", publisher.known},     {"connected", publisher.connected},
        {"allowed", publisher.allowed}, {"rule", OrNull(publisher.rule)},
        {"why", OrNull(publisher.why)}};
  }
  json["retained"] = told->retained;
  json["receivers"] = Json::array();
  for (const shard::ExplainRow& row : told->rows)
    json["receivers"].push_back(RowOf(row, cluster));
  json["truncated"] = told->truncated;
  return Ok(json);
}

Response ApiTraces::Explain(const Request& request) {
  const absl::StatusOr<shard::ExplainQuery> query = QueryOf(request);
  if (!query.ok()) return Fail(query.status());
  const auto cluster = node_.Cluster();
  if (!cluster.ok()) return Fail(cluster.status());
  const Response mine = ExplainHere(*query, *cluster);
  if (request.from_node || mine.status != 200) return mine;
  Parts parts = Gather(request, peers_, cluster->node, mine);
  Json json;
  json["topic"] = query->topic;
  json["publisher"] = PublisherOf(&parts);
  json["retained"] = (*parts.parts[0].json)["retained"];
  bool truncated = false;
  for (const Part& part : parts.parts)
    truncated |= part.json->value("truncated", false);
  std::vector<Json> rows = RowsOf(&parts, "receivers");
  std::sort(rows.begin(), rows.end(), Less);
  truncated |= rows.size() > query->limit;
  rows.resize(std::min(rows.size(), query->limit));
  if (json["publisher"].is_object() && !json["publisher"].value("allowed", true)) {
    for (Json& row : rows) {
      row["would"] = "drop";
      row["why"] = "the publisher may not publish it";
    }
  }
  json["receivers"] = std::move(rows);
  json["truncated"] = truncated;
  json["silent_nodes"] = parts.silent;
  return Ok(json);
}

absl::StatusOr<trace::Spec> ApiTraces::SpecOf(const Json& body, bool from_node) {
  trace::Spec spec;
  const auto text = [&](const char* name, std::string* to) {
    if (!body.contains(name)) return true;
    if (!body[name].is_string()) return false;
    *to = body[name].get<std::string>();
    return to->size() <= kMostTopic;
  };
  if (!text("client_id", &spec.client_id)) return absl::InvalidArgumentError("client_id: a text");
  if (!text("topic", &spec.filter)) return absl::InvalidArgumentError("topic: a text");
  if (std::string wrong = trace::Book::Check(spec); !wrong.empty())
    return absl::InvalidArgumentError(wrong);
  constexpr uint64_t kMost = trace::Book::kMostSeconds;
  if (from_node) {
    if (!text("id", &spec.id) || spec.id.empty() || !body.contains("milliseconds") ||
        !body["milliseconds"].is_number_unsigned())
      return absl::InvalidArgumentError("not what a node says about a trace");
    const uint64_t left = std::min(body["milliseconds"].get<uint64_t>(), kMost * 1'000);
    spec.ends_at = traces_.Now() + static_cast<TimeMs>(left);
    return spec;
  }
  uint64_t seconds = kUsualSeconds;
  if (body.contains("seconds")) {
    const bool number = body["seconds"].is_number_unsigned();
    seconds = number ? body["seconds"].get<uint64_t>() : 0;
    if (seconds == 0 || seconds > kMost)
      return absl::InvalidArgumentError(absl::StrCat("seconds: a number from 1 to ", kMost));
  }
  for (const auto& [name, value] : body.items()) {
    if (name != "client_id" && name != "topic" && name != "seconds")
      return absl::InvalidArgumentError("'" + name + "' is not known here");
  }
  spec.id = traces_.NewTraceId();
  spec.ends_at = traces_.Now() + static_cast<TimeMs>(seconds) * 1'000;
  return spec;
}

Response ApiTraces::Start(const Request& request) {
  const absl::StatusOr<Json> body = BodyOf(request);
  if (!body.ok()) return Fail(body.status());
  const absl::StatusOr<trace::Spec> spec = SpecOf(*body, request.from_node);
  if (!spec.ok()) return Fail(spec.status());
  const auto cluster = node_.Cluster();
  if (!cluster.ok()) return Fail(cluster.status());
  if (const absl::Status started = traces_.StartTrace(*spec); !started.ok()) return FailOf(started);
  Json json;
  json["id"] = spec->id;
  json["seconds"] = (spec->ends_at - traces_.Now() + 500) / 1'000;
  Request told = request;
  told.body = ToPeers(*spec, traces_.Now()).dump();
  Parts parts = Gather(told, peers_, cluster->node, Ok(json));
  AddRefusals(&parts);
  json["silent_nodes"] = parts.silent;
  return Ok(json, 201);
}

absl::Status ApiTraces::Ensure(const Json& body) {
  const absl::StatusOr<trace::Spec> spec = SpecOf(body, true);
  if (!spec.ok()) return spec.status();
  if (spec->ends_at <= traces_.Now()) return absl::OkStatus();
  return traces_.StartTrace(*spec);
}

Response ApiTraces::ReadHere(const std::string& id, uint64_t after, const ClusterStatus& cluster) {
  const auto reading = traces_.ReadTrace(id, after, kMostEvents);
  if (!reading) return Fail(404, "there is no such trace");
  Json json;
  json["spec"] = ToPeers(reading->spec, traces_.Now());
  json["events"] = Json::array();
  for (const trace::Event& event : reading->events)
    json["events"].push_back(EventOf(event, cluster));
  json["last"] = reading->last;
  json["lost"] = reading->lost;
  json["done"] = reading->done;
  return Ok(json);
}

Response ApiTraces::Read(const Request& request, const std::string& id) {
  absl::StatusOr<After> after = AfterOf(request);
  if (!after.ok()) return Fail(after.status());
  const auto cluster = node_.Cluster();
  if (!cluster.ok()) return Fail(cluster.status());
  if (request.from_node && !request.body.empty()) {
    const absl::StatusOr<Json> body = BodyOf(request);
    if (!body.ok()) return Fail(body.status());
    if (const absl::Status has = Ensure(*body); !has.ok()) return FailOf(has);
  }
  const Response mine = ReadHere(id, (*after)[cluster->node], *cluster);
  if (request.from_node) return mine;
  // A node that was started since is told of the trace by this.
  Request told = request;
  told.body.clear();
  if (mine.status == 200) told.body = Json::parse(mine.body)["spec"].dump();
  Parts parts = Gather(told, peers_, cluster->node, mine);
  AddRefusals(&parts);
  Json json;
  json["id"] = id;
  bool found = false;
  bool done = true;
  uint64_t lost = 0;
  for (const Part& part : parts.parts) {
    if (part.status != 200) continue;
    const Json& spec = (*part.json)["spec"];
    if (!found) {
      json["client_id"] = spec.value("client_id", Json());
      json["topic"] = spec.value("topic", Json());
      json["seconds_left"] = (spec.value("milliseconds", uint64_t{0}) + 999) / 1'000;
    }
    found = true;
    (*after)[part.node] = part.json->value("last", uint64_t{0});
    lost += part.json->value("lost", uint64_t{0});
    done &= part.json->value("done", true);
  }
  if (!found) {
    return parts.silent.empty() ? Fail(404, "there is no such trace")
                                : Fail(503, "no node that answers knows of such a trace");
  }
  std::vector<Json> events = RowsOf(&parts, "events");
  // Those of one node are in order already.
  std::stable_sort(events.begin(), events.end(), [](const Json& a, const Json& b) {
    return a.value("time", std::string()) < b.value("time", std::string());
  });
  json["events"] = std::move(events);
  json["last"] = AfterText(*after);
  json["lost"] = lost;
  json["done"] = done;
  json["silent_nodes"] = parts.silent;
  return Ok(json);
}

Response ApiTraces::End(const Request& request, const std::string& id) {
  const auto cluster = node_.Cluster();
  if (!cluster.ok()) return Fail(cluster.status());
  const Response gone = Ok({{"deleted", true}});
  const Response mine = traces_.EndTrace(id) ? gone : Fail(404, "there is no such trace");
  if (request.from_node) return mine;
  Parts parts = Gather(request, peers_, cluster->node, mine);
  const bool found = std::any_of(parts.parts.begin(), parts.parts.end(),
                                 [](const Part& part) { return part.status == 200; });
  if (!found && parts.silent.empty()) return mine;
  return Ok({{"deleted", found}, {"silent_nodes", parts.silent}});
}

// Those that this node follows: all of the cluster's, but for what it missed.
Response ApiTraces::List(const Request& /*request*/) {
  const TimeMs now = traces_.Now();
  Json json;
  json["traces"] = Json::array();
  for (const trace::Spec& spec : traces_.All()) {
    json["traces"].push_back(
        {{"id", spec.id},
         {"client_id", OrNull(spec.client_id)},
         {"topic", OrNull(spec.filter)},
         {"seconds_left", std::max<TimeMs>(spec.ends_at - now + 999, 0) / 1'000}});
  }
  return Ok(json);
}

}  // namespace skein::admin
