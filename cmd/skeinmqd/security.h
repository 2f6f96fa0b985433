// Who may come in and what they may do, built from the configuration.
//
// Purpose: certificates, WebSocket rules, load balancers, authenticators and access rules of a
// node; loaded as a whole, replaced as a whole. Owner and thread: main makes and reloads it; shards
// use what it hands out. It outlives the broker. Errors: Load() says which file is wrong and why;
// nothing has changed then.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "broker/auth/bans.h"
#include "broker/auth/chain.h"
#include "broker/auth/connection_rates.h"
#include "broker/auth/fetcher.h"
#include "broker/auth/key_source.h"
#include "broker/auth/rules_file.h"
#include "broker/auth/worker_pool.h"
#include "broker/base/address_range.h"
#include "broker/base/log.h"
#include "broker/net/clock.h"
#include "broker/net/proxy_header.h"
#include "broker/net/tls_context.h"
#include "broker/net/websocket.h"
#include "broker/shard/shard.h"
#include "cmd/skeinmqd/config.h"

namespace skein {

class Security final : public shard::Gatekeeper {
 public:
  // log: hears of back ends that fail; may be null.
  Security(const config::Config& config, Logger* log);
  ~Security() override;

  // Reads all files that the configuration names and takes it over; or leaves everything as it is.
  absl::Status Load(const config::Config& config);

  // No answer comes after this: to be called while the shards are still there.
  void Stop() {
    fetcher_->Stop();
    workers_.Stop();
  }
  // About once a second, by main: keys that are to be fetched again.
  void Tick();

  auth::Authenticator* authenticator() { return &chain_; }
  // Logins that were refused since security.worker_queue others waited. Any thread.
  uint64_t refused_logins() const { return workers_.refused(); }
  auth::Bans* bans() { return bans_.get(); }
  // Null: no rules.
  auth::RulesPtr rules() const { return rules_; }
  // For the listener of that index. Empty: plain TCP.
  shard::MakeTransport TransportOf(size_t listener);

  shard::Refusal Refuse(uint16_t listener, const net::PeerAddress& peer, TimeMs now) override;

  // Certificates in use, for the log.
  std::vector<net::CertificateInfo> certificates() const;
  // When the first of a listener's certificates ends, seconds since 1970; nothing without TLS. Any
  // thread.
  std::optional<int64_t> FirstExpiry(size_t listener) const;

 private:
  // What one listener's connections are made with.
  struct Door {
    std::shared_ptr<const net::TlsContext> tls;              // null: no TLS
    std::shared_ptr<const net::WebSocketOptions> websocket;  // null: no WebSocket
    std::vector<AddressRange> proxy_from;                    // empty: no PROXY header
    std::shared_ptr<auth::ConnectionRates> rates;            // kept over reloads
    auth::ConnectionRates::Options rate_options;
  };
  struct Loaded;

  absl::StatusOr<Door> MakeDoor(const config::Listener& listener, const Door* previous) const;
  absl::StatusOr<std::shared_ptr<auth::Authenticator>> MakeAuthenticator(
      const config::Authenticator& authenticator);
  auth::AdmitSource AdmitProxied(const config::Config& config,
                                 const std::vector<std::shared_ptr<const Door>>& doors);
  std::shared_ptr<const Door> DoorOf(size_t listener) const;
  absl::StatusOr<std::shared_ptr<auth::Authenticator>> MakeTokens(
      const config::Authenticator& authenticator);
  absl::StatusOr<std::shared_ptr<auth::KeySource>> MakeKeys(
      const config::Authenticator& authenticator) const;
  std::shared_ptr<auth::Authenticator> MakeHttp(const config::Authenticator& authenticator) const;

  auth::WorkerPool workers_;
  const std::string scram_secret_;  // for users that are not there: the same over reloads
  const net::Clock clock_;
  Logger* const log_;
  const std::shared_ptr<auth::Fetcher> fetcher_ = std::make_shared<auth::Fetcher>();
  // By the name of their authenticator; main's alone.
  std::map<std::string, std::shared_ptr<auth::KeySource>> keys_, next_keys_;
  const std::shared_ptr<auth::Bans> bans_;
  auth::Chain chain_{{}};
  auth::RulesPtr rules_;
  mutable Mutex mutex_;
  std::vector<std::shared_ptr<const Door>> doors_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skein
