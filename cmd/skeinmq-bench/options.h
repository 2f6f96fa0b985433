// What the command line asks for, checked: every count and time has a bound, and the target is this
// machine unless told otherwise.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "cmd/skeinmq-bench/wire.h"

namespace skein::bench {

enum class Scenario { kConnect, kPairs, kPub, kSub, kFanin, kFanout };

struct Options {
  Scenario scenario = Scenario::kPairs;
  std::string host = "127.0.0.1";
  uint16_t port = 1883;
  Version version = Version::kV311;
  uint32_t clients = 50;  // what they are depends on the scenario
  uint8_t qos = 0;
  uint32_t size = 64;   // payload bytes
  uint32_t window = 0;  // outstanding messages per publisher; 0: 64, or 4096 with a rate
  double rate = 0;  // messages (or connections) a second in total; 0: as fast as the window allows
  uint64_t count = 0;  // messages of the measured phase; 0: until `seconds` are over
  double seconds = 10;
  double warmup = 1;
  double stall_seconds = 10;  // no progress for so long is a failure
  uint16_t keep_alive = 0;
  std::string topic;  // prefix; empty: one of this run's own
  int broker_pid = 0;
  bool json = false;
  bool allow_remote = false;

  sockaddr_storage address{};  // `host` and `port` resolved
  socklen_t address_bytes = 0;
};

std::string UsageText();

// InvalidArgument with a sentence for the user. `--help` is handled by the caller.
absl::StatusOr<Options> ParseOptions(int argc, char** argv);

const char* ScenarioName(Scenario scenario);

}  // namespace skein::bench
