#include "broker/admin/api_settings.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "broker/admin/answers.h"
#include "broker/admin/gather.h"

namespace skein::admin {
namespace {

constexpr std::array<std::string_view, 5> kLevels = {"trace", "debug", "info", "warn", "error"};
constexpr std::array<const char*, 3> kBanFields = {"client_id", "user_name", "address"};
constexpr size_t kLongestNote = 256;
constexpr int kPatienceMs = 4'000;  // for what takes longer than a look

struct BanName {
  auth::BanKind kind = auth::BanKind::kClientId;
  std::string who;
};

// Exactly one of the three.
template <typename Find>
absl::StatusOr<BanName> NameOfBan(Find find) {
  std::optional<BanName> name;
  bool wrong = false;
  for (size_t i = 0; i < kBanFields.size(); ++i) {
    const std::optional<std::string> who = find(kBanFields[i]);
    if (!who) continue;
    wrong |= name.has_value() || who->empty();
    name = BanName{static_cast<auth::BanKind>(i), *who};
  }
  if (!name || wrong)
    return absl::InvalidArgumentError("one of client_id, user_name and address is needed");
  return *name;
}

Json BanJson(const auth::Ban& ban, const std::string& node) {
  Json json;
  for (size_t i = 0; i < kBanFields.size(); ++i)
    json[kBanFields[i]] = static_cast<size_t>(ban.kind) == i ? Json(ban.who) : Json();
  json["until"] = TimeOf(ban.until);
  json["note"] = ban.note;
  json["source"] = ban.configured ? "configuration" : ban.shared ? "operator" : "flapping";
  json["node"] = ban.shared ? Json() : Json(node);
  return json;
}

absl::StatusOr<TimeMs> EndOf(const Json& body) {
  const TimeMs now = absl::ToUnixMillis(absl::Now());
  if (body.contains("seconds") && body.contains("until"))
    return absl::InvalidArgumentError("seconds: either this or until");
  if (body.contains("seconds")) {
    const Json& seconds = body["seconds"];
    if (!seconds.is_number_unsigned() || seconds.get<uint64_t>() == 0 ||
        seconds.get<uint64_t>() > 3'153'600'000)
      return absl::InvalidArgumentError("seconds: a number from 1 to 3153600000");
    return now + static_cast<TimeMs>(seconds.get<uint64_t>()) * 1'000;
  }
  if (!body.contains("until") || body["until"].is_null()) return kNever;
  absl::Time until;
  std::string error;
  if (!body["until"].is_string() ||
      !absl::ParseTime(absl::RFC3339_full, body["until"].get<std::string>(), &until, &error))
    return absl::InvalidArgumentError("until: a time as 2027-01-31T12:00:00Z");
  if (absl::ToUnixMillis(until) <= now) return absl::InvalidArgumentError("until: it is over");
  return absl::ToUnixMillis(until);
}

}  // namespace

std::string_view NameOf(skein::LogLevel level) {
  return kLevels[static_cast<size_t>(level)];
}

void ApiSettings::AddTo(Router* router) {
  const auto add = [&](const char* method, const char* path, Role role,
                       std::vector<std::string> parameters,
                       Response (ApiSettings::*handle)(const Request&)) {
    router->Add({method, path, role, std::move(parameters),
                 [this, handle](const Request& request, const Values&) {
                   return (this->*handle)(request);
                 }});
  };
  add("GET", "/api/v1/bans", Role::kRead, {}, &ApiSettings::Bans);
  add("POST", "/api/v1/bans", Role::kOperate, {}, &ApiSettings::AddBan);
  add("DELETE", "/api/v1/bans", Role::kOperate, {"client_id", "user_name", "address"},
      &ApiSettings::RemoveBan);
  add("GET", "/api/v1/config", Role::kRead, {"node"}, &ApiSettings::Config);
  add("POST", "/api/v1/config/reload", Role::kOperate, {}, &ApiSettings::Reload);
  add("GET", "/api/v1/log-level", Role::kRead, {}, &ApiSettings::LogLevel);
  add("PUT", "/api/v1/log-level", Role::kOperate, {}, &ApiSettings::SetLogLevel);
  add("POST", "/api/v1/backup", Role::kOperate, {}, &ApiSettings::Backup);
}

bool ApiSettings::IsForOther(const Request& request) const {
  const auto node = ParameterOf(request, "node");
  return node && *node != node_.name() && !request.from_node;
}

Response ApiSettings::AskOther(const Request& request) {
  const std::string node = *ParameterOf(request, "node");
  const PeerAnswers answers = peers_ == nullptr ? PeerAnswers() : peers_->Ask(request, node);
  if (!answers.answers.empty()) return answers.answers.front().response;
  if (!answers.silent.empty()) return Fail(503, absl::StrCat("node '", node, "' is silent"));
  return Fail(404, absl::StrCat("node: there is no node '", node, "'"));
}

Response ApiSettings::OnAll(const Request& request, const Response& mine) {
  if (request.from_node || (mine.status != 200 && mine.status != 409 && mine.status != 503))
    return mine;
  Request patient = request;
  patient.patience_ms = kPatienceMs;
  Parts parts = Gather(patient, peers_, node_.name(), mine);
  Json json;
  bool refused = mine.status != 200;
  json["nodes"] = Json::array();
  for (Part& part : parts.parts) {
    Json each;
    each["node"] = part.node;
    each["error"] = Json();
    each.update(*part.json);
    refused |= part.status != 200;
    json["nodes"].push_back(std::move(each));
  }
  json["silent_nodes"] = parts.silent;
  if (refused) json["error"] = "not all nodes have done it";
  return Ok(json, refused ? 409 : 200);
}

Response ApiSettings::Bans(const Request& request) {
  Json mine;
  mine["bans"] = Json::array();
  for (const auth::Ban& ban : settings_.Bans())
    mine["bans"].push_back(BanJson(ban, node_.name()));
  Parts parts = Gather(request, peers_, node_.name(), Ok(mine));
  if (request.from_node) return Ok(mine);
  // What all nodes have is told once.
  std::set<std::string> seen;
  Json json;
  json["bans"] = Json::array();
  for (Json& row : RowsOf(&parts, "bans")) {
    if (seen.insert(row.dump(-1, ' ', false, Json::error_handler_t::replace)).second)
      json["bans"].push_back(std::move(row));
  }
  json["silent_nodes"] = parts.silent;
  return Ok(json);
}

Response ApiSettings::AddBan(const Request& request) {
  const auto body = BodyOf(request);
  if (!body.ok()) return Fail(body.status());
  const auto name = NameOfBan([&](const char* field) -> std::optional<std::string> {
    if (!body->contains(field) || (*body)[field].is_null()) return std::nullopt;
    return (*body)[field].is_string() ? (*body)[field].get<std::string>() : "";
  });
  if (!name.ok()) return Fail(name.status());
  const auto until = EndOf(*body);
  if (!until.ok()) return Fail(until.status());
  auth::Ban ban;
  ban.kind = name->kind;
  ban.who = name->who;
  ban.until = *until;
  if (body->contains("note")) {
    if (!(*body)["note"].is_string() || (*body)["note"].get<std::string>().size() > kLongestNote)
      return Fail(400, "note: a text of at most 256 bytes");
    ban.note = (*body)["note"].get<std::string>();
  }
  ban.shared = true;
  if (const absl::Status status = settings_.AddBan(ban); !status.ok()) return Fail(status);
  return Ok(BanJson(ban, node_.name()), 201);
}

Response ApiSettings::RemoveBan(const Request& request) {
  const auto name = NameOfBan([&](const char* field) { return ParameterOf(request, field); });
  if (!name.ok()) return Fail(name.status());
  const absl::Status status = settings_.RemoveBan(name->kind, name->who);
  // A ban for flapping is of one node only.
  return FirstOf(request, peers_, status.ok() ? Ok({{"deleted", true}}) : Fail(status));
}

Response ApiSettings::Config(const Request& request) {
  if (IsForOther(request)) return AskOther(request);
  Json json;
  json["node"] = node_.name();
  json["values"] = Json::array();
  for (const ConfigValue& value : settings_.Config())
    json["values"].push_back(
        {{"key", value.key}, {"value", value.value}, {"source", value.source}});
  return Ok(json);
}

Response ApiSettings::Reload(const Request& request) {
  const absl::Status status = settings_.Reload();
  if (status.ok()) return OnAll(request, Ok({{"reloaded", true}}));
  const int code = absl::IsFailedPrecondition(status) ? 409 : 503;
  return OnAll(request, Ok({{"reloaded", false}, {"error", std::string(status.message())}}, code));
}

Response ApiSettings::LogLevel(const Request& request) {
  const Json mine = {{"level", NameOf(settings_.log_level())}};
  Response response = OnAll(request, Ok(mine));
  if (request.from_node) return response;
  Json json = mine;
  json.update(Json::parse(response.body));
  return Ok(json);
}

Response ApiSettings::SetLogLevel(const Request& request) {
  const auto body = BodyOf(request);
  if (!body.ok()) return Fail(body.status());
  const bool text = body->contains("level") && (*body)["level"].is_string();
  const std::string name = text ? (*body)["level"].get<std::string>() : "";
  const auto found = std::find(kLevels.begin(), kLevels.end(), name);
  if (found == kLevels.end()) return Fail(400, "level: trace, debug, info, warn or error");
  settings_.set_log_level(static_cast<skein::LogLevel>(found - kLevels.begin()));
  return LogLevel(request);
}

Response ApiSettings::Backup(const Request& request) {
  const auto body = BodyOf(request);
  if (!body.ok()) return Fail(body.status());
  if (!body->contains("name") || !(*body)["name"].is_string())
    return Fail(400, "name: of the backup, a text");
  const auto made = settings_.Backup((*body)["name"].get<std::string>());
  if (made.ok()) {
    return OnAll(request, Ok({{"done", true}, {"path", made->path}, {"bytes", made->bytes}}));
  }
  if (absl::IsInvalidArgument(made.status())) return Fail(made.status());
  return OnAll(request,
               Ok({{"done", false}, {"error", std::string(made.status().message())}}, 409));
}

}  // namespace skein::admin
