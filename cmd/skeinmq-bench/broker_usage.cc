#include "cmd/skeinmq-bench/broker_usage.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <system_error>

namespace skein::bench {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// The first number of every thread's schedstat, summed.
uint64_t SchedulerNanos(const std::string& root) {
  uint64_t total = 0;
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator(root + "/task", error)) {
    uint64_t nanos = 0;
    std::istringstream(ReadFile(task.path().string() + "/schedstat")) >> nanos;
    total += nanos;
  }
  return total;
}

// The figure of line `key` in kB, as bytes; 0 when there is no such line.
uint64_t KilobyteLine(const std::string& text, const std::string& key) {
  const size_t at = text.find(key);
  if (at == std::string::npos) return 0;
  uint64_t kilobytes = 0;
  std::istringstream(text.substr(at + key.size())) >> kilobytes;
  return kilobytes * 1024;
}

std::string ProcFolder(int pid) {
  return "/proc/" + std::to_string(pid);
}

}  // namespace

std::optional<BrokerUsage> ReadCpu(int pid) {
  const std::string root = ProcFolder(pid);
  const std::string stat = ReadFile(root + "/stat");
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(stat.substr(name_end + 1));
  std::string ignored;
  for (int field = 3; field < 14; ++field)
    fields >> ignored;
  uint64_t user_ticks = 0;
  uint64_t system_ticks = 0;
  fields >> user_ticks >> system_ticks;
  const auto tick_ns = 1'000'000'000 / static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  BrokerUsage usage;
  usage.user_ns = user_ticks * tick_ns;
  usage.system_ns = system_ticks * tick_ns;
  usage.cpu_ns = SchedulerNanos(root);
  if (usage.cpu_ns == 0) usage.cpu_ns = usage.user_ns + usage.system_ns;
  return usage;
}

bool ReadMemory(int pid, BrokerUsage& usage) {
  const std::string root = ProcFolder(pid);
  usage.rss_bytes = KilobyteLine(ReadFile(root + "/status"), "VmRSS:");
  const std::string rollup = ReadFile(root + "/smaps_rollup");
  usage.pss_bytes = KilobyteLine(rollup, "\nPss:");
  usage.uss_bytes =
      KilobyteLine(rollup, "\nPrivate_Clean:") + KilobyteLine(rollup, "\nPrivate_Dirty:");
  return usage.rss_bytes > 0;
}

}  // namespace skein::bench
