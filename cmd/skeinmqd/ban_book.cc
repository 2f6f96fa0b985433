#include "cmd/skeinmqd/ban_book.h"

#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <semaphore>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"

namespace skein {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kBans = "$skeinmq/bans/";
constexpr std::array<std::string_view, 3> kKinds = {"client_id", "user_name", "address"};

struct Name {
  auth::BanKind kind;
  std::string who;
};

std::optional<Name> NameOf(std::string_view topic) {
  if (!topic.starts_with(kBans)) return std::nullopt;
  topic.remove_prefix(kBans.size());
  const std::string_view kind = topic.substr(0, topic.find('/'));
  for (size_t i = 0; i < kKinds.size(); ++i) {
    if (kind != kKinds[i] || topic.size() <= kind.size()) continue;
    const std::string_view encoded = topic.substr(kind.size() + 1);
    Name name{static_cast<auth::BanKind>(i), {}};
    if (absl::WebSafeBase64Unescape(absl::string_view(encoded.data(), encoded.size()), &name.who))
      return name;
  }
  return std::nullopt;
}

}  // namespace

std::string BanBook::TopicOf(auth::BanKind kind, const std::string& who) {
  return std::string(kBans) + std::string(kKinds[static_cast<size_t>(kind)]) + '/' +
         absl::WebSafeBase64Escape(who);
}

std::string BanBook::PayloadOf(const auth::Ban& ban) {
  const Json json = {{"until", ban.until == kNever ? Json() : Json(ban.until)}, {"note", ban.note}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void BanBook::Apply(const mqtt::Message& message) {
  const std::optional<Name> name = NameOf(message.topic());
  if (!name) return;
  changed_ = true;
  const std::optional<auth::Ban> known = bans_.Get(name->kind, name->who);
  if (known && known->configured) return;
  if (message.payload().empty()) {
    bans_.Remove(name->kind, name->who);
    return;
  }
  const Json json = Json::parse(message.payload(), nullptr, false);
  auth::Ban ban;
  ban.kind = name->kind;
  ban.who = name->who;
  ban.shared = true;
  if (json.is_object() && json.contains("until") && json["until"].is_number_integer())
    ban.until = json["until"].get<TimeMs>();
  if (json.is_object() && json.contains("note") && json["note"].is_string())
    ban.note = json["note"].get<std::string>();
  if (const absl::Status status = bans_.Add(std::move(ban)); !status.ok()) {
    log_.Log(LogLevel::kError, "ban.not_kept",
             {{"who", name->who}, {"error", std::string(status.message())}});
  }
}

void BanBook::Load(shard::RetainedStore* retained, TimeMs now) {
  constexpr size_t kAtOnce = 256;
  std::binary_semaphore woken(0);
  const auto reader = retained->Open(std::string(kBans) + "#", [&woken] { woken.release(); });
  for (;;) {
    std::vector<mqtt::MessagePtr> messages;
    const auto result = reader->Read(now, kAtOnce, &messages);
    for (const mqtt::MessagePtr& message : messages)
      Apply(*message);
    if (result == shard::RetainedReader::Result::kDone) return;
    if (result == shard::RetainedReader::Result::kPending) woken.acquire();
  }
}

}  // namespace skein
