// The body of POST /api/v1/publish as a message.
//
// Purpose: reads the fields, refuses what a client could not send, and turns the MQTT 5 properties
// into what a message carries. Thread: pure. Errors: InvalidArgument says which field is wrong and
// what is allowed.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "broker/admin/answers.h"
#include "broker/mqtt/message.h"

namespace skein::admin {

// Owns what the views of init() point to.
struct PublishBody {
  std::string topic;
  std::string properties;
  std::string payload;
  Qos qos = Qos::kAtLeastOnce;
  bool retain = false;
  uint32_t expiry_seconds = mqtt::Message::kNoExpiry;

  mqtt::Message::Init init() const;
};

absl::StatusOr<PublishBody> ReadPublish(const Json& body);

}  // namespace skein::admin
