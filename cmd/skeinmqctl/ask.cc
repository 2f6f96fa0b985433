#include "cmd/skeinmqctl/ask.h"

#include <cctype>
#include <nlohmann/json.hpp>
#include <ostream>

namespace skein::ctl {

int Fail(const std::string& why, std::ostream& err, ExitCode code) {
  err << "skeinmqctl: " << why << "\n";
  return code;
}

int Refused(const ServerOptions& server, const HttpAnswer& answer, std::ostream& err) {
  const auto json = nlohmann::json::parse(answer.body, nullptr, false);
  std::string why = "status " + std::to_string(answer.status);
  if (json.is_object() && json.contains("error") && json["error"].is_string())
    why = json["error"].get<std::string>();
  if (answer.status == 401)
    why += server.token_file.empty() ? " (--token-file)" : " (" + server.token_file + ")";
  const bool refused = answer.status >= 400 && answer.status < 500;
  return Fail(server.url + ": " + why, err, refused ? kExitRefused : kExitProblem);
}

std::optional<HttpAnswer> Ask(const ServerOptions& server, const HttpRequest& request,
                              std::ostream& err, int* code) {
  const absl::StatusOr<HttpAnswer> answer = HttpClient(server).Ask(request);
  if (!answer.ok()) {
    *code = Fail(std::string(answer.status().message()), err);
    return std::nullopt;
  }
  if (answer->status < 200 || answer->status > 299) {
    *code = Refused(server, *answer, err);
    return std::nullopt;
  }
  return *answer;
}

int NotUnderstood(const ServerOptions& server, std::ostream& err) {
  return Fail(server.url + ": the answer is not understood; is this a SkeinMQ node?", err);
}

int Show(const ServerOptions& server, const HttpRequest& request, bool json, const Print& print,
         std::ostream& out, std::ostream& err) {
  int code = kExitOk;
  const auto answer = Ask(server, request, err, &code);
  if (!answer) return code;
  if (!json) return print(answer->body) ? kExitOk : NotUnderstood(server, err);
  out << answer->body;
  return kExitOk;
}

std::string EscapeSegment(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '_') {
      escaped += c;
    } else {
      escaped += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return escaped;
}

}  // namespace skein::ctl
