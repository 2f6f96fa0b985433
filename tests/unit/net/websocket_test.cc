// The upgrade, and frames in every wrong way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <random>
#include <string>

#include "broker/net/websocket.h"
#include "broker/net/websocket_frames.h"

namespace skein::net {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Request(const std::string& extra = "", const std::string& line = "GET /mqtt HTTP/1.1",
                    const std::string& protocol = "Sec-WebSocket-Protocol: mqtt\r\n",
                    const std::string& key = "dGhlIHNhbXBsZSBub25jZQ==") {
  return line + "\r\nHost: broker\r\nUpgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n" +
         "Sec-WebSocket-Key: " + key + "\r\nSec-WebSocket-Version: 13\r\n" + protocol + extra +
         "\r\n";
}

std::string Judge(const std::string& request, const WebSocketOptions& options = {}) {
  const UpgradeResult result = JudgeUpgrade(request, options);
  if (result.status == UpgradeResult::Status::kNeedMore) return "more";
  EXPECT_EQ(result.failure.empty(), result.status == UpgradeResult::Status::kAccept);
  return result.answer;
}

TEST(UpgradeTest, IsAnswered) {
  const std::string answer = Judge(Request());
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 101 "));
  EXPECT_THAT(answer, HasSubstr("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nSec-WebSocket-Protocol: mqtt\r\n"));
  EXPECT_THAT(Judge(Request("", "GET /mqtt?a=b HTTP/1.1")), StartsWith("HTTP/1.1 101 "));
  EXPECT_THAT(Judge(Request("", "GET /mqtt HTTP/1.1", "Sec-WebSocket-Protocol: x, mqttv3.1\r\n")),
              HasSubstr("Protocol: mqttv3.1\r\n"));
  const std::string whole = Request() + "frames";
  EXPECT_EQ(JudgeUpgrade(whole, {}).size, whole.size() - 6);
  for (size_t size = 0; size < Request().size(); ++size)
    EXPECT_EQ(Judge(Request().substr(0, size)), "more") << size;
}

TEST(UpgradeTest, IsRefused) {
  EXPECT_THAT(Judge(Request("", "POST /mqtt HTTP/1.1")), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(Judge(Request("", "GET /mqtt HTTP/1.0")), StartsWith("HTTP/1.1 505 "));
  EXPECT_THAT(Judge(Request("", "GET /other HTTP/1.1")), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Judge(Request("", "nonsense")), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Judge(Request("", "GET /mqtt HTTP/1.1", "")), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Judge(Request("", "GET /mqtt HTTP/1.1", "Sec-WebSocket-Protocol: chat\r\n")),
              StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Judge(Request("", "GET /mqtt HTTP/1.1", "Sec-WebSocket-Protocol: mqtt\r\n", "AAAA")),
              StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Judge(Request("Sec-WebSocket-Version: 13\r\n")), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Judge(Request("Content-Length: 5\r\n")), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Judge(Request("no colon\r\n")), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Judge(Request("X: a\nY: b\r\n")), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Judge("GET /mqtt HTTP/1.1\r\nHost: b\r\n\r\n"), StartsWith("HTTP/1.1 426 "));
  EXPECT_THAT(Judge("GET /mqtt HTTP/1.1\r\nHost: b\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
                    "Sec-WebSocket-Version: 8\r\n\r\n"),
              HasSubstr("Sec-WebSocket-Version: 13\r\n"));
  EXPECT_THAT(Judge(std::string(9000, 'a')), StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(Judge(Request("X: " + std::string(8192, 'a') + "\r\n")), StartsWith("HTTP/1.1 431 "));
}

TEST(UpgradeTest, OnlyListedPagesComeIn) {
  WebSocketOptions options;
  options.origins = {"https://good.example"};
  EXPECT_THAT(Judge(Request("Origin: https://good.example\r\n"), options),
              StartsWith("HTTP/1.1 101"));
  EXPECT_THAT(Judge(Request("Origin: https://evil.example\r\n"), options),
              StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(Judge(Request(), options), StartsWith("HTTP/1.1 101")) << "not a browser";
  EXPECT_THAT(Judge(Request("Origin: https://evil.example\r\n")), StartsWith("HTTP/1.1 101"));
}

std::string Frame(uint8_t first, const std::string& payload, int length_form = 0) {
  std::string frame(1, static_cast<char>(first));
  if (length_form == 0) length_form = payload.size() < 126 ? 1 : payload.size() < 65536 ? 2 : 8;
  if (length_form == 1) {
    frame += static_cast<char>(0x80 | payload.size());
  } else {
    frame += static_cast<char>(0x80 | (length_form == 2 ? 126 : 127));
    for (int i = length_form - 1; i >= 0; --i)
      frame += static_cast<char>(payload.size() >> (8 * i));
  }
  const std::string mask = "\x12\x34\x56\x78";
  frame += mask;
  for (size_t i = 0; i < payload.size(); ++i)
    frame += static_cast<char>(payload[i] ^ mask[i % 4]);
  return frame;
}

using Status = WebSocketDecoder::Status;

struct Decoded {
  std::string payload;
  Status status = Status::kOk;
};

Decoded Decode(WebSocketDecoder* decoder, const std::string& bytes, std::mt19937* cuts = nullptr) {
  Decoded all;
  for (size_t at = 0; at < bytes.size() && all.status == Status::kOk;) {
    const size_t size = cuts == nullptr ? bytes.size() : 1 + (*cuts)() % 20;
    std::string part = bytes.substr(at, size);
    at += part.size();
    size_t payload = 0;
    all.status = decoder->Decode(part.data(), part.size(), &payload);
    all.payload += part.substr(0, payload);
  }
  return all;
}

TEST(WebSocketDecoderTest, FramesCutAnywhere) {
  std::mt19937 random(1);
  for (int round = 0; round < 500; ++round) {
    std::string wire;
    std::string wanted;
    for (int i = 0; i < 10; ++i) {
      std::string message(random() % 300, '\0');
      for (char& c : message)
        c = static_cast<char>(random());
      wanted += message;
      const size_t cut = message.empty() ? 0 : random() % message.size();
      if (random() % 2 == 0) {
        wire += Frame(0x82, message);
      } else {
        wire += Frame(0x02, message.substr(0, cut)) + Frame(0x89, "ping") + Frame(0x8A, "") +
                Frame(0x80, message.substr(cut));
      }
    }
    WebSocketDecoder decoder(1 << 20);
    const Decoded decoded = Decode(&decoder, wire, &random);
    ASSERT_EQ(decoded.status, Status::kOk) << decoder.failure();
    ASSERT_EQ(decoded.payload, wanted);
  }
}

TEST(WebSocketDecoderTest, BrokenRules) {
  struct Row {
    const char* what;
    std::string wire;
    uint16_t code;
  };
  std::string unmasked = Frame(0x82, "x");
  unmasked[1] = 1;
  std::string huge = Frame(0x82, "x", 8);
  huge[2] = static_cast<char>(0x80);
  const Row rows[] = {
      {"unmasked", unmasked, 1002},
      {"reserved bits", Frame(0xC2, "x"), 1002},
      {"unknown opcode", Frame(0x83, "x"), 1002},
      {"text", Frame(0x81, "x"), 1003},
      {"length not shortest", Frame(0x82, "x", 2), 1002},
      {"length not shortest, 8 bytes", Frame(0x82, std::string(300, 'x'), 8), 1002},
      {"length of 64 bits", huge, 1002},
      {"length beyond the limit", Frame(0x82, std::string(2000, 'x')), 1009},
      {"fragments beyond the limit",
       Frame(0x02, std::string(600, 'x')) + Frame(0x80, std::string(600, 'x')), 1009},
      {"continuation of nothing", Frame(0x80, "x"), 1002},
      {"a new message in a message", Frame(0x02, "x") + Frame(0x82, "y"), 1002},
      {"cut control frame", Frame(0x09, "x"), 1002},
      {"long control frame", Frame(0x89, std::string(126, 'x')), 1002},
      {"close code of one byte", Frame(0x88, "x"), 1002},
      {"bad close code", Frame(0x88, std::string("\x03\xed", 2)), 1002},
  };
  for (const Row& row : rows) {
    WebSocketDecoder decoder(1000);
    EXPECT_EQ(Decode(&decoder, row.wire).status, Status::kError) << row.what;
    EXPECT_EQ(decoder.close_code(), row.code) << row.what;
    EXPECT_FALSE(decoder.failure().empty());
  }
}

TEST(WebSocketDecoderTest, TheNewestPingIsAnsweredAndCloseIsSeen) {
  WebSocketDecoder decoder(1000);
  std::string pings;
  for (int i = 0; i < 5000; ++i)
    pings += Frame(0x89, std::to_string(i));
  EXPECT_EQ(Decode(&decoder, pings).status, Status::kOk);
  ASSERT_TRUE(decoder.pong_due());
  EXPECT_EQ(decoder.TakePong(), "4999");
  EXPECT_FALSE(decoder.pong_due());
  const Decoded end =
      Decode(&decoder, Frame(0x82, "last") + Frame(0x88, std::string("\x03\xe8", 2)));
  EXPECT_EQ(end.status, Status::kClosed);
  EXPECT_EQ(end.payload, "last");
  EXPECT_EQ(decoder.close_code(), 1000);
}

class WebSocketTransportTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    client_.Reset(fds[0]);
    server_.Reset(fds[1]);
    const int small = 4096;
    setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    transport_ = MakeWebSocketTransport(std::make_shared<WebSocketOptions>(), nullptr, fds[1]);
  }
  void Say(const std::string& bytes) {
    ASSERT_EQ(send(client_.get(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
  }
  // What the client can read now.
  std::string Hear() {
    std::string all;
    char buffer[65536];
    for (ssize_t got; (got = recv(client_.get(), buffer, sizeof buffer, 0)) > 0;)
      all.append(buffer, static_cast<size_t>(got));
    return all;
  }
  IoResult Read(std::string* payload) {
    char buffer[8192];
    const IoResult got = transport_->Read(buffer, sizeof buffer);
    payload->assign(buffer, got.status == IoStatus::kOk ? got.bytes : 0);
    return got;
  }

  Fd client_, server_;
  std::unique_ptr<Transport> transport_;
};

TEST_F(WebSocketTransportTest, FramesBehindTheRequestAreNotLost) {
  Say(Request() + Frame(0x82, "early"));
  std::string payload;
  EXPECT_TRUE(transport_->handshaking());
  EXPECT_EQ(Read(&payload).status, IoStatus::kOk);
  EXPECT_EQ(payload, "early");
  EXPECT_FALSE(transport_->handshaking());
  EXPECT_THAT(Hear(), StartsWith("HTTP/1.1 101"));
  Say(Frame(0x89, "are you there"));
  EXPECT_EQ(Read(&payload).status, IoStatus::kWouldBlock);
  EXPECT_EQ(Hear(), std::string("\x8a\x0d") + "are you there");
}

TEST_F(WebSocketTransportTest, ACloseIsEchoedAfterWhatCameBefore) {
  Say(Request());
  std::string payload;
  Read(&payload);
  Hear();
  Say(Frame(0x82, "last") + Frame(0x88, std::string("\x03\xe8", 2)));
  EXPECT_EQ(Read(&payload).status, IoStatus::kOk);
  EXPECT_EQ(payload, "last");
  EXPECT_TRUE(transport_->has_input());
  EXPECT_EQ(Read(&payload).status, IoStatus::kClosed);
  EXPECT_FALSE(transport_->has_input());
  EXPECT_EQ(Hear(), std::string("\x88\x02\x03\xe8", 4));
}

TEST_F(WebSocketTransportTest, ARefusalIsAnsweredAndNamed) {
  Say("GET /mqtt HTTP/1.1\r\n\r\n");
  std::string payload;
  EXPECT_EQ(Read(&payload).status, IoStatus::kError);
  EXPECT_THAT(std::string(transport_->failure()), HasSubstr("Host"));
  EXPECT_THAT(Hear(), StartsWith("HTTP/1.1 400"));
}

// A reader so slow that the kernel takes every frame in pieces.
TEST_F(WebSocketTransportTest, WhatIsWrittenInPiecesArrivesWhole) {
  Say(Request());
  std::string payload;
  Read(&payload);
  Hear();
  std::mt19937 random(3);
  std::string sent;
  std::string heard;
  std::string pending;
  for (int i = 0; i < 2000 || !pending.empty(); ++i) {
    if (i < 2000) {
      std::string more(1 + random() % 3000, '\0');
      for (char& c : more)
        c = static_cast<char>(random());
      sent += more;
      pending += more;
    }
    const size_t half = pending.size() / 2;
    const iovec parts[] = {{pending.data(), half}, {pending.data() + half, pending.size() - half}};
    const IoResult put = transport_->Write(half == 0 ? parts + 1 : parts, half == 0 ? 1 : 2);
    if (put.status == IoStatus::kOk) pending.erase(0, put.bytes);
    if (i % 7 == 0) Say(Frame(0x89, "p"));
    if (i % 3 == 0) heard += Hear();
    if (i % 5 == 0) Read(&payload);
    ASSERT_NE(put.status, IoStatus::kError);
  }
  transport_->Flush();
  heard += Hear();
  std::string data;
  for (size_t at = 0; at < heard.size();) {
    const auto first = static_cast<uint8_t>(heard[at]);
    size_t length = static_cast<uint8_t>(heard[at + 1]);
    size_t header = 2;
    if (length >= 126) {
      const size_t bytes = length == 126 ? 2 : 8;
      length = 0;
      for (size_t i = 0; i < bytes; ++i)
        length = length << 8 | static_cast<uint8_t>(heard[at + 2 + i]);
      header += bytes;
    }
    ASSERT_TRUE(first == 0x82 || first == 0x8A) << at;
    if (first == 0x82) data += heard.substr(at + header, length);
    at += header + length;
  }
  EXPECT_EQ(data, sent);
}

}  // namespace
}  // namespace skein::net
