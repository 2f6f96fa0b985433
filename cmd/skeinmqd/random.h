// Unpredictable numbers from the kernel.
//
// Purpose: what must not be guessed, such as the client ids the broker assigns.
// Thread: any.
#pragma once

#include <cstdint>

namespace skein {

uint64_t RandomUint64();

}  // namespace skein
