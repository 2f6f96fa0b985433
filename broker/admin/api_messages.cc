#include "broker/admin/api_messages.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "broker/admin/answers.h"
#include "broker/admin/publish_body.h"
#include "broker/auth/topic_rules.h"
#include "broker/routing/topic.h"

namespace skein::admin {
namespace {

constexpr size_t kRemovedAtOnce = 500;

// A filter for retained messages, without "$share/".
absl::StatusOr<std::string> FilterOf(const Request& request) {
  const auto filter = ParameterOf(request, "filter");
  const bool good =
      filter && !filter->starts_with("$share/") &&
      routing::ValidateTopicFilter(*filter, ApiMessages::kMostLevels) == routing::FilterError::kOk;
  if (!good) return absl::InvalidArgumentError("filter: a topic filter is needed, as plant/+/temp");
  if (auth::IsOwnTopic(*filter))
    return absl::PermissionDeniedError("filter: these topics are the broker's own");
  return *filter;
}

Json RetainedJson(const mqtt::Message& message) {
  Json json;
  json["topic"] = message.topic();
  json["qos"] = static_cast<int>(message.qos());
  json["payload_bytes"] = message.payload().size();
  json["payload_base64"] = Base64(message.payload().substr(0, kShownPayload));
  json["stored_at"] = TimeOf(message.received_at());
  json["expires_at"] = TimeOf(message.expires_at());
  return json;
}

}  // namespace

void ApiMessages::AddTo(Router* router) {
  using V = const Values&;
  using R = const Request&;
  router->Add(
      {"GET", "/api/v1/retained", Role::kRead, {"filter", "limit", "cursor"}, [this](R request, V) {
         return Retained(request);
       }});
  router->Add({"DELETE", "/api/v1/retained", Role::kOperate, {"filter"}, [this](R request, V) {
                 return Remove(request);
               }});
  router->Add({"POST", "/api/v1/publish", Role::kOperate, {}, [this](R request, V) {
                 return Publish(request);
               }});
}

Response ApiMessages::Retained(const Request& request) {
  const auto filter = FilterOf(request);
  if (!filter.ok()) return Fail(filter.status());
  const auto limit = LimitOf(request);
  if (!limit.ok()) return Fail(limit.status());
  const auto after = PlaceOf(request);
  if (!after.ok()) return Fail(after.status());
  const auto page = messages_.Retained(*filter, *after, *limit);
  if (!page.ok()) return Fail(page.status());
  Json json;
  json["messages"] = Json::array();
  for (const mqtt::MessagePtr& message : page->messages)
    json["messages"].push_back(RetainedJson(*message));
  json["next"] = page->more && !page->messages.empty()
                     ? Json(CursorOf(page->messages.back()->topic()))
                     : Json();
  return Ok(json);
}

Response ApiMessages::Remove(const Request& request) {
  const auto filter = FilterOf(request);
  if (!filter.ok()) return Fail(filter.status());
  size_t removed = 0;
  bool more = true;
  std::string after;
  while (more && removed < kMostRemoved) {
    const auto page = messages_.Retained(*filter, after, kRemovedAtOnce);
    if (!page.ok()) return Fail(page.status());
    more = page->more;
    if (page->messages.empty()) break;
    std::vector<std::string> topics;
    for (const mqtt::MessagePtr& message : page->messages)
      topics.emplace_back(message->topic());
    if (const absl::Status status = messages_.Remove(topics); !status.ok()) return Fail(status);
    removed += topics.size();
    after = topics.back();
  }
  return Ok({{"deleted", removed}, {"more", more}});
}

Response ApiMessages::Publish(const Request& request) {
  const auto body = BodyOf(request);
  if (!body.ok()) return Fail(body.status());
  const auto publish = ReadPublish(*body);
  if (!publish.ok()) return Fail(publish.status());
  const auto published = messages_.Publish(publish->init());
  if (!published.ok()) return Fail(published.status());
  return Ok({{"accepted", true}, {"no_subscriber", !published->matched}});
}

}  // namespace skein::admin
