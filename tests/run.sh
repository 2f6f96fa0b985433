#!/usr/bin/env bash
# Builds and runs the tests. The last line is the sum: "N passed, N failed".
#
# Usage: tests/run.sh [--quick | --all | --fuzz SECONDS | --sim SECONDS | --cluster SECONDS | --bench]
#
#   (nothing)        unit, fuzz corpora, tidy, conformance, integration, dashboard and cluster; then under ASan+UBSan, and under TSan, all
#                    unit tests and what of the rest is likely to find something there
#   --all            the same, and everything under the sanitizers, slow tests included
#   --quick          unit, fuzz corpora, tidy and conformance of the release build only
#   --fuzz SECONDS   run each fuzz target for so long, starting from its kept corpus
#   --sim SECONDS    simulated clusters for so long, each with a new seed
#   --cluster SECONDS   real nodes in network namespaces: each fault once, then faults drawn from a new seed for so long (needs root)
#   --bench          compare with Debian's mosquitto; what a cluster costs
#
# Missing Debian packages are installed first (deploy/deps.sh). A step that fails does not stop the others. Builds, logs and
# result files are in build/. Exit code 0 only when nothing failed.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
results=$root/build/results
python=/usr/bin/python3
[[ -x $python ]] || python=python3
jobs=$(nproc)
passed=0
failed=0
failures=()
named=60

say() { printf '\n==> %s\n' "$*"; }

