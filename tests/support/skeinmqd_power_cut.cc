// skeinmqd on the file system of power_cut_fs.h. Its journal's folder is $POWER_CUT_JOURNAL.
#include <cstdlib>
#include <iostream>

#include "cmd/skeinmqd/run.h"
#include "tests/support/power_cut_fs.h"

int main(int argc, char** argv) {
  const char* journal = std::getenv("POWER_CUT_JOURNAL");
  if (journal == nullptr) {
    std::cerr << "skeinmqd_power_cut: POWER_CUT_JOURNAL is not set, so no power can be cut\n";
    return skein::RunSkeinmqd(argc, argv, nullptr);
  }
  return skein::RunSkeinmqd(argc, argv, skein::testing_support::MakePowerCutFileSystem(journal));
}
