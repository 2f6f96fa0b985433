// Bans that operators set while the cluster runs.
//
// Purpose: keeps them among the retained messages, under a topic of the broker's own: so each node
// has them, they outlive restarts, the later word wins, and a node that was away is told. Bans of
// the configuration and for flapping stay each node's own. Owner: cmd/. Thread: Load() before the
// broker starts; Apply() on any shard; the rest on any. Limits: auth::Bans's; what is more is
// logged and not kept on this node. Errors: a note that is not understood is logged.
#pragma once

#include <atomic>
#include <string>

#include "broker/auth/bans.h"
#include "broker/base/log.h"
#include "broker/mqtt/message.h"
#include "broker/shard/retained_store.h"

namespace skein {

class BanBook {
 public:
  BanBook(auth::Bans* bans, Logger* log) : bans_(*bans), log_(*log) {}

  // Those that the store has.
  void Load(shard::RetainedStore* retained, TimeMs now);
  // One that came, or that was taken back.
  void Apply(const mqtt::Message& message);

  // What is retained for a ban.
  static std::string TopicOf(auth::BanKind kind, const std::string& who);
  static std::string PayloadOf(const auth::Ban& ban);

  // True once after a change: clients that are connected have to be looked at.
  bool TakeChanged() { return changed_.exchange(false); }
  void NoteChange() { changed_ = true; }

 private:
  auth::Bans& bans_;
  Logger& log_;
  std::atomic<bool> changed_{false};
};

}  // namespace skein
