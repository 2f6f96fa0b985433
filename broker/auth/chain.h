// The authenticators of a node, and which listener asks which, in order.
//
// Purpose: the authenticator that shards know. The first answer that allows or denies is the
// answer; whoever ignores passes on to the next. Without an answer: an anonymous client (no user
// name, no password, no method) comes in where the listener allows that; a listener
// that has no authenticators and allows anonymous clients lets anybody in, but believes no name;
// everybody else is denied. Bans come first. Thread: Begin() on any shard; Replace() on any thread:
// conversations that have begun end with the chain they began with. Limits: none of its own; who
// never answers is closed by Limits::connect_timeout_ms.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "broker/auth/authenticator.h"
#include "broker/base/mutex.h"

namespace skein::auth {

// Says who is banned. Any thread.
class BanList {
 public:
  virtual ~BanList() = default;
  // False: nobody is banned, so nobody need be asked about.
  virtual bool Anybody() const = 0;
  // Null: not banned. Otherwise why, static storage.
  virtual const char* Find(std::string_view client_id, std::string_view user_name,
                           std::string_view address) const = 0;
  // A client that may come in does. Not null: it has done so too often and may not.
  virtual const char* NoteConnect(std::string_view client_id) = 0;
};

// Asked at each CONNECT about the address, which is that of a load balancer's client if there is
// one. Null: may connect; else why not, static storage. Any thread.
using AdmitSource = std::function<const char*(std::string_view listener, std::string_view address)>;

struct ChainOptions {
  // By listener name; a listener that is not here has none.
  std::map<std::string, std::vector<std::shared_ptr<Authenticator>>, std::less<>> listeners;
  std::shared_ptr<BanList> bans;        // null: nobody
  AdmitSource admit;                    // empty: everybody
  bool user_name_is_client_id = false;  // a proven user name must be the client id
};

class Chain final : public Authenticator {
 public:
  explicit Chain(ChainOptions options);

  void Replace(ChainOptions options);

  Decision Begin(const ConnectRequest& request, const Done& done,
                 std::unique_ptr<Exchange>* exchange) override;

 private:
  Mutex mutex_;
  std::shared_ptr<const ChainOptions> options_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skein::auth