# Counts what a step left in its result file; a step without one counts by its exit code.
#   step NAME RESULT-FILE|- COMMAND...
step() {
  local name=$1 result=$2 code=0 numbers test
  shift 2
  say "$name"
  local start=$SECONDS
  [[ $result == - ]] || rm -f "$result"
  "$@" || code=$?
  if [[ $result == - ]]; then
    numbers="1 0"
    [[ $code -eq 0 ]] || numbers="0 1"
  else
    numbers=$("$python" "$root/tests/count_results.py" "$result")
    # A run that fails with all its tests passed has crashed at its end.
    [[ $code -eq 0 || $numbers != *" 0" ]] || numbers="${numbers% *} 1"
  fi
  passed=$((passed + ${numbers% *}))
  failed=$((failed + ${numbers#* }))
  if [[ ${numbers#* } -ne 0 ]]; then
    failures+=("$name")
    # Named again at the end: what is above it may be cut off where the output is kept.
    [[ $result == - ]] || while read -r test; do
      failures+=("  $test")
    done < <("$python" "$root/tests/count_results.py" --failed "$result")
  fi
  echo "--- $name: ${numbers% *} passed, ${numbers#* } failed, $((SECONDS - start)) s"
}

finish() {
  say "Sum"
  local name
  # A build that failed has left out too many to name.
  for name in "${failures[@]:0:$named}"; do echo "failed: $name"; done
  ((${#failures[@]} <= named)) || echo "and $((${#failures[@]} - named)) more"
  echo "$passed passed, $failed failed"
  [[ $failed -eq 0 ]]
  exit
}

configure() { # PRESET
  cmake --preset "$1" -S "$root" --log-level=WARNING -Wno-dev
}

build() { # PRESET [TARGET...]
  local preset=$1
  shift
  configure "$preset" && cmake --build "$root/build/$preset" -j "$jobs" ${1+--target "$@"}
}

# ThreadSanitizer of this age does not know the address layout of newer kernels: no randomisation for it.
plainly() {
  if setarch "$(uname -m)" -R true 2>/dev/null; then setarch "$(uname -m)" -R "$@"; else "$@"; fi
}

run_ctest() { # PRESET RESULT-FILE ARGUMENTS...
  plainly ctest --test-dir "$root/build/$1" --output-junit "$2" --output-on-failure --no-tests=error \
    -j "$jobs" --progress "${@:3}"
}

run_pytest() { # PRESET RESULT-FILE FOLDER ARGUMENTS...
  (cd "$root" &&
    SKEINMQD=$root/build/$1/cmd/skeinmqd/skeinmqd INTEGRATION_CLIENTS=$root/build/clients \
      plainly "$python" -m pytest -q -p no:cacheprovider -o timeout=600 --junitxml="$2" "${@:3}")
}

# Builds, and runs the tests that need nothing else.
#   test_units PRESET [ctest arguments...]
test_units() {
  local preset=$1
  shift
  step "$preset: build" - build "$preset"
  step "$preset: unit" "$results/$preset-unit.xml" \
    run_ctest "$preset" "$results/$preset-unit.xml" "$@"
}

test_conformance() { # PRESET
  local preset=$1
  step "$preset: conformance" "$results/$preset-conformance.xml" \
    run_pytest "$preset" "$results/$preset-conformance.xml" tests/conformance
}

test_integration() { # PRESET PYTEST-ARGUMENTS...
  local preset=$1
  shift
  # A file after the other in each of the workers: these tests wait for clocks and for other programs more than they compute.
  step "$preset: integration" "$results/$preset-integration.xml" \
    run_pytest "$preset" "$results/$preset-integration.xml" tests/integration -n "$((jobs + 1))" --dist loadfile "$@"
}

# Its types, its parts without a browser, and the page in Chromium, also against a real node.
test_dashboard() {
  step "dashboard" "$results/dashboard.xml" "$root/tests/dashboard/run.sh" "$root/build/release" "$results/dashboard.xml"
}

run_fuzzers() { # SECONDS
  local list=$root/build/fuzz/fuzzers.txt name corpora
  step "fuzz: configure" - configure fuzz
  # shellcheck disable=SC2046
  step "fuzz: build" - build fuzz $(cut -d " " -f 1 "$list")
  while read -r name corpora; do
    # shellcheck disable=SC2086
    mkdir -p "$root/build/fuzz/findings" "$root/build/fuzz/corpus/$name"
    step "fuzz: $name, $1 s" - "$root/build/fuzz/bin/$name" -max_total_time="$1" -timeout=10 \
      -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$root/build/fuzz/findings/$name-" \
      "$root/build/fuzz/corpus/$name" $corpora
  done <"$list"
}

# The cluster tests with faults that are named; skipped where namespaces cannot be made.
test_cluster() { # PRESET PYTEST-ARGUMENTS...
  local preset=$1
  shift
  step "$preset: cluster" "$results/$preset-cluster.xml" \
    run_pytest "$preset" "$results/$preset-cluster.xml" tests/cluster "$@"
}

# The chart: rendered, validated, and its pods run.
test_helm() { # PRESET
  [[ -z ${fetching-} ]] || wait "$fetching" || cat "$root/build/helm-setup.log"
  step "helm: tools" - "$root/tests/helm/setup.sh" "$root/build"
  step "helm" "$results/helm.xml" run_pytest "$1" "$results/helm.xml" tests/helm
}

# Simulated clusters. The seed of the first is the clock's; a broken promise prints its own.
run_sim() { # SECONDS
  local seed
  seed=$(date +%s%N)
  step "release: build" - build release skein_sim
  say "first seed $seed"
  step "sim: $1 s" - "$root/build/release/tests/sim/skein_sim" --seconds "$1" --seed "$seed"
}

mode=full
case ${1-} in
  "") ;;
  --quick | --all | --bench) mode=${1#--} ;;
  --fuzz | --sim | --cluster)
    mode=${1#--}
    [[ ${2-} =~ ^[0-9]+$ ]] || {
      echo "run.sh: $1 needs a number of seconds" >&2
      exit 2
    }
    ;;
  *)
    sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    [[ $1 == --help ]] && exit 0 || exit 2
    ;;
esac

groups=(build test)
[[ $mode == bench ]] && groups+=(bench)
"$root/deploy/deps.sh" install "${groups[@]}" || exit 1
mkdir -p "$results"
export ASAN_OPTIONS=${ASAN_OPTIONS-detect_stack_use_after_return=1:strict_string_checks=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS-halt_on_error=1:second_deadlock_stack=1:suppressions=$root/tests/support/tsan.supp}

case $mode in
  quick)
    test_units release
    test_conformance release
    ;;
  fuzz) run_fuzzers "$2" ;;
  sim) run_sim "$2" ;;
  cluster)
    step "release: build" - build release skeinmqd
    test_cluster release
    for nodes in 3 5; do
      step "cluster: $nodes nodes" - "$root/tests/cluster.sh" --seconds "$(($2 / 2))" --nodes "$nodes"
    done
    ;;
  bench)
    step "bench: build" - build release
    step "bench: compare" - "$python" "$root/tests/bench/compare.py" \
      --bench "$root/build/release/cmd/skeinmq-bench/skeinmq-bench" --skeinmqd "$root/build/release/cmd/skeinmqd/skeinmqd"
    step "bench: cluster" - "$python" "$root/tests/bench/cluster.py" --json "$results/cluster.json" \
      --bench "$root/build/release/cmd/skeinmq-bench/skeinmq-bench" --skeinmqd "$root/build/release/cmd/skeinmqd/skeinmqd"
    step "bench: TLS" - "$python" "$root/tests/bench/tls.py" --skeinmqd "$root/build/release/cmd/skeinmqd/skeinmqd"
    ;;
  full)
    # Downloads, while the machine compiles.
    "$root/tests/helm/setup.sh" "$root/build" >"$root/build/helm-setup.log" 2>&1 &
    fetching=$!
    step "clients" - "$root/tests/integration/setup_clients.sh" "$root/build"
    test_units release
    test_conformance release
    step "docs/conformance.md is up to date" - "$python" "$root/tests/conformance/report.py" --check \
      "$results/release-conformance.xml"
    test_integration release
    test_dashboard
    # All of them take long: --cluster runs them.
    test_cluster release -k "network or a_node_is_killed"
    test_helm release
    # Hostile bytes and restarts for memory errors; several shards and the disk's threads for races.
    test_units asan-ubsan -LE tidy
    test_conformance asan-ubsan
    test_integration asan-ubsan -m "not slow" -k "bad or persistence or data_directory or process or crash or access or listeners"
    test_units tsan -LE tidy
    test_integration tsan -m "not slow" -k "shards or persistence or cross or crash or access"
    ;;
  all)
    step "clients" - "$root/tests/integration/setup_clients.sh" "$root/build"
    for preset in release asan-ubsan tsan; do
      test_units "$preset"
      test_conformance "$preset"
      test_integration "$preset"
    done
    test_dashboard
    test_cluster release
    test_helm release
    ;;
esac
finish
