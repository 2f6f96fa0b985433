// `skeinmqctl top`: the nodes at a glance; see admin_command.h.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <thread>

#include "cmd/skeinmqctl/admin_command.h"
#include "cmd/skeinmqctl/table.h"

namespace skein::ctl {
namespace {

using Json = nlohmann::json;

struct Totals {
  double time = 0;  // seconds
  double in = 0;
  double out = 0;
  double dropped = 0;
};

double NumberOf(const Json& row, const char* key) {
  return row.contains(key) && row[key].is_number() ? row[key].get<double>() : 0;
}

std::string Rate(double now, double before, double seconds) {
  if (seconds <= 0 || now < before) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.0f", (now - before) / seconds);
  return text;
}

std::string Milliseconds(const Json& row, const char* what) {
  const Json none;
  const Json& latency =
      row.contains("latency") && row["latency"].contains(what) ? row["latency"][what] : none;
  if (!latency.is_object() || !latency.contains("p99") || !latency["p99"].is_number()) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", latency["p99"].get<double>() * 1'000);
  return text;
}

void PrintNodes(const Json& json, std::map<std::string, Totals>* before, std::ostream& out) {
  std::vector<TextRow> rows = {{"NODE", "STATE", "LINKED", "PARTITIONS", "CONNECTIONS", "SESSIONS",
                                "IN/S", "OUT/S", "DROPPED/S", "QUEUED", "OUTBOX", "ACK P99 MS",
                                "DELIVER P99 MS"}};
  for (const Json& row : json["nodes"]) {
    if (!row.is_object()) continue;
    const std::string node = TextOf(row, "node");
    const Totals now{NumberOf(json, "time") / 1'000, NumberOf(row, "messages_in_total"),
                     NumberOf(row, "messages_out_total"), NumberOf(row, "dropped_total")};
    const bool known = before->contains(node);
    const Totals last = known ? (*before)[node] : now;
    const double seconds = now.time - last.time;
    rows.push_back({node, TextOf(row, "state"), TextOf(row, "linked"), TextOf(row, "partitions"),
                    TextOf(row, "connections"), TextOf(row, "sessions"),
                    Rate(now.in, last.in, seconds), Rate(now.out, last.out, seconds),
                    Rate(now.dropped, last.dropped, seconds), TextOf(row, "queued_messages"),
                    TextOf(row, "outbox_messages"), Milliseconds(row, "publish_ack"),
                    Milliseconds(row, "publish_deliver")});
    (*before)[node] = now;
  }
  PrintRows(rows, out);
  if (json.contains("silent_nodes") && !json["silent_nodes"].empty())
    out << "silent: " << json["silent_nodes"].dump() << "\n";
}

}  // namespace

int Top(const AdminOptions& options, bool once, std::ostream& out, std::ostream& err) {
  std::map<std::string, Totals> before;
  const bool screen = !once && !options.json && isatty(STDOUT_FILENO) != 0;
  do {
    int code = kExitOk;
    const auto answer = Ask(options.server, {"GET", "/api/v1/overview", {}, {}}, err, &code);
    if (!answer) return code;
    const Json json = Json::parse(answer->body, nullptr, false);
    if (!json.is_object() || !json.contains("nodes") || !json["nodes"].is_array())
      return Fail(options.server.url + ": the answer is not understood", err);
    if (screen) out << "\x1b[H\x1b[2J";
    if (options.json) {
      out << answer->body;
    } else {
      PrintNodes(json, &before, out);
    }
    out.flush();
    if (!once) std::this_thread::sleep_for(std::chrono::seconds(1));
  } while (!once && out.good());
  return kExitOk;
}

}  // namespace skein::ctl
