#include "broker/auth/http_backend.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "broker/auth/claim_rules.h"
#include "broker/auth/strict_json.h"

namespace skein::auth {
namespace {

using Kind = Decision::Kind;
using mqtt::ReasonCode;
using nlohmann::json;

Decision Unavailable(const char* why) {
  return Decision::Deny(ReasonCode::kServerUnavailable, why);
}

std::string BodyOf(const ConnectRequest& request) {
  json body;
  const auto put = [&](const char* name, std::string_view text) { body[name] = text; };
  put("clientid", request.client_id);
  put("peerhost", request.address);
  put("listener", request.listener);
  if (request.user_name.has_value()) put("username", *request.user_name);
  if (request.password.has_value()) put("password", *request.password);
  body["proto_ver"] = static_cast<int>(request.version);
  if (request.certificate != nullptr) {
    put("cert_common_name", request.certificate->common_name);
    put("cert_subject", request.certificate->subject);
  }
  // A password may be any bytes; what is not UTF-8 is replaced, and will not fit.
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

// {"result": ...}. Nothing: not understood.
std::optional<Decision> ReadAnswer(const json& answer, const std::string& user) {
  const auto result = answer.find("result");
  if (result == answer.end()) return std::nullopt;
  if (*result == "ignore") return Decision::Ignore();
  if (*result == "deny")
    return Decision::Deny(ReasonCode::kBadUserNameOrPassword, "http: the back end denies");
  if (*result != "allow") return std::nullopt;
  Grant grant;
  grant.user_name = user;
  const auto superuser = answer.find("is_superuser");
  if (superuser != answer.end()) {
    if (!superuser->is_boolean()) return std::nullopt;
    grant.superuser = superuser->get<bool>();
  }
  const auto client_id = answer.find("client_id");
  if (client_id != answer.end()) {
    if (!client_id->is_string()) return std::nullopt;
    grant.client_id = client_id->get<std::string>();
  }
  const auto expire_at = answer.find("expire_at");
  if (expire_at != answer.end()) {
    if (!expire_at->is_number_integer() || *expire_at < 0 || *expire_at > int64_t{100'000'000'000})
      return std::nullopt;
    grant.expires_at = expire_at->get<int64_t>() * 1'000;
  }
  const auto acl = answer.find("acl");
  if (acl != answer.end()) {
    absl::StatusOr<RulesPtr> rules = RulesOfClaim(*acl);
    if (!rules.ok()) return std::nullopt;
    grant.rules = std::move(*rules);
  }
  return Decision::Allow(std::move(grant));
}

}  // namespace

Decision DecideByAnswer(const FetchAnswer& answer, const std::string& user, bool* failed) {
  *failed = false;
  if (answer.status == 204) {
    Grant grant;
    grant.user_name = user;
    return Decision::Allow(std::move(grant));
  }
  if (answer.status == 401 || answer.status == 403)
    return Decision::Deny(ReasonCode::kBadUserNameOrPassword, "http: the back end denies");
  *failed = true;
  if (answer.status == 0) return Unavailable("http: the back end does not answer");
  if (answer.status != 200) return Unavailable("http: the back end fails");
  if (!answer.content_type.starts_with("application/json"))
    return Unavailable("http: the answer is not application/json");
  const std::optional<json> parsed = ParseStrictJson(answer.body);
  std::optional<Decision> decision;
  if (parsed.has_value() && parsed->is_object()) decision = ReadAnswer(*parsed, user);
  if (!decision.has_value()) return Unavailable("http: the answer is not understood");
  *failed = false;
  return *std::move(decision);
}

struct HttpBackend::Core {
  Core(HttpBackendOptions o, std::shared_ptr<Fetcher> f, Logger* l, std::function<TimeMs()> clock)
      : options(std::move(o)),
        fetcher(std::move(f)),
        log(l),
        wall_clock(std::move(clock)),
        breaker(options.breaker_failures, options.breaker_pause_ms) {}

  Decision OnAnswer(const FetchAnswer& answer, const std::string& user, const std::string& key);

  const HttpBackendOptions options;
  const std::shared_ptr<Fetcher> fetcher;
  Logger* const log;
  const std::function<TimeMs()> wall_clock;
  Breaker breaker;
  AnswerCache cache{kCached};
};

Decision HttpBackend::Core::OnAnswer(const FetchAnswer& answer, const std::string& user,
                                     const std::string& key) {
  bool failed = false;
  Decision decision = DecideByAnswer(answer, user, &failed);
  const TimeMs now = wall_clock();
  if (failed) {
    if (breaker.Failed(now) && log != nullptr) {
      log->Log(LogLevel::kError, "http_backend.open",
               {{"url", options.url}, {"why", decision.why}, {"error", answer.error}});
    }
    return decision;
  }
  breaker.Succeeded();
  const TimeMs keep =
      decision.kind == Kind::kAllow ? options.cache_allowed_ms : options.cache_denied_ms;
  const TimeMs until = std::min(now + keep, decision.grant.expires_at);
  if (keep > 0 && decision.kind != Kind::kIgnore) cache.Keep(key, decision, until);
  return decision;
}

HttpBackend::HttpBackend(HttpBackendOptions options, std::shared_ptr<Fetcher> fetcher, Logger* log,
                         std::function<TimeMs()> wall_clock)
    : core_(std::make_shared<Core>(std::move(options), std::move(fetcher), log,
                                   std::move(wall_clock))) {}

Decision HttpBackend::Begin(const ConnectRequest& request, const Done& done,
                            std::unique_ptr<Exchange>*) {
  if (!request.method.empty() || (!request.user_name.has_value() && !request.password.has_value()))
    return Decision::Ignore();
  Core& core = *core_;
  const TimeMs now = core.wall_clock();
  FetchRequest ask;
  ask.body = BodyOf(request);
  const bool caching = core.options.cache_allowed_ms > 0 || core.options.cache_denied_ms > 0;
  const std::string key = caching ? core.cache.KeyOf({ask.body}) : std::string();
  if (caching) {
    if (auto known = core.cache.Find(key, now)) return *std::move(known);
  }
  if (!core.breaker.MayAsk(now))
    return Unavailable("http: the back end has failed and is not asked for a while");
  ask.url = core.options.url;
  ask.headers = core.options.headers;
  ask.headers.emplace_back("Content-Type: application/json");
  ask.headers.emplace_back("Accept: application/json");
  ask.ca_file = core.options.ca_file;
  ask.cert_file = core.options.cert_file;
  ask.key_file = core.options.key_file;
  ask.timeout_ms = core.options.timeout_ms;
  const bool sent = core.fetcher->Send(
      std::move(ask), [kept = core_, key, done, user = std::string(request.user_name.value_or(""))](
                          const FetchAnswer& answer) { done(kept->OnAnswer(answer, user, key)); });
  if (sent) return Decision::Pending();
  return Decision::Deny(ReasonCode::kServerBusy, "http: too many logins at once");
}

}  // namespace skein::auth
