// The little of MQTT that a load generator sends, made to cost next to nothing per message.
//
// A PUBLISH is encoded once (PublishImage); a message is a copy of the image with packet id and
// stamp patched in place. Values only: no sockets, no clock. What the broker sends back is read by
// parser.h.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace skein::bench {

enum class Version : uint8_t { kV311 = 4, kV5 = 5 };

enum PacketType : uint8_t {
  kConnect = 1,
  kConnack = 2,
  kPublish = 3,
  kPuback = 4,
  kPubrec = 5,
  kPubrel = 6,
  kPubcomp = 7,
  kSubscribe = 8,
  kSuback = 9,
  kPingreq = 12,
  kPingresp = 13,
  kDisconnect = 14,
};

// The first bytes of every payload sent here, in this machine's byte order.
struct Stamp {
  static constexpr uint16_t kMagic = 0x534b;

  uint16_t magic = kMagic;
  uint16_t publisher = 0;
  uint32_t sequence = 0;  // counts from 0 per publisher
  uint64_t sent_ns = 0;   // when it was sent, or at a fixed rate: when it should have been sent
};
inline constexpr size_t kStampBytes = sizeof(Stamp);
static_assert(kStampBytes == 16);

// Clean session (3.1.1) or clean start with expiry 0 (5). `keep_alive_s` 0: none.
std::string EncodeConnect(Version version, std::string_view client_id, uint16_t keep_alive_s);
std::string EncodeSubscribe(Version version, uint16_t packet_id, std::string_view filter,
                            uint8_t qos);

// PUBACK, PUBREC, PUBREL, PUBCOMP with success: four bytes in every version.
void AppendAck(std::string& out, PacketType type, uint16_t packet_id);
inline constexpr std::string_view kPingreqBytes{"\xc0\x00", 2};
inline constexpr std::string_view kDisconnectBytes{"\xe0\x00", 2};

class PublishImage {
 public:
  // `payload_bytes` is raised to kStampBytes.
  PublishImage(Version version, std::string_view topic, uint8_t qos, size_t payload_bytes);

  // `packet_id` is not used with QoS 0.
  void AppendTo(std::string& out, uint16_t packet_id, const Stamp& stamp) const {
    const size_t start = out.size();
    out.append(bytes_);
    char* packet = out.data() + start;
    if (has_id_) {
      packet[id_offset_] = static_cast<char>(packet_id >> 8);
      packet[id_offset_ + 1] = static_cast<char>(packet_id & 0xff);
    }
    std::memcpy(packet + payload_offset_, &stamp, sizeof stamp);
  }

  size_t size() const { return bytes_.size(); }

 private:
  std::string bytes_;
  size_t id_offset_ = 0;
  size_t payload_offset_ = 0;
  bool has_id_ = false;
};

// What the generator needs from a CONNACK.
struct Connack {
  uint8_t reason = 0;
  uint16_t receive_maximum = 65535;  // MQTT 5 property 0x21
  uint8_t maximum_qos = 2;           // MQTT 5 property 0x24
};

// `body` is the packet after its fixed header. Nothing when it is malformed.
std::optional<Connack> DecodeConnack(Version version, std::string_view body);

struct Suback {
  uint16_t packet_id = 0;
  uint8_t code = 0;  // of the only filter
};
std::optional<Suback> DecodeSuback(Version version, std::string_view body);

// Reads a variable byte integer at `at` and moves `at` behind it. Nothing: more bytes are needed,
// or it is longer than four bytes; `malformed` tells the two apart.
std::optional<uint32_t> ReadVarint(std::string_view bytes, size_t& at, bool& malformed);

}  // namespace skein::bench
