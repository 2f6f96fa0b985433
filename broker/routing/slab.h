// Values with small, reused numbers for names and addresses that stay.
//
// Purpose: the storage behind the tables of this folder. A value keeps its id and its address until
// it is erased; an erased id is given out again. Values live in blocks of 64, and a block with no
// value left returns its memory.
// Thread: confined to its owner. Limits: fewer than 2^31 values, so that ids have a bit to spare.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "broker/base/check.h"

namespace skein::routing {

template <class T>
class Slab {
 public:
  using Id = uint32_t;

  Slab() = default;
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  Id Insert(T value) {
    if (open_.empty()) {
      SKEIN_CHECK(blocks_.size() < kMaxBlocks);
      open_.push_back(static_cast<uint32_t>(blocks_.size()));
      blocks_.emplace_back();
    }
    const uint32_t index = open_.back();
    Block& block = blocks_[index];
    if (block.cells == nullptr) {
      block.cells = std::make_unique<T[]>(kBlock);
      ++allocated_;
    }
    const uint32_t cell = static_cast<uint32_t>(std::countr_one(block.live));
    block.live |= uint64_t{1} << cell;
    if (block.live == kFull) open_.pop_back();
    block.cells[cell] = std::move(value);
    ++size_;
    return index * kBlock + cell;
  }

  void Erase(Id id) {
    SKEIN_CHECK(Contains(id));
    Block& block = blocks_[id / kBlock];
    if (block.live == kFull) open_.push_back(id / kBlock);
    block.live &= ~(uint64_t{1} << (id % kBlock));
    --size_;
    if (block.live == 0) {
      block.cells.reset();
      --allocated_;
    } else {
      std::destroy_at(&block.cells[id % kBlock]);
      std::construct_at(&block.cells[id % kBlock]);
    }
  }

  bool Contains(Id id) const {
    return id / kBlock < blocks_.size() && (blocks_[id / kBlock].live >> (id % kBlock) & 1) != 0;
  }

  T& operator[](Id id) {
    SKEIN_CHECK(Contains(id));
    return blocks_[id / kBlock].cells[id % kBlock];
  }
  const T& operator[](Id id) const {
    SKEIN_CHECK(Contains(id));
    return blocks_[id / kBlock].cells[id % kBlock];
  }

  size_t size() const { return size_; }
  // Values there is memory for.
  size_t capacity() const { return allocated_ * kBlock; }

 private:
  static constexpr uint32_t kBlock = 64;
  static constexpr uint64_t kFull = UINT64_MAX;
  static constexpr size_t kMaxBlocks = (uint32_t{1} << 31) / kBlock;

  struct Block {
    std::unique_ptr<T[]> cells;
    uint64_t live = 0;  // one bit a cell
  };

  std::vector<Block> blocks_;
  std::vector<uint32_t> open_;  // the blocks that are not full, each once
  size_t size_ = 0;
  size_t allocated_ = 0;
};

}  // namespace skein::routing
