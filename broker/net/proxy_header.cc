#include "broker/net/proxy_header.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>
#include <vector>

namespace skein::net {
namespace {

using Status = ProxyHeader::Status;

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::string_view kText = "PROXY ";
constexpr size_t kFirst = 12;  // no header of either version is shorter
constexpr size_t kBinary = 16;
constexpr size_t kMaxText = 107;
constexpr size_t kMaxBinary = 4096;

ProxyHeader Fail(std::string_view why) {
  ProxyHeader header;
  header.status = Status::kError;
  header.failure = why;
  return header;
}

ProxyHeader NeedMore(size_t bytes) {
  ProxyHeader header;
  header.needed = bytes;
  return header;
}

ProxyHeader Complete(std::optional<PeerAddress> source) {
  ProxyHeader header;
  header.status = Status::kComplete;
  header.source = source;
  return header;
}

// Digits only.
bool ParseNumber(std::string_view text, int* number) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), *number);
  return !text.empty() && text.front() != '-' && read.ec == std::errc() &&
         read.ptr == text.data() + text.size();
}

std::optional<PeerAddress> Make(int family, const void* bytes, uint16_t port) {
  if (family == AF_INET) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    std::memcpy(&address.sin_addr, bytes, sizeof address.sin_addr);
    return PeerAddress(address);
  }
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  std::memcpy(&address.sin6_addr, bytes, sizeof address.sin6_addr);
  return PeerAddress(address);
}

ProxyHeader ParseText(std::string_view line) {
  std::vector<std::string> words;
  for (size_t at = 0; at <= line.size();) {
    const size_t space = std::min(line.find(' ', at), line.size());
    words.emplace_back(line.substr(at, space - at));
    at = space + 1;
  }
  if (words.size() >= 2 && words[1] == "UNKNOWN") return Complete(std::nullopt);
  const bool ipv4 = words.size() == 6 && words[1] == "TCP4";
  if (!ipv4 && (words.size() != 6 || words[1] != "TCP6"))
    return Fail("proxy: malformed header of version 1");
  const int family = ipv4 ? AF_INET : AF_INET6;
  std::array<unsigned char, 16> source{};
  std::array<unsigned char, 16> target{};
  int port = 0;
  int target_port = 0;
  if (line.find('\0') != line.npos) return Fail("proxy: malformed header of version 1");
  if (inet_pton(family, words[2].c_str(), source.data()) != 1 ||
      inet_pton(family, words[3].c_str(), target.data()) != 1 || !ParseNumber(words[4], &port) ||
      !ParseNumber(words[5], &target_port) || port > UINT16_MAX || target_port > UINT16_MAX)
    return Fail("proxy: bad address in a header of version 1");
  return Complete(Make(family, source.data(), static_cast<uint16_t>(port)));
}

uint16_t Read16(std::string_view bytes, size_t at) {
  return static_cast<uint16_t>(static_cast<uint8_t>(bytes[at]) << 8 |
                               static_cast<uint8_t>(bytes[at + 1]));
}

ProxyHeader ParseBinary(std::string_view head) {
  if (head.size() < kBinary) return NeedMore(kBinary - head.size());
  const auto version = static_cast<uint8_t>(head[12]);
  const auto family = static_cast<uint8_t>(head[13]);
  const size_t length = Read16(head, 14);
  if (version >> 4 != 2 || (version & 15) > 1) return Fail("proxy: unknown version or command");
  if (length > kMaxBinary) return Fail("proxy: header of version 2 longer than 4096 bytes");
  if (head.size() < kBinary + length) return NeedMore(kBinary + length - head.size());
  // LOCAL: the balancer itself, to see whether we live.
  if ((version & 15) == 0) return Complete(std::nullopt);
  const char* const addresses = head.data() + kBinary;
  if (family == 0x11) {
    if (length < 12) return Fail("proxy: addresses cut short");
    return Complete(Make(AF_INET, addresses, Read16(head, kBinary + 8)));
  }
  if (family == 0x21) {
    if (length < 36) return Fail("proxy: addresses cut short");
    return Complete(Make(AF_INET6, addresses, Read16(head, kBinary + 32)));
  }
  // Datagrams, UNIX sockets, what is not specified: the client is not known.
  return Complete(std::nullopt);
}

class ProxyTransport final : public Transport {
 public:
  explicit ProxyTransport(int fd) : fd_(fd) {}

  IoResult Read(char* buffer, size_t size) override {
    while (!done_) {
      const ProxyHeader header = ParseProxyHeader(head_);
      if (header.status == Status::kError) {
        failure_ = header.failure;
        return {IoStatus::kError, 0, EPROTO};
      }
      if (header.status == Status::kComplete) {
        done_ = true;
        peer_ = header.source;
        std::string().swap(head_);
        break;
      }
      const IoResult got = net::Read(fd_, buffer, std::min(size, header.needed));
      if (got.status != IoStatus::kOk) return got;
      head_.append(buffer, got.bytes);
    }
    return net::Read(fd_, buffer, size);
  }
  IoResult Write(const iovec* parts, int count) override { return net::Writev(fd_, parts, count); }
  IoResult Flush() override { return {IoStatus::kOk}; }
  bool wants_write() const override { return false; }
  bool has_input() const override { return false; }
  bool handshaking() const override { return !done_; }
  void Shutdown() override { ShutdownWrite(fd_); }
  const PeerAddress* peer() const override { return peer_.has_value() ? &*peer_ : nullptr; }
  std::string_view failure() const override { return failure_; }

 private:
  std::string head_;
  std::optional<PeerAddress> peer_;
  std::string_view failure_;
  const int fd_;
  bool done_ = false;
};

}  // namespace

ProxyHeader ParseProxyHeader(std::string_view head) {
  if (head.size() < kFirst) {
    const bool text = kText.starts_with(head.substr(0, kText.size()));
    if (!text && !kSignature.starts_with(head)) return Fail("proxy: no PROXY header");
    return NeedMore(kFirst - head.size());
  }
  if (head.starts_with(kSignature)) return ParseBinary(head);
  if (!head.starts_with(kText)) return Fail("proxy: no PROXY header");
  if (head.ends_with("\r\n")) return ParseText(head.substr(0, head.size() - 2));
  if (head.find('\n') != head.npos || head.size() >= kMaxText)
    return Fail("proxy: malformed header of version 1");
  return NeedMore(1);  // its end is not known before it is seen
}

std::unique_ptr<Transport> MakeProxyTransport(int fd) {
  return std::make_unique<ProxyTransport>(fd);
}

}  // namespace skein::net
