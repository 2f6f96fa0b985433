#!/usr/bin/env bash
# From a bare Debian 12 machine to a running broker in one command.
#
# Usage: deploy/quickstart.sh [--port N | --listen URL] [--nodes N [--etcd]] [--build-only] [-- skeinmqd flags...]
#
#   --port N       serve on tcp://127.0.0.1:N (default 1883)
#   --listen URL   serve here instead, for example 'tcp://0.0.0.0:1883?allow_anonymous=true'
#   --nodes N      a cluster of N nodes (1..9) on this machine: clients on --port and the N-1 ports after it
#   --etcd         the nodes find each other by an etcd that is started beside them, so that more can join and leave
#   --build-only   install and build, do not run
#   --help         this text
#
# It installs the packages that are missing (as root or by sudo, and says which), builds, and runs the broker
# in the foreground; Ctrl-C stops it. It can be run from any folder, and again at any time.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
listen=
first_port=1883
nodes=1
etcd=false
build_only=false

say() { printf '\n==> %s\n' "$*"; }
fail() {
  echo "quickstart: $*" >&2
  exit 2
}

while [[ $# -gt 0 ]]; do
  option=$1
  case $option in
    --*=*) # --port=N is --port N
      set -- "${option%%=*}" "${option#*=}" "${@:2}"
      continue
      ;;
    --port | --listen | --nodes)
      [[ $# -ge 2 ]] || fail "$option needs a value"
      value=$2
      shift 2
      ;;
    *) shift ;;
  esac
  case $option in
    --port)
      [[ $value =~ ^[0-9]{1,5}$ && $value -ge 1 && $value -le 65535 ]] ||
        fail "--port: got '$value'; allowed: integer 1..65535"
      first_port=$value
      ;;
    --listen) listen=$value ;;
    --nodes)
      [[ $value =~ ^[1-9]$ ]] || fail "--nodes: got '$value'; allowed: integer 1..9"
      nodes=$value
      ;;
    --etcd) etcd=true ;;
    --build-only) build_only=true ;;
    --help | -h)
      sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    --) break ;;
    *) fail "unknown option '$option' (see --help)" ;;
  esac
done

