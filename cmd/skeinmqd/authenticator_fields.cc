// See authenticator_fields.h.
#include "cmd/skeinmqd/authenticator_fields.h"

#include "absl/time/time.h"
#include "broker/base/address_range.h"
#include "cmd/skeinmqd/record_fields.h"

namespace skein::config {
namespace {

constexpr std::array<std::string_view, 3> kTypes = {"password_file", "certificate", "scram_file"};
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
    {"type", "required", "password_file, certificate or scram_file",
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
