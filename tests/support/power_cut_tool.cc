// power_cut_apply: lets the power fail after the process has died.
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>

#include "tests/support/power_cut_journal.h"

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3 || !std::filesystem::is_directory(argv[1])) {
    std::cerr << "usage: power_cut_apply JOURNAL_FOLDER [SEED]\n"
                 "With a seed some of what was not synced remains: a torn tail, not a clean cut.\n";
    return 2;
  }
  std::optional<uint64_t> seed;
  if (argc == 3) seed = std::stoull(argv[2]);
  skein::testing_support::PowerCutJournal(argv[1]).Cut(seed);
}
