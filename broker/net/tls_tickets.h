// The keys of TLS session tickets, changed in time.
//
// Purpose: a stolen key opens only what was recorded while it was in use: a key seals new tickets
// for kSealMs and opens old ones for as long again; a ticket that is opened late is sealed anew.
// Owner: shared by the TLS contexts of one listener over reloads. Thread: any. Errors: without
// random numbers no ticket is issued, and handshakes are full ones.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "broker/base/mutex.h"
#include "broker/base/types.h"

struct ssl_ctx_st;

namespace skein::net {

class TicketKeys {
 public:
  static constexpr TimeMs kSealMs = 12 * 3'600'000;

  struct Key {
    std::array<unsigned char, 16> name{};
    std::array<unsigned char, 32> cipher{};
    std::array<unsigned char, 32> mac{};
    TimeMs made = 0;
  };

  // steady_clock: milliseconds, any thread.
  explicit TicketKeys(std::function<TimeMs()> steady_clock);
  TicketKeys(const TicketKeys&) = delete;
  ~TicketKeys();

  // Makes the context seal and open its tickets with these keys, which must outlive it.
  void Serve(ssl_ctx_st* ctx);

  // The key for new tickets. False: there are no random numbers.
  bool Current(Key* key);
  enum class Found : uint8_t { kNo, kYes, kOld };
  // The key of that name, if it still opens tickets; kOld: it seals no more.
  Found Find(const unsigned char* name, Key* key);

 private:
  void Turn(TimeMs now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::function<TimeMs()> clock_;
  Mutex mutex_;
  Key current_ ABSL_GUARDED_BY(mutex_);
  Key previous_ ABSL_GUARDED_BY(mutex_);
  bool has_current_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_previous_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace skein::net
