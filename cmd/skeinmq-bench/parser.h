// Reads what a broker sends out of a large shared read buffer, without copying payloads.
//
// Of a PUBLISH only the head is looked at: packet id and stamp; the rest is skipped, over several
// reads if need be, and the message is reported when its last byte is there. A connection keeps
// bytes of its own (`carry`) only for a head that was cut off; it is bounded by kMaxHead. One
// parser per connection, used by one thread.
//
//     memcpy carry to the front of the buffer, read() behind it, then
//     if (!parser.Feed(view, sink)) -> the broker sent something malformed
//
// Sink: void OnPublish(const Delivery&); void OnPacket(uint8_t type, std::string_view body).
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "cmd/skeinmq-bench/wire.h"

namespace skein::bench {

struct Delivery {
  uint8_t qos = 0;
  bool dup = false;
  bool retain = false;
  uint16_t packet_id = 0;
  uint32_t payload_bytes = 0;
  Stamp stamp;  // magic is 0 when the payload is too short to hold one
};

class Parser {
 public:
  // Longest packet other than PUBLISH, and longest head of a PUBLISH.
  static constexpr size_t kMaxHead = 128 * 1024;

  explicit Parser(Version version = Version::kV311) : version_(version) {}

  // The bytes to be put in front of what is read next.
  const std::string& carry() const { return carry_; }

  // `bytes` begins with carry(). False: malformed, the connection is of no more use.
  template <typename Sink>
  bool Feed(std::string_view bytes, Sink& sink) {
    size_t at = 0;
    if (skip_ > 0) {
      at = bytes.size() < skip_ ? bytes.size() : skip_;
      skip_ -= static_cast<uint32_t>(at);
      if (skip_ > 0) return true;
      sink.OnPublish(pending_);
    }
    while (at < bytes.size()) {
      const Step step = Next(bytes, at, sink);
      if (step == Step::kMalformed) return false;
      if (step == Step::kNeedMore) break;
    }
    const std::string_view rest = bytes.substr(at);
    if (rest.size() > kMaxHead) return false;
    carry_.assign(rest);
    return true;
  }

 private:
  enum class Step { kDone, kNeedMore, kMalformed };

  template <typename Sink>
  Step Next(std::string_view bytes, size_t& at, Sink& sink) {
    size_t body_at = at + 1;
    bool malformed = false;
    const std::optional<uint32_t> length = ReadVarint(bytes, body_at, malformed);
    if (!length) return malformed ? Step::kMalformed : Step::kNeedMore;
    const auto first = static_cast<uint8_t>(bytes[at]);
    const size_t available = bytes.size() - body_at;
    if (first >> 4 != kPublish) {
      if (*length > kMaxHead - 8) return Step::kMalformed;
      if (available < *length) return Step::kNeedMore;
      sink.OnPacket(first >> 4, bytes.substr(body_at, *length));
      at = body_at + *length;
      return Step::kDone;
    }
    const bool whole = available >= *length;
    const Step step = ReadHead(first, *length, bytes.substr(body_at, whole ? *length : available));
    if (step != Step::kDone) return whole ? Step::kMalformed : step;
    if (whole) {
      at = body_at + *length;
      sink.OnPublish(pending_);
    } else {
      at = bytes.size();
      skip_ = *length - static_cast<uint32_t>(available);
    }
    return Step::kDone;
  }

  // Fills pending_ from a PUBLISH of `length` bytes of which `body` is there.
  Step ReadHead(uint8_t first, uint32_t length, std::string_view body) {
    if (body.size() < 2) return Step::kNeedMore;
    size_t at = 2 + (size_t{static_cast<uint8_t>(body[0])} << 8 | static_cast<uint8_t>(body[1]));
    pending_ = Delivery{.qos = static_cast<uint8_t>(first >> 1 & 3),
                        .dup = (first & 0x08) != 0,
                        .retain = (first & 0x01) != 0};
    if (pending_.qos == 3) return Step::kMalformed;
    if (pending_.qos > 0) {
      if (body.size() < at + 2) return Step::kNeedMore;
      pending_.packet_id = static_cast<uint16_t>(static_cast<uint8_t>(body[at]) << 8 |
                                                 static_cast<uint8_t>(body[at + 1]));
      if (pending_.packet_id == 0) return Step::kMalformed;
      at += 2;
    }
    if (version_ == Version::kV5) {
      bool malformed = false;
      const std::optional<uint32_t> properties = ReadVarint(body, at, malformed);
      if (!properties) return malformed ? Step::kMalformed : Step::kNeedMore;
      at += *properties;
    }
    if (at > length) return Step::kMalformed;
    pending_.payload_bytes = length - static_cast<uint32_t>(at);
    if (pending_.payload_bytes < kStampBytes) {
      pending_.stamp.magic = 0;
      return Step::kDone;
    }
    if (body.size() < at + kStampBytes) return Step::kNeedMore;
    std::memcpy(&pending_.stamp, body.data() + at, kStampBytes);
    return Step::kDone;
  }

  Version version_;
  std::string carry_;
  uint32_t skip_ = 0;  // bytes of pending_'s payload still to come
  Delivery pending_;
};

}  // namespace skein::bench
