// IP addresses and ranges of them, as values.
//
// Purpose: what bans, rates and trusted load balancers are written in. An IPv4 address is its
// IPv4-mapped IPv6 form, so that both families compare. Thread: immutable values. Errors: Parse()
// gives nothing for a text that is no address.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace skein {

using IpBytes = std::array<uint8_t, 16>;

// "192.0.2.7" or "2001:db8::7", without port, brackets or zone.
std::optional<IpBytes> ParseIp(std::string_view text);

// "192.0.2.0/24", "2001:db8::/32", "192.0.2.7".
class AddressRange {
 public:
  static std::optional<AddressRange> Parse(std::string_view text);

  bool Contains(const IpBytes& address) const;
  // One address only.
  bool single() const { return bits_ == 128; }
  const IpBytes& bytes() const { return bytes_; }

 private:
  IpBytes bytes_{};
  int bits_ = 128;
};

}  // namespace skein
