// UTF-8 as MQTT demands it.
//
// Purpose: one pass over a string that answers all the codec asks: well formed, free of U+0000,
// wildcards, levels.
// Thread: pure functions.
#pragma once

#include <cstdint>
#include <string_view>

namespace skein::mqtt {

struct TextScan {
  bool valid =
      false;  // well-formed UTF-8 without U+0000 and surrogates [MQTT-1.5.4-1] [MQTT-1.5.4-2]
  bool wildcard = false;  // contains '+' or '#'
  uint32_t levels = 1;    // '/' count + 1
};

TextScan ScanText(std::string_view text);

// Well-formed UTF-8 that MQTT strings allow. U+FEFF is kept as it is [MQTT-1.5.4-3].
bool IsUtf8(std::string_view text);
// As above, but U+0000 is fine: payloads with Payload Format Indicator 1.
bool IsUtf8Payload(std::string_view bytes);

}  // namespace skein::mqtt
