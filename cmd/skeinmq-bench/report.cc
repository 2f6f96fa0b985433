#include "cmd/skeinmq-bench/report.h"

#include <cstdarg>
#include <cstdio>

#include <nlohmann/json.hpp>

namespace skein::bench {
namespace {

double Ratio(double value, double by) {
  return by > 0 ? value / by : 0;
}
double Micros(uint64_t nanos) {
  return static_cast<double>(nanos) / 1e3;
}
double Seconds(uint64_t nanos) {
  return static_cast<double>(nanos) / 1e9;
}
const char* VersionName(Version version) {
  return version == Version::kV5 ? "5" : "3.1.1";
}

// Figures derived from two readings of the broker.
struct BrokerFigures {
  double cpu_seconds = 0;
  double user_seconds = 0;
  double system_seconds = 0;
  double cpu_us_per_message = 0;
  double rss_growth = 0;
  double uss_growth = 0;
  double bytes_per_connection = 0;
};

std::optional<BrokerFigures> FiguresOf(const Report& report) {
  if (!report.broker_before || !report.broker_after) return std::nullopt;
  const BrokerUsage& before = *report.broker_before;
  const BrokerUsage& after = *report.broker_after;
  BrokerFigures figures;
  figures.cpu_seconds = Seconds(after.cpu_ns - before.cpu_ns);
  figures.user_seconds = Seconds(after.user_ns - before.user_ns);
  figures.system_seconds = Seconds(after.system_ns - before.system_ns);
  figures.cpu_us_per_message =
      Ratio(figures.cpu_seconds * 1e6, static_cast<double>(report.messages()));
  figures.rss_growth = static_cast<double>(after.rss_bytes) - static_cast<double>(before.rss_bytes);
  figures.uss_growth = static_cast<double>(after.uss_bytes) - static_cast<double>(before.uss_bytes);
  figures.bytes_per_connection = Ratio(figures.rss_growth, static_cast<double>(report.connections));
  return figures;
}

[[gnu::format(printf, 2, 3)]] void Line(std::string& out, const char* format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  out += text;
  out += '\n';
}

void AppendBroker(std::string& out, const Report& report) {
  const std::optional<BrokerFigures> figures = FiguresOf(report);
  if (!figures) return;
  Line(out, "broker CPU        %12.3f s (user %.2f, system %.2f)", figures->cpu_seconds,
       figures->user_seconds, figures->system_seconds);
  if (report.messages() > 0) Line(out, "  a message       %12.3f us", figures->cpu_us_per_message);
  Line(out, "broker memory     %12.1f MiB resident, %.1f MiB private",
       static_cast<double>(report.broker_after->rss_bytes) / (1 << 20),
       static_cast<double>(report.broker_after->uss_bytes) / (1 << 20));
  if (report.connections > 0) {
    Line(out, "  a connection    %12.0f bytes", figures->bytes_per_connection);
  }
}

}  // namespace

std::string ToTable(const Options& options, const Report& report) {
  std::string out;
  Line(out, "%s: %u clients, MQTT %s, QoS %u, %u B, window %u, %.3f s",
       ScenarioName(options.scenario), options.clients, VersionName(options.version), options.qos,
       options.size, options.window, report.seconds);
  if (report.connections > 0) {
    Line(out, "connections       %12llu in %.3f s",
         static_cast<unsigned long long>(report.connections), report.connect_seconds);
  } else {
    const auto line = [&](const char* what, uint64_t count) {
      Line(out, "%-17s %12llu  %12.0f/s", what, static_cast<unsigned long long>(count),
           Ratio(static_cast<double>(count), report.seconds));
    };
    line("published", report.published);
    line("acknowledged", report.acknowledged);
    line("delivered", report.delivered);
    Line(out, "lost, repeated, unacknowledged   %llu, %llu, %llu",
         static_cast<unsigned long long>(report.lost),
         static_cast<unsigned long long>(report.repeated),
         static_cast<unsigned long long>(report.unacknowledged));
  }
  if (report.latency.count() > 0) {
    Line(out, "latency us        p50 %.1f  p90 %.1f  p99 %.1f  p99.9 %.1f  max %.1f",
         Micros(report.latency.Percentile(50)), Micros(report.latency.Percentile(90)),
         Micros(report.latency.Percentile(99)), Micros(report.latency.Percentile(99.9)),
         Micros(report.latency.max()));
  }
  AppendBroker(out, report);
  Line(out, "generator CPU     %12.3f s", report.generator_cpu_seconds);
  return out;
}

std::string ToJson(const Options& options, const Report& report) {
  nlohmann::ordered_json json{
      {"scenario", ScenarioName(options.scenario)},
      {"version", VersionName(options.version)},
      {"clients", options.clients},
      {"qos", options.qos},
      {"size", options.size},
      {"window", options.window},
      {"rate", options.rate},
      {"seconds", report.seconds},
      {"published", report.published},
      {"acknowledged", report.acknowledged},
      {"delivered", report.delivered},
      {"lost", report.lost},
      {"repeated", report.repeated},
      {"unacknowledged", report.unacknowledged},
      {"connections", report.connections},
      {"connect_seconds", report.connect_seconds},
      {"pings_answered", report.pings_answered},
      {"messages_per_second", Ratio(static_cast<double>(report.messages()), report.seconds)},
      {"generator_cpu_seconds", report.generator_cpu_seconds},
      {"latency_us",
       {{"count", report.latency.count()},
        {"mean", report.latency.mean() / 1e3},
        {"p50", Micros(report.latency.Percentile(50))},
        {"p90", Micros(report.latency.Percentile(90))},
        {"p99", Micros(report.latency.Percentile(99))},
        {"p99.9", Micros(report.latency.Percentile(99.9))},
        {"max", Micros(report.latency.max())}}},
  };
  if (const std::optional<BrokerFigures> figures = FiguresOf(report)) {
    json["broker"] = {{"cpu_seconds", figures->cpu_seconds},
                      {"user_seconds", figures->user_seconds},
                      {"system_seconds", figures->system_seconds},
                      {"cpu_us_per_message", figures->cpu_us_per_message},
                      {"rss_bytes", report.broker_after->rss_bytes},
                      {"pss_bytes", report.broker_after->pss_bytes},
                      {"uss_bytes", report.broker_after->uss_bytes},
                      {"rss_growth_bytes", figures->rss_growth},
                      {"uss_growth_bytes", figures->uss_growth},
                      {"bytes_per_connection", figures->bytes_per_connection}};
  }
  return json.dump(2) + "\n";
}

}  // namespace skein::bench
