#!/usr/bin/env bash
# The Debian 12 packages that SkeinMQ needs, in groups: the one place where they are listed.
#
#   deploy/deps.sh list GROUP...      print them, one a line
#   deploy/deps.sh missing GROUP...   print those that are not installed
#   deploy/deps.sh install GROUP...   install those that are not installed (root, or sudo)
#
# Groups: run    what the built broker links to
#         build  compiler, CMake, libraries' headers, Node.js for the dashboard
#         demo   mosquitto_sub and mosquitto_pub for a first try
#         test   what tests/run.sh needs on top of build
#         etcd   what a cluster that grows and shrinks keeps its members in
#         bench  the broker that benchmarks compare with
#
# No service is started by an installation from here.
set -euo pipefail

packages_of() {
  case $1 in
    run)
      echo ca-certificates libabsl20220623 libargon2-1 libcpp-httplib0.11 libcurl4 libfmt9 libgrpc++1.51 \
        libprometheus-cpp-core1.0 libprotobuf32 librocksdb7.8 libspdlog1.10 libssl3 libyaml-cpp0.7
      ;;
    build)
      echo g++ cmake ninja-build ccache protobuf-compiler protobuf-compiler-grpc \
        libabsl-dev libargon2-dev libcli11-dev libcpp-httplib-dev libcurl4-openssl-dev libgrpc++-dev libprotobuf-dev librocksdb-dev \
        libspdlog-dev libssl-dev libxxhash-dev libyaml-cpp-dev nlohmann-json3-dev \
        prometheus-cpp-dev
      # For the dashboard. A Node.js from elsewhere does as well.
      command -v node >/dev/null || echo nodejs
      command -v npm >/dev/null || echo npm
      ;;
    demo) echo mosquitto-clients ;;
    test)
      echo libgtest-dev libgmock-dev libbenchmark-dev clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev \
        python3 python3-jsonschema python3-pytest python3-pytest-timeout python3-pytest-xdist python3-paho-mqtt python3-venv python3-yaml \
        zsh mosquitto mosquitto-clients libpaho-mqtt-dev openssl haproxy chromium etcd-server etcd-client iproute2 iptables \
        prometheus dpkg-dev
      ;;
    etcd) echo etcd-server etcd-client ;;
    bench) echo mosquitto valgrind ;;
    *)
      echo "deps.sh: unknown group '$1' (run, build, demo, test, etcd, bench)" >&2
      return 2
      ;;
  esac
}

list() {
  local group
  for group in "$@"; do packages_of "$group"; done | tr ' ' '\n' | sort -u
}

missing() {
  local wanted installed
  wanted=$(list "$@")
  # Fails when a package is unknown to dpkg; such a one is missing as well.
  # shellcheck disable=SC2086
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null |
    sed -n 's/^installed //p' | sort -u) || true
  comm -23 <(echo "$wanted") <(echo "$installed")
}

# Keeps packages from starting their services while they are installed.
policy=/usr/sbin/policy-rc.d
forbid_services() {
  [[ -e $policy ]] && return
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
  as_root chmod 755 "$policy"
  trap 'as_root rm -f "$policy"' EXIT
}

as_root() {
  if [[ $(id -u) -eq 0 ]]; then "$@"; else sudo "$@"; fi
}

install() {
  local absent
  absent=$(missing "$@")
  [[ -z $absent ]] && return
  absent=$(tr '\n' ' ' <<<"$absent")
  if ! command -v apt-get >/dev/null; then
    echo "deps.sh: no apt-get here; needed are (Debian 12 names): $absent" >&2
    return 1
  fi
  if [[ $(id -u) -ne 0 ]] && ! command -v sudo >/dev/null; then
    echo "deps.sh: neither root nor sudo; run as root: apt-get install $absent" >&2
    return 1
  fi
  echo "Installing Debian packages: $absent"
  forbid_services
  as_root apt-get update -q
  # shellcheck disable=SC2086
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends $absent
}

case ${1-} in
  list | missing | install)
    command=$1
    shift
    for group in "$@"; do packages_of "$group" >/dev/null; done
    "$command" "$@"
    ;;
  *)
    sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
