// Listener URLs: what is read, what is refused, who may come without credentials.
#include "cmd/skeinmqd/listener_url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace skein::config {
namespace {

using ::testing::HasSubstr;

TEST(ListenerUrl, Addresses) {
  struct Row {
    const char* text;
    std::optional<Address> address;
  };
  const Row rows[] = {
      {"127.0.0.1:1883", Address{"127.0.0.1", 1883}},
      {"127.0.0.1", Address{"127.0.0.1", 7}},
      {"0.0.0.0:0", Address{"0.0.0.0", 0}},
      {"[::1]:65535", Address{"::1", 65535}},
      {"[::]", Address{"::", 7}},
      {"broker-0.mqtt.svc:1883", Address{"broker-0.mqtt.svc", 1883}},
      {"", std::nullopt},
      {":1883", std::nullopt},
      {"127.0.0.1:", std::nullopt},
      {"127.0.0.1:65536", std::nullopt},
      {"127.0.0.1:abc", std::nullopt},
      {"127.0.0.1:-1", std::nullopt},
      {"127.0.0:1883", std::nullopt},
      {"300.0.0.1:1883", std::nullopt},
      {"::1:1883", std::nullopt},
      {"[::1", std::nullopt},
      {"[::1]1883", std::nullopt},
      {"[127.0.0.1]:1883", std::nullopt},
      {"user@host:1883", std::nullopt},
      {"host/path:1883", std::nullopt},
  };
  for (const Row& row : rows)
    EXPECT_EQ(ParseAddress(row.text, 7), row.address) << row.text;
  EXPECT_EQ(ParseAddress("127.0.0.1", std::nullopt), std::nullopt);
}

TEST(ListenerUrl, AddressesReadBack) {
  for (const Address& address : {Address{"127.0.0.1", 1883}, Address{"::1", 0}}) {
    EXPECT_EQ(ParseAddress(FormatAddress(address), std::nullopt), address);
  }
}

TEST(ListenerUrl, Loopback) {
  for (const char* host : {"127.0.0.1", "127.255.0.9", "::1", "0:0:0:0:0:0:0:1", "localhost"}) {
    EXPECT_TRUE(IsLoopback(host)) << host;
  }
  for (const char* host : {"0.0.0.0", "::", "128.0.0.1", "::ffff:127.0.0.1", "127.example.org",
                           "localhost.example.org"}) {
    EXPECT_FALSE(IsLoopback(host)) << host;
  }
}

TEST(ListenerUrl, AnonymousByDefaultOnlyOnLoopback) {
  ListenerDraft local;
  ASSERT_EQ(SetListenerUrl("tcp://[::1]", &local), std::nullopt);
  EXPECT_EQ(FinishListener(local), (Listener{{"::1", 1883}, "tcp://[::1]:1883", true}));
  ListenerDraft open;
  ASSERT_EQ(SetListenerUrl("tcp://0.0.0.0:2883", &open), std::nullopt);
  EXPECT_FALSE(FinishListener(open).allow_anonymous);
}

TEST(ListenerUrl, QuerySetsTheOtherFields) {
  ListenerDraft draft;
  ASSERT_EQ(SetListenerUrl("tcp://0.0.0.0:2883?allow_anonymous=true&name=field&max_connections=7",
                           &draft),
            std::nullopt);
  EXPECT_EQ(FinishListener(draft), (Listener{{"0.0.0.0", 2883}, "field", true, 7}));
}

TEST(ListenerUrl, RefusedUrlsSayWhatIsAllowed) {
  struct Row {
    const char* url;
    const char* said;
  };
  const Row rows[] = {
      {"127.0.0.1:1883", "tcp://HOST:PORT"},
      {"mqtt://127.0.0.1", "tcp://HOST:PORT"},
      {"tcp://", "tcp://HOST:PORT"},
      {"tls://127.0.0.1:8883?tls_min_version=1.1", "tls_min_version: 1.2 or 1.3"},
      {"ws://127.0.0.1:8080?paths=mqtt", "paths: paths that begin with /"},
      {"tls://127.0.0.1?client_certificates=maybe", "none, optional or required"},
      {"tcp://127.0.0.1?anonymous=true", "after '?'"},
      {"tcp://127.0.0.1?url=tcp://1.2.3.4", "after '?'"},
      {"tcp://127.0.0.1?allow_anonymous", "after '?'"},
      {"tcp://127.0.0.1?allow_anonymous=maybe", "allow_anonymous: true or false"},
      {"tcp://127.0.0.1?max_connections=0", "max_connections: integer 1..4294967295"},
      {"tcp://127.0.0.1?name=", "name: 1..64 characters"},
  };
  for (const Row& row : rows) {
    ListenerDraft draft;
    EXPECT_THAT(SetListenerUrl(row.url, &draft).value_or("accepted"), HasSubstr(row.said))
        << row.url;
  }
}

}  // namespace
}  // namespace skein::config
