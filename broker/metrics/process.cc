#include "broker/metrics/process.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace skein::metrics {
namespace {

std::string ReadAll(const char* file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Since 1970, in seconds; 0: it is not known.
double BootTime() {
  std::istringstream lines(ReadAll("/proc/stat"));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("btime ")) return std::strtod(line.c_str() + 6, nullptr);
  }
  return 0;
}

double OpenDescriptors() {
  DIR* const folder = opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  double count = 0;
  while (const dirent* entry = readdir(folder))
    count += entry->d_name[0] == '.' ? 0 : 1;
  closedir(folder);
  return count - 1;  // the one that was open for this
}

}  // namespace

ProcessFigures ReadProcess() {
  ProcessFigures figures;
  const std::string stat = ReadAll("/proc/self/stat");
  const size_t name_end = stat.rfind(')');  // the name may have blanks in it
  if (name_end == stat.npos) return figures;
  std::istringstream in(stat.substr(name_end + 2));
  // proc(5): from field 3 on.
  const std::vector<std::string> fields{std::istream_iterator<std::string>(in), {}};
  constexpr size_t kFirst = 3;
  if (fields.size() < 24 - kFirst + 1) return figures;
  const auto field = [&](size_t number) {
    return std::strtod(fields[number - kFirst].c_str(), nullptr);
  };
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  figures.cpu_seconds = (field(14) + field(15)) / ticks;
  figures.threads = field(20);
  figures.start_time = BootTime() + field(22) / ticks;
  figures.virtual_bytes = field(23);
  figures.resident_bytes = field(24) * static_cast<double>(sysconf(_SC_PAGESIZE));
  figures.open_fds = OpenDescriptors();
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) figures.max_fds = static_cast<double>(limit.rlim_cur);
  return figures;
}

MemoryFigures ReadMemory() {
  MemoryFigures figures;
  std::istringstream lines(ReadAll("/proc/self/status"));
  const auto kib = [](const std::string& line) {
    return std::strtoull(line.c_str() + line.find(':') + 1, nullptr, 10) * 1024;
  };
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("VmRSS:")) figures.resident_bytes = kib(line);
    if (line.starts_with("VmHWM:")) figures.most_resident_bytes = kib(line);
  }
  return figures;
}

void AddProcess(const ProcessFigures& figures, Sheet* sheet) {
  sheet->Counter("process_cpu_seconds_total", "CPU time of the process, user and system.")
      .Set(figures.cpu_seconds);
  sheet->Gauge("process_resident_memory_bytes", "Memory of the process that is resident.")
      .Set(figures.resident_bytes);
  sheet->Gauge("process_virtual_memory_bytes", "Address space of the process.")
      .Set(figures.virtual_bytes);
  sheet->Gauge("process_threads", "Threads of the process.").Set(figures.threads);
  sheet->Gauge("process_open_fds", "Open file descriptors.").Set(figures.open_fds);
  sheet->Gauge("process_max_fds", "File descriptors that the process may have.")
      .Set(figures.max_fds);
  sheet->Gauge("process_start_time_seconds", "When the process started, seconds since 1970.")
      .Set(figures.start_time);
}

}  // namespace skein::metrics
