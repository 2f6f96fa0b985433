#include "cmd/skeinmqd/sys_publisher.h"

#include "cmd/skeinmqd/flags.h"

namespace skein {

SysPublisher::SysPublisher(const config::Config& config, shard::Broker* broker)
    : interval_(TimeMs{config.sys_interval} * 1'000),
      broker_(*broker),
      report_(config.node_id, std::string(config::Version()), broker->Now()) {}

void SysPublisher::Tick() {
  const TimeMs now = broker_.Now();
  if (interval_ == 0 || now < next_ || !broker_.serving()) return;
  // Main looks once a second: what is due within half of that is due now.
  next_ = now + interval_ - 500;
  if (const auto census = broker_.TakeCensus(kCensusMs)) census_ = *census;
  metrics::SysFigures figures;
  figures.totals = broker_.Totals();
  figures.census = census_;
  const auto retained = broker_.retained()->stats();
  figures.retained_messages = retained.messages;
  figures.retained_bytes = retained.bytes;
  figures.memory = metrics::ReadMemory();
  figures.now = now;
  broker_.PublishOwn(report_.Make(figures, interval_));
}

}  // namespace skein
