// The properties of MQTT 5.0: one table, one reader, one writer. Internal to this folder and to the
// tests' client.
//
// Purpose: which property has which type, in which packets it may stand and which values it may
// take, said once.
// Thread: pure functions over a constant table.
// Limits: no allocation; a block is walked once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "broker/mqtt/packets.h"
#include "broker/mqtt/wire.h"

namespace skein::mqtt {

// Where a property block stands. The values are bits of PropertyRule::allowed.
enum class PropertyPlace : uint16_t {
  kConnect = 1 << 0,
  kWill = 1 << 1,
  kConnack = 1 << 2,
  kPublishFromClient = 1 << 3,
  kPublishFromServer = 1 << 4,  // any number of subscription identifiers
  kAck = 1 << 5,                // PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK
  kSubscribe = 1 << 6,
  kUnsubscribe = 1 << 7,
  kDisconnectFromClient = 1 << 8,
  kDisconnectFromServer = 1 << 9,
  kAuth = 1 << 10,
};

enum class PropertyType : uint8_t {
  kNone,
  kByte,
  kTwoByte,
  kFourByte,
  kVarint,
  kText,
  kBinary,
  kTextPair
};

// One row of the table. The member that fits `type` says where the value goes.
struct PropertyRule {
  PropertyType type = PropertyType::kNone;
  uint16_t allowed = 0;
  uint32_t least = 0;  // smallest and largest legal number
  uint32_t most = UINT32_MAX;
  union Field {
    constexpr Field() : byte(nullptr) {}
    constexpr explicit Field(uint8_t Properties::*field) : byte(field) {}
    constexpr explicit Field(uint16_t Properties::*field) : two_byte(field) {}
    constexpr explicit Field(uint32_t Properties::*field) : four_byte(field) {}
    constexpr explicit Field(std::string_view Properties::*field) : text(field) {}
    uint8_t Properties::*byte;
    uint16_t Properties::*two_byte;
    uint32_t Properties::*four_byte;  // kVarint too
    std::string_view Properties::*text;
  } field;
};

inline constexpr size_t kPropertyIds = 0x2B;  // one more than the largest identifier

// The row of an identifier; kNone when there is no such property.
const PropertyRule& RuleOf(uint32_t id);

// Back to the defaults, at the cost of a look when nothing is set. A Properties whose `present` is
// 0 and whose `raw` is empty holds defaults throughout: every reader in this folder keeps it so.
inline void ResetProperties(Properties* properties) {
  if (properties->present != 0 || !properties->raw.empty()) *properties = Properties{};
}

// Reads a property length and the properties behind it. `*out` is reset first.
[[nodiscard]] std::optional<Error> ReadProperties(wire::Reader* in, PropertyPlace place,
                                                  Properties* out);

// Appends the property length and all properties marked present, in the order of their identifiers;
// user properties come from `raw`.
void AppendProperties(const Properties& properties, std::string* out);

// Moves over the property at the cursor, whose block has been read before.
void SkipProperty(wire::Reader* in, uint32_t* id);

}  // namespace skein::mqtt
