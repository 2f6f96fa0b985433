// Calls to etcd.
//
// Purpose: the few requests that the coordinator makes, over whichever endpoint answers, with a
// log-in where there is a user. For .cc files of this folder only. Thread: calls on any, each waits
// for its answer; Cancel() and EndBy() on any. Limits: kCallMs a call and endpoint. Errors:
// Unavailable when no endpoint answers; others as etcd says. A Txn that failed may have been
// carried out.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cluster/link/stream.h"

namespace etcdserverpb {
class TxnRequest;
}  // namespace etcdserverpb

namespace skein::cluster {

struct EtcdOptions {
  std::vector<std::string> endpoints;  // HOST:PORT
  bool tls = false;
  StreamCredentials credentials;  // ca empty: those that the system trusts
  std::string user;               // empty: no log-in
  std::string password;
};

class EtcdClient {
 public:
  static constexpr int kCallMs = 2'000;

  explicit EtcdClient(EtcdOptions options);
  ~EtcdClient();

  struct Snapshot {
    int64_t revision = 0;
    std::map<std::string, std::string> values;
  };
  // Waits up to kCallMs for a connection where there is none; the other calls then fail at once.
  absl::Status ReadAll(const std::string& prefix, Snapshot* snapshot);

  absl::Status Txn(const etcdserverpb::TxnRequest& request, bool* succeeded);

  absl::Status Grant(int64_t ttl_seconds, int64_t* lease);
  // NotFound: the lease has run out.
  absl::Status KeepAlive(int64_t lease);
  absl::Status Revoke(int64_t lease);

  // What changed: a key with its new value, or nothing.
  using Change = std::pair<std::string, std::unique_ptr<std::string>>;
  using OnChanges = std::function<void(std::vector<Change>)>;
  // Calls on_changes for every change after the revision, until the watch breaks or Cancel().
  absl::Status Watch(const std::string& prefix, int64_t after, const OnChanges& on_changes);

  // Calls have ended by that time, whatever the endpoints do, and fail at once after it, until
  // another time is given. Not Watch().
  void EndBy(std::chrono::steady_clock::time_point limit);

  // Ends the call of every thread, now and from now on.
  void Cancel();

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace skein::cluster
