// One log event as one line of text or JSON.
//
// Purpose: the rendering, apart from where lines go, so that tests see it. A value can contain
// anything a client sends; whatever it holds, the result is one line and its structure cannot be
// forged. Thread: pure functions.
#pragma once

#include <chrono>
#include <initializer_list>
#include <string>
#include <string_view>

#include "broker/base/log.h"

namespace skein::config {

using LogTime = std::chrono::system_clock::time_point;

// 2026-01-31T12:00:00.123Z INFO client.connected client_id=sensor-7 version=5
std::string FormatTextLine(LogTime time, LogLevel level, std::string_view event,
                           std::initializer_list<LogField> fields);

// {"time":"2026-01-31T12:00:00.123Z","level":"info","event":"client.connected","version":5}
// A field that is called time, level or event gets a trailing underscore. Bytes that are no UTF-8
// become U+FFFD.
std::string FormatJsonLine(LogTime time, LogLevel level, std::string_view event,
                           std::initializer_list<LogField> fields);

}  // namespace skein::config
