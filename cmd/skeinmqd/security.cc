#include "cmd/skeinmqd/security.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "broker/auth/certificate_authenticator.h"
#include "broker/auth/http_backend.h"
#include "broker/auth/password_file.h"
#include "broker/auth/scram_file.h"
#include "broker/auth/token_authenticator.h"
#include "broker/net/tls_transport.h"

namespace skein {
namespace {

absl::Status At(const std::string& what, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(what, ": ", status.message()));
}

net::TlsOptions TlsOptionsOf(const config::Listener& listener) {
  net::TlsOptions options;
  for (size_t i = 0; i < listener.cert_files.size(); ++i) {
    options.certificates.push_back(
        {listener.cert_files[i], listener.key_files[i], listener.key_password_file});
  }
  options.client_certificates =
      static_cast<net::TlsOptions::ClientCertificates>(listener.client_certificates);
  options.client_ca_file = listener.client_ca_file;
  options.crl_file = listener.crl_file;
  options.only_tls13 = listener.only_tls13;
  options.ciphers = listener.ciphers;
  options.ciphersuites = listener.ciphersuites;
  options.resumption = listener.session_resumption;
  options.alpn = listener.websocket() ? "http/1.1" : "mqtt";
  return options;
}

auth::Bans::Options BanOptionsOf(const config::Config& config) {
  auth::Bans::Options options;
  options.flapping_connects = config.flapping_connects;
  options.flapping_window_ms = TimeMs{config.flapping_window} * 1'000;
  options.flapping_ban_ms = TimeMs{config.flapping_ban} * 1'000;
  return options;
}

std::vector<auth::Ban> BansOf(const config::Config& config) {
  std::vector<auth::Ban> bans;
  for (const config::Ban& each : config.bans) {
    auth::Ban ban;
    ban.kind = !each.client_id.empty()   ? auth::BanKind::kClientId
               : !each.user_name.empty() ? auth::BanKind::kUserName
                                         : auth::BanKind::kAddress;
    ban.who = each.client_id + each.user_name + each.address;
    absl::Time until;
    std::string error;
    if (absl::ParseTime(absl::RFC3339_full, each.until, &until, &error))
      ban.until = absl::ToUnixMillis(until);
    ban.note = each.note;
    bans.push_back(std::move(ban));
  }
  return bans;
}

constexpr size_t kMaxKeyFileBytes = 1u << 20;

absl::StatusOr<std::string> ReadSmallFile(const std::string& file) {
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in.is_open() || in.bad()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": cannot be read: ", std::strerror(errno != 0 ? errno : EIO)));
  }
  if (text.size() > kMaxKeyFileBytes)
    return absl::InvalidArgumentError(absl::StrCat(file, ": is larger than 1 MiB"));
  return text;
}

// Without the line break that editors put there.
std::string_view WithoutEnd(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

}  // namespace

Security::Security(const config::Config& config, Logger* log)
    : workers_(config.worker_threads, config.worker_queue),
      scram_secret_(auth::ScramFile::NewSecret()),
      log_(log),
      bans_(std::make_shared<auth::Bans>([this] { return clock_.Now(); })) {}

Security::~Security() = default;

absl::StatusOr<Security::Door> Security::MakeDoor(const config::Listener& listener,
                                                  const Door* previous) const {
  Door door;
  for (const std::string& text : listener.proxy_from) {
    const auto range = AddressRange::Parse(text);
    if (!range.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("proxy_from: '", text, "' is no address or range, 192.0.2.0/24"));
    }
    door.proxy_from.push_back(*range);
  }
  door.rates = previous == nullptr ? std::make_shared<auth::ConnectionRates>() : previous->rates;
  door.rate_options = {listener.connection_rate, listener.connection_rate_per_source};
  if (listener.websocket()) {
    net::WebSocketOptions options;
    options.max_message_bytes = listener.max_message_bytes;
    options.paths = listener.paths;
    options.origins = listener.origins;
    door.websocket = std::make_shared<const net::WebSocketOptions>(std::move(options));
  }
  if (listener.tls()) {
    auto context = net::TlsContext::Load(TlsOptionsOf(listener),
                                         previous == nullptr ? nullptr : previous->tls.get());
    if (!context.ok()) return context.status();
    door.tls = std::move(*context);
  }
  return door;
}

absl::StatusOr<std::shared_ptr<auth::Authenticator>> Security::MakeAuthenticator(
    const config::Authenticator& authenticator) {
  if (authenticator.type == config::AuthenticatorType::kCertificate) {
    auth::CertificateOptions options;
    options.from = static_cast<auth::CertificateOptions::From>(authenticator.from);
    options.client_id_must_match = authenticator.client_id_must_match;
    return std::make_shared<auth::CertificateAuthenticator>(options);
  }
  if (authenticator.type == config::AuthenticatorType::kScramFile) {
    if (scram_secret_.empty()) return absl::InternalError("no random numbers");
    auto loaded = auth::ScramFile::Load({authenticator.file, scram_secret_});
    if (!loaded.ok()) return loaded.status();
    return std::shared_ptr<auth::Authenticator>(std::move(*loaded));
  }
  if (authenticator.type == config::AuthenticatorType::kJwt) return MakeTokens(authenticator);
  if (authenticator.type == config::AuthenticatorType::kHttp) return MakeHttp(authenticator);
  auth::PasswordFileOptions options;
  options.file = authenticator.file;
  options.unknown_user_denied = authenticator.unknown_user_denied;
  options.remember_seconds = static_cast<int>(authenticator.remember_seconds);
  auto loaded = auth::PasswordFile::Load(options, &workers_);
  if (!loaded.ok()) return loaded.status();
  return std::shared_ptr<auth::Authenticator>(std::move(*loaded));
}

