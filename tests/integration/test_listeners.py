"""Every way in: TLS, client certificates, WebSocket, PROXY; with the clients that people have."""

import http.server
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

import mqtt_wire as wire
from mqtt_client import DEADLINE
from secure import HASH, Certificates, SecureBroker, trusting
from support.broker import accepts, free_port, wait_until

USERS = """
authentication:
  - {name: users, type: password_file, file: %(folder)s/users.txt}
  - {name: certs, type: certificate}
authorization: {file: %(folder)s/acl.yaml}
"""
RULES = """
rules:
  - allow: all
    users: [ann, device-7]
    topics: ["of/%u/#"]
  - allow: all
    from: [127.0.0.9]
    topics: ["near/#"]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A broker with a listener of every kind."""
    folder = tmp_path_factory.mktemp("site")
    certificates = Certificates(folder / "pki")
    certificates.issue("device-7")
    certificates.issue("device-8")
    crl = certificates.revoke("device-8")
    cert, key = certificates.files("server")
    (folder / "users.txt").write_text(f"ann:{HASH}\n")
    (folder / "acl.yaml").write_text(RULES)
    tls = f"cert_file={cert}&key_file={key}"
    with SecureBroker(folder, {
        "tls": f"tls://127.0.0.1:0?{tls}&authentication=users",
        "mutual": f"tls://127.0.0.1:0?{tls}&client_ca_file={certificates.ca}&crl_file={crl}&authentication=certs",
        "ws": "ws://127.0.0.1:0?authentication=users",
        "wss": f"wss://127.0.0.1:0?{tls}&authentication=users",
        "pages": "ws://127.0.0.1:0?authentication=users&origins=https://app.example",
        "proxied": "tcp://127.0.0.1:0?allow_anonymous=true&proxy_from=127.0.0.1",
        "elsewhere": "tcp://127.0.0.1:0?allow_anonymous=true&proxy_from=192.0.2.0/24",
        "ipv6": "tcp://[::1]:0?allow_anonymous=true",
    }, USERS % {"folder": folder}) as broker:
        broker.certificates = certificates
        yield broker


def mosquitto(site, listener, *arguments, program="mosquitto_pub"):
    command = [program, "-h", "localhost", "-p", str(site.port(listener)), "-V", "mqttv5", "-q", "1", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)


def test_mosquitto_over_tls(site):
    ca = ["--cafile", site.certificates.ca]
    subscriber = subprocess.Popen(
        ["stdbuf", "-oL", "mosquitto_sub", "-h", "localhost", "-p", str(site.port("tls")), *ca, "-u", "ann", "-P", "secret",
         "-t", "of/ann/#", "-C", "1", "-d"], stdout=subprocess.PIPE, text=True)
    for line in subscriber.stdout:
        if "Subscribed" in line:
            break
    assert mosquitto(site, "tls", *ca, "-u", "ann", "-P", "secret", "-t", "of/ann/x", "-m", "hello").returncode == 0
    assert "hello" in subscriber.communicate(timeout=DEADLINE)[0]
    wrong = mosquitto(site, "tls", *ca, "-u", "ann", "-P", "Secret", "-t", "of/ann/x", "-m", "hello")
    assert wrong.returncode != 0
    nobody = mosquitto(site, "tls", *ca, "-t", "of/ann/x", "-m", "hello")
    assert nobody.returncode != 0 and "not authori" in (nobody.stderr + nobody.stdout).lower()


def test_the_certificate_is_the_user(site):
    ca = ["--cafile", site.certificates.ca]

    def shown(name, topic):
        cert, key = site.certificates.files(name)
        return mosquitto(site, "mutual", *ca, "--cert", cert, "--key", key, "-t", topic, "-m", "x", "-d")

    good = shown("device-7", "of/device-7/x")
    assert good.returncode == 0, good
    refused = shown("device-7", "of/ann/x")
    assert "RC:135" in refused.stdout  # not authorized
    assert shown("device-8", "of/device-8/x").returncode != 0  # revoked
    assert mosquitto(site, "mutual", *ca, "-t", "of/device-7/x", "-m", "x").returncode != 0
    site.wait_log("certificate verify failed")
    site.wait_log("peer did not return a certificate")


@pytest.mark.parametrize("arguments, good", [
    (["-tls1_3"], True), (["-tls1_2"], True), (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], False),
    (["-tls1", "-cipher", "ALL:@SECLEVEL=0"], False), (["-tls1_2", "-cipher", "AES128-SHA:AES256-GCM-SHA384"], False),
    (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"], False), (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], True)])
def test_versions_and_ciphers(site, arguments, good):
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{site.port('tls')}", "-CAfile", site.certificates.ca,
                           "-verify_return_error", *arguments], input="", capture_output=True, text=True, timeout=DEADLINE)
    assert ("Cipher is (NONE)" not in done.stdout) == good, done.stdout + done.stderr


def test_large_messages_over_tls(site):
    context = trusting(site.certificates.ca)
    client = site.client("tls", context=context).handshake("", user="ann", password="secret")
    client.subscribe("of/ann/#", qos=1)
    sender = site.client("tls", context=context).handshake("", user="ann", password="secret")
    for size in (0, 1, 16_000, 16_384, 100_000, 3_000_000):
        payload = os.urandom(size)
        sender.publish("of/ann/x", payload, qos=1)
        assert client.take(topic="of/ann/x").payload == payload
    client.disconnect()
    client.close()
    sender.close()


