// Requests about retained messages, and publishing.
//
// Purpose: /api/v1/retained and /api/v1/publish. Every node has all retained messages, so this one
// answers alone. Owner: Api. Thread: any of the API's. Limits: one request removes up to
// kMostRemoved messages, and says if there are more.
#pragma once

#include "broker/admin/messages.h"
#include "broker/admin/router.h"

namespace skein::admin {

class ApiMessages {
 public:
  static constexpr size_t kMostRemoved = 5'000;
  static constexpr uint32_t kMostLevels = 128;

  explicit ApiMessages(Messages* messages) : messages_(*messages) {}

  void AddTo(Router* router);

 private:
  Response Retained(const Request& request);
  Response Remove(const Request& request);
  Response Publish(const Request& request);

  Messages& messages_;
};

}  // namespace skein::admin
