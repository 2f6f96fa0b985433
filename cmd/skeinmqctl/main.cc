// skeinmqctl: the operator's command line.
#include <iostream>

#include "cmd/skeinmqctl/flags.h"

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  const int code = skein::ctl::Run(argc, argv, std::cout, std::cerr);
  std::cout.flush();
  return std::cout.good() ? code : 1;
}
