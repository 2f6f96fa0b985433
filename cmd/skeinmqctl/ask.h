// Asking the node that --server names, and saying what went wrong.
//
// Purpose: what all commands that ask a running node share. Thread: called from main. Errors: one
// line on `err`, and an exit code.
#pragma once

#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

#include "cmd/skeinmqctl/commands.h"
#include "cmd/skeinmqctl/http_client.h"

namespace skein::ctl {

int Fail(const std::string& why, std::ostream& err, ExitCode code = kExitProblem);

// What a status other than 2xx means.
int Refused(const ServerOptions& server, const HttpAnswer& answer, std::ostream& err);

// Nothing: it went wrong, *code says how, and err why.
std::optional<HttpAnswer> Ask(const ServerOptions& server, const HttpRequest& request,
                              std::ostream& err, int* code);

int NotUnderstood(const ServerOptions& server, std::ostream& err);

// Asks, and prints the answer: as it is if `json`, else as print(body) does, which returns false
// for what it does not understand. The exit code.
using Print = std::function<bool(const std::string& body)>;
int Show(const ServerOptions& server, const HttpRequest& request, bool json, const Print& print,
         std::ostream& out, std::ostream& err);

// One segment of a path: a client id may have a slash in it.
std::string EscapeSegment(std::string_view text);

}  // namespace skein::ctl
