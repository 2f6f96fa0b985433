// PROXY headers, and the ranges of those who may send them.
#include "broker/net/proxy_header.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <string>

namespace skein::net {
namespace {

using Status = ProxyHeader::Status;

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

std::string Binary(uint8_t version, uint8_t family, const std::string& rest) {
  std::string head = kSignature;
  head += static_cast<char>(version);
  head += static_cast<char>(family);
  head += static_cast<char>(rest.size() >> 8);
  head += static_cast<char>(rest.size());
  return head + rest;
}

const std::string kIpv4("\xc0\x00\x02\x07\x0a\x00\x00\x01\xc8\x2f\x07\x5b", 12);

// The source, "none" or the failure.
std::string Parse(const std::string& head) {
  const ProxyHeader whole = ParseProxyHeader(head);
  if (whole.status == Status::kError) return std::string(whole.failure);
  if (whole.status != Status::kComplete) return "not complete";
  // Every shorter piece asks for more, and never for what is not the header's.
  for (size_t size = 0; size < head.size(); ++size) {
    const ProxyHeader part = ParseProxyHeader(head.substr(0, size));
    EXPECT_EQ(part.status, Status::kNeedMore);
    EXPECT_GT(part.needed, 0u);
    EXPECT_LE(size + part.needed, head.size()) << "reads beyond the header";
  }
  return whole.source.has_value() ? whole.source->ToString() : "none";
}

TEST(ProxyHeaderTest, BothVersions) {
  EXPECT_EQ(Parse("PROXY TCP4 192.0.2.7 10.0.0.1 51247 1883\r\n"), "192.0.2.7:51247");
  EXPECT_EQ(Parse("PROXY TCP6 2001:db8::7 ::1 1 2\r\n"), "[2001:db8::7]:1");
  EXPECT_EQ(Parse("PROXY UNKNOWN\r\n"), "none");
  EXPECT_EQ(Parse(Binary(0x21, 0x11, kIpv4)), "192.0.2.7:51247");
  EXPECT_EQ(Parse(Binary(0x21, 0x11, kIpv4 + "extensions")), "192.0.2.7:51247");
  const std::string ipv6 =
      std::string(15, '\0') + "\x07" + std::string(16, '\0') + std::string("\x00\x01\x00\x02", 4);
  EXPECT_EQ(Parse(Binary(0x21, 0x21, ipv6)), "[::7]:1");
  EXPECT_EQ(Parse(Binary(0x20, 0x00, "")), "none");
  EXPECT_EQ(Parse(Binary(0x21, 0x31, std::string(216, 'x'))), "none");
}

TEST(ProxyHeaderTest, AnythingElseIsRefused) {
  for (const std::string& head :
       {std::string("\x10\x0c\x00\x04MQTT\x04\x02\x00\x00", 12), std::string("GET / HTTP/1.1\r\n"),
        std::string("PROXY TCP4 192.0.2.7 10.0.0.1 51247\r\n"),
        std::string("PROXY TCP4 192.0.2.777 10.0.0.1 1 2\r\n"),
        std::string("PROXY TCP4 192.0.2.7 10.0.0.1 70000 2\r\n"),
        std::string("PROXY TCP4 2001:db8::7 ::1 1 2\r\n"), "PROXY TCP4 " + std::string(200, '1'),
        Binary(0x31, 0x11, kIpv4), Binary(0x22, 0x11, kIpv4), Binary(0x21, 0x11, "short"),
        Binary(0x21, 0x11, std::string(5000, 'x'))})
    EXPECT_TRUE(Parse(head).starts_with("proxy: ")) << Parse(head);
}

TEST(ProxyTransportTest, TheRestIsTheClients) {
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
  const Fd client(fds[0]);
  const Fd server(fds[1]);
  const auto transport = MakeProxyTransport(server.get());
  const std::string wire = Binary(0x21, 0x11, kIpv4 + "more") + "CONNECT";
  char buffer[100];
  std::string got;
  for (const char c : wire) {
    ASSERT_EQ(send(client.get(), &c, 1, 0), 1);
    const IoResult result = transport->Read(buffer, sizeof buffer);
    if (result.status == IoStatus::kOk) got.append(buffer, result.bytes);
  }
  EXPECT_EQ(got, "CONNECT");
  ASSERT_NE(transport->peer(), nullptr);
  EXPECT_EQ(transport->peer()->AddressText(), "192.0.2.7");
}

}  // namespace
}  // namespace skein::net
