// Numbers for the level strings of wildcard filters.
//
// Purpose: the trie compares and hashes 4 bytes where filters repeat the same words. A level is
// counted by its users and forgotten with the last one.
// Thread: confined to its owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "broker/routing/slab.h"
#include "broker/routing/text_index.h"

namespace skein::routing {

class LevelInterner {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // kNone for a level that nobody uses.
  uint32_t Find(std::string_view level) const;
  // The level's number, with one more user.
  uint32_t Acquire(std::string_view level);
  // One user less.
  void Release(uint32_t id);

  size_t size() const { return levels_.size(); }
  size_t capacity() const { return levels_.capacity(); }

 private:
  struct Level {
    std::string text;
    uint32_t users = 0;
  };

  Slab<Level> levels_;
  TextIndex index_;
};

}  // namespace skein::routing
