// See level_interner.h.
#include "broker/routing/level_interner.h"

namespace skein::routing {

uint32_t LevelInterner::Find(std::string_view level) const {
  return index_.Find(level, [this](uint32_t id) -> std::string_view { return levels_[id].text; });
}

uint32_t LevelInterner::Acquire(std::string_view level) {
  uint32_t id = Find(level);
  if (id == kNone) {
    id = levels_.Insert(Level{std::string(level), 0});
    index_.Insert(level, id);
  }
  ++levels_[id].users;
  return id;
}

void LevelInterner::Release(uint32_t id) {
  if (--levels_[id].users > 0) return;
  index_.Erase(levels_[id].text, id);
  levels_.Erase(id);
}

}  // namespace skein::routing
