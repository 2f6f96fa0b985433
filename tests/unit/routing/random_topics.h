// Random topics and filters over a small alphabet, so that they collide often.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

namespace skein::routing {

class RandomTopics {
 public:
  explicit RandomTopics(uint64_t seed) : random_(seed) {}

  // 0 .. bound-1.
  uint32_t Below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }

  std::string Topic() { return Join(/*wildcards=*/false); }
  std::string Filter() { return Join(/*wildcards=*/true); }
  std::string SharedFilter() {
    return std::string("$share/") + (Below(2) == 0 ? "g" : "h") + "/" + Filter();
  }

 private:
  std::string Join(bool wildcards) {
    static constexpr std::string_view kLevels[] = {"a", "b", "c", "", "$a", "a level that is long"};
    while (true) {
      std::string text;
      const uint32_t levels = 1 + Below(5);
      for (uint32_t i = 0; i < levels; ++i) {
        if (i > 0) text.push_back('/');
        if (wildcards && i + 1 == levels && Below(4) == 0) {
          text.push_back('#');
        } else if (wildcards && Below(3) == 0) {
          text.push_back('+');
        } else {
          text.append(kLevels[Below(4) == 0 ? Below(6) : Below(3)]);
        }
      }
      if (!text.empty()) return text;
    }
  }

  std::mt19937_64 random_;
};

}  // namespace skein::routing
