// Bytes waiting to be written to one connection.
//
// Purpose: corked output. Packets of one tick are appended and leave in one gathered write at its
// end. Small packets are copied into pooled chunks; a large payload is referenced in its immutable
// message, never copied. An idle queue owns no memory. The chunks come from a pool that all
// connections of a shard share.
// Thread: confined to the shard that owns pool and queue.
// Limits: the queue itself is unbounded; its owner compares bytes() with
// Limits::max_output_bytes before it appends a PUBLISH.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "broker/mqtt/message.h"

namespace skein::mqtt {

class OutQueue;

// Recycles output chunks. Keeps at most `max_idle` free chunks, the rest go back to the allocator.
class ChunkPool {
 public:
  static constexpr size_t kChunkBytes = 4096;  // the allocation, header included

  explicit ChunkPool(size_t max_idle = 4096);
  ~ChunkPool();
  ChunkPool(const ChunkPool&) = delete;
  ChunkPool& operator=(const ChunkPool&) = delete;

 private:
  friend class OutQueue;

  // One link of a queue: either bytes of its own, which follow it in the same allocation, or a
  // slice of a message.
  struct Chunk {
    Chunk* next = nullptr;
    char* begin = nullptr;  // first byte not yet written
    char* end = nullptr;
    char* limit = nullptr;             // end of the room; nullptr if a slice
    const Message* message = nullptr;  // a slice's reference
    size_t size() const { return static_cast<size_t>(end - begin); }
    size_t room() const { return static_cast<size_t>(limit - end); }
  };

  // An empty chunk with room for at least OutQueue::kMaxReserve bytes.
  Chunk* Take();
  static Chunk* TakeSlice(MessagePtr message, std::string_view payload);
  void Give(Chunk* chunk);

  Chunk* free_ = nullptr;
  size_t idle_ = 0;
  const size_t max_idle_;
};

class OutQueue {
 public:
  // The largest request Reserve() accepts.
  static constexpr size_t kMaxReserve = 3072;

  OutQueue() = default;
  ~OutQueue();  // must be empty: Clear() needs the pool
  OutQueue(OutQueue&&) noexcept;
  OutQueue& operator=(OutQueue&&) = delete;

  // Returns room for exactly `size` bytes (1..kMaxReserve), which count as appended; the caller
  // fills all of it before any other call.
  char* Reserve(ChunkPool& pool, size_t size) {
    if (tail_ == nullptr || tail_->limit == nullptr || tail_->room() < size) Link(pool.Take());
    char* const at = tail_->end;
    tail_->end += size;
    bytes_ += size;
    return at;
  }

  // Appends a copy, of any length.
  void Append(ChunkPool& pool, std::string_view bytes);

  // Appends `payload`, a slice of `message`, without a copy; holds a reference until it is written.
  void AppendPayload(ChunkPool& pool, MessagePtr message, std::string_view payload);

  size_t bytes() const { return bytes_; }
  bool empty() const { return bytes_ == 0; }

  // Fills up to `max` entries from the front, returns how many.
  size_t Gather(iovec* iov, size_t max) const;

  // Drops `size` bytes (<= bytes()) from the front, as the kernel took them.
  void Consume(ChunkPool& pool, size_t size);

  void Clear(ChunkPool& pool);

 private:
  void Link(ChunkPool::Chunk* chunk) {
    (tail_ == nullptr ? head_ : tail_->next) = chunk;
    tail_ = chunk;
  }

  ChunkPool::Chunk* head_ = nullptr;
  ChunkPool::Chunk* tail_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace skein::mqtt
