#include "broker/net/websocket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "broker/net/websocket_frames.h"

namespace skein::net {
namespace {

constexpr size_t kHandshakeRead = 4096;
constexpr int kReadsWithoutPayload = 16;  // control frames, then others' turn
constexpr size_t kMaxParts = 65;

class WebSocketTransport final : public Transport {
 public:
  WebSocketTransport(std::shared_ptr<const WebSocketOptions> options,
                     std::unique_ptr<Transport> below, int fd)
      : options_(std::move(options)),
        below_(std::move(below)),
        decoder_(options_->max_message_bytes),
        fd_(fd) {}

  IoResult Read(char* buffer, size_t size) override;
  IoResult Write(const iovec* parts, int count) override;
  IoResult Flush() override;
  void Shutdown() override;

  bool wants_write() const override {
    return (!control_.empty() && !in_frame()) || (below_ != nullptr && below_->wants_write());
  }
  bool has_input() const override {
    return (closed_ && !told_closed_) || (below_ != nullptr && below_->has_input());
  }
  bool handshaking() const override { return handshaking_; }
  const PeerAddress* peer() const override { return below_ == nullptr ? nullptr : below_->peer(); }
  const CertificateIdentity* certificate() const override {
    return below_ == nullptr ? nullptr : below_->certificate();
  }
  std::string_view failure() const override { return failure_; }

 private:
  bool in_frame() const { return frame_left_ > 0 || header_at_ < header_size_; }
  IoResult ReadBelow(char* buffer, size_t size) {
    return below_ == nullptr ? net::Read(fd_, buffer, size) : below_->Read(buffer, size);
  }
  IoResult WriteBelow(const iovec* parts, int count) {
    return below_ == nullptr ? net::Writev(fd_, parts, count) : below_->Write(parts, count);
  }
  IoResult Upgrade(char* buffer, size_t size, size_t* rest);
  // Decodes what is in the buffer. kWouldBlock: there was no payload in it.
  IoResult Decode(char* buffer, size_t size);
  void QueueControl(uint8_t opcode, std::string_view payload);
  void QueueClose(uint16_t code);
  // Sends control frames unless a data frame is under way.
  IoResult FlushControl();
  IoResult Fail(std::string_view why) {
    failure_ = why;
    broken_ = true;
    return {IoStatus::kError, 0, EPROTO};
  }
  // The layer below has ended or failed.
  IoResult Pass(const IoResult& result) {
    if (result.status == IoStatus::kError && below_ != nullptr) failure_ = below_->failure();
    return result;
  }

