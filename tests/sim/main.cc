// skein_sim: runs simulated clusters until one breaks a promise.
//
//   skein_sim [--seed N] [--runs N] [--seconds N] [--mutation N] [--trace]
//
// --seed: of the first run, each later one has the next. --runs or --seconds say when to stop. Exit
// code 1 when a promise was broken; the seed is printed, and the run can be repeated by it.
#include <sys/personality.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>

#include "tests/sim/world.h"

namespace {

// The order in hash tables depends on addresses: without their randomisation a seed is the same run
// in every process.
void StartAgainWithoutRandomAddresses(char** argv) {
  const int persona = personality(0xFFFFFFFF);
  if (persona < 0 || (persona & ADDR_NO_RANDOMIZE) != 0) return;
  if (personality(static_cast<unsigned long>(persona) | ADDR_NO_RANDOMIZE) < 0) return;
  execv("/proc/self/exe", argv);
}

}  // namespace

int main(int argc, char** argv) {
  StartAgainWithoutRandomAddresses(argv);
  skein::sim::WorldOptions options;
  uint64_t runs = 1;
  int64_t seconds = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--trace") {
      options.trace = true;
      continue;
    }
    if (i + 1 == argc) {
      std::cerr << "skein_sim: " << option << " needs a number, or is unknown\n";
      return 2;
    }
    const uint64_t value = std::strtoull(argv[++i], nullptr, 10);
    if (option == "--seed")
      options.seed = value;
    else if (option == "--runs")
      runs = value;
    else if (option == "--seconds")
      seconds = static_cast<int64_t>(value);
    else if (option == "--steps")
      options.steps = static_cast<int>(value);
    else if (option == "--mutation" && value <= skein::sim::kMutations)
      options.mutation = static_cast<skein::sim::Mutation>(value);
    else {
      std::cerr << "skein_sim: unknown: " << option << " " << argv[i] << "\n";
      return 2;
    }
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  size_t acknowledged = 0, received = 0, done = 0, broken = 0;
  int64_t faults = 0;
  for (; seconds > 0 ? std::chrono::steady_clock::now() < end : done < runs;
       ++done, ++options.seed) {
    skein::sim::World world(options);
    const auto wrong = world.Run();
    acknowledged += world.books().acknowledged();
    received += world.books().received();
    faults += world.faults();
    if (wrong.empty()) continue;
    ++broken;
    std::cout << "seed " << options.seed << ": broken promises\n";
    for (const std::string& text : wrong)
      std::cout << "  " << text << "\n";
    if (broken >= 10) break;
  }
  std::cout << done << " runs, " << faults << " faults, " << acknowledged
            << " publishes acknowledged, " << received << " messages received, " << broken
            << " runs with a broken promise\n";
  return broken == 0 ? 0 : 1;
}
