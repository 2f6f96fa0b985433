#include "broker/session/session.h"

#include <algorithm>

namespace skein::session {

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
