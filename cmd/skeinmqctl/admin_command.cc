#include "cmd/skeinmqctl/admin_command.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <ostream>
#include <thread>

#include "absl/strings/escaping.h"
#include "cmd/skeinmqctl/table.h"

namespace skein::ctl {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostRowsAPage = 1'000;

const std::vector<Column> kClientColumns = {{"CLIENT", "client_id"},
                                            {"NODE", "node"},
                                            {"OWNER", "owner"},
                                            {"CONNECTED", "connected"},
                                            {"VERSION", "protocol_version"},
                                            {"USER", "username"},
                                            {"ADDRESS", "address"},
                                            {"SUBSCRIPTIONS", "subscriptions"},
                                            {"QUEUED", "queued_messages"},
                                            {"INFLIGHT", "inflight"}};
const std::vector<Column> kSubscriptionColumns = {
    {"CLIENT", "client_id"}, {"NODE", "node"}, {"QOS", "qos"}, {"FILTER", "filter"}};
const std::vector<Column> kRetainedColumns = {
    {"STORED", "stored_at"}, {"QOS", "qos"}, {"BYTES", "payload_bytes"}, {"TOPIC", "topic"}};
const std::vector<Column> kEventColumns = {
    {"TIME", "time"},         {"NODE", "node"},       {"EVENT", "kind"},   {"CLIENT", "client_id"},
    {"LISTENER", "listener"}, {"ADDRESS", "address"}, {"REASON", "reason"}};
const std::vector<Column> kBanColumns = {
    {"CLIENT", "client_id"}, {"USER", "user_name"}, {"ADDRESS", "address"}, {"UNTIL", "until"},
    {"SOURCE", "source"},    {"NODE", "node"},      {"NOTE", "note"}};

nlohmann::json Plain(const Json& json) {
  return nlohmann::json(json);
}

// Nothing: it went wrong, and *code says how.
std::optional<Json> AskJson(const AdminOptions& options, const HttpRequest& request,
                            std::ostream& err, int* code) {
  const auto answer = Ask(options.server, request, err, code);
  if (!answer) return std::nullopt;
  Json json = Json::parse(answer->body, nullptr, false);
  if (json.is_object()) return json;
  *code = NotUnderstood(options.server, err);
  return std::nullopt;
}

void TellSilent(const Json& json, std::ostream& err) {
  if (!json.contains("silent_nodes") || !json["silent_nodes"].is_array()) return;
  for (const Json& node : json["silent_nodes"])
    err << "skeinmqctl: node " << (node.is_string() ? node.get<std::string>() : node.dump())
        << " is silent: what only it knows is missing\n";
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// Page after page, as many rows as are wanted, as one answer.
std::optional<Json> AskPages(const AdminOptions& options, const char* path, const char* list,
                             const ListOptions& wanted, std::ostream& err, int* code) {
  std::optional<Json> all;
  Json next;
  do {
    const size_t have = all ? (*all)[list].size() : 0;
    const size_t page = wanted.all ? kMostRowsAPage : std::min(wanted.rows - have, kMostRowsAPage);
    HttpRequest request{"GET", path, wanted.query, {}};
    request.query.emplace_back("limit", std::to_string(page));
    if (next.is_string()) request.query.emplace_back("cursor", next.get<std::string>());
    std::optional<Json> part = AskJson(options, request, err, code);
    if (!part) return std::nullopt;
    if (!part->contains(list) || !(*part)[list].is_array()) {
      *code = NotUnderstood(options.server, err);
      return std::nullopt;
    }
    if (!all) {
      all = std::move(part);
    } else {
      for (Json& row : (*part)[list])
        (*all)[list].push_back(std::move(row));
      (*all)["next"] = part->contains("next") ? (*part)["next"] : Json();
    }
    next = all->contains("next") ? (*all)["next"] : Json();
  } while (next.is_string() && (wanted.all || (*all)[list].size() < wanted.rows));
  return all;
}

int ShowList(const AdminOptions& options, const char* path, const char* list,
             const ListOptions& wanted, const std::vector<Column>& columns, std::ostream& out,
             std::ostream& err) {
  int code = kExitOk;
  const auto json = AskPages(options, path, list, wanted, err, &code);
  if (!json) return code;
  if (options.json) {
    out << Dump(*json);
    return kExitOk;
  }
  PrintTable(columns, Plain((*json)[list]), out);
  TellSilent(*json, err);
  if (json->contains("next") && (*json)["next"].is_string())
    err << "skeinmqctl: there are more (--limit, --all)\n";
  return kExitOk;
}

// What has no more to say than that it is done.
int Do(const AdminOptions& options, const HttpRequest& request, const std::string& done,
       std::ostream& out, std::ostream& err) {
  int code = kExitOk;
  const auto json = AskJson(options, request, err, &code);
  if (!json) return code;
  out << (options.json ? Dump(*json) : done + "\n");
  return kExitOk;
}

std::string PathOf(const std::string& client_id, const char* rest = "") {
  return "/api/v1/clients/" + EscapeSegment(client_id) + rest;
}

}  // namespace

int ListClients(const AdminOptions& options, const ListOptions& list, std::ostream& out,
                std::ostream& err) {
  return ShowList(options, "/api/v1/clients", "clients", list, kClientColumns, out, err);
}

int ShowClient(const AdminOptions& options, const std::string& client_id, std::ostream& out,
               std::ostream& err) {
  int code = kExitOk;
  const auto json = AskJson(options, {"GET", PathOf(client_id), {}, {}}, err, &code);
  if (!json) return code;
  if (options.json) {
    out << Dump(*json);
    return kExitOk;
  }
  PrintFields(Plain(*json), out);
  if (json->contains("subscription_list") && !(*json)["subscription_list"].empty()) {
    out << "\n";
    PrintTable({{"QOS", "qos"}, {"SHARE", "share"}, {"FILTER", "filter"}},
               Plain((*json)["subscription_list"]), out);
  }
  return kExitOk;
}

int KickClient(const AdminOptions& options, const std::string& client_id, std::ostream& out,
               std::ostream& err) {
  return Do(options, {"DELETE", PathOf(client_id, "/connection"), {}, {}}, "disconnected", out,
            err);
}

int DeleteClient(const AdminOptions& options, const std::string& client_id, std::ostream& out,
                 std::ostream& err) {
  return Do(options, {"DELETE", PathOf(client_id, "/session"), {}, {}}, "its session is gone", out,
            err);
}

int ShowQueue(const AdminOptions& options, const std::string& client_id, size_t limit,
              std::ostream& out, std::ostream& err) {
  int code = kExitOk;
  HttpRequest request{"GET", PathOf(client_id, "/queue"), {}, {}};
  request.query.emplace_back("limit", std::to_string(limit));
  const auto json = AskJson(options, request, err, &code);
  if (!json) return code;
  if (options.json) {
    out << Dump(*json);
    return kExitOk;
  }
  if (!json->contains("messages")) return NotUnderstood(options.server, err);
  PrintTable({{"RECEIVED", "received_at"},
              {"QOS", "qos"},
              {"PACKET", "packet_id"},
              {"BYTES", "payload_bytes"},
              {"TOPIC", "topic"}},
             Plain((*json)["messages"]), out);
  out << TextOf(Plain(*json), "total") << " messages\n";
  return kExitOk;
}

int ListSubscriptions(const AdminOptions& options, const ListOptions& list, std::ostream& out,
                      std::ostream& err) {
  return ShowList(options, "/api/v1/subscriptions", "subscriptions", list, kSubscriptionColumns,
                  out, err);
}

int ListRetained(const AdminOptions& options, const ListOptions& list, std::ostream& out,
                 std::ostream& err) {
  return ShowList(options, "/api/v1/retained", "messages", list, kRetainedColumns, out, err);
}

int GetRetained(const AdminOptions& options, const std::string& topic, std::ostream& out,
                std::ostream& err) {
  int code = kExitOk;
  const auto json =
      AskJson(options, {"GET", "/api/v1/retained", {{"filter", topic}}, {}}, err, &code);
  if (!json) return code;
  if (!json->contains("messages") || !(*json)["messages"].is_array())
    return NotUnderstood(options.server, err);
  if ((*json)["messages"].empty())
    return Fail("nothing is retained under '" + topic + "'", err, kExitRefused);
  const Json& message = (*json)["messages"][0];
  if (options.json) {
    out << Dump(message);
    return kExitOk;
  }
  std::string payload;
  absl::Base64Unescape(message.value("payload_base64", ""), &payload);
  out << payload;
  if (message.value("payload_bytes", size_t{0}) > payload.size())
    err << "skeinmqctl: these are the first " << payload.size() << " bytes of it\n";
  return kExitOk;
}

int DeleteRetained(const AdminOptions& options, const std::string& filter, std::ostream& out,
                   std::ostream& err) {
  uint64_t deleted = 0;
  for (bool more = true; more;) {
    int code = kExitOk;
    const auto json =
        AskJson(options, {"DELETE", "/api/v1/retained", {{"filter", filter}}, {}}, err, &code);
    if (!json) return code;
    deleted += json->value("deleted", uint64_t{0});
    more = json->value("more", false);
  }
  if (options.json) {
    out << Dump({{"deleted", deleted}});
  } else {
    out << deleted << " removed\n";
  }
  return kExitOk;
}

int ShowEvents(const AdminOptions& options, const ListOptions& list, bool follow, std::ostream& out,
               std::ostream& err) {
  std::string after;
  do {
    HttpRequest request{"GET", "/api/v1/events", list.query, {}};
    request.query.emplace_back("limit", std::to_string(std::min(list.rows, kMostRowsAPage)));
    if (!after.empty()) request.query.emplace_back("after", after);
    int code = kExitOk;
    const auto json = AskJson(options, request, err, &code);
    if (!json) return code;
    if (!json->contains("events") || !json->contains("last") || !(*json)["last"].is_string())
      return NotUnderstood(options.server, err);
    if (options.json && follow) {
      for (const Json& event : (*json)["events"])
        out << Dump(event);
    } else if (options.json) {
      out << Dump(*json);
    } else if (after.empty() || !(*json)["events"].empty()) {
      PrintTable(kEventColumns, Plain((*json)["events"]), out);
    }
    out.flush();
    if (!follow) TellSilent(*json, err);
    after = (*json)["last"].get<std::string>();
    if (follow) std::this_thread::sleep_for(std::chrono::seconds(1));
  } while (follow && out.good());
  return kExitOk;
}

int ListBans(const AdminOptions& options, std::ostream& out, std::ostream& err) {
  int code = kExitOk;
  const auto json = AskJson(options, {"GET", "/api/v1/bans", {}, {}}, err, &code);
  if (!json) return code;
  if (options.json) {
    out << Dump(*json);
    return kExitOk;
  }
  if (!json->contains("bans")) return NotUnderstood(options.server, err);
  PrintTable(kBanColumns, Plain((*json)["bans"]), out);
  TellSilent(*json, err);
  return kExitOk;
}

int AddBan(const AdminOptions& options, const BanOptions& ban, std::ostream& out,
           std::ostream& err) {
  Json body;
  if (!ban.client_id.empty()) body["client_id"] = ban.client_id;
  if (!ban.user_name.empty()) body["user_name"] = ban.user_name;
  if (!ban.address.empty()) body["address"] = ban.address;
  if (ban.seconds) body["seconds"] = *ban.seconds;
  if (!ban.until.empty()) body["until"] = ban.until;
  if (!ban.note.empty()) body["note"] = ban.note;
  return Do(options, {"POST", "/api/v1/bans", {}, Dump(body)}, "banned", out, err);
}

int RemoveBan(const AdminOptions& options, const BanOptions& ban, std::ostream& out,
              std::ostream& err) {
  HttpRequest request{"DELETE", "/api/v1/bans", {}, {}};
  if (!ban.client_id.empty()) request.query.emplace_back("client_id", ban.client_id);
  if (!ban.user_name.empty()) request.query.emplace_back("user_name", ban.user_name);
  if (!ban.address.empty()) request.query.emplace_back("address", ban.address);
  return Do(options, request, "no longer banned", out, err);
}

}  // namespace skein::ctl