def test_plain_text_on_a_tls_port(site):
    client = site.client("tls", version=4)
    client.send(wire.connect(4, "plain"))
    client.expect_gone()
    site.wait_log("rule=\"tls: ")


@pytest.mark.parametrize("listener", ["ws", "wss"])
def test_mqttjs_in_node(site, listener):
    folder = pathlib.Path(os.environ["INTEGRATION_CLIENTS"]) / "js"
    script = """
      const mqtt = require('mqtt'), [url] = process.argv.slice(1);
      const client = mqtt.connect(url, {username: 'ann', password: 'secret', protocolVersion: 5, rejectUnauthorized: false,
                                        reconnectPeriod: 0});
      client.on('error', (error) => { console.error(String(error)); process.exit(1); });
      client.on('connect', () => client.subscribe('of/ann/js', {qos: 1}, () => {
        client.publish('of/ann/js', Buffer.alloc(200000, 'y'), {qos: 2});
      }));
      client.on('message', (topic, payload) => { console.log(topic, payload.length); client.end(); });
    """
    url = f"{listener}://localhost:{site.port(listener)}/mqtt"
    done = subprocess.run(["node", "-e", script, url], cwd=folder, capture_output=True, text=True, timeout=DEADLINE)
    assert done.stdout == "of/ann/js 200000\n", done.stderr


PAGE = """<!doctype html><script src="/mqtt.js"></script><script>
  const told = (text) => fetch('/told?' + encodeURIComponent(text));
  const client = mqtt.connect('ws://127.0.0.1:%d/mqtt', {username: 'ann', password: 'secret', reconnectPeriod: 0});
  let ready = false;
  client.on('connect', () => { ready = true; client.subscribe('of/ann/page', () => client.publish('of/ann/page', 'from the page')); });
  client.on('message', (topic, payload) => told(payload.toString()));
  client.on('close', () => { if (!ready) told('refused'); });
</script>"""


@pytest.mark.parametrize("listener, wanted", [("ws", "from the page"), ("pages", "refused")])
def test_mqttjs_in_a_browsers_page(site, listener, wanted, tmp_path):
    """The page's origin is not on the list of the listener `pages`."""
    chromium = shutil.which("chromium")
    assert chromium, "chromium is missing (deploy/deps.sh install test)"
    library = pathlib.Path(os.environ["INTEGRATION_CLIENTS"]) / "js/node_modules/mqtt/dist/mqtt.min.js"
    port, told = site.port(listener), []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path.startswith("/told?"):
                told.append(self.path[6:].replace("%20", " "))
            body = library.read_bytes() if self.path == "/mqtt.js" else (PAGE % port).encode() if self.path == "/" else b""
            self.send_response(200)
            self.send_header("Content-Type", "text/html" if self.path == "/" else "text/javascript")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = subprocess.Popen(
            [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={tmp_path}",
             f"http://127.0.0.1:{server.server_port}/"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: told, DEADLINE, "the page tells what happened")
        finally:
            browser.terminate()
            browser.wait()
            server.shutdown()
    assert told[0] == wanted


HAPROXY = """
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen mqtt
  bind 127.0.0.1:%(front)d
  server broker 127.0.0.1:%(back)d %(send)s
"""


@pytest.mark.parametrize("send", ["send-proxy", "send-proxy-v2"])
def test_haproxy_in_front(site, send, tmp_path):
    front = free_port()
    config = tmp_path / "haproxy.cfg"
    config.write_text(HAPROXY % {"front": front, "back": site.port("proxied"), "send": send})
    proxy = subprocess.Popen([shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-f", str(config)],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: accepts(("127.0.0.1", front)), DEADLINE, "haproxy is there")
        for source, reason in (("127.0.0.9", 0x10), ("127.0.0.8", 0x87)):  # the rules ask for the client's own address
            done = subprocess.run(["mosquitto_pub", "-p", str(front), "-A", source, "-t", "near/x", "-m", "x", "-q", "1", "-V", "mqttv5",
                                   "-d"], capture_output=True, text=True, timeout=DEADLINE)
            assert f"RC:{reason}" in done.stdout, done
    finally:
        proxy.terminate()
        proxy.wait()
    site.wait_log("peer=127.0.0.8:")


def test_without_the_proxy_header_nobody_is_served(site):
    client = site.client("proxied", version=4)
    client.send(wire.connect(4, "direct"))
    client.expect_gone()
    site.wait_log("proxy: no PROXY header")
    stranger = site.client("elsewhere", version=4)
    stranger.expect_gone()
    site.wait_log("not one of the listener's load balancers")


def test_ipv6(site):
    done = subprocess.run(["mosquitto_pub", "-h", "::1", "-p", str(site.port("ipv6")), "-t", "x", "-m", "x", "-q", "1",
                           "-V", "mqttv5", "-d"], capture_output=True, text=True, timeout=DEADLINE)
    assert "RC:135" in done.stdout  # it is let in, and may do nothing


def test_sessions_resume(site):
    context = trusting(site.certificates.ca)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    first = site.client("tls", context=context)
    session = first.socket.session
    first.close()
    with socket.create_connection(("127.0.0.1", site.port("tls")), timeout=DEADLINE) as plain:
        with context.wrap_socket(plain, server_hostname="localhost", session=session) as again:
            assert again.session_reused