  std::shared_ptr<const WebSocketOptions> options_;
  std::unique_ptr<Transport> below_;
  WebSocketDecoder decoder_;
  std::string head_;     // of the upgrade, until it is complete
  std::string control_;  // control frames, or the answer to the upgrade, to be written
  std::string_view failure_;
  uint64_t frame_left_ = 0;  // payload of the frame under way that was not written
  std::array<char, 10> header_{};
  uint8_t header_size_ = 0;
  uint8_t header_at_ = 0;  // written of it
  const int fd_;
  bool handshaking_ = true;
  bool closed_ = false;  // the client's close frame has come
  bool told_closed_ = false;
  bool close_sent_ = false;
  bool broken_ = false;
};

IoResult WebSocketTransport::Upgrade(char* buffer, size_t size, size_t* rest) {
  *rest = 0;
  for (;;) {
    const IoResult got = ReadBelow(buffer, std::min(size, kHandshakeRead));
    if (got.status != IoStatus::kOk) return Pass(got);
    head_.append(buffer, got.bytes);
    const UpgradeResult result = JudgeUpgrade(head_, *options_);
    if (result.status == UpgradeResult::Status::kNeedMore) continue;
    control_ = result.answer;
    if (result.status == UpgradeResult::Status::kRefuse) {
      FlushControl();
      return Fail(result.failure);
    }
    // The request ended in the last piece that was read, so its rest fits.
    *rest = head_.size() - result.size;
    std::memcpy(buffer, head_.data() + result.size, *rest);
    std::string().swap(head_);  // assigning would keep its room
    handshaking_ = false;
    return FlushControl();
  }
}

IoResult WebSocketTransport::Decode(char* buffer, size_t size) {
  size_t payload = 0;
  const WebSocketDecoder::Status status = decoder_.Decode(buffer, size, &payload);
  if (status == WebSocketDecoder::Status::kError) {
    QueueClose(decoder_.close_code());
    FlushControl();
    return Fail(decoder_.failure());
  }
  if (status == WebSocketDecoder::Status::kClosed) {
    closed_ = true;
    QueueClose(decoder_.close_code());
  }
  // One answer waits at most: later pings replace the one that is not answered yet.
  if (decoder_.pong_due() && control_.empty() && !close_sent_)
    QueueControl(kOpPong, decoder_.TakePong());
  if (const IoResult flushed = FlushControl(); flushed.status == IoStatus::kError)
    return Pass(flushed);
  if (payload > 0) return {IoStatus::kOk, payload};
  if (!closed_) return {IoStatus::kWouldBlock};
  told_closed_ = true;
  return {IoStatus::kClosed};
}

IoResult WebSocketTransport::Read(char* buffer, size_t size) {
  if (broken_) return {IoStatus::kError, 0, EPROTO};
  if (closed_) {
    told_closed_ = true;
    return {IoStatus::kClosed};
  }
  if (handshaking_) {
    size_t rest = 0;
    const IoResult upgraded = Upgrade(buffer, size, &rest);
    if (handshaking_ || upgraded.status == IoStatus::kError) return upgraded;
    if (rest > 0) {
      const IoResult decoded = Decode(buffer, rest);
      if (decoded.status != IoStatus::kWouldBlock) return decoded;
    }
  }
  for (int i = 0; i < kReadsWithoutPayload; ++i) {
    const IoResult got = ReadBelow(buffer, size);
    if (got.status != IoStatus::kOk) return Pass(got);
    const IoResult decoded = Decode(buffer, got.bytes);
    if (decoded.status != IoStatus::kWouldBlock) return decoded;
  }
  return {IoStatus::kWouldBlock};
}

void WebSocketTransport::QueueControl(uint8_t opcode, std::string_view payload) {
  std::array<char, 10> header;
  const size_t size = EncodeFrameHeader(opcode, payload.size(), &header);
  control_.append(header.data(), size);
  control_.append(payload);
}

void WebSocketTransport::QueueClose(uint16_t code) {
  if (close_sent_) return;
  close_sent_ = true;
  constexpr uint16_t kNoStatus = 1005;
  const char bytes[] = {static_cast<char>(code >> 8), static_cast<char>(code & 0xFF)};
  QueueControl(kOpClose, code == kNoStatus ? std::string_view() : std::string_view(bytes, 2));
}

IoResult WebSocketTransport::FlushControl() {
  while (!control_.empty() && !in_frame()) {
    const iovec part{control_.data(), control_.size()};
    const IoResult put = WriteBelow(&part, 1);
    if (put.status != IoStatus::kOk) return put;
    control_.erase(0, put.bytes);
    if (control_.empty()) {
      std::string().swap(control_);
      if (decoder_.pong_due() && !close_sent_) QueueControl(kOpPong, decoder_.TakePong());
    }
  }
  return {IoStatus::kOk};
}

IoResult WebSocketTransport::Write(const iovec* parts, int count) {
  if (broken_ || close_sent_) return {IoStatus::kError, 0, EPIPE};
  if (handshaking_) return {IoStatus::kWouldBlock};
  if (!in_frame()) {
    if (const IoResult flushed = FlushControl(); flushed.status != IoStatus::kOk)
      return Pass(flushed);
    uint64_t total = 0;
    for (int i = 0; i < count; ++i)
      total += parts[i].iov_len;
    header_size_ = static_cast<uint8_t>(EncodeFrameHeader(kOpBinary, total, &header_));
    header_at_ = 0;
    frame_left_ = total;
  }
  std::array<iovec, kMaxParts> all;
  size_t used = 0;
  if (header_at_ < header_size_)
    all[used++] = {header_.data() + header_at_, static_cast<size_t>(header_size_ - header_at_)};
  uint64_t room = frame_left_;
  for (int i = 0; i < count && used < all.size() && room > 0; ++i) {
    all[used] = parts[i];
    all[used].iov_len = static_cast<size_t>(std::min<uint64_t>(parts[i].iov_len, room));
    room -= all[used++].iov_len;
  }
  const IoResult put = WriteBelow(all.data(), static_cast<int>(used));
  if (put.status != IoStatus::kOk) return Pass(put);
  const size_t header = std::min<size_t>(put.bytes, header_size_ - header_at_);
  header_at_ = static_cast<uint8_t>(header_at_ + header);
  const size_t taken = put.bytes - header;
  frame_left_ -= taken;
  if (taken == 0) return {IoStatus::kWouldBlock};
  return {IoStatus::kOk, taken};
}

IoResult WebSocketTransport::Flush() {
  if (below_ != nullptr && below_->wants_write()) {
    const IoResult flushed = below_->Flush();
    if (flushed.status != IoStatus::kOk) return Pass(flushed);
  }
  return Pass(FlushControl());
}

void WebSocketTransport::Shutdown() {
  if (!handshaking_ && !broken_ && !in_frame()) {
    QueueClose(1000);
    FlushControl();
  }
  if (below_ != nullptr) return below_->Shutdown();
  ShutdownWrite(fd_);
}

}  // namespace

std::unique_ptr<Transport> MakeWebSocketTransport(std::shared_ptr<const WebSocketOptions> options,
                                                  std::unique_ptr<Transport> below, int fd) {
  return std::make_unique<WebSocketTransport>(std::move(options), std::move(below), fd);
}

}  // namespace skein::net
