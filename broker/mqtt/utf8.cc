#include "broker/mqtt/utf8.h"

#include <bit>
#include <cstddef>
#include <cstring>

namespace skein::mqtt {

namespace {

// Eight bytes at a time, as the bytes of one word; the tail is cut out of a word by shifting.
static_assert(std::endian::native == std::endian::little);

constexpr uint64_t kOnes = 0x0101010101010101;
constexpr uint64_t kHighBits = 0x8080808080808080;
constexpr uint64_t kLowBits = 0x7F7F7F7F7F7F7F7F;

uint64_t Load(const char* from) {
  uint64_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

// The 1 to 7 bytes at `from`; 0x01 above them.
uint64_t LoadShort(const char* from, size_t size) {
  uint64_t word;
  if (size >= 4) {
    uint32_t low;
    uint32_t high;  // overlaps `low` unless there are eight
    std::memcpy(&low, from, sizeof low);
    std::memcpy(&high, from + size - 4, sizeof high);
    word = low | uint64_t{high} << (8 * (size - 4));
  } else {
    const auto byte = [from](size_t i) {
      return uint64_t{static_cast<unsigned char>(from[i])} << (8 * i);
    };
    word = byte(0) | byte(size / 2) | byte(size - 1);
  }
  return word | kOnes << (8 * size);
}

// The high bit of each byte of `word` that is zero. Every byte of `word` is below 0x80.
uint64_t ZeroBytes(uint64_t word) {
  return ((word + kLowBits) & kHighBits) ^ kHighBits;
}

// What a pass has seen so far. The high bits of `nulls` and `wildcards` gather over the words.
struct Marks {
  uint64_t nulls = 0;
  uint64_t wildcards = 0;
  uint32_t slashes = 0;

  void AddAsciiWord(uint64_t word) {
    nulls |= ZeroBytes(word);
    wildcards |= ZeroBytes((word | 0x08 * kOnes) ^ '+' * kOnes);  // '#' | 0x08 is '+'
    slashes += static_cast<uint32_t>(((ZeroBytes(word ^ '/' * kOnes) >> 7) * kOnes) >> 56);
  }
  void AddAsciiByte(unsigned char byte) {
    nulls |= byte == 0;
    wildcards |= byte == '+' || byte == '#';
    slashes += byte == '/';
  }
};

// Length of the well-formed sequence of more than one byte at `at`, or 0. The table of well-formed
// sequences in the Unicode standard: overlong forms, surrogates and what lies above U+10FFFF fail
// by the range of the second byte.
size_t SequenceLength(const char* at, size_t left) {
  const auto byte = [at](size_t i) { return static_cast<unsigned char>(at[i]); };
  const auto follows = [&byte](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned char first = byte(0);
  if (first < 0xC2 || first > 0xF4) return 0;
  if (first < 0xE0) return left >= 2 && follows(1) ? 2 : 0;
  if (first < 0xF0) {
    if (left < 3 || !follows(1) || !follows(2)) return 0;
    if (first == 0xE0 && byte(1) < 0xA0) return 0;
    if (first == 0xED && byte(1) > 0x9F) return 0;
    return 3;
  }
  if (left < 4 || !follows(1) || !follows(2) || !follows(3)) return 0;
  if (first == 0xF0 && byte(1) < 0x90) return 0;
  if (first == 0xF4 && byte(1) > 0x8F) return 0;
  return 4;
}

// Walks characters until `at` has passed `stop` (or the end). Returns nullptr at an ill-formed one.
const char* WalkCharacters(const char* at, const char* stop, const char* end, Marks* marks) {
  while (at < stop) {
    const auto byte = static_cast<unsigned char>(*at);
    if (byte < 0x80) {
      marks->AddAsciiByte(byte);
      ++at;
      continue;
    }
    const size_t length = SequenceLength(at, static_cast<size_t>(end - at));
    if (length == 0) return nullptr;
    at += length;
  }
  return at;
}

// One pass over all of `text`. False if it is not well formed.
bool Walk(std::string_view text, Marks* marks) {
  const char* at = text.data();
  const char* const end = at + text.size();
  while (end - at >= 8) {
    const uint64_t word = Load(at);
    if ((word & kHighBits) == 0) {
      marks->AddAsciiWord(word);
      at += 8;
      continue;
    }
    at = WalkCharacters(at, at + 8, end, marks);
    if (at == nullptr) return false;
  }
  const auto left = static_cast<unsigned>(end - at);
  if (left == 0) return true;
  // Of the last eight bytes, if there are so many, those not yet seen; 0x01 takes the place of the
  // others.
  const unsigned shift = 8 * (8 - left);
  const uint64_t word =
      text.size() >= 8 ? (Load(end - 8) >> shift) | (kOnes << (64 - shift)) : LoadShort(at, left);
  if ((word & kHighBits) == 0) {
    marks->AddAsciiWord(word);
    return true;
  }
  return WalkCharacters(at, end, end, marks) != nullptr;
}

}  // namespace

TextScan ScanText(std::string_view text) {
  Marks marks;
  TextScan scan;
  scan.valid = Walk(text, &marks) && marks.nulls == 0;
  scan.wildcard = marks.wildcards != 0;
  scan.levels = marks.slashes + 1;
  return scan;
}

bool IsUtf8(std::string_view text) {
  Marks marks;
  return Walk(text, &marks) && marks.nulls == 0;
}

bool IsUtf8Payload(std::string_view bytes) {
  Marks marks;
  return Walk(bytes, &marks);
}

}  // namespace skein::mqtt
