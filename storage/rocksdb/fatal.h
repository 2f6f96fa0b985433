// The end of the process when the disk fails.
//
// Purpose: after a write that failed nobody knows what is on disk, so going on would make promises
// false. One clear line, then abort(): the next start replays what really is there. Thread: any.
#pragma once

#include <string_view>

#include "broker/base/log.h"

namespace skein::storage {

// "doing" as in "writing the log". Logs to `log` (may be null) and to standard error.
[[noreturn]] void Fatal(Logger* log, std::string_view doing, std::string_view why);

}  // namespace skein::storage
