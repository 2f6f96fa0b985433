// See authenticator_fields.h.
#include "cmd/skeinmqd/authenticator_fields.h"

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
  return pairs;
}

}  // namespace skein::config
