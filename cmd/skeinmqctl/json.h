// What the store holds as lines of JSON.
//
// Purpose: one form for inspect and export; docs/operations.md describes it. Bytes that need not be
// text are base64; bytes that are no UTF-8 where text is due are replaced. Thread: any.
#pragma once

#include <string>

#include "broker/mqtt/message.h"
#include "broker/session/store.h"

namespace skein::ctl {

// pretty: over several lines, for people. All end with a line feed.
std::string SessionJson(const session::SessionImage& image, bool pretty);
// A message of that client's queue.
std::string QueuedJson(const std::string& client_id, const session::StoredDelivery& delivery);
std::string RetainedJson(const mqtt::Message& message);

}  // namespace skein::ctl
