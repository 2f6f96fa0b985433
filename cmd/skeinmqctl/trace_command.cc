#include "cmd/skeinmqctl/trace_command.h"

#include <atomic>
#include <chrono>
#include <csignal>
#include <nlohmann/json.hpp>
#include <ostream>
#include <thread>

#include "cmd/skeinmqctl/ask.h"
#include "cmd/skeinmqctl/commands.h"
#include "cmd/skeinmqctl/trace_tables.h"

namespace skein::ctl {
namespace {

using Json = nlohmann::json;
constexpr auto kPause = std::chrono::milliseconds(300);

std::atomic<bool> interrupted{false};

void Interrupt(int /*signal*/) {
  interrupted = true;
}

void CatchSignals() {
  struct sigaction action {};
  action.sa_handler = &Interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

void PrintEvents(const Json& answer, bool json, std::ostream& out, std::ostream& err) {
  if (const uint64_t lost = answer.value("lost", uint64_t{0}); lost > 0)
    err << lost << " events are missing here: they came too fast\n";
  for (const Json& event : answer.value("events", Json::array())) {
    if (json) {
      out << event.dump(-1, ' ', false, Json::error_handler_t::replace) << "\n";
    } else {
      PrintEvent(event, out);
    }
  }
  out.flush();
}

void PrintSilent(const Json& answer, std::ostream& err) {
  for (const Json& node : answer.value("silent_nodes", Json::array()))
    err << "node " << node << " does not answer: it is not followed there\n";
}

// Until it is over. The exit code.
int Follow(const TraceOptions& options, const std::string& path, std::ostream& out,
           std::ostream& err) {
  std::string after;
  for (bool last = false;;) {
    // Once more after the signal, for what happened until then.
    last = interrupted;
    HttpRequest request{"GET", path, {}, {}};
    if (!after.empty()) request.query.emplace_back("after", after);
    int code = kExitOk;
    const auto answer = Ask(options.server, request, err, &code);
    if (!answer) return code;
    const Json json = Json::parse(answer->body, nullptr, false);
    if (!json.is_object()) return NotUnderstood(options.server, err);
    PrintEvents(json, options.json, out, err);
    after = json.value("last", after);
    if (last || json.value("done", false) || !out.good()) return kExitOk;
    if (json.value("events", Json::array()).empty()) std::this_thread::sleep_for(kPause);
  }
}

}  // namespace

int ExplainTopic(const ExplainOptions& options, std::ostream& out, std::ostream& err) {
  HttpRequest request{"GET", "/api/v1/explain", {{"topic", options.topic}}, {}};
  if (!options.client_id.empty()) request.query.emplace_back("client_id", options.client_id);
  request.query.emplace_back("qos", std::to_string(options.qos));
  if (options.retain) request.query.emplace_back("retain", "true");
  if (options.payload_bytes > 0)
    request.query.emplace_back("payload_bytes", std::to_string(options.payload_bytes));
  if (options.limit) request.query.emplace_back("limit", std::to_string(*options.limit));
  return Show(
      options.server, request, options.json,
      [&](const std::string& body) { return PrintExplanation(body, out, err); }, out, err);
}

int TraceMessages(const TraceOptions& options, std::ostream& out, std::ostream& err) {
  CatchSignals();
  Json body = {{"seconds", options.seconds}};
  if (!options.client_id.empty()) body["client_id"] = options.client_id;
  if (!options.topic.empty()) body["topic"] = options.topic;
  int code = kExitOk;
  const auto begun = Ask(options.server, {"POST", "/api/v1/traces", {}, body.dump()}, err, &code);
  if (!begun) return code;
  const Json json = Json::parse(begun->body, nullptr, false);
  if (!json.is_object() || !json.contains("id") || !json["id"].is_string())
    return NotUnderstood(options.server, err);
  PrintSilent(json, err);
  err << "following for " << options.seconds << " s; Ctrl-C ends it\n";
  const std::string path = "/api/v1/traces/" + json["id"].get<std::string>();
  code = Follow(options, path, out, err);
  int ignored = kExitOk;
  Ask(options.server, {"DELETE", path, {}, {}}, err, &ignored);
  return code;
}

}  // namespace skein::ctl
