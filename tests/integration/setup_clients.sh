#!/usr/bin/env bash
# Prepares the clients that the integration tests run against the broker.
#
#   tests/integration/setup_clients.sh BUILD_DIR
#
# BUILD_DIR/clients/venv2   a Python environment with Paho MQTT 2.x
# BUILD_DIR/clients/js      MQTT.js with the versions of drivers/js/package-lock.json
# BUILD_DIR/clients/c       the Paho C driver program
#
# Needs these Debian packages, which it does not install itself: mosquitto-clients python3-paho-mqtt python3-pytest
# python3-venv libpaho-mqtt-dev nodejs npm. Can be run again at any time; what is up to date is left alone.
set -euo pipefail

paho_python_version=2.1.0

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ $# -ne 1 ]]; then
  echo "usage: $0 BUILD_DIR" >&2
  exit 2
fi
mkdir -p "$1/clients/c" "$1/clients/js"
clients=$(cd "$1/clients" && pwd)

# One preparation at a time, also when several test runs start together.
exec 9>"$clients/.lock"
flock 9

venv=$clients/venv2
if [[ $("$venv/bin/python" -c 'import paho.mqtt; print(paho.mqtt.__version__)' 2>/dev/null) != "$paho_python_version" ]]; then
  echo "setup_clients: Paho Python $paho_python_version -> $venv"
  rm -rf "$venv"
  /usr/bin/python3 -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "paho-mqtt==$paho_python_version"
fi

js=$clients/js
if ! cmp -s "$here/drivers/js/package-lock.json" "$js/package-lock.json" || [[ ! -e $js/.complete ]]; then
  echo "setup_clients: MQTT.js -> $js"
  rm -f "$js/.complete"
  cp "$here/drivers/js/package.json" "$here/drivers/js/package-lock.json" "$js/"
  (cd "$js" && npm ci --silent --no-audit --no-fund --ignore-scripts)
  touch "$js/.complete"
fi

source=$here/drivers/paho_c_driver.c
if [[ ! -x $clients/c/paho_c_driver || $source -nt $clients/c/paho_c_driver ]]; then
  echo "setup_clients: Paho C -> $clients/c"
  cc -O1 -Wall -Wextra -Werror -o "$clients/c/paho_c_driver" "$source" -lpaho-mqtt3c
fi

for program in mosquitto_pub mosquitto_sub mosquitto_rr; do
  command -v "$program" >/dev/null || { echo "setup_clients: $program is missing (package mosquitto-clients)" >&2; exit 1; }
done
/usr/bin/python3 -c 'import paho.mqtt, pytest' || { echo "setup_clients: python3-paho-mqtt or python3-pytest is missing" >&2; exit 1; }
