#include "broker/net/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skein::net {
namespace {

using testing::HasSubstr;
using Status = AcceptResult::Status;

TEST(ParseListenUrlTest, GoodOnes) {
  const struct {
    std::string_view url;
    Endpoint endpoint;
    bool loopback;
  } kTable[] = {
      {"tcp://127.0.0.1:1883", {"127.0.0.1", 1883}, true},
      {"tcp://127.8.9.10:1", {"127.8.9.10", 1}, true},
      {"tcp://[::1]:1883", {"::1", 1883}, true},
      {"tcp://[::ffff:127.0.0.1]:1883", {"::ffff:127.0.0.1", 1883}, true},
      {"tcp://localhost:65535", {"localhost", 65535}, true},
      {"tcp://0.0.0.0:0", {"0.0.0.0", 0}, false},
      {"tcp://[::]:1883", {"::", 1883}, false},
      {"tcp://:1883", {"", 1883}, false},
      {"tcp://192.0.2.1:1883", {"192.0.2.1", 1883}, false},
      {"tcp://[fe80::1%eth0]:1883", {"fe80::1%eth0", 1883}, false},
      {"tcp://broker-0.mqtt.local:1883", {"broker-0.mqtt.local", 1883}, false},
  };
  for (const auto& row : kTable) {
    const absl::StatusOr<Endpoint> endpoint = ParseListenUrl(row.url);
    ASSERT_TRUE(endpoint.ok()) << row.url << ": " << endpoint.status();
    EXPECT_EQ(*endpoint, row.endpoint) << row.url;
    EXPECT_EQ(IsLoopback(*endpoint), row.loopback) << row.url;
    EXPECT_EQ(endpoint->ToString(), row.url);
  }
}

TEST(ParseListenUrlTest, BadOnesSayWhy) {
  const struct {
    std::string_view url;
    std::string_view why;
  } kTable[] = {
      {"", "scheme"},
      {"127.0.0.1:1883", "scheme"},
      {"tls://127.0.0.1:8883", "scheme"},
      {"TCP://127.0.0.1:1883", "scheme"},
      {"tcp://", "port is missing"},
      {"tcp://127.0.0.1", "port is missing"},
      {"tcp://[::1]", "port is missing"},
      {"tcp://127.0.0.1:", "port must be"},
      {"tcp://127.0.0.1:65536", "port must be"},
      {"tcp://127.0.0.1:-1", "port must be"},
      {"tcp://127.0.0.1:+1", "port must be"},
      {"tcp://127.0.0.1:18 83", "port must be"},
      {"tcp://127.0.0.1:1883/", "port must be"},
      {"tcp://::1:1883", "brackets"},
      {"tcp://[127.0.0.1]:1883", "not an IPv6 address"},
      {"tcp://[]:1883", "not an IPv6 address"},
      {"tcp://[::g]:1883", "not an IPv6 address"},
      {"tcp://[::1:1883", "brackets"},
      {"tcp://256.0.0.1:1883", "not a host"},
      {"tcp://1.2.3:1883", "not a host"},
      {"tcp://a b:1883", "not a host"},
      {"tcp://user@host:1883", "not a host"},
      {std::string_view("tcp://a\0b:1883", 14), "not a host"},
  };
  for (const auto& row : kTable) {
    const absl::StatusOr<Endpoint> endpoint = ParseListenUrl(row.url);
    ASSERT_FALSE(endpoint.ok()) << row.url;
    EXPECT_EQ(endpoint.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(endpoint.status().message()), HasSubstr(std::string(row.why)))
        << row.url;
    EXPECT_THAT(std::string(endpoint.status().message()), HasSubstr("expected tcp://HOST:PORT"));
  }
}

Listener MustBind(const std::string& host) {
  absl::StatusOr<Listener> listener = Listener::Bind({host, 0});
  EXPECT_TRUE(listener.ok()) << listener.status();
  return *std::move(listener);
}

Fd ConnectV4(uint16_t port) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) fd.Reset();
  return fd;
}

Fd ConnectV6(uint16_t port) {
  Fd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  address.sin6_addr = in6addr_loopback;
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) fd.Reset();
  return fd;
}

bool HasIpv6() {
  return Listener::Bind({"::1", 0}).ok();
}

uint16_t LocalPort(const Fd& fd) {
  sockaddr_storage local{};
  socklen_t length = sizeof(local);
  EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&local), &length), 0);
  return ntohs(local.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(local).sin6_port
                                           : reinterpret_cast<sockaddr_in&>(local).sin_port);
}

