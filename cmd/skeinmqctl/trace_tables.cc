#include "cmd/skeinmqctl/trace_tables.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>
#include <vector>

#include "cmd/skeinmqctl/table.h"

namespace skein::ctl {
namespace {

using Json = nlohmann::json;

bool Has(const Json& json, const char* key) {
  return json.contains(key) && json[key].is_string();
}

std::string StateOf(const Json& row) {
  if (!Has(row, "client_id")) return "unreachable";
  return row.value("connected", false) ? "connected" : "offline";
}

std::string WhyOf(const Json& row) {
  std::string why = Has(row, "why") ? TextOf(row, "why") : "";
  if (Has(row, "rule")) why += " [rule " + TextOf(row, "rule") + "]";
  return why;
}

void PrintPublisher(const Json& publisher, std::ostream& out) {
  if (!publisher.is_object()) return;
  out << "publisher  " << TextOf(publisher, "client_id");
  if (publisher.value("known", false)) {
    out << (publisher.value("connected", false) ? " (connected" : " (offline")
        << ", its session on node " << TextOf(publisher, "node") << ")";
  }
  out << (publisher.value("allowed", false) ? ": allowed " : ": DENIED ") << WhyOf(publisher)
      << "\n";
}

}  // namespace

bool PrintExplanation(const std::string& body, std::ostream& out, std::ostream& err) {
  const Json json = Json::parse(body, nullptr, false);
  if (!json.is_object() || !json.contains("receivers") || !json["receivers"].is_array())
    return false;
  out << "topic      " << TextOf(json, "topic") << "\n";
  PrintPublisher(json.value("publisher", Json()), out);
  out << "retained   " << (json.value("retained", false) ? "a message is retained" : "nothing")
      << "\n";
  std::vector<TextRow> rows = {{"CLIENT", "NODE", "FILTER", "QOS", "STATE", "WOULD", "WHY"}};
  for (const Json& row : json["receivers"]) {
    if (!row.is_object()) return false;
    std::string filter = TextOf(row, "filter");
    if (Has(row, "share"))
      filter =
          "$share/" + TextOf(row, "share") + "/" + filter + " (" + TextOf(row, "strategy") + ")";
    rows.push_back({Has(row, "client_id") ? TextOf(row, "client_id") : "(any)", TextOf(row, "node"),
                    filter, TextOf(row, "qos"), StateOf(row), TextOf(row, "would"), WhyOf(row)});
  }
  if (rows.size() == 1) {
    out << "nobody has subscribed to it\n";
  } else {
    PrintRows(rows, out);
  }
  if (json.value("truncated", false)) err << "there are more receivers; --limit shows more\n";
  for (const Json& node : json.value("silent_nodes", Json::array()))
    err << "node " << node << " has not answered: its receivers are missing here\n";
  return true;
}

void PrintEvent(const Json& event, std::ostream& out) {
  const std::string time = TextOf(event, "time");
  // Only the time of the day of "2026-11-28T17:03:47.123Z".
  std::vector<std::string> words = {time.size() > 23 ? time.substr(11, 12) : time};
  std::string step = TextOf(event, "step");
  step.resize(std::max<size_t>(step.size(), 12), ' ');
  words.push_back(TextOf(event, "node"));
  words.push_back(step);
  if (Has(event, "message")) words.push_back(TextOf(event, "message").substr(0, 6));
  if (Has(event, "client_id")) words.push_back(TextOf(event, "client_id"));
  if (Has(event, "topic")) {
    words.push_back(TextOf(event, "topic"));
    words.push_back("qos" + TextOf(event, "qos"));
  }
  if (event.value("packet_id", Json()).is_number())
    words.push_back("id=" + TextOf(event, "packet_id"));
  if (event.value("dup", false)) words.emplace_back("dup");
  if (event.value("retain", false)) words.emplace_back("retain");
  for (const Json& node : event.value("nodes", Json::array()))
    words.push_back("node " + (node.is_string() ? node.get<std::string>() : "?"));
  words.push_back(WhyOf(event));
  for (size_t i = 0; i < words.size(); ++i)
    out << words[i] << (i + 1 < words.size() ? "  " : "\n");
}

}  // namespace skein::ctl
