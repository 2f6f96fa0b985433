// Puts keys together and takes them apart.
#include "storage/rocksdb/keys.h"

namespace skein::storage {
namespace {

constexpr size_t kPartitionSize = 2;
constexpr size_t kKindSize = 1;
constexpr size_t kNumberSize = 8;

uint64_t ReadU64(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < kNumberSize; ++i)
    value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

Key PartitionKey(session::PartitionId partition) {
  return Key().AddU16(static_cast<uint16_t>(partition));
}

}  // namespace

Key LogKey(session::PartitionId partition, uint64_t sequence) {
  return PartitionKey(partition).AddU64(sequence);
}

Key StateKey(session::PartitionId partition, StateKind kind) {
  return PartitionKey(partition).AddU8(static_cast<uint8_t>(kind));
}

Key StateKey(session::PartitionId partition, StateKind kind, uint64_t number) {
  return StateKey(partition, kind).AddU64(number);
}

std::string SubscriptionKey(const session::SessionKey& session, std::string_view filter) {
  const Key prefix = StateKey(session.partition, StateKind::kSubscription, session.number);
  std::string key;
  key.reserve(prefix.view().size() + filter.size());
  return key.append(prefix.view()).append(filter);
}

Key QueueKey(const session::SessionKey& session, uint64_t sequence) {
  return PartitionKey(session.partition).AddU64(session.number).AddU64(sequence);
}

Key BodyKey(session::PartitionId partition, uint64_t number) {
  return PartitionKey(partition).AddU64(number);
}

std::optional<NumberedKey> ParseStateKey(std::string_view key) {
  constexpr size_t kHead = kPartitionSize + kKindSize;
  if (key.size() < kHead + kNumberSize) return std::nullopt;
  return NumberedKey{ReadU64(key.substr(kHead)), key.substr(kHead + kNumberSize)};
}

std::optional<uint64_t> ParseQueueKey(std::string_view key) {
  if (key.size() != kPartitionSize + 2 * kNumberSize) return std::nullopt;
  return ReadU64(key.substr(kPartitionSize + kNumberSize));
}

std::string PrefixEnd(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<uint8_t>(end.back()) == 0xFF)
    end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(end.back() + 1);
  return end;
}

}  // namespace skein::storage
