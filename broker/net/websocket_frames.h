// Frames of a WebSocket, as a server reads them (RFC 6455 section 5).
//
// Purpose: takes the frames apart in place: what was read comes back as the payload of data frames,
// moved together in the same buffer. Between two calls only a header's state is kept, so an idle
// connection holds no buffer. Thread: confined to its connection; pure. Limits: the message size
// given; control frames 125 bytes; one pong waits at most, the newest. Errors: a close code of the
// standard and the rule; nothing may be decoded afterwards.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace skein::net {

class WebSocketDecoder {
 public:
  explicit WebSocketDecoder(size_t max_message_bytes) : max_message_bytes_(max_message_bytes) {}

  enum class Status : uint8_t {
    kOk,
    kClosed,  // the client's close frame came; close_code() is to be echoed
    kError,   // close_code() is to be sent, failure() says why
  };

  // Decodes all `size` bytes at `data`; `*payload` bytes of message are left at its beginning.
  Status Decode(char* data, size_t size, size_t* payload);

  // The newest ping's payload that was not answered yet, if `pong_due()`.
  bool pong_due() const { return pong_due_; }
  std::string TakePong();

  uint16_t close_code() const { return close_code_; }
  std::string_view failure() const { return failure_; }

 private:
  static constexpr size_t kMaxControl = 125;

  // How many more header bytes are needed; 0: the header is complete.
  size_t HeaderMissing() const;
  Status BeginFrame();
  Status TakeControl(const char* data, size_t size);
  Status EndControl();
  Status Fail(uint16_t code, std::string_view why);
  void Unmask(char* to, const char* from, size_t size);

  const size_t max_message_bytes_;
  uint64_t left_ = 0;           // payload bytes of the frame still to come
  uint64_t message_bytes_ = 0;  // of the message under way
  std::string control_;         // payload of the control frame under way
  std::string ping_;            // to be answered
  std::string_view failure_;
  std::array<uint8_t, 14> header_{};
  std::array<uint8_t, 4> mask_{};
  uint8_t header_size_ = 0;
  uint8_t mask_at_ = 0;
  uint8_t opcode_ = 0;
  uint16_t close_code_ = 1000;
  bool in_frame_ = false;
  bool in_message_ = false;  // a fragmented message waits for its continuation
  bool final_ = false;
  bool pong_due_ = false;
};

// The header of an unmasked final frame; returns its size (2..10).
size_t EncodeFrameHeader(uint8_t opcode, uint64_t payload, std::array<char, 10>* header);

inline constexpr uint8_t kOpContinuation = 0;
inline constexpr uint8_t kOpText = 1;
inline constexpr uint8_t kOpBinary = 2;
inline constexpr uint8_t kOpClose = 8;
inline constexpr uint8_t kOpPing = 9;
inline constexpr uint8_t kOpPong = 10;

}  // namespace skein::net
