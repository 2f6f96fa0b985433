// The port to messages: retained ones, and publishing.
//
// Purpose: what operators see of retained messages, which every node has, and what they publish.
// Owner: cmd/ implements it. Thread: any of the API's. Errors: Unavailable: not now;
// ResourceExhausted: a bound is reached.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "broker/mqtt/message.h"

namespace skein::admin {

struct RetainedPage {
  std::vector<mqtt::MessagePtr> messages;  // in the order of the store
  bool more = false;
};

struct Published {
  bool matched = false;  // somebody has subscribed to it
};

class Messages {
 public:
  virtual ~Messages() = default;

  // after: a topic; only those behind it. A page may be short though there is more, when the disk
  // is slow.
  virtual absl::StatusOr<RetainedPage> Retained(const std::string& filter, const std::string& after,
                                                size_t limit) = 0;
  // As from a client; returns when it would be acknowledged to it.
  virtual absl::StatusOr<Published> Publish(const mqtt::Message::Init& message) = 0;
  // Removes what is retained under these topics, as a client would.
  virtual absl::Status Remove(const std::vector<std::string>& topics) = 0;
};

}  // namespace skein::admin
