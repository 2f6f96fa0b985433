#!/usr/bin/env bash
# From a bare Debian 12 machine to a running broker in one command.
#
# Usage: deploy/quickstart.sh [--port N | --listen URL] [--build-only] [-- skeinmqd flags...]
#
#   --port N       serve on tcp://127.0.0.1:N (default 1883)
#   --listen URL   serve here instead, for example 'tcp://0.0.0.0:1883?allow_anonymous=true'
#   --nodes N      only 1 in this version
#   --build-only   install and build, do not run
#   --help         this text
#
# It installs the packages that are missing (as root or by sudo, and says which), builds, and runs the broker
# in the foreground; Ctrl-C stops it. It can be run from any folder, and again at any time.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
listen=tcp://127.0.0.1:1883
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
      listen=tcp://127.0.0.1:$value
      ;;
    --listen) listen=$value ;;
    --nodes)
      [[ $value == 1 ]] ||
        fail "--nodes $value: clusters are not available in this version, only a single node is"
      ;;
    --build-only) build_only=true ;;
    --help | -h)
      sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    --) break ;;
    *) fail "unknown option '$option' (see --help)" ;;
  esac
done

say "Packages"
"$root/deploy/deps.sh" install build demo
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
cmake --build "$build" --target skeinmqd
skeinmqd=$build/cmd/skeinmqd/skeinmqd
say "Built $("$skeinmqd" --version): $skeinmqd"
if $build_only; then exit 0; fi

data=${XDG_STATE_HOME:-$HOME/.local/state}/skeinmq
mkdir -p "$data"

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

say "Starting on $listen, data in $data"
cat <<TEXT

Try it in two other terminals:

    mosquitto_sub$where -t dw/demo
    mosquitto_pub$where -t dw/demo -m hello

Ctrl-C stops the broker.

TEXT
exec "$skeinmqd" --data-dir "$data" --listen "$listen" "$@"