absl::StatusOr<std::shared_ptr<auth::KeySource>> Security::MakeKeys(
    const config::Authenticator& given) const {
  if (!given.jwks_url.empty()) {
    auth::KeyUrl url;
    url.url = given.jwks_url;
    url.ca_file = given.ca_file;
    url.refresh_ms = TimeMs{given.refresh_seconds} * 1'000;
    url.max_age_ms = TimeMs{given.max_key_age_seconds} * 1'000;
    url.timeout_ms = given.timeout_ms;
    const auto known = keys_.find(given.name);
    return std::make_shared<auth::KeySource>(
        std::move(url), fetcher_, log_, [this] { return clock_.Now(); },
        known == keys_.end() ? nullptr : known->second.get());
  }
  const std::string& file = !given.jwks_file.empty()         ? given.jwks_file
                            : !given.public_key_file.empty() ? given.public_key_file
                                                             : given.secret_file;
  absl::StatusOr<std::string> text = ReadSmallFile(file);
  if (!text.ok()) return text.status();
  auto keys = !given.jwks_file.empty()         ? auth::TokenKeys::FromJwks(*text)
              : !given.public_key_file.empty() ? auth::TokenKeys::FromPem(*text)
                                               : auth::TokenKeys::FromSecret(WithoutEnd(*text));
  if (!keys.ok()) return At(file, keys.status());
  return std::make_shared<auth::KeySource>(std::move(*keys));
}

absl::StatusOr<std::shared_ptr<auth::Authenticator>> Security::MakeTokens(
    const config::Authenticator& given) {
  absl::StatusOr<std::shared_ptr<auth::KeySource>> keys = MakeKeys(given);
  if (!keys.ok()) return keys.status();
  auth::TokenAuthenticatorOptions options;
  using auth::TokenAlgorithm;
  for (const std::string& name : given.algorithms)
    options.token.algorithms.push_back(*auth::ParseTokenAlgorithm(name));
  const auto offer = [&](TokenAlgorithm first, TokenAlgorithm last) {
    for (auto each = static_cast<int>(first); each <= static_cast<int>(last); ++each)
      options.token.algorithms.push_back(static_cast<TokenAlgorithm>(each));
  };
  if (given.algorithms.empty() && !given.secret_file.empty())
    offer(TokenAlgorithm::kHs256, TokenAlgorithm::kHs512);
  if (given.algorithms.empty() && given.secret_file.empty())
    offer(TokenAlgorithm::kRs256, TokenAlgorithm::kEs512);
  options.token.issuer = given.issuer;
  options.token.audience = given.audience;
  options.token.leeway_seconds = given.leeway_seconds;
  options.token.require_expiry = given.require_expiry;
  options.from_user_name = given.token_is_user_name;
  options.user_name_claim = given.user_name_claim;
  options.client_id_claim = given.client_id_claim;
  options.superuser_claim = given.superuser_claim;
  options.acl_claim = given.acl_claim;
  next_keys_[given.name] = *keys;
  return std::make_shared<auth::TokenAuthenticator>(std::move(options), std::move(*keys), &workers_,
                                                    [this] { return clock_.Now(); });
}

std::shared_ptr<auth::Authenticator> Security::MakeHttp(const config::Authenticator& given) const {
  auth::HttpBackendOptions options;
  options.url = given.url;
  options.headers = given.headers;
  options.ca_file = given.ca_file;
  options.cert_file = given.cert_file;
  options.key_file = given.key_file;
  options.timeout_ms = given.timeout_ms;
  options.cache_allowed_ms = TimeMs{given.cache_allowed_seconds} * 1'000;
  options.cache_denied_ms = TimeMs{given.cache_denied_seconds} * 1'000;
  options.breaker_failures = given.breaker_failures;
  options.breaker_pause_ms = TimeMs{given.breaker_pause_seconds} * 1'000;
  return std::make_shared<auth::HttpBackend>(std::move(options), fetcher_, log_,
                                             [this] { return clock_.Now(); });
}

void Security::Tick() {
  for (const auto& [name, keys] : keys_)
    keys->Tick();
}

