#include "tests/unit/mqtt/packet_table.h"

namespace skein::testing_support {

using enum mqtt::ProtocolVersion;
using enum mqtt::ReasonCode;

namespace {

constexpr PacketCase kCases[] = {
    // --- PUBLISH, good
    {"publish QoS 0", k311, "30070003612f626869", kSuccess},
    {"publish QoS 1", k311, "32090003612f6200016869", kSuccess},
    {"publish QoS 2 DUP RETAIN", k311, "3d090003612f62ffff6869", kSuccess},
    {"publish 3.1", k31, "32090003612f6200076869", kSuccess},
    {"publish 3.1 QoS 0 DUP", k31, "38070003612f626869", kSuccess},
    {"publish empty payload", k311, "31050003612f62", kSuccess},
    {"publish topic /", k311, "300500012f6869", kSuccess},
    {"publish topic of letters from everywhere", k311,
     "30170013c3a42fe282ac2ff09d849e2fefbbbf2fefbfbf6869", kSuccess},
    {"publish longer topic", k311,
     "30350031706c616e742f68616c6c2d372f6c696e6520332f726f626f742d303034322f617869732f352f74656d706"
     "57261747572656869",
     kSuccess},
    {"publish 5", k5, "30080003612f62006869", kSuccess},
    {"publish 5 QoS 2", k5, "340a0003612f620002006869", kSuccess},
    {"publish 5 all properties", k5,
     "333e0003612f620003340101020000003c23000108000672652f706c790900030001022600016b0001312600016b0"
     "0013203000a746578742f706c61696e6869",
     kSuccess},
    {"publish 5 alias without topic", k5, "300800000323ffff6869", kSuccess},
    {"publish 5 payload format 0", k5, "300a0003612f620201006869", kSuccess},
    {"publish 5 expiry 0", k5, "300d0003612f620502000000006869", kSuccess},
    {"publish 5 expiry amid user properties", k5,
     "301b0003612f6213260001610001310200000009260001620001326869", kSuccess},
    // --- PUBLISH, refused
    {"publish QoS 3", k311, "36090003612f6200016869", kMalformedPacket},
    {"publish QoS 3 with 5", k5, "360a0003612f620001006869", kMalformedPacket},
    {"publish QoS 0 with DUP", k311, "38070003612f626869", kMalformedPacket},
    {"publish QoS 0 with DUP 5", k5, "38080003612f62006869", kMalformedPacket},
    {"publish empty body", k311, "3000", kMalformedPacket},
    {"publish topic runs out", k311, "30050004612f62", kMalformedPacket},
    {"publish topic length runs out", k311, "300100", kMalformedPacket},
    {"publish topic with +", k311, "30090005612f2b2f626869", kTopicNameInvalid},
    {"publish 5 topic with #", k5, "30080003612f23006869", kTopicNameInvalid},
    {"publish wildcard within a long level", k311,
     "301e001a73656e736f72732f68616c6c2b372f74656d70657261747572656869", kTopicNameInvalid},
    {"publish topic empty", k311, "300400006869", kTopicNameInvalid},
    {"publish 5 topic empty without alias", k5, "30050000006869", kProtocolError},
    {"publish topic with U+0000", k311, "300700036100626869", kMalformedPacket},
    {"publish topic with a surrogate", k311, "30070003edbfbf6869", kMalformedPacket},
    {"publish topic overlong", k5, "30080003e080af006869", kMalformedPacket},
    {"publish packet id 0", k311, "32090003612f6200006869", kProtocolError},
    {"publish packet id 0 5", k5, "340a0003612f620000006869", kProtocolError},
    {"publish packet id runs out", k311, "320400016100", kMalformedPacket},
    {"publish without packet id", k311, "3203000161", kMalformedPacket},
    {"publish 5 without property length", k5, "3003000161", kMalformedPacket},
    {"publish 5 alias 0", k5, "300b0003612f62032300006869", kTopicAliasInvalid},
    {"publish 5 alias twice", k5, "300e0003612f62062300012300016869", kProtocolError},
    {"publish 5 alias runs out", k5, "300a0003612f620223006869", kMalformedPacket},
    {"publish 5 subscription identifier", k5, "300a0003612f62020b016869", kProtocolError},
    {"publish 5 payload format 2", k5, "300a0003612f620201026869", kProtocolError},
    {"publish 5 payload format twice", k5, "300c0003612f6204010101016869", kProtocolError},
    {"publish 5 expiry twice", k5, "30120003612f620a020000000102000000016869", kProtocolError},
    {"publish 5 content type twice", k5, "300e0003612f62060300000300006869", kProtocolError},
    {"publish 5 content type not UTF-8", k5, "300d0003612f6205030002c3286869", kMalformedPacket},
    {"publish 5 response topic with +", k5, "300e0003612f6206080003612f2b6869", kProtocolError},
    {"publish 5 response topic twice", k5, "30100003612f620808000161080001616869", kProtocolError},
    {"publish 5 response topic with U+0000", k5, "300c0003612f6204080001006869", kMalformedPacket},
    {"publish 5 correlation data twice", k5, "300e0003612f62060900000900006869", kProtocolError},
    {"publish 5 correlation data runs out", k5, "300c0003612f6204090005616869", kMalformedPacket},
    {"publish 5 property of CONNECT", k5, "300b0003612f62032100016869", kMalformedPacket},
    {"publish 5 reason string", k5, "300b0003612f62031f00006869", kMalformedPacket},
    {"publish 5 session expiry", k5, "300d0003612f620511000000016869", kMalformedPacket},
    {"publish 5 property length beyond", k5, "3006000161050101", kMalformedPacket},
};

}  // namespace

std::span<const PacketCase> PublishCases() {
  return kCases;
}

}  // namespace skein::testing_support
