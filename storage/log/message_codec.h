// An application message between memory and its form on disk.
//
// Purpose: the one place where the fields of v1.Message meet those of mqtt::Message. Thread: any.
// The publisher is not kept: No Local was decided before the message was stored.
#pragma once

#include "broker/mqtt/message.h"

namespace skein::storage::v1 {
class Message;
}

namespace skein::storage {

void EncodeMessage(const mqtt::Message& message, v1::Message* out);
mqtt::MessagePtr DecodeMessage(const v1::Message& message);

}  // namespace skein::storage
