#include "cmd/skeinmqd/run.h"

int main(int argc, char** argv) {
  return skein::RunSkeinmqd(argc, argv, nullptr);
}
