// Checks that stay on in every build.
//
// Purpose: SKEIN_CHECK(cond) is for our own mistakes, a broken invariant: never for a peer's bad
// input (an MQTT reason code) and never for the environment's refusal (an absl::Status). A failed
// check prints file:line and the condition to standard error and aborts; nothing is unwound.
// `SKEIN_CHECK(x > 0) << "why"` adds a text.
// Thread: any.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace skein {

// Collects the text of a failed check and aborts at the end of the full expression.
class CheckFailure {
 public:
  CheckFailure(const char* file, int line, const char* condition)
      : text_(std::string(file) + ":" + std::to_string(line) + ": check failed: " + condition +
              " ") {}
  CheckFailure(const CheckFailure&) = delete;
  CheckFailure& operator=(const CheckFailure&) = delete;

  [[noreturn]] ~CheckFailure() {
    std::fprintf(stderr, "%s\n", text_.c_str());
    std::fflush(stderr);
    std::abort();
  }

  CheckFailure& operator<<(std::string_view text) {
    text_.append(text);
    return *this;
  }
  CheckFailure& operator<<(long long value) { return *this << std::to_string(value); }

 private:
  std::string text_;
};

}  // namespace skein

// The switch makes it one statement that cannot capture a following `else`.
#define SKEIN_CHECK(condition)                \
  switch (0)                                  \
  case 0:                                     \
  default:                                    \
    if (__builtin_expect(!!(condition), 1)) { \
    } else /* NOLINT */                       \
      ::skein::CheckFailure(__FILE__, __LINE__, #condition)
