// What the handlers of the admin API share: reading parameters, writing answers.
//
// Purpose: one way to say what is wrong, to page through a list and to write a time. Thread: pure.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "broker/admin/http.h"
#include "broker/base/types.h"

namespace skein::admin {

using Json = nlohmann::ordered_json;

inline constexpr size_t kDefaultRows = 100;
inline constexpr size_t kMostRows = 1'000;
inline constexpr size_t kShownPayload = 1'024;  // bytes of a payload that an answer has

// Bytes that are no UTF-8 are replaced.
std::string TextOf(const Json& json);
Response Ok(const Json& json, int status = 200);
Response Fail(int status, const std::string& why);
// InvalidArgument: 400; NotFound: 404; FailedPrecondition: 409; PermissionDenied: 403; others: 503.
Response Fail(const absl::Status& status);
// "error" of an answer, or its status.
std::string ErrorOf(const Response& response);

// Of the query; nothing: it is not there.
std::optional<std::string> ParameterOf(const Request& request, const char* name);
// "limit", from 1 to kMostRows.
absl::StatusOr<size_t> LimitOf(const Request& request, size_t usual = kDefaultRows);
// true or false; nothing: it is not there.
absl::StatusOr<std::optional<bool>> FlagOf(const Request& request, const char* name);
// The body as an object; an empty one counts as {}.
absl::StatusOr<Json> BodyOf(const Request& request);

// Where a list goes on, as text that means nothing to others, and back.
std::string CursorOf(std::string_view place);
absl::StatusOr<std::string> PlaceOf(const Request& request);

// "after" of a list that goes on: the last number of each node, as the answer before had it in its
// "last", "a:12,b:7".
absl::StatusOr<std::map<std::string, uint64_t>> AfterOf(const Request& request);
std::string AfterText(const std::map<std::string, uint64_t>& last);

// "2026-11-28T17:03:47.123Z" of milliseconds since 1970; null for kNever and 0.
Json TimeOf(TimeMs time);

Json OrNull(const std::string& text);

std::string Base64(std::string_view bytes);

}  // namespace skein::admin
