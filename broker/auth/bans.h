// Who may not connect, for a time or for good.
//
// Purpose: the bans of the configuration, those that an operator adds while the node runs, and
// those that a client earns by connecting again and again (flapping). Owner: cmd/. Thread: any; a
// CONNECT while nobody is banned and flapping is not watched takes no lock. Limits:
// Options::max_bans; what is more is refused (Add() says so; a flapping client is then not banned).
// Options::max_watched client ids are watched for flapping; beyond, those whose window is over are
// forgotten, and if there are none new ones are not watched. Bans that are over go by themselves.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "broker/auth/chain.h"
#include "broker/base/address_range.h"
#include "broker/base/mutex.h"
#include "broker/base/types.h"

namespace skein::auth {

enum class BanKind : uint8_t { kClientId, kUserName, kAddress };

struct Ban {
  BanKind kind = BanKind::kClientId;
  std::string who;          // a client id, a user name, an address or a range of addresses
  TimeMs until = kNever;    // wall clock, milliseconds since 1970
  std::string note;         // for the operator
  bool configured = false;  // comes from the configuration and goes with it
  bool shared = false;      // an operator's, of all nodes

  bool operator==(const Ban&) const = default;
};

class Bans final : public BanList {
 public:
  struct Options {
    size_t max_bans = 100'000;
    size_t max_watched = 100'000;
    // A client that connects more often than this within the window is banned; 0: none is.
    uint32_t flapping_connects = 0;
    TimeMs flapping_window_ms = 60'000;
    TimeMs flapping_ban_ms = 300'000;
  };

  // wall_clock: milliseconds since 1970, any thread.
  explicit Bans(std::function<TimeMs()> wall_clock) : wall_clock_(std::move(wall_clock)) {}

  // What the configuration says, instead of what it said before. INVALID_ARGUMENT: one of them is
  // no address; RESOURCE_EXHAUSTED: too many. Nothing has changed then.
  absl::Status Configure(const Options& options, const std::vector<Ban>& configured);

  // Replaces a ban of the same kind for the same one. Errors as above.
  absl::Status Add(Ban ban);
  // False: there was none.
  bool Remove(BanKind kind, std::string_view who);
  // The one for this very name or address, however it is written.
  std::optional<Ban> Get(BanKind kind, std::string_view who) const;
  // Sorted by kind and name.
  std::vector<Ban> List() const;

  bool Anybody() const override { return anybody_.load(std::memory_order_relaxed); }
  const char* Find(std::string_view client_id, std::string_view user_name,
                   std::string_view address) const override;
  const char* NoteConnect(std::string_view client_id) override;

 private:
  using Table = std::map<std::pair<BanKind, std::string>, Ban>;
  struct Window {
    TimeMs began = 0;
    uint32_t connects = 0;
  };

  static absl::Status Check(const Ban& ban);
  const Ban* FindIn(BanKind kind, std::string_view who, TimeMs now) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RebuildRanges() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropPast(TimeMs now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Window* WindowOf(std::string_view client_id, TimeMs now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::function<TimeMs()> wall_clock_;
  std::atomic<bool> anybody_{false};
  std::atomic<bool> watching_{false};
  mutable Mutex mutex_;
  Options options_ ABSL_GUARDED_BY(mutex_);
  Table table_ ABSL_GUARDED_BY(mutex_);
  // Of the address bans that are more than one address.
  std::vector<std::pair<AddressRange, TimeMs>> ranges_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, Window> windows_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skein::auth
