// The listener over real sockets: what it bounds, and that it ends.
#include "broker/admin/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mutex>
#include <string>
#include <vector>

namespace skein::admin {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class HttpServerTest : public testing::Test {
 protected:
  HttpServerTest()
      : server_([this](const Request& request) {
          const std::lock_guard lock(mutex_);
          last_ = request;
          return answer_;
        }) {
    const auto port = server_.Listen("127.0.0.1", 0);
    EXPECT_TRUE(port.ok());
    port_ = *port;
  }

  int Connect() const {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  // All that is answered until the server closes.
  static std::string Rest(int fd) {
    std::string text;
    char bytes[4096];
    for (ssize_t got; (got = recv(fd, bytes, sizeof bytes, 0)) > 0;)
      text.append(bytes, static_cast<size_t>(got));
    close(fd);
    return text;
  }
  std::string Exchange(const std::string& text) const {
    const int fd = Connect();
    for (size_t at = 0; at < text.size();) {
      const ssize_t sent = send(fd, text.data() + at, text.size() - at, MSG_NOSIGNAL);
      if (sent <= 0) break;
      at += static_cast<size_t>(sent);
    }
    shutdown(fd, SHUT_WR);
    return Rest(fd);
  }
  Request last() {
    const std::lock_guard lock(mutex_);
    return last_;
  }

  std::mutex mutex_;
  Request last_;
  Response answer_{200, "{}\n", {}};
  HttpServer server_;
  uint16_t port_ = 0;
};

TEST_F(HttpServerTest, HandsOverWhatIsAsked) {
  const std::string answer = Exchange(
      "POST /a/b?x=1%2F2&y=+ HTTP/1.1\r\nHost: h:1\r\nOrigin: o\r\nAuthorization: Bearer t\r\n"
      "Content-Length: 4\r\n\r\nbody");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: application/json"));
  EXPECT_THAT(answer, HasSubstr("Connection: close"));
  const Request request = last();
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.path, "/a/b");
  EXPECT_EQ(request.query.find("x")->second, "1/2");
  EXPECT_EQ(request.body, "body");
  EXPECT_EQ(request.host, "h:1");
  EXPECT_EQ(request.origin, "o");
  EXPECT_EQ(request.authorization, "Bearer t");
  EXPECT_THAT(request.peer, StartsWith("127.0.0.1:"));
}

TEST_F(HttpServerTest, EveryMethodReachesTheHandler) {
  for (const char* method : {"GET", "PUT", "PATCH", "DELETE", "OPTIONS"}) {
    Exchange(std::string(method) + " /m HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(last().method, method);
  }
}

TEST_F(HttpServerTest, ABodyIsNoPartOfTheQuery) {
  Exchange(
      "POST /m?a=1&b&c=%26+x&a=2&& HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
      "Content-Type: application/x-www-form-urlencoded\r\n\r\nz=1");
  EXPECT_EQ(last().body, "z=1");
  EXPECT_EQ(last().query, (std::multimap<std::string, std::string>{
                              {"a", "1"}, {"a", "2"}, {"b", ""}, {"c", "& x"}}));
}

TEST_F(HttpServerTest, WithoutALengthThereIsNoBody) {
  for (const char* method : {"DELETE", "POST", "PUT"}) {
    const int fd = Connect();
    const std::string request = std::string(method) + " /m%2Fn?x HTTP/1.1\r\nHost: h\r\n\r\n";
    ASSERT_EQ(send(fd, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
    EXPECT_THAT(Rest(fd), StartsWith("HTTP/1.1 200")) << "it must not wait for one";
    EXPECT_EQ(last().method, method);
    EXPECT_EQ(last().path, "/m%2Fn") << "as it was sent";
  }
}

TEST_F(HttpServerTest, AnAnswerHasItsOwnTypeAndHeaders) {
  answer_ = {200, "a 1\n", {}, "text/plain; version=0.0.4", {{"X-One", "1"}}};
  const std::string text = Exchange("GET /t HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"e\"\r\n\r\n");
  EXPECT_THAT(text, HasSubstr("Content-Type: text/plain; version=0.0.4\r\n"));
  EXPECT_THAT(text, HasSubstr("X-One: 1\r\n"));
  EXPECT_THAT(text, HasSubstr("Cache-Control: no-store\r\n"));
  EXPECT_THAT(text, EndsWith("\r\n\r\na 1\n"));
  EXPECT_EQ(last().if_none_match, "\"e\"");

  answer_ = {200, "", {}, "text/css", {{"Cache-Control", "max-age=9"}}, "p { }"};
  const std::string get = " /t HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n";
  const std::string fixed = Exchange("GET" + get);
  EXPECT_THAT(fixed, HasSubstr("Cache-Control: max-age=9\r\n"));
  EXPECT_THAT(fixed, AllOf(HasSubstr("Content-Length: 5\r\n"), EndsWith("\r\n\r\np { }")));
  EXPECT_THAT(fixed, AllOf(Not(HasSubstr("no-store")), Not(HasSubstr("Content-Encoding"))));
  EXPECT_EQ(last().accept_encoding, "gzip");
  EXPECT_THAT(Exchange("HEAD" + get),
              AllOf(HasSubstr("Content-Length: 5\r\n"), EndsWith("\r\n\r\n")));
}

TEST_F(HttpServerTest, WhatIsTooLargeIsNotHandled) {
  const std::string head = "POST /large HTTP/1.1\r\nHost: h\r\n";
  EXPECT_THAT(Exchange(head + "Content-Length: 70000\r\n\r\n" + std::string(70'000, 'x')),
              StartsWith("HTTP/1.1 413"));
  std::string headers = head;
  for (int i = 0; i < 2'000; ++i)
    headers += "X-" + std::to_string(i) + ": " + std::string(50, 'h') + "\r\n";
  Exchange(headers + "\r\n");
  EXPECT_THAT(Exchange("GET /" + std::string(2'100, 'p') + " HTTP/1.1\r\nHost: h\r\n\r\n"),
              StartsWith("HTTP/1.1 414"));
  EXPECT_THAT(Exchange("POST /" + std::string(8'000, 'p') + " HTTP/1.1\r\nHost: h\r\n\r\n"),
              StartsWith("HTTP/1.1 414"));
  EXPECT_EQ(last().method, "") << "the handler saw " << last().path;
}

TEST_F(HttpServerTest, WhatIsNoHttpIsClosed) {
  EXPECT_THAT(Exchange("\x10\x0c\x00\x04MQTT\x05\r\n\r\n"), Not(HasSubstr(" 200 ")));
  EXPECT_EQ(last().method, "");
}

TEST_F(HttpServerTest, AnAddressHasOneListener) {
  HttpServer second([](const Request&) { return Response(); });
  const auto port = second.Listen("127.0.0.1", port_);
  ASSERT_FALSE(port.ok());
  EXPECT_THAT(std::string(port.status().message()), HasSubstr("Address already in use"));
}

TEST_F(HttpServerTest, StopsThoughConnectionsSayNothing) {
  std::vector<int> silent;
  for (size_t i = 0; i < HttpServer::kThreads + HttpServer::kWaiting + 5; ++i)
    silent.push_back(Connect());
  server_.Stop();
  for (const int fd : silent)
    EXPECT_EQ(Rest(fd), "");
}

}  // namespace
}  // namespace skein::admin
