// The value under a key of the family "retained".
//
// Purpose: the one place that knows its form; docs/formats.md describes it. Thread: any.
#pragma once

#include <string>
#include <string_view>

#include "broker/mqtt/message.h"

namespace skein::storage {

std::string EncodeRetained(const mqtt::Message& message);

// That the topic's message was removed then.
std::string EncodeRemoval(std::string_view key, TimeMs time);

// Without a payload: a removal. Null: the value is damaged, or is not of this key.
mqtt::MessagePtr DecodeRetained(std::string_view key, std::string_view value);

}  // namespace skein::storage
