// The whole of skeinmqd, but for main().
#pragma once

#include <memory>

namespace rocksdb {
class FileSystem;
}

namespace skein {

// Reads the command line and runs the broker until SIGTERM or SIGINT. Returns the exit code.
// file_system: what the store writes to; null is the operating system's.
int RunSkeinmqd(int argc, char** argv, std::shared_ptr<rocksdb::FileSystem> file_system);

}  // namespace skein
