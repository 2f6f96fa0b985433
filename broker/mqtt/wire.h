// Reading and writing the primitive types of MQTT. Internal to this folder.
//
// Purpose: one bounds-checked cursor for the decoders, one set of appenders and raw writers for the
// encoders.
// Thread: plain values.
// Limits: a Reader never looks beyond the bytes it was given; a writer trusts its caller that there
// is room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "broker/base/check.h"
#include "broker/mqtt/constants.h"

namespace skein::mqtt::wire {

// A cursor. Each read returns false and leaves the cursor where it is when the bytes do not hold
// the value.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  size_t left() const { return static_cast<size_t>(end_ - at_); }
  bool done() const { return at_ == end_; }
  const char* at() const { return at_; }
  std::string_view rest() const { return {at_, left()}; }

  bool Byte(uint8_t* out) {
    if (left() < 1) return false;
    *out = Peek(0);
    at_ += 1;
    return true;
  }
  bool TwoByte(uint16_t* out) {
    if (left() < 2) return false;
    *out = static_cast<uint16_t>(Peek(0) << 8 | Peek(1));
    at_ += 2;
    return true;
  }
  bool FourByte(uint32_t* out) {
    if (left() < 4) return false;
    *out = uint32_t{Peek(0)} << 24 | uint32_t{Peek(1)} << 16 | uint32_t{Peek(2)} << 8 | Peek(3);
    at_ += 4;
    return true;
  }
  bool Bytes(size_t size, std::string_view* out) {
    if (left() < size) return false;
    *out = {at_, size};
    at_ += size;
    return true;
  }
  // Binary Data, or a UTF-8 Encoded String that the caller has yet to check.
  bool Binary(std::string_view* out) {
    if (left() < 2) return false;
    const size_t size = static_cast<size_t>(Peek(0) << 8 | Peek(1));
    if (left() - 2 < size) return false;
    *out = {at_ + 2, size};
    at_ += 2 + size;
    return true;
  }
  // A Variable Byte Integer in its shortest form [MQTT-1.5.5-1].
  bool Varint(uint32_t* out) {
    uint32_t value = 0;
    for (size_t i = 0; i < 4 && i < left(); ++i) {
      value |= uint32_t{Peek(i)} << (7 * i) & uint32_t{0x7F} << (7 * i);
      if (Peek(i) >= 0x80) continue;
      if (i > 0 && Peek(i) == 0) return false;
      *out = value;
      at_ += i + 1;
      return true;
    }
    return false;
  }

 private:
  uint8_t Peek(size_t i) const { return static_cast<uint8_t>(at_[i]); }

  const char* at_;
  const char* end_;
};

inline size_t VarintSize(uint32_t value) {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20'0000 ? 3 : 4;
}

// --- writers into reserved memory: each returns the place behind what it wrote
inline char* PutByte(char* at, uint32_t value) {
  *at = static_cast<char>(value);
  return at + 1;
}
inline char* PutTwoByte(char* at, uint32_t value) {
  at[0] = static_cast<char>(value >> 8);
  at[1] = static_cast<char>(value);
  return at + 2;
}
inline char* PutFourByte(char* at, uint32_t value) {
  return PutTwoByte(PutTwoByte(at, value >> 16), value & 0xFFFF);
}
inline char* PutVarint(char* at, uint32_t value) {
  while (value >= 0x80) {
    at = PutByte(at, value | 0x80);
    value >>= 7;
  }
  return PutByte(at, value);
}
inline char* PutBytes(char* at, std::string_view bytes) {
  if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
  return at + bytes.size();
}

// --- appenders
inline void AddByte(std::string* out, uint32_t value) {
  out->push_back(static_cast<char>(value));
}
inline void AddTwoByte(std::string* out, uint32_t value) {
  char bytes[2];
  PutTwoByte(bytes, value);
  out->append(bytes, sizeof bytes);
}
inline void AddFourByte(std::string* out, uint32_t value) {
  char bytes[4];
  PutFourByte(bytes, value);
  out->append(bytes, sizeof bytes);
}
inline void AddVarint(std::string* out, uint32_t value) {
  SKEIN_CHECK(value <= kMaxVarint);
  char bytes[4];
  out->append(bytes, static_cast<size_t>(PutVarint(bytes, value) - bytes));
}
inline void AddBinary(std::string* out, std::string_view bytes) {
  SKEIN_CHECK(bytes.size() <= UINT16_MAX);
  AddTwoByte(out, static_cast<uint32_t>(bytes.size()));
  out->append(bytes);
}

}  // namespace skein::mqtt::wire
