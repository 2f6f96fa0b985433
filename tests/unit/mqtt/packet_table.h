// One table of good and malformed packets.
//
// Purpose: every test of the decoder walks it: as it stands, cut at every byte, with every longer
// length, and as the seed corpus of the fuzz target. A new rule starts with a row here. Thread: a
// constant.
#pragma once

#include <span>
#include <vector>

#include "broker/mqtt/constants.h"

namespace skein::testing_support {

struct PacketCase {
  const char* name;
  mqtt::ProtocolVersion version;  // of the connection; CONNECT tells its own
  const char* hex;                // one packet, fixed header included
  mqtt::ReasonCode code;          // kSuccess: a good packet
};

// The table in its three parts, and all of it.
std::span<const PacketCase> ConnectCases();
std::span<const PacketCase> PublishCases();
std::span<const PacketCase> OtherCases();
std::vector<PacketCase> PacketTable();

}  // namespace skein::testing_support
