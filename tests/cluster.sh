#!/usr/bin/env bash
# Real nodes and a real etcd, each in a network namespace of its own, under load: nodes are killed, stopped, cut off, lose packets, are
# restarted, join and leave; etcd goes away. Checks that nothing which was acknowledged is lost, that QoS 2 messages come once, that order
# holds, that a client id has one connection, that retained messages converge.
#
# Usage: tests/cluster.sh [--seconds N] [--seed S] [--nodes 3|5] [--help for more]
#
# Needs root and iptables. The program is $SKEINMQD, or the release build in build/. Exit code 0 when there was no violation.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export SKEINMQD=${SKEINMQD-$root/build/release/cmd/skeinmqd/skeinmqd}
python=/usr/bin/python3
[[ -x $python ]] || python=python3

cd "$root"
export CONFORMANCE_DEADLINE=${CONFORMANCE_DEADLINE-60}
PYTHONPATH=tests/integration:tests/conformance:tests exec "$python" tests/cluster/mix.py "$@"
