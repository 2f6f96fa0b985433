#include <sys/resource.h>

#include <algorithm>

#include "cmd/skeinmq-bench/clock.h"
#include "cmd/skeinmq-bench/fleet.h"
#include "cmd/skeinmq-bench/opening.h"
#include "cmd/skeinmq-bench/scenarios.h"

namespace skein::bench {
namespace {

constexpr uint64_t kTurnNanos = 50'000'000;

// Pings go out in turn, evenly spread, each connection's at three quarters of its keep alive.
class Pinger {
 public:
  Pinger(Fleet& fleet, uint16_t keep_alive_s, uint64_t begin_ns)
      : fleet_(fleet), begin_ns_(begin_ns), period_ns_(keep_alive_s * kNanosPerSecond * 3 / 4) {}

  void PingWhoIsDue(uint64_t now) {
    if (period_ns_ == 0) return;
    const size_t total = fleet_.clients().size();
    const double elapsed = static_cast<double>(now - begin_ns_) / static_cast<double>(period_ns_);
    for (const auto due = static_cast<uint64_t>(elapsed * static_cast<double>(total)); sent_ < due;
         ++sent_) {
      Client& client = fleet_.clients()[sent_ % total];
      client.out += kPingreqBytes;
      fleet_.Touch(client);
    }
  }

 private:
  Fleet& fleet_;
  uint64_t begin_ns_;
  uint64_t period_ns_;
  uint64_t sent_ = 0;
};

}  // namespace

double OwnCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

absl::StatusOr<Report> RunIdle(const Options& options) {
  FleetHandler nobody;
  Fleet fleet({options.address, options.address_bytes, options.version}, nobody);
  for (uint32_t number = 0; number < options.clients; ++number) {
    fleet.Add({.role = Role::kIdle, .number = number, .keep_alive_s = options.keep_alive});
  }
  Report report;
  if (options.broker_pid > 0) {
    report.broker_before = ReadCpu(options.broker_pid);
    if (report.broker_before) ReadMemory(options.broker_pid, *report.broker_before);
  }
  const double own_before = OwnCpuSeconds();
  const uint64_t begin = NowNanos();
  if (absl::Status status = OpenAll(fleet, 0, options.rate, options.stall_seconds); !status.ok()) {
    return status;
  }
  const uint64_t opened = NowNanos();
  Pinger pinger(fleet, options.keep_alive, opened);
  const uint64_t end = opened + static_cast<uint64_t>(options.seconds * 1e9);
  for (uint64_t now = opened; now < end; now = NowNanos()) {
    pinger.PingWhoIsDue(now);
    if (absl::Status status = fleet.Turn(std::min(kTurnNanos, end - now)); !status.ok())
      return status;
  }
  if (options.broker_pid > 0) {
    report.broker_after = ReadCpu(options.broker_pid);
    if (report.broker_after) ReadMemory(options.broker_pid, *report.broker_after);
  }
  report.generator_cpu_seconds = OwnCpuSeconds() - own_before;
  report.seconds = static_cast<double>(NowNanos() - opened) / 1e9;
  report.connect_seconds = static_cast<double>(opened - begin) / 1e9;
  report.connections = fleet.ready();
  report.pings_answered = fleet.pings_answered();
  report.latency = fleet.connect_times();
  fleet.CloseAll();
  return report;
}

}  // namespace skein::bench
