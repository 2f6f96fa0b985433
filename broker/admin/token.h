// The secret that operators show.
//
// Purpose: reads it from its file at each request, so that it can be changed while the node runs,
// and compares in a time that does not tell how much of it was right. Thread: any. Limits: 16 to
// 1024 characters of printable ASCII, without blanks. Errors: a file that cannot be read or holds
// something else lets nobody in.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace skein::admin {

// The first line of the file.
absl::StatusOr<std::string> ReadToken(const std::string& file);

// Whether an Authorization header ("Bearer ...") shows the token.
bool ShowsToken(std::string_view authorization, std::string_view token);

}  // namespace skein::admin
