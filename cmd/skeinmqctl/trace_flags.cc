#include "cmd/skeinmqctl/trace_flags.h"

#include <CLI/CLI.hpp>

#include "cmd/skeinmqctl/admin_flags.h"
#include "cmd/skeinmqctl/trace_command.h"

namespace skein::ctl {
namespace {

void AddServer(CLI::App* command, ServerOptions* server, bool* json) {
  AddServerOptions(command, server);
  command->add_flag("--json", *json, "Print what the node answers; trace: one event a line");
}

}  // namespace

struct TraceFlags::Line {
  ExplainOptions explain;
  TraceOptions trace;
  CLI::App* explain_app = nullptr;
  CLI::App* trace_app = nullptr;
};

TraceFlags::TraceFlags(CLI::App* app) : line_(std::make_unique<Line>()) {
  ExplainOptions& explain = line_->explain;
  CLI::App* const who = app->add_subcommand(
      "explain", "Say who would be given a message published now, and why somebody would not");
  AddServer(who, &explain.server, &explain.json);
  who->add_option("TOPIC", explain.topic, "The topic it would be published to")->required();
  who->add_option("--client", explain.client_id, "The client id of the publisher")->type_name("ID");
  who->add_option("--qos", explain.qos, "Of the message (default: 1)")->check(CLI::Range(0, 2));
  who->add_flag("--retain", explain.retain, "It would have RETAIN set");
  who->add_option("--payload-bytes", explain.payload_bytes, "How large it would be (default: 0)");
  who->add_option("--limit", explain.limit, "Show so many receivers (default: 100)");
  line_->explain_app = who;

  TraceOptions& trace = line_->trace;
  CLI::App* const how = app->add_subcommand(
      "trace", "Follow a client or a topic through all nodes, and say what happens to messages");
  AddServer(how, &trace.server, &trace.json);
  CLI::Option* const client =
      how->add_option("--client", trace.client_id, "What this client does, and is given")
          ->type_name("ID");
  how->add_option("--topic", trace.topic, "Messages with topics that match")
      ->type_name("FILTER")
      ->excludes(client);
  how->add_option("--seconds", trace.seconds, "End after so long (default: 60; at most 3600)")
      ->check(CLI::Range(1, 3'600));
  line_->trace_app = how;
}

TraceFlags::~TraceFlags() = default;

std::optional<int> TraceFlags::Run(std::ostream& out, std::ostream& err) const {
  if (line_->explain_app->parsed()) return ExplainTopic(line_->explain, out, err);
  if (line_->trace_app->parsed()) return TraceMessages(line_->trace, out, err);
  return std::nullopt;
}

}  // namespace skein::ctl
