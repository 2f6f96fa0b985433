#include "broker/mqtt/out_queue.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "broker/base/check.h"

namespace skein::mqtt {

ChunkPool::ChunkPool(size_t max_idle) : max_idle_(max_idle) {
  static_assert(kChunkBytes - sizeof(Chunk) >= OutQueue::kMaxReserve);
}

ChunkPool::~ChunkPool() {
  while (free_ != nullptr)
    ::operator delete(std::exchange(free_, free_->next));
}

ChunkPool::Chunk* ChunkPool::Take() {
  void* memory = free_;
  if (memory == nullptr) {
    memory = ::operator new(kChunkBytes);
  } else {
    free_ = free_->next;
    --idle_;
  }
  auto* chunk = new (memory) Chunk();
  chunk->begin = chunk->end = reinterpret_cast<char*>(chunk + 1);
  chunk->limit = static_cast<char*>(memory) + kChunkBytes;
  return chunk;
}

ChunkPool::Chunk* ChunkPool::TakeSlice(MessagePtr message, std::string_view payload) {
  auto* chunk = new (::operator new(sizeof(Chunk))) Chunk();
  // Never written through: iovec wants pointers that are not const, for reading and writing alike.
  chunk->begin = const_cast<char*>(payload.data());
  chunk->end = chunk->begin + payload.size();
  chunk->message = message.detach();
  return chunk;
}

void ChunkPool::Give(Chunk* chunk) {
  if (chunk->message != nullptr) MessagePtr::Adopt(std::exchange(chunk->message, nullptr));
  if (chunk->limit == nullptr || idle_ >= max_idle_) {
    ::operator delete(chunk);
    return;
  }
  chunk->next = free_;
  free_ = chunk;
  ++idle_;
}

OutQueue::~OutQueue() {
  SKEIN_CHECK(head_ == nullptr) << "an output queue must be cleared first";
}

OutQueue::OutQueue(OutQueue&& other) noexcept
    : head_(std::exchange(other.head_, nullptr)),
      tail_(std::exchange(other.tail_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)) {}

void OutQueue::Append(ChunkPool& pool, std::string_view bytes) {
  while (!bytes.empty()) {
    // Fill what is left of the last chunk before a new one is begun.
    const bool room = tail_ != nullptr && tail_->limit != nullptr && tail_->room() > 0;
    const size_t size = std::min(bytes.size(), room ? tail_->room() : kMaxReserve);
    std::memcpy(Reserve(pool, size), bytes.data(), size);
    bytes.remove_prefix(size);
  }
}

void OutQueue::AppendPayload(ChunkPool& pool, MessagePtr message, std::string_view payload) {
  if (payload.empty()) return;
  bytes_ += payload.size();
  Link(pool.TakeSlice(std::move(message), payload));
}

size_t OutQueue::Gather(iovec* iov, size_t max) const {
  size_t count = 0;
  for (const ChunkPool::Chunk* chunk = head_; chunk != nullptr && count < max;
       chunk = chunk->next) {
    iov[count++] = {chunk->begin, chunk->size()};
  }
  return count;
}

void OutQueue::Consume(ChunkPool& pool, size_t size) {
  SKEIN_CHECK(size <= bytes_);
  bytes_ -= size;
  while (head_ != nullptr && size >= head_->size()) {
    size -= head_->size();
    ChunkPool::Chunk* const done = std::exchange(head_, head_->next);
    pool.Give(done);
  }
  if (head_ != nullptr) {
    head_->begin += size;
  } else {
    tail_ = nullptr;
  }
}

void OutQueue::Clear(ChunkPool& pool) {
  Consume(pool, bytes_);
}

}  // namespace skein::mqtt
