// CRC32C (Castagnoli), as RocksDB's write-ahead log has it.
//
// Thread: pure. Debian packages no library for it, and RocksDB does not give its own away.
#pragma once

#include <cstddef>
#include <cstdint>

namespace skein::storage {

uint32_t Crc32c(const char* data, size_t size);

}  // namespace skein::storage