// connect() returns before the connection is in the accept queue's view of another thread: wait for
// it.
AcceptResult AcceptOne(Listener& listener) {
  pollfd ready{listener.fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&ready, 1, 30'000), 1);
  return listener.Accept();
}

TEST(ListenerTest, AcceptsNonBlockingConnectionsWithTheirPeer) {
  Listener listener = MustBind("127.0.0.1");
  EXPECT_NE(listener.port(), 0);
  EXPECT_EQ(listener.endpoint(), (Endpoint{"127.0.0.1", listener.port()}));
  EXPECT_EQ(listener.Accept().status, Status::kNone);

  const Fd client = ConnectV4(listener.port());
  ASSERT_TRUE(client.valid());
  const AcceptResult accepted = AcceptOne(listener);
  ASSERT_EQ(accepted.status, Status::kConnection);
  EXPECT_EQ(accepted.peer.port(), LocalPort(client));
  EXPECT_EQ(accepted.peer.ToString(), "127.0.0.1:" + std::to_string(LocalPort(client)));
  EXPECT_TRUE(::fcntl(accepted.fd.get(), F_GETFL) & O_NONBLOCK);
  EXPECT_TRUE(::fcntl(accepted.fd.get(), F_GETFD) & FD_CLOEXEC);
  int no_delay = 0;
  socklen_t length = sizeof(no_delay);
  ASSERT_EQ(::getsockopt(accepted.fd.get(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &length), 0);
  EXPECT_EQ(no_delay, 1);
  EXPECT_EQ(listener.Accept().status, Status::kNone);
}

TEST(ListenerTest, PortInUseIsRefusedWithAClearText) {
  const Listener first = MustBind("127.0.0.1");
  const absl::StatusOr<Listener> second = Listener::Bind({"127.0.0.1", first.port()});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(std::string(second.status().message()),
            "cannot listen on tcp://127.0.0.1:" + std::to_string(first.port()) +
                ": Address already in use");
}

TEST(ListenerTest, PortIsFreeAgainAtOnce) {
  uint16_t port;
  {
    Listener listener = MustBind("127.0.0.1");
    port = listener.port();
    const Fd client = ConnectV4(port);
    AcceptResult accepted = AcceptOne(listener);
    accepted.fd.Reset();  // closed here first: leaves TIME_WAIT on this side
  }
  EXPECT_TRUE(Listener::Bind({"127.0.0.1", port}).ok());
}

TEST(ListenerTest, AddressThatIsNotHereAndNameThatDoesNotResolve) {
  const absl::StatusOr<Listener> elsewhere = Listener::Bind({"192.0.2.1", 0});
  ASSERT_FALSE(elsewhere.ok());
  EXPECT_THAT(std::string(elsewhere.status().message()),
              HasSubstr("cannot listen on tcp://192.0.2.1:0: Cannot assign requested address"));
  const absl::StatusOr<Listener> nameless = Listener::Bind({"no-such-host.invalid", 0});
  ASSERT_FALSE(nameless.ok());
  EXPECT_THAT(std::string(nameless.status().message()),
              HasSubstr("cannot listen on tcp://no-such-host.invalid:0: "));
}

TEST(ListenerTest, NameBindsItsIpv4Address) {
  const Listener listener = MustBind("localhost");
  EXPECT_TRUE(ConnectV4(listener.port()).valid());
}

TEST(ListenerTest, EmptyHostTakesEveryFamily) {
  Listener listener = MustBind("");
  const Fd v4 = ConnectV4(listener.port());
  ASSERT_TRUE(v4.valid());
  EXPECT_EQ(AcceptOne(listener).peer.ToString(), "127.0.0.1:" + std::to_string(LocalPort(v4)));
  if (!HasIpv6()) return;
  const Fd v6 = ConnectV6(listener.port());
  ASSERT_TRUE(v6.valid());
  EXPECT_EQ(AcceptOne(listener).peer.ToString(), "[::1]:" + std::to_string(LocalPort(v6)));
}

TEST(ListenerTest, Ipv6HostTakesIpv6Only) {
  if (!HasIpv6()) return;  // nothing to show on a machine without it
  Listener listener = MustBind("::");
  const Fd v6 = ConnectV6(listener.port());
  ASSERT_TRUE(v6.valid());
  EXPECT_EQ(AcceptOne(listener).peer.ToString(), "[::1]:" + std::to_string(LocalPort(v6)));
  EXPECT_FALSE(ConnectV4(listener.port()).valid());
}

TEST(ListenerTest, OutOfDescriptorsIsToldApartAndPasses) {
  Listener listener = MustBind("127.0.0.1");
  const Fd client = ConnectV4(listener.port());
  ASSERT_TRUE(client.valid());
  pollfd ready{listener.fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&ready, 1, 30'000), 1);

  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(client.get()) + 1;
  std::vector<Fd> fillers;  // takes the gaps below the limit
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  for (int fd = ::dup(client.get()); fd >= 0; fd = ::dup(client.get()))
    fillers.emplace_back(fd);
  const AcceptResult refused = listener.Accept();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(refused.status, Status::kExhausted);
  EXPECT_EQ(refused.error, EMFILE);
  EXPECT_EQ(listener.Accept().status, Status::kConnection);  // it is still waiting
}

TEST(PeerAddressTest, Formats) {
  EXPECT_EQ(PeerAddress().ToString(), "unknown");
  sockaddr_in6 address{};
  address.sin6_port = htons(51234);
  ASSERT_EQ(::inet_pton(AF_INET6, "2001:db8::7", &address.sin6_addr), 1);
  EXPECT_EQ(PeerAddress(address).ToString(), "[2001:db8::7]:51234");
  ASSERT_EQ(::inet_pton(AF_INET6, "::ffff:192.0.2.7", &address.sin6_addr), 1);
  EXPECT_EQ(PeerAddress(address).ToString(), "192.0.2.7:51234");
}

}  // namespace
}  // namespace skein::net
