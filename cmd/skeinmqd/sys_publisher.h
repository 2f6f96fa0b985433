// Publishes what the broker says about itself.
//
// Purpose: every sys.interval, the node's figures as messages below $SYS. Owner and thread: main.
// Life: after the broker has started, until it stops. Limits: a shard that does not answer within
// kCensusMs leaves the figures of sessions and queues as they were.
#pragma once

#include "broker/metrics/sys_report.h"
#include "broker/shard/broker.h"
#include "cmd/skeinmqd/config.h"

namespace skein {

class SysPublisher {
 public:
  static constexpr TimeMs kCensusMs = 200;

  SysPublisher(const config::Config& config, shard::Broker* broker);

  // About once a second.
  void Tick();

 private:
  const TimeMs interval_;  // 0: nothing is published
  shard::Broker& broker_;
  metrics::SysReport report_;
  shard::CensusFigures census_;
  TimeMs next_ = 0;
};

}  // namespace skein
