#include "broker/net/websocket_frames.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace skein::net {
namespace {

constexpr uint16_t kProtocolError = 1002;
constexpr uint16_t kUnsupportedData = 1003;
constexpr uint16_t kMessageTooBig = 1009;
constexpr uint16_t kNoStatus = 1005;

// RFC 6455 7.4: codes that may be in a close frame.
bool ValidCloseCode(unsigned code) {
  return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
         (code >= 3000 && code <= 4999);
}

}  // namespace

WebSocketDecoder::Status WebSocketDecoder::Fail(uint16_t code, std::string_view why) {
  close_code_ = code;
  failure_ = why;
  return Status::kError;
}

size_t WebSocketDecoder::HeaderMissing() const {
  if (header_size_ < 2) return 2u - header_size_;
  const uint8_t length = header_[1] & 0x7F;
  const size_t whole = 2u + (length == 126 ? 2u : length == 127 ? 8u : 0u) + 4u;
  return whole - header_size_;
}

WebSocketDecoder::Status WebSocketDecoder::BeginFrame() {
  opcode_ = header_[0] & 0x0F;
  final_ = (header_[0] & 0x80) != 0;
  uint64_t length = header_[1] & 0x7F;
  const size_t extra = length == 126 ? 2 : length == 127 ? 8 : 0;
  if (extra > 0) {
    const uint64_t most = extra == 2 ? 125 : UINT16_MAX;
    length = 0;
    for (size_t i = 0; i < extra; ++i)
      length = length << 8 | header_[2 + i];
    if (length >> 63 != 0)
      return Fail(kProtocolError, "websocket: length of 64 bits (RFC 6455 5.2)");
    if (length <= most)
      return Fail(kProtocolError, "websocket: length not in its shortest form (RFC 6455 5.2)");
  }
  std::copy_n(header_.begin() + 2 + static_cast<std::ptrdiff_t>(extra), 4, mask_.begin());
  mask_at_ = 0;
  left_ = length;
  in_frame_ = true;
  if (opcode_ >= kOpClose) {
    if (length > kMaxControl || !final_)
      return Fail(kProtocolError, "websocket: control frame too long or cut (RFC 6455 5.5)");
    control_.clear();
    return Status::kOk;
  }
  if ((opcode_ == kOpContinuation) != in_message_)
    return Fail(kProtocolError, "websocket: fragments out of order (RFC 6455 5.4)");
  if (opcode_ != kOpContinuation) message_bytes_ = 0;
  in_message_ = !final_;
  if (length > max_message_bytes_ - message_bytes_)
    return Fail(kMessageTooBig, "websocket: message larger than the limit");
  message_bytes_ += length;
  return Status::kOk;
}

void WebSocketDecoder::Unmask(char* to, const char* from, size_t size) {
  uint64_t wide = 0;
  std::array<uint8_t, 8> mask{};
  for (size_t i = 0; i < mask.size(); ++i)
    mask[i] = mask_[(mask_at_ + i) & 3];
  std::memcpy(&wide, mask.data(), sizeof wide);
  size_t i = 0;
  for (; i + sizeof wide <= size; i += sizeof wide) {
    uint64_t word;
    std::memcpy(&word, from + i, sizeof word);
    word ^= wide;
    std::memcpy(to + i, &word, sizeof word);
  }
  for (; i < size; ++i)
    to[i] = static_cast<char>(static_cast<uint8_t>(from[i]) ^ mask[i & 7]);
  mask_at_ = static_cast<uint8_t>((mask_at_ + size) & 3);
}

WebSocketDecoder::Status WebSocketDecoder::TakeControl(const char* data, size_t size) {
  const size_t before = control_.size();
  control_.resize(before + size);
  Unmask(control_.data() + before, data, size);
  left_ -= size;
  return left_ > 0 ? Status::kOk : EndControl();
}

WebSocketDecoder::Status WebSocketDecoder::EndControl() {
  in_frame_ = false;
  if (opcode_ == kOpPing) {
    ping_ = std::exchange(control_, {});
    pong_due_ = true;
  } else if (opcode_ == kOpClose) {
    if (control_.empty()) {
      close_code_ = kNoStatus;
      return Status::kClosed;
    }
    const unsigned code = control_.size() < 2
                              ? 0u
                              : static_cast<unsigned>(static_cast<uint8_t>(control_[0])) << 8 |
                                    static_cast<uint8_t>(control_[1]);
    if (!ValidCloseCode(code))
      return Fail(kProtocolError, "websocket: bad close code (RFC 6455 7.4)");
    close_code_ = static_cast<uint16_t>(code);
    return Status::kClosed;
  }
  std::string().swap(control_);
  return Status::kOk;
}

WebSocketDecoder::Status WebSocketDecoder::Decode(char* data, size_t size, size_t* payload) {
  *payload = 0;
  size_t at = 0;
  Status status = Status::kOk;
  while (status == Status::kOk && (at < size || (in_frame_ && left_ == 0))) {
    if (!in_frame_) {
      const size_t part = std::min(HeaderMissing(), size - at);
      std::memcpy(header_.data() + header_size_, data + at, part);
      header_size_ = static_cast<uint8_t>(header_size_ + part);
      at += part;
      if (header_size_ < 2) break;
      const uint8_t opcode = header_[0] & 0x0F;
      if ((header_[0] & 0x70) != 0)
        return Fail(kProtocolError, "websocket: reserved bits are set (RFC 6455 5.2)");
      if ((header_[1] & 0x80) == 0)
        return Fail(kProtocolError, "websocket: unmasked frame from a client (RFC 6455 5.1)");
      if (opcode == kOpText) return Fail(kUnsupportedData, "[MQTT-6.0.0-1] a text frame");
      if ((opcode > kOpBinary && opcode < kOpClose) || opcode > kOpPong)
        return Fail(kProtocolError, "websocket: unknown opcode (RFC 6455 5.2)");
      if (HeaderMissing() > 0) continue;
      header_size_ = 0;
      status = BeginFrame();
      continue;
    }
    const size_t part = static_cast<size_t>(std::min<uint64_t>(left_, size - at));
    if (opcode_ >= kOpClose) {
      status = TakeControl(data + at, part);
    } else {
      Unmask(data + *payload, data + at, part);
      *payload += part;
      left_ -= part;
      in_frame_ = left_ > 0;
    }
    at += part;
  }
  return status;
}

std::string WebSocketDecoder::TakePong() {
  pong_due_ = false;
  return std::exchange(ping_, {});
}

size_t EncodeFrameHeader(uint8_t opcode, uint64_t payload, std::array<char, 10>* header) {
  (*header)[0] = static_cast<char>(0x80 | opcode);
  if (payload <= 125) {
    (*header)[1] = static_cast<char>(payload);
    return 2;
  }
  const size_t extra = payload <= UINT16_MAX ? 2 : 8;
  (*header)[1] = static_cast<char>(extra == 2 ? 126 : 127);
  for (size_t i = 0; i < extra; ++i)
    (*header)[2 + i] = static_cast<char>(payload >> (8 * (extra - 1 - i)) & 0xFF);
  return 2 + extra;
}

}  // namespace skein::net
