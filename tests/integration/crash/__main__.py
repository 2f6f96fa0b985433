"""The crash test's command line; tests/crash.sh sets the path and the program."""

import argparse
import random
import sys

from crash.runner import Options, run

SHOWN = 20


def parse(arguments):
    parser = argparse.ArgumentParser(prog="crash.sh", description="Kills the broker again and again and looks for what it lost.")
    parser.add_argument("--rounds", type=int, default=200, help="default 200")
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, which is printed")
    parser.add_argument("--messages", type=int, default=1500, help="published a round; default 1500")
    parser.add_argument("--kills", type=int, default=3, help="at most a round; default 3")
    parser.add_argument("--durability", default="fsync", choices=("fsync", "os", "memory"), help="storage.durability; default fsync")
    parser.add_argument("--power-cut", action="store_true",
                        help="lose what was not synced at each kill: $SKEINMQD_POWER_CUT, $POWER_CUT_APPLY")
    parser.add_argument("--broker", default="skeinmqd", choices=("skeinmqd", "mosquitto"), help="mosquitto: Debian's, with persistence on")
    options = Options(**vars(parser.parse_args(arguments)))
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 32)
    return options


def main():
    options = parse(sys.argv[1:])
    print(f"seed {options.seed}", flush=True)
    result = run(options, say=lambda text: print(text, flush=True))
    for violation in result.violations[:SHOWN]:
        print(f"{violation.kind}: {violation.text}")
    if result.violations:
        print(f"the books, the broker's log and its data are in {result.folder}")
    print(result.summary())
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main())
