#include "broker/base/address_range.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>
#include <string>

namespace skein {

std::optional<IpBytes> ParseIp(std::string_view text) {
  if (text.find('\0') != text.npos) return std::nullopt;
  const std::string address(text);
  IpBytes bytes{};
  if (address.find(':') != address.npos) {
    if (inet_pton(AF_INET6, address.c_str(), bytes.data()) != 1) return std::nullopt;
    return bytes;
  }
  bytes[10] = bytes[11] = 0xff;
  if (inet_pton(AF_INET, address.c_str(), &bytes[12]) != 1) return std::nullopt;
  return bytes;
}

std::optional<AddressRange> AddressRange::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  const std::optional<IpBytes> address = ParseIp(text.substr(0, slash));
  if (!address.has_value()) return std::nullopt;
  AddressRange range;
  range.bytes_ = *address;
  if (slash == text.npos) return range;
  const bool ipv4 = text.substr(0, slash).find(':') == text.npos;
  const std::string_view bits = text.substr(slash + 1);
  const auto [end, error] = std::from_chars(bits.data(), bits.data() + bits.size(), range.bits_);
  if (bits.empty() || error != std::errc() || end != bits.data() + bits.size() || range.bits_ < 0 ||
      range.bits_ > (ipv4 ? 32 : 128))
    return std::nullopt;
  if (ipv4) range.bits_ += 96;
  return range;
}

bool AddressRange::Contains(const IpBytes& address) const {
  const size_t whole = static_cast<size_t>(bits_) / 8;
  if (std::memcmp(bytes_.data(), address.data(), whole) != 0) return false;
  const int rest = bits_ % 8;
  return rest == 0 || (bytes_[whole] >> (8 - rest)) == (address[whole] >> (8 - rest));
}

}  // namespace skein
