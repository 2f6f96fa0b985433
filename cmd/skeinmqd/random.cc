#include "cmd/skeinmqd/random.h"

#include <sys/random.h>

#include "broker/base/check.h"

namespace skein {

uint64_t RandomUint64() {
  uint64_t value = 0;
  SKEIN_CHECK(getrandom(&value, sizeof value, 0) == static_cast<ssize_t>(sizeof value));
  return value;
}

}  // namespace skein
