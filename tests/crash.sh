#!/usr/bin/env bash
# Kills the broker again and again under load, and checks that nothing which was acknowledged is lost, that QoS 2 messages come
# once, that order holds, that retained messages and wills are right.
#
# Usage: tests/crash.sh [--rounds N] [--seed S] [--power-cut] [--help for more]
#
# The program is $SKEINMQD, or the release build in build/. With --power-cut $SKEINMQD_POWER_CUT and $POWER_CUT_APPLY, or those of
# the same build, in tests/support. Exit code 0 when no round has a violation.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export SKEINMQD=${SKEINMQD-$root/build/release/cmd/skeinmqd/skeinmqd}
python=/usr/bin/python3
[[ -x $python ]] || python=python3

cd "$root"
PYTHONPATH=tests/integration:tests/conformance:tests exec "$python" -m crash "$@"
