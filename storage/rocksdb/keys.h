// The keys of the column families.
//
// Purpose: one place that knows how a key is put together; docs/formats.md describes them. Numbers
// are big endian, so that keys sort as the numbers do, and every key starts with its partition.
// Thread: plain values, any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "broker/session/store.h"

namespace skein::storage {

// A key of up to three numbers, on the stack.
class Key {
 public:
  std::string_view view() const { return {bytes_.data(), size_}; }

  Key& AddU8(uint8_t value) { return Add(value, 1); }
  Key& AddU16(uint16_t value) { return Add(value, 2); }
  Key& AddU64(uint64_t value) { return Add(value, 8); }

 private:
  Key& Add(uint64_t value, size_t width) {
    for (size_t i = width; i > 0; --i) {
      bytes_[size_++] = static_cast<char>(value >> (8 * (i - 1)) & 0xFF);
    }
    return *this;
  }

  std::array<char, 18> bytes_;
  size_t size_ = 0;
};

// What a key of the state family leads to.
enum class StateKind : uint8_t {
  kApplied = 'A',       // the applied position
  kBodyUses = 'B',      // + body number: how many queue entries still use it
  kEnded = 'E',         // + session number: an ended session that is not cleared yet
  kSubscription = 'F',  // + session number + filter
  kSession = 'S',       // + session number
};

// Family "log".
Key LogKey(session::PartitionId partition, uint64_t sequence);

// Family "state". The first is the key of what is unique in the partition.
Key StateKey(session::PartitionId partition, StateKind kind);
Key StateKey(session::PartitionId partition, StateKind kind, uint64_t number);
std::string SubscriptionKey(const session::SessionKey& session, std::string_view filter);

// Family "queue".
Key QueueKey(const session::SessionKey& session, uint64_t sequence);

// Family "bodies".
Key BodyKey(session::PartitionId partition, uint64_t number);

// The body at `index` of a frame has this number. An index needs 16 bits.
inline constexpr uint64_t BodyNumber(uint64_t frame_sequence, uint16_t index) {
  return frame_sequence << 16 | index;
}

// What stands behind the partition and kind of a state key, or behind the partition of the others.
struct NumberedKey {
  uint64_t number = 0;
  std::string_view rest;  // the filter of a subscription
};
// Nothing: the key is not long enough.
std::optional<NumberedKey> ParseStateKey(std::string_view key);
// The sequence of a queue key.
std::optional<uint64_t> ParseQueueKey(std::string_view key);

// The smallest key that is greater than all that begin with this; empty: there is none.
std::string PrefixEnd(std::string_view prefix);

}  // namespace skein::storage
