#include "broker/session/session.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <utility>

namespace skein::session {

Session::Session(std::string client_id, SessionSlot slot, uint64_t token)
    : client_id_(std::move(client_id)),
      timer_(kTimerKind, slot),
      token_(token),
      slot_(slot),
      client_hash_(static_cast<uint32_t>(XXH3_64bits(client_id_.data(), client_id_.size())) | 1) {}

Outbound& Session::outbound() {
  if (outbound_ == nullptr) outbound_ = std::make_unique<Outbound>();
  return *outbound_;
}

Inbound& Session::inbound() {
  if (inbound_ == nullptr) inbound_ = std::make_unique<Inbound>();
  return *inbound_;
}

TimeMs Session::NextDeadline() const {
  return std::min(expires_at, will_due);
}

TimeMs ExpiryDeadline(TimeMs now, uint32_t expiry_seconds) {
  return expiry_seconds == kExpiryNever ? kNever : now + TimeMs{1000} * expiry_seconds;
}

TimeMs WillDeadline(TimeMs now, uint32_t delay_seconds, uint32_t expiry_seconds) {
  return std::min(now + TimeMs{1000} * delay_seconds, ExpiryDeadline(now, expiry_seconds));
}

}  // namespace skein::session