absl::Status Security::Load(const config::Config& config) {
  next_keys_.clear();
  std::vector<std::shared_ptr<const Door>> doors;
  for (size_t i = 0; i < config.listeners.size(); ++i) {
    const std::shared_ptr<const Door> previous = DoorOf(i);
    absl::StatusOr<Door> door = MakeDoor(config.listeners[i], previous.get());
    if (!door.ok()) return At("listener '" + config.listeners[i].name + "'", door.status());
    doors.push_back(std::make_shared<const Door>(std::move(*door)));
  }
  std::map<std::string, std::shared_ptr<auth::Authenticator>> known;
  for (const config::Authenticator& each : config.authentication) {
    auto made = MakeAuthenticator(each);
    if (!made.ok()) return At("authentication '" + each.name + "'", made.status());
    known[each.name] = std::move(*made);
  }
  auth::RulesPtr rules;
  if (!config.authorization_file.empty()) {
    auto loaded = auth::LoadRules(config.authorization_file);
    if (!loaded.ok()) return At("authorization", loaded.status());
    rules = std::move(*loaded);
  } else if (!config.authentication.empty() && !config.allow_without_rules) {
    rules = std::make_shared<const auth::AccessRules>(false);
  }
  if (const absl::Status status = bans_->Configure(BanOptionsOf(config), BansOf(config));
      !status.ok())
    return At("bans", status);
  // Nothing can fail from here on.
  keys_.swap(next_keys_);
  auth::ChainOptions chain;
  chain.bans = bans_;
  chain.admit = AdmitProxied(config, doors);
  chain.user_name_is_client_id = config.user_name_is_client_id;
  for (const config::Listener& listener : config.listeners) {
    for (const std::string& name : listener.authentication)
      chain.listeners[listener.name].push_back(known[name]);
  }
  rules_ = std::move(rules);
  chain_.Replace(std::move(chain));
  MutexLock lock(mutex_);
  doors_ = std::move(doors);
  return absl::OkStatus();
}

auth::AdmitSource Security::AdmitProxied(const config::Config& config,
                                         const std::vector<std::shared_ptr<const Door>>& doors) {
  std::map<std::string, std::shared_ptr<auth::ConnectionRates>, std::less<>> proxied;
  for (size_t i = 0; i < doors.size(); ++i) {
    doors[i]->rates->Configure(doors[i]->rate_options);
    if (!doors[i]->proxy_from.empty() && doors[i]->rate_options.per_source > 0)
      proxied[config.listeners[i].name] = doors[i]->rates;
  }
  if (proxied.empty()) return {};
  return [this, proxied = std::move(proxied)](std::string_view listener,
                                              std::string_view address) -> const char* {
    const auto found = proxied.find(listener);
    const std::optional<IpBytes> source = ParseIp(address);
    if (found == proxied.end() || !source.has_value()) return nullptr;
    return found->second->AdmitSource(*source, clock_.Now());
  };
}

std::shared_ptr<const Security::Door> Security::DoorOf(size_t listener) const {
  MutexLock lock(mutex_);
  return listener < doors_.size() ? doors_[listener] : nullptr;
}

shard::MakeTransport Security::TransportOf(size_t listener) {
  const std::shared_ptr<const Door> now = DoorOf(listener);
  // Which layers there are does not change while the node runs.
  if (now == nullptr ||
      (now->tls == nullptr && now->websocket == nullptr && now->proxy_from.empty()))
    return {};
  return [this, listener](int fd) {
    const std::shared_ptr<const Door> door = DoorOf(listener);
    std::unique_ptr<net::Transport> transport;
    if (!door->proxy_from.empty()) transport = net::MakeProxyTransport(fd);
    if (door->tls != nullptr)
      transport = net::MakeTlsTransport(door->tls, std::move(transport), fd);
    if (door->websocket != nullptr)
      transport = net::MakeWebSocketTransport(door->websocket, std::move(transport), fd);
    return transport;
  };
}

shard::Refusal Security::Refuse(uint16_t listener, const net::PeerAddress& peer, TimeMs now) {
  const std::shared_ptr<const Door> door = DoorOf(listener);
  if (door == nullptr) return {};
  if (const char* why = door->rates->AdmitAny(now)) return {why, ShedReason::kConnectionRate};
  // The source of a load balancer's connection shows later, see AdmitProxied().
  if (door->proxy_from.empty()) {
    if (!peer.known()) return {};
    return {door->rates->AdmitSource(peer.bytes(), now), ShedReason::kSourceRate};
  }
  for (const AddressRange& range : door->proxy_from) {
    if (peer.known() && range.Contains(peer.bytes())) return {};
  }
  return {"not one of the listener's load balancers (proxy_from)", ShedReason::kNotALoadBalancer};
}

std::vector<net::CertificateInfo> Security::certificates() const {
  MutexLock lock(mutex_);
  std::vector<net::CertificateInfo> all;
  for (const auto& door : doors_) {
    if (door->tls == nullptr) continue;
    all.insert(all.end(), door->tls->certificates().begin(), door->tls->certificates().end());
  }
  return all;
}

std::optional<int64_t> Security::FirstExpiry(size_t listener) const {
  const std::shared_ptr<const Door> door = DoorOf(listener);
  if (door == nullptr || door->tls == nullptr) return std::nullopt;
  std::optional<int64_t> first;
  for (const net::CertificateInfo& each : door->tls->certificates())
    first = std::min(first.value_or(each.not_after), each.not_after);
  return first;
}

}  // namespace skein
