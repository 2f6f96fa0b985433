// See authenticator_fields.h.
#include "cmd/skeinmqd/authenticator_fields.h"

#include "absl/time/time.h"
#include "broker/auth/token_keys.h"
#include "broker/base/address_range.h"
#include "cmd/skeinmqd/record_fields.h"

namespace skein::config {
namespace {

constexpr std::array<std::string_view, 5> kTypes = {"password_file", "certificate", "scram_file",
                                                    "jwt", "http"};
constexpr std::array<std::string_view, 2> kTokenPlaces = {"password", "user_name"};
constexpr std::array<std::string_view, 5> kNames = {"cn", "dns", "uri", "email", "subject"};
constexpr std::array<std::string_view, 2> kUnknownUser = {"ignore", "deny"};
constexpr std::array<std::string_view, 3> kClientCertificates = {"none", "optional", "required"};

Refusal SetName(std::string_view text, Authenticator* draft) {
  if (text.empty() || text.size() > 64 || text.find(',') != text.npos)
    return "1..64 characters without a comma";
  draft->name = text;
  return std::nullopt;
}

Refusal SetType(std::string_view text, Authenticator* draft) {
  return ReadWord(text, kTypes, &draft->type);
}

Refusal SetFile(std::string_view text, Authenticator* draft) {
  draft->file = text;
  return text.empty() ? Refusal("a path") : std::nullopt;
}

Refusal SetUnknownUser(std::string_view text, Authenticator* draft) {
  return ReadWord(text, kUnknownUser, &draft->unknown_user_denied);
}

template <std::string Authenticator::*kMember>
Refusal SetAuthText(std::string_view text, Authenticator* draft) {
  draft->*kMember = text;
  return std::nullopt;
}

template <std::string Authenticator::*kMember>
Refusal SetUrl(std::string_view text, Authenticator* draft) {
  draft->*kMember = text;
  return text.starts_with("https://") || text.starts_with("http://")
             ? std::nullopt
             : Refusal("http://... or https://...");
}

Refusal SetAlgorithms(std::string_view text, Authenticator* draft) {
  draft->algorithms = SplitList(text);
  for (const std::string& name : draft->algorithms) {
    if (!auth::ParseTokenAlgorithm(name).has_value())
      return "of HS256, HS384, HS512, RS256, ..., PS256, ..., ES256, ES384, ES512";
  }
  return std::nullopt;
}

Refusal SetHeaders(std::string_view text, Authenticator* draft) {
  draft->headers = SplitList(text);
  for (const std::string& header : draft->headers) {
    if (header.find(": ") == header.npos || header.find_first_of("\r\n") != header.npos)
      return "lines of the form Name: value";
  }
  return std::nullopt;
}

template <bool Authenticator::*kMember>
Refusal SetAuthFlag(std::string_view text, Authenticator* draft) {
  return ReadBool(text, &(draft->*kMember));
}

template <uint32_t Authenticator::*kMember, uint32_t kLeast, uint32_t kMost>
Refusal SetSeconds(std::string_view text, Authenticator* draft) {
  return ReadCount(text, Unit::kSeconds, {kLeast, kMost}, &(draft->*kMember));
}

Refusal SetTimeout(std::string_view text, Authenticator* draft) {
  return ReadCount(text, Unit::kMilliseconds, {10, 60'000}, &draft->timeout_ms);
}

Refusal SetBreakerFailures(std::string_view text, Authenticator* draft) {
  return ReadCount(text, Unit::kCount, {1, 1'000'000}, &draft->breaker_failures);
}

Refusal SetTokenPlace(std::string_view text, Authenticator* draft) {
  return ReadWord(text, kTokenPlaces, &draft->token_is_user_name);
}

Refusal SetRemember(std::string_view text, Authenticator* draft) {
  return ReadCount(text, Unit::kSeconds, {0, 86'400}, &draft->remember_seconds);
}

Refusal SetFrom(std::string_view text, Authenticator* draft) {
  return ReadWord(text, kNames, &draft->from);
}

Refusal SetMatch(std::string_view text, Authenticator* draft) {
  return ReadBool(text, &draft->client_id_must_match);
}

constexpr AuthenticatorField kFields[] = {
    {"name", "required", "1..64 characters without a comma", "As listeners name it.", SetName},
    {"type", "required", "password_file, certificate, scram_file, jwt or http",
     "How it knows clients. scram_file: MQTT 5 enhanced authentication, SCRAM-SHA-256.", SetType},
    {"file", "required for password_file and scram_file", "a path",
     "Lines of `user:hash`, made by `skeinmqctl passwd` (`--scram` for scram_file) or "
     "mosquitto_passwd.",
     SetFile},
    {"unknown_user", "ignore", "ignore or deny",
     "password_file: whether the next authenticator is asked about a user who is not in the file.",
     SetUnknownUser},
    {"remember", "300s", "duration 0s..24h",
     "password_file: how long a good login need not be hashed again; 0 is never.", SetRemember},
    {"from", "cn", "cn, dns, uri, email or subject",
     "certificate: which name in it is the user name.", SetFrom},
    {"client_id_must_match", "false", "true or false",
     "certificate: the client id must be that name; a client without one gets it.", SetMatch},
    {"jwks_file", "one of four for jwt", "a path", "jwt: the keys, a JWK Set.",
     SetAuthText<&Authenticator::jwks_file>},
    {"jwks_url", "one of four for jwt", "http://... or https://...",
     "jwt: where the keys are fetched.", SetUrl<&Authenticator::jwks_url>},
    {"public_key_file", "one of four for jwt", "a path",
     "jwt: the key, PEM, a public key or a certificate.",
     SetAuthText<&Authenticator::public_key_file>},
    {"secret_file", "one of four for jwt", "a path",
     "jwt: the secret, the file's bytes without a line break at the end; 32 at least.",
     SetAuthText<&Authenticator::secret_file>},
    {"algorithms", "HS256, HS384, HS512 with secret_file, else RS, PS and ES",
     "of HS256, HS384, HS512, RS256, ..., PS256, ..., ES256, ES384, ES512",
     "jwt: algorithms of signatures that are accepted.", SetAlgorithms},
    {"issuer", "any", "a text", "jwt: what the claim `iss` must be.",
     SetAuthText<&Authenticator::issuer>},
    {"audience", "any", "a text", "jwt: what the claim `aud` must be or hold.",
     SetAuthText<&Authenticator::audience>},
    {"leeway", "30s", "duration 0s..1h", "jwt: by how much clocks may differ.",
     SetSeconds<&Authenticator::leeway_seconds, 0, 3'600>},
    {"require_expiry", "true", "true or false", "jwt: a token without `exp` is refused.",
     SetAuthFlag<&Authenticator::require_expiry>},
    {"token_from", "password", "password or user_name", "jwt: where the token is.", SetTokenPlace},
    {"user_name_claim", "sub", "a claim", "jwt: the user name; required in the token.",
     SetAuthText<&Authenticator::user_name_claim>},
    {"client_id_claim", "none", "a claim",
     "jwt: the client id; required in the token then. A client without one gets it.",
     SetAuthText<&Authenticator::client_id_claim>},
    {"superuser_claim", "none", "a claim", "jwt: `true` in it puts the client above all rules.",
     SetAuthText<&Authenticator::superuser_claim>},
    {"acl_claim", "acl", "a claim", "jwt: access rules; if it is there the node's are not asked.",
     SetAuthText<&Authenticator::acl_claim>},
    {"refresh", "5m", "duration 10s..24h", "jwt: how often jwks_url is asked.",
     SetSeconds<&Authenticator::refresh_seconds, 10, 86'400>},
    {"max_key_age", "24h", "duration 1m..8760h",
     "jwt: for how long keys of jwks_url are used when it does not answer.",
     SetSeconds<&Authenticator::max_key_age_seconds, 60, 31'536'000>},
    {"url", "required for http", "http://... or https://...", "http: who is asked, by POST.",
     SetUrl<&Authenticator::url>},
    {"headers", "empty", "lines of the form Name: value", "http: sent with each request.",
     SetHeaders},
    {"ca_file", "the system's", "a path",
     "http, jwks_url: authorities that the server is checked by.",
     SetAuthText<&Authenticator::ca_file>},
    {"cert_file", "empty", "a path", "http: a client certificate to show.",
     SetAuthText<&Authenticator::cert_file>},
    {"key_file", "empty", "a path", "http: its key.", SetAuthText<&Authenticator::key_file>},
    {"timeout", "5s", "duration 10ms..1m", "http, jwks_url: a later answer is none.", SetTimeout},
    {"cache_allowed", "0s", "duration 0s..24h",
     "http: how long a yes to the same CONNECT is remembered.",
     SetSeconds<&Authenticator::cache_allowed_seconds, 0, 86'400>},
    {"cache_denied", "0s", "duration 0s..24h", "http: the same for a no.",
     SetSeconds<&Authenticator::cache_denied_seconds, 0, 86'400>},
    {"breaker_failures", "5", "integer 1..1000000",
     "http: after so many failures in a row clients are refused at once for breaker_pause.",
     SetBreakerFailures},
    {"breaker_pause", "10s", "duration 1s..1h", "http: see breaker_failures.",
     SetSeconds<&Authenticator::breaker_pause_seconds, 1, 3'600>},
};

Refusal SetAddress(std::string_view text, Ban* draft) {
  draft->address = text;
  return AddressRange::Parse(text).has_value()
             ? std::nullopt
             : Refusal("an address or a range of addresses, 192.0.2.0/24");
}

Refusal SetUntil(std::string_view text, Ban* draft) {
  absl::Time time;
  std::string error;
  draft->until = text;
  return absl::ParseTime(absl::RFC3339_full, {text.data(), text.size()}, &time, &error)
             ? std::nullopt
             : Refusal("a time, 2030-12-31T23:59:59Z");
}

template <std::string Ban::*kMember>
Refusal SetBanText(std::string_view text, Ban* draft) {
  draft->*kMember = text;
  return text.empty() ? Refusal("a text") : std::nullopt;
}

constexpr BanField kBanFields[] = {
    {"client_id", "one of three", "a text", "The client id.", SetBanText<&Ban::client_id>},
    {"user_name", "one of three", "a text", "The user name.", SetBanText<&Ban::user_name>},
    {"address", "one of three", "an address or a range, 192.0.2.0/24",
     "Where the client connects from; behind a load balancer, what its PROXY header says.",
     SetAddress},
    {"until", "for good", "a time, 2030-12-31T23:59:59Z", "When the ban is over.", SetUntil},
    {"note", "empty", "a text", "For people.", SetBanText<&Ban::note>},
};

using Pairs = std::vector<std::pair<std::string, std::string>>;

std::string Word(bool value) {
  return value ? "true" : "false";
}

// Adds what differs from the default.
void Add(const char* name, const std::string& value, const std::string& otherwise, Pairs* pairs) {
  if (value != otherwise) pairs->emplace_back(name, value);
}

void DescribeRemote(const Authenticator& given, Pairs* pairs) {
  const Authenticator plain;
  const auto text = [&](const char* name, std::string Authenticator::*member) {
    Add(name, given.*member, plain.*member, pairs);
  };
  const auto number = [&](const char* name, uint32_t Authenticator::*member, Unit unit) {
    Add(name, FormatNumber(given.*member, unit), FormatNumber(plain.*member, unit), pairs);
  };
  text("jwks_file", &Authenticator::jwks_file);
  text("jwks_url", &Authenticator::jwks_url);
  text("public_key_file", &Authenticator::public_key_file);
  text("secret_file", &Authenticator::secret_file);
  Add("algorithms", JoinList(given.algorithms), "", pairs);
  text("issuer", &Authenticator::issuer);
  text("audience", &Authenticator::audience);
  number("leeway", &Authenticator::leeway_seconds, Unit::kSeconds);
  Add("require_expiry", Word(given.require_expiry), "true", pairs);
  if (given.token_is_user_name) pairs->emplace_back("token_from", "user_name");
  text("user_name_claim", &Authenticator::user_name_claim);
  text("client_id_claim", &Authenticator::client_id_claim);
  text("superuser_claim", &Authenticator::superuser_claim);
  text("acl_claim", &Authenticator::acl_claim);
  number("refresh", &Authenticator::refresh_seconds, Unit::kSeconds);
  number("max_key_age", &Authenticator::max_key_age_seconds, Unit::kSeconds);
  text("url", &Authenticator::url);
  Add("headers", JoinList(given.headers), "", pairs);
  text("ca_file", &Authenticator::ca_file);
  text("cert_file", &Authenticator::cert_file);
  text("key_file", &Authenticator::key_file);
  number("timeout", &Authenticator::timeout_ms, Unit::kMilliseconds);
  number("cache_allowed", &Authenticator::cache_allowed_seconds, Unit::kSeconds);
  number("cache_denied", &Authenticator::cache_denied_seconds, Unit::kSeconds);
  number("breaker_failures", &Authenticator::breaker_failures, Unit::kCount);
  number("breaker_pause", &Authenticator::breaker_pause_seconds, Unit::kSeconds);
}

}  // namespace

std::span<const AuthenticatorField> AuthenticatorFields() {
  return kFields;
}

std::span<const BanField> BanFields() {
  return kBanFields;
}

Pairs Describe(const Ban& ban) {
  Pairs pairs;
  Add("client_id", ban.client_id, "", &pairs);
  Add("user_name", ban.user_name, "", &pairs);
  Add("address", ban.address, "", &pairs);
  Add("until", ban.until, "", &pairs);
  Add("note", ban.note, "", &pairs);
  return pairs;
}

Pairs Describe(const Authenticator& authenticator) {
  Pairs pairs = {{"name", authenticator.name},
                 {"type", std::string(kTypes[static_cast<size_t>(authenticator.type)])}};
  Add("file", authenticator.file, "", &pairs);
  if (authenticator.unknown_user_denied) pairs.emplace_back("unknown_user", "deny");
  Add("remember", FormatNumber(authenticator.remember_seconds, Unit::kSeconds),
      FormatNumber(Authenticator{}.remember_seconds, Unit::kSeconds), &pairs);
  Add("from", std::string(kNames[static_cast<size_t>(authenticator.from)]), "cn", &pairs);
  Add("client_id_must_match", Word(authenticator.client_id_must_match), "false", &pairs);
  DescribeRemote(authenticator, &pairs);
  return pairs;
}

Pairs Describe(const Listener& listener) {
  const Listener plain;
  Pairs pairs = {{"url", FormatUrl(listener)},
                 {"name", listener.name},
                 {"allow_anonymous", Word(listener.allow_anonymous)},
                 {"max_connections", std::to_string(listener.max_connections)}};
  Add("authentication", JoinList(listener.authentication), "", &pairs);
  Add("max_handshakes", std::to_string(listener.max_handshakes),
      std::to_string(plain.max_handshakes), &pairs);
  Add("publish_rate", std::to_string(listener.publish_rate), "0", &pairs);
  Add("publish_bytes", std::to_string(listener.publish_bytes), "0", &pairs);
  Add("publish_patience", FormatNumber(listener.publish_patience, Unit::kSeconds),
      FormatNumber(0, Unit::kSeconds), &pairs);
  Add("total_publish_rate", std::to_string(listener.total_publish_rate), "0", &pairs);
  Add("total_publish_bytes", std::to_string(listener.total_publish_bytes), "0", &pairs);
  Add("connection_rate", std::to_string(listener.connection_rate), "0", &pairs);
  Add("connection_rate_per_source", std::to_string(listener.connection_rate_per_source), "0",
      &pairs);
  Add("proxy_from", JoinList(listener.proxy_from), "", &pairs);
  Add("cert_file", JoinList(listener.cert_files), "", &pairs);
  Add("key_file", JoinList(listener.key_files), "", &pairs);
  Add("key_password_file", listener.key_password_file, "", &pairs);
  Add("client_ca_file", listener.client_ca_file, "", &pairs);
  Add("client_certificates",
      std::string(kClientCertificates[static_cast<size_t>(listener.client_certificates)]),
      listener.client_ca_file.empty() ? "none" : "required", &pairs);
  Add("crl_file", listener.crl_file, "", &pairs);
  Add("tls_min_version", listener.only_tls13 ? "1.3" : "1.2", "1.2", &pairs);
  Add("ciphers", listener.ciphers, "", &pairs);
  Add("ciphersuites", listener.ciphersuites, "", &pairs);
  Add("session_resumption", Word(listener.session_resumption), "true", &pairs);
  Add("paths", JoinList(listener.paths), JoinList(plain.paths), &pairs);
  Add("origins", JoinList(listener.origins), JoinList(plain.origins), &pairs);
  Add("max_message_bytes", FormatNumber(listener.max_message_bytes, Unit::kBytes),
      FormatNumber(plain.max_message_bytes, Unit::kBytes), &pairs);
  return pairs;
}

}  // namespace skein::config
