// A queue in one growing block.
//
// Purpose: first-in first-out storage with indexed access. Empty rings own no memory, so that an
// idle session costs nothing. Thread: confined to its owner. Limits: grows by doubling; the owner
// bounds its length.
#pragma once

#include <bit>
#include <cstddef>
#include <memory>
#include <utility>

#include "broker/base/check.h"

namespace skein {

template <typename T>
class Ring {
 public:
  Ring() = default;
  ~Ring() { clear(); }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  T& operator[](size_t index) { return *At(index); }
  const T& operator[](size_t index) const { return *At(index); }
  T& front() { return *At(0); }
  T& back() { return *At(size_ - 1); }

  T& push_back(T value) {
    if (size_ == capacity_) Grow();
    T* place = At(size_++);
    return *std::construct_at(place, std::move(value));
  }

  void pop_front() {
    SKEIN_CHECK(size_ > 0);
    std::destroy_at(At(0));
    head_ = (head_ + 1) & (capacity_ - 1);
    if (--size_ == 0 && capacity_ > kKeptWhenEmpty) Free();
  }

  void pop_back() {
    SKEIN_CHECK(size_ > 0);
    std::destroy_at(At(size_ - 1));
    if (--size_ == 0 && capacity_ > kKeptWhenEmpty) Free();
  }

  void clear() {
    for (size_t i = 0; i < size_; ++i)
      std::destroy_at(At(i));
    size_ = 0;
    Free();
  }

 private:
  // A busy ring that empties for a moment keeps a small block, so that it does not allocate once a
  // message.
  static constexpr size_t kKeptWhenEmpty = 64;

  T* At(size_t index) const { return block_ + ((head_ + index) & (capacity_ - 1)); }

  void Grow() {
    const size_t wider = capacity_ == 0 ? 4 : capacity_ * 2;
    T* block = std::allocator<T>().allocate(wider);
    for (size_t i = 0; i < size_; ++i) {
      std::construct_at(block + i, std::move(*At(i)));
      std::destroy_at(At(i));
    }
    const size_t kept = size_;
    Free();
    block_ = block;
    capacity_ = wider;
    size_ = kept;
  }

  void Free() {
    if (block_ != nullptr) std::allocator<T>().deallocate(block_, capacity_);
    block_ = nullptr;
    capacity_ = 0;
    head_ = 0;
  }

  T* block_ = nullptr;
  size_t capacity_ = 0;  // zero or a power of two
  size_t head_ = 0;
  size_t size_ = 0;
};

}  // namespace skein