cluster=$etcd
((nodes == 1)) || cluster=true
! $cluster || [[ -z $listen ]] || fail "--nodes: nodes listen on ports of their own, give --port instead of --listen"
((first_port + nodes - 1 <= 65535)) || fail "--port: $nodes nodes need the ports from $first_port on"
listen=${listen:-tcp://127.0.0.1:$first_port}

say "Packages"
groups=(build demo)
! $etcd || groups+=(etcd)
"$root/deploy/deps.sh" install "${groups[@]}"
echo "All packages are installed."

# Beside the sources, or in the user's cache when somebody else owns them.
build=$root/build/quickstart
if ! mkdir -p "$build" 2>/dev/null || [[ ! -w $build ]]; then
  build=${XDG_CACHE_HOME:-$HOME/.cache}/skeinmq/quickstart
  mkdir -p "$build"
fi

say "Building in $build"
cmake -G Ninja -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DSKEIN_TESTS=OFF \
  -DCMAKE_CXX_COMPILER=g++ -Wno-dev --log-level=WARNING
cmake --build "$build" --target skeinmqd skeinmqctl
skeinmqd=$build/cmd/skeinmqd/skeinmqd
say "Built $("$skeinmqd" --version): $skeinmqd"
if $build_only; then exit 0; fi

data=${XDG_STATE_HOME:-$HOME/.local/state}/skeinmq
mkdir -p "$data"

# A cluster: one process a node. Nodes speak to each other on ports that are 10000 above (or below) the clients'; etcd has
# the two ports after those. Operators ask a node on the port 8000 above (or below) its clients'.
admin_of() {
  if (($1 + 8000 <= 65535)); then echo "127.0.0.1:$(($1 + 8000))"; else echo "127.0.0.1:$(($1 - 8000))"; fi
}
pids=()
run_cluster() {
  local offset=10000 node peers="" how data=$data/cluster
  ((first_port + nodes + 1 + offset <= 65535)) || offset=-10000
  local ports=$((first_port + offset))
  # shellcheck disable=SC2317
  stop_nodes() {
    trap - INT TERM EXIT
    # etcd last: nodes that stop hand over to those that are left.
    local pid
    kill ${pids[@]+"${pids[@]:0:nodes}"} 2>/dev/null || true
    for pid in ${pids[@]+"${pids[@]:0:nodes}"}; do wait "$pid" 2>/dev/null || true; done
    kill ${pids[@]+"${pids[@]:nodes}"} 2>/dev/null || true
    wait || true
  }
  trap stop_nodes EXIT
  trap 'stop_nodes; exit 0' INT TERM
  if $etcd; then
    data=$data-etcd
    how=(--etcd "http://127.0.0.1:$((ports + nodes))")
  else
    for ((node = 0; node < nodes; node++)); do
      peers+=${peers:+,}node-$node=127.0.0.1:$((ports + node))
    done
    how=(--peers "$peers")
  fi
  mkdir -p "$data"
  for ((node = 0; node < nodes; node++)); do
    mkdir -p "$data/node-$node"
    SKEINMQ_ADMIN_LISTEN=$(admin_of $((first_port + node))) \
      "$skeinmqd" --node-id "node-$node" --data-dir "$data/node-$node" \
      --listen "tcp://127.0.0.1:$((first_port + node))" \
      --cluster-listen "127.0.0.1:$((ports + node))" "${how[@]}" "$@" 2> >(sed -u "s/^/node-$node  /" >&2) &
    pids+=($!)
  done
  if $etcd; then
    local client=http://127.0.0.1:$((ports + nodes)) peer=http://127.0.0.1:$((ports + nodes + 1))
    # In a session of its own: Ctrl-C is for the nodes.
    setsid etcd --name quickstart --data-dir "$data/etcd" --log-level error --listen-client-urls "$client" \
      --advertise-client-urls "$client" --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" \
      --initial-cluster "quickstart=$peer" &
    pids+=($!)
  fi
  say "Starting $nodes nodes, data in $data"
  cat <<TEXT

Try it in two other terminals, on different nodes:

    mosquitto_sub -p $first_port -t dw/demo
    mosquitto_pub -p $((first_port + nodes - 1)) -t dw/demo -m hello

How they stand:

    ${skeinmqd%/skeinmqd/*}/skeinmqctl/skeinmqctl cluster status --server http://$(admin_of "$first_port")
    http://$(admin_of "$first_port")/dashboard/

TEXT
  ! $etcd || cat <<TEXT
One more node, that takes its share of the sessions, and gives it back when it is stopped:

    $skeinmqd --node-id node-$nodes --data-dir $data/node-$nodes --listen tcp://127.0.0.1:$((first_port + nodes)) \\
      --cluster-listen 127.0.0.1:$((ports + nodes + 2)) --admin-listen $(admin_of $((first_port + nodes))) ${how[*]}

TEXT
  printf 'Ctrl-C stops them.\n\n'
  wait -n || true # one that ends by itself takes the others with it
  exit 1
}
if $cluster; then run_cluster "$@"; fi

# The address of the URL, for the example below.
address=${listen#*://}
address=${address%%\?*}
port=${address##*:}
[[ $port =~ ^[0-9]+$ ]] || port=1883
host=${address%:"$port"}
host=${host#[}
host=${host%]}
case $host in
  0.0.0.0 | "") host=127.0.0.1 ;;
  ::) host=::1 ;;
esac
where=
[[ $host == 127.0.0.1 || $host == localhost ]] || where+=" -h $host"
[[ $port == 1883 ]] || where+=" -p $port"

# Another one on the default port has the default address.
((port == 1883 || port == 0)) || export SKEINMQ_ADMIN_LISTEN="${SKEINMQ_ADMIN_LISTEN-$(admin_of "$port")}"

say "Starting on $listen, data in $data"
cat <<TEXT

Try it in two other terminals:

    mosquitto_sub$where -t dw/demo
    mosquitto_pub$where -t dw/demo -m hello

See it in a browser: http://${SKEINMQ_ADMIN_LISTEN-127.0.0.1:9883}/dashboard/

Ctrl-C stops the broker.

TEXT
exec "$skeinmqd" --data-dir "$data" --listen "$listen" "$@"
