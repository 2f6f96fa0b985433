// Writes the seed inputs of codec_fuzzer from the packet table: codec_seeds FOLDER.
#include <cstdio>
#include <fstream>
#include <string>

#include "tests/support/client_packets.h"
#include "tests/unit/mqtt/packet_table.h"

namespace {

using skein::testing_support::PacketCase;

std::string FileName(const PacketCase& one) {
  std::string name = one.name;
  for (char& c : name) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.';
    if (!plain) c = '-';
  }
  return name;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  for (const PacketCase& one : skein::testing_support::PacketTable()) {
    const std::string path = std::string(argv[1]) + "/" + FileName(one);
    std::ofstream out(path, std::ios::binary);
    // The target's first byte: index of the version.
    out << static_cast<char>(static_cast<int>(one.version) - 3)
        << skein::testing_support::FromHex(one.hex);
    if (!out.flush()) {
      std::fprintf(stderr, "%s: cannot be written\n", path.c_str());
      return 1;
    }
  }
  return 0;
}
