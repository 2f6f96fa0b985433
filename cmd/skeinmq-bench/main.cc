// skeinmq-bench: load on an MQTT broker, and what it costs the broker.

#include <sys/resource.h>

#include <cstdio>
#include <string_view>

#include "cmd/skeinmq-bench/options.h"
#include "cmd/skeinmq-bench/report.h"
#include "cmd/skeinmq-bench/scenarios.h"

namespace {

enum ExitCode { kFine = 0, kFailed = 1, kUsage = 2 };

// Each connection is a descriptor.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace skein::bench;
  for (int at = 1; at < argc; ++at) {
    if (std::string_view(argv[at]) == "--help") {
      std::fputs(UsageText().c_str(), stdout);
      return kFine;
    }
  }
  const absl::StatusOr<Options> options = ParseOptions(argc, argv);
  if (!options.ok()) {
    std::fprintf(stderr, "skeinmq-bench: %s (see --help)\n",
                 std::string(options.status().message()).c_str());
    return kUsage;
  }
  RaiseDescriptorLimit();
  const absl::StatusOr<Report> report =
      options->scenario == Scenario::kConnect ? RunIdle(*options) : RunTraffic(*options);
  if (!report.ok()) {
    std::fprintf(stderr, "skeinmq-bench: %s\n", std::string(report.status().message()).c_str());
    return kFailed;
  }
  const std::string text = options->json ? ToJson(*options, *report) : ToTable(*options, *report);
  std::fputs(text.c_str(), stdout);
  return report->clean() ? kFine : kFailed;
}
