#include "broker/admin/answers.h"

#include <ctime>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace skein::admin {

std::string TextOf(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Response Ok(const Json& json, int status) {
  Response response;
  response.status = status;
  response.body = TextOf(json);
  return response;
}

Response Fail(int status, const std::string& why) {
  return Ok({{"error", why}}, status);
}

Response Fail(const absl::Status& status) {
  const std::string why(status.message());
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return Fail(400, why);
    case absl::StatusCode::kPermissionDenied:
      return Fail(403, why);
    case absl::StatusCode::kNotFound:
      return Fail(404, why);
    case absl::StatusCode::kFailedPrecondition:
      return Fail(409, why);
    default:
      return Fail(503, why);
  }
}

std::string ErrorOf(const Response& response) {
  const Json json = Json::parse(response.body, nullptr, false);
  if (json.is_object() && json.contains("error") && json["error"].is_string())
    return json["error"].get<std::string>();
  return absl::StrCat("status ", response.status);
}

std::optional<std::string> ParameterOf(const Request& request, const char* name) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? std::nullopt : std::optional(found->second);
}

absl::StatusOr<size_t> LimitOf(const Request& request, size_t usual) {
  const auto text = ParameterOf(request, "limit");
  if (!text) return usual;
  uint32_t rows = 0;
  if (!absl::SimpleAtoi(*text, &rows) || rows == 0 || rows > kMostRows)
    return absl::InvalidArgumentError(absl::StrCat("limit: a number from 1 to ", kMostRows));
  return rows;
}

absl::StatusOr<std::optional<bool>> FlagOf(const Request& request, const char* name) {
  const auto text = ParameterOf(request, name);
  if (!text) return std::optional<bool>();
  if (*text != "true" && *text != "false")
    return absl::InvalidArgumentError(absl::StrCat(name, ": true or false"));
  return std::optional(*text == "true");
}

absl::StatusOr<Json> BodyOf(const Request& request) {
  if (request.body.empty()) return Json::object();
  Json json = Json::parse(request.body, nullptr, false);
  if (!json.is_object()) return absl::InvalidArgumentError("the body is no JSON object");
  return json;
}

std::string CursorOf(std::string_view place) {
  return absl::WebSafeBase64Escape(absl::string_view(place.data(), place.size()));
}

absl::StatusOr<std::string> PlaceOf(const Request& request) {
  const auto cursor = ParameterOf(request, "cursor");
  std::string place;
  if (cursor && !absl::WebSafeBase64Unescape(*cursor, &place))
    return absl::InvalidArgumentError("cursor: not one of this API's");
  return place;
}

absl::StatusOr<std::map<std::string, uint64_t>> AfterOf(const Request& request) {
  std::map<std::string, uint64_t> after;
  const std::string text = ParameterOf(request, "after").value_or("");
  for (const absl::string_view part : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    const size_t colon = part.rfind(':');
    uint64_t number = 0;
    if (colon == part.npos || colon == 0 || !absl::SimpleAtoi(part.substr(colon + 1), &number))
      return absl::InvalidArgumentError("after: is 'last' of the answer before");
    after[std::string(part.substr(0, colon))] = number;
  }
  return after;
}

std::string AfterText(const std::map<std::string, uint64_t>& last) {
  std::string text;
  for (const auto& [node, number] : last)
    absl::StrAppend(&text, text.empty() ? "" : ",", node, ":", number);
  return text;
}

Json OrNull(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

Json TimeOf(TimeMs time) {
  if (time <= 0 || time >= kNever / 2) return {};
  const time_t seconds = time / 1'000;
  tm parts{};
  gmtime_r(&seconds, &parts);
  return absl::StrFormat("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900,
                         parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                         time % 1'000);
}

std::string Base64(std::string_view bytes) {
  return absl::Base64Escape(absl::string_view(bytes.data(), bytes.size()));
}

}  // namespace skein::admin
