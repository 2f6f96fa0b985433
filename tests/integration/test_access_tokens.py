"""Clients that show tokens, and clients that a web server decides about: against real servers on loopback."""

import base64
import hashlib
import hmac
import http.server
import json
import subprocess
import threading
import time

import pytest

import mqtt_wire as wire
from mqtt_wire import PUBACK, SUBACK
from secure import SecureBroker
from support.broker import free_port, wait_until

SECRET = b"0123456789abcdef0123456789abcdef"
NO_RULES = "authorization: {allow_without_rules: true}\n"


def encode(data):
    if not isinstance(data, bytes):
        data = json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def hs_token(secret=SECRET, **claims):
    claims = {"sub": "ann", "exp": int(time.time()) + 600, **claims}
    text = encode({"alg": "HS256"}) + "." + encode(claims)
    return text + "." + encode(hmac.new(secret, text.encode(), hashlib.sha256).digest())


class EcKey:
    """A P-256 key made by openssl."""

    def __init__(self, folder, kid):
        self.file, self.kid = folder / f"{kid}.pem", kid
        subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.file], check=True)

    def jwk(self):
        der = subprocess.run(["openssl", "ec", "-in", self.file, "-pubout", "-outform", "DER"], check=True,
                             capture_output=True).stdout
        return {"kty": "EC", "crv": "P-256", "kid": self.kid, "use": "sig", "x": encode(der[-64:-32]), "y": encode(der[-32:])}

    def token(self, **claims):
        claims = {"sub": "ann", "exp": int(time.time()) + 600, **claims}
        text = encode({"alg": "ES256", "kid": self.kid}) + "." + encode(claims)
        der = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.file], input=text.encode(), check=True,
                             capture_output=True).stdout
        r_size = der[3]
        r, s = der[4:4 + r_size], der[6 + r_size:]
        return text + "." + encode(b"".join(part.lstrip(b"\0").rjust(32, b"\0") for part in (r, s)))


class Server:
    """A web server whose answer a test sets: answer(request body) -> (status, JSON or bytes)."""

    def __init__(self, answer):
        self.answer, self.asked, self.lock = answer, [], threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with outer.lock:
                    outer.asked.append((dict(self.headers), json.loads(body) if body else None))
                status, data = outer.answer(outer.asked[-1][1])
                data = data if isinstance(data, bytes) else json.dumps(data).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/auth"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def start(tmp_path):
    """start(authenticator fields, more) -> a broker whose listener "main" asks that authenticator."""
    started = []

    def make(fields, more=NO_RULES, listeners=None):
        text = ", ".join(f"{name}: {json.dumps(value)}" for name, value in fields.items())
        started.append(SecureBroker(tmp_path, {"main": "tcp://127.0.0.1:0?authentication=it", **(listeners or {})},
                                    f"authentication: [{{name: it, {text}}}]\n{more}"))
        return started[-1]

    yield make
    for broker in started:
        broker.running.stop()


@pytest.fixture
def serve():
    """serve(answer) -> a web server."""
    made = []

    def make(answer):
        made.append(Server(answer))
        return made[-1]

    yield make
    for server in made:
        server.close()


def knock(broker, user="ann", password=None, client_id="", **fields):
    """The reason of CONNACK."""
    client = broker.client("main")
    client.send(wire.connect(5, client_id, user=user, password=password, **fields))
    reason = client.receive().reason
    client.close()
    return reason


def publish(client, topic):
    client.send(wire.publish(5, topic, b"x", 1, 7))
    return client.expect(PUBACK, packet_id=7).reason


def subscribe(client, topic):
    client.send(wire.subscribe(5, 8, [(topic, wire.options(1))]))
    return client.expect(SUBACK, packet_id=8).codes[0]


def test_tokens_with_a_secret(start, tmp_path):
    (tmp_path / "secret").write_bytes(SECRET + b"\n")
    broker = start({"type": "jwt", "secret_file": f"{tmp_path}/secret", "issuer": "me", "client_id_claim": "cid"})
    assert knock(broker, password=hs_token(iss="me", cid="dev1"), client_id="dev1") == 0
    assert knock(broker, password=hs_token(iss="me", cid="dev1"), client_id="dev2") == 0x85
    for bad in (hs_token(iss="you", cid="d"), hs_token(iss="me"), hs_token(iss="me", cid="d", exp=1),
                hs_token(b"x" * 32, iss="me", cid="d"), "eyJhbGciOiJub25lIn0." + encode({"sub": "ann"}) + ".AA"):
        assert knock(broker, password=bad) == 0x86, bad
    assert knock(broker, password="no token") == 0x86
    for why in ("jwt: another issuer", "jwt: expired", "jwt: wrong signature"):
        broker.wait_log(why)
    assert "eyJ" not in broker.running.log(), "no token in the log"


def test_a_token_says_what_its_client_may_do_and_for_how_long(start, tmp_path):
    (tmp_path / "secret").write_bytes(SECRET)
    broker = start({"type": "jwt", "secret_file": f"{tmp_path}/secret", "leeway": "0s"})
    acl = {"pub": ["up/${clientid}"], "sub": ["down/#"]}
    client = broker.client("main").handshake("dev1", user="x", password=hs_token(acl=acl, exp=int(time.time()) + 4))
    assert publish(client, "up/dev1") in (0, 0x10)
    assert publish(client, "up/dev2") == 0x87
    assert subscribe(client, "down/a") == 1
    assert subscribe(client, "up/#") == 0x87
    client.expect(wire.DISCONNECT)
    client.expect_closed()
    client.close()
    assert knock(broker, password=hs_token(acl={"pub": 7})) == 0x86


def test_keys_from_a_url_are_fetched_again_and_survive_an_outage(start, serve, tmp_path):
    first, second = EcKey(tmp_path, "first"), EcKey(tmp_path, "second")
    state = {"keys": [first.jwk()], "status": 200}
    server = serve(lambda _: (state["status"], {"keys": state["keys"]}))
    broker = start({"type": "jwt", "jwks_url": server.url, "refresh": "10s"})
    wait_until(lambda: server.asked, 60, "the keys are fetched")
    wait_until(lambda: knock(broker, password=first.token()) == 0, 60, "the keys are in use")
    assert knock(broker, password=second.token()) == 0x86
    state["status"] = 500
    wait_until(lambda: "keys.failed" in broker.running.log(), 60, "the outage is in the log")
    assert knock(broker, password=first.token()) == 0, "the old keys stay"
    state.update(status=200, keys=[second.jwk()])
    wait_until(lambda: knock(broker, password=second.token()) == 0, 60, "the new key is known")
    assert knock(broker, password=first.token()) == 0x86, "the old one is withdrawn"


def test_a_web_server_decides(start, serve):
    answers = {"ann": (200, {"result": "allow"}), "root": (200, {"result": "allow", "is_superuser": True}), "bob": (204, b""),
               "eve": (200, {"result": "deny"}), "mallory": (403, {}), "broken": (500, {}), "odd": (200, {"result": "perhaps"}),
               "page": (200, b"<html>"), "large": (200, {"result": "allow", "x": "x" * 100_000}),
               "some": (200, {"result": "allow", "acl": [{"permission": "allow", "action": "publish", "topic": "a/#"}]})}
    server = serve(lambda body: answers[body["username"]])
    broker = start({"type": "http", "url": server.url, "headers": ["X-Key: k1"], "breaker_failures": 100},
                   listeners={"open": "tcp://127.0.0.1:0?authentication=it&allow_anonymous=true"})
    expected = {"ann": 0, "root": 0, "bob": 0, "eve": 0x86, "mallory": 0x86, "broken": 0x88, "odd": 0x88, "page": 0x88,
                "large": 0x88, "some": 0}
    assert {user: knock(broker, user, "pw", client_id="c-" + user) for user in answers} == expected
    headers, body = server.asked[0]
    assert headers["X-Key"] == "k1"
    assert body == {"username": "ann", "password": "pw", "clientid": "c-ann", "peerhost": "127.0.0.1", "listener": "main",
                    "proto_ver": 5}
    client = broker.client("main").handshake("c", user="some", password="pw")
    assert publish(client, "a/b") in (0, 0x10)
    assert publish(client, "b") == 0x87
    client.close()
    asked = len(server.asked)
    assert knock(broker, None) == 0x87, "who says nothing is not asked about"
    broker.client("open").handshake("nobody").close()
    assert len(server.asked) == asked
    assert '"pw"' not in broker.running.log() and "pw" not in broker.running.log().split("client.refused")[-1]


def test_a_server_that_does_not_answer_lets_nobody_in_and_is_left_alone(start, serve):
    state = {"status": 500}
    server = serve(lambda _: (state["status"], {"result": "allow"}))
    broker = start({"type": "http", "url": server.url, "breaker_failures": 3, "breaker_pause": "1s"})
    assert [knock(broker, "ann", "pw") for _ in range(6)] == [0x88] * 6
    assert len(server.asked) <= 5, "the circuit is open"
    broker.wait_log("http_backend.open")
    state["status"] = 200
    wait_until(lambda: knock(broker, "ann", "pw") == 0, 60, "the circuit closes again")


def test_nobody_listens_where_the_server_should_be(start):
    broker = start({"type": "http", "url": f"http://127.0.0.1:{free_port()}/auth"})
    assert knock(broker, "ann", "pw") == 0x88


def test_answers_are_remembered_when_wished(start, serve):
    server = serve(lambda body: (200, {"result": "allow" if body["password"] == "good" else "deny"}))
    broker = start({"type": "http", "url": server.url, "cache_allowed": "1h", "cache_denied": "1h"})
    assert [knock(broker, "ann", "good", client_id="c") for _ in range(3)] == [0, 0, 0]
    assert [knock(broker, "ann", "bad", client_id="c") for _ in range(3)] == [0x86] * 3
    assert len(server.asked) == 2
    assert knock(broker, "ann", "good", client_id="d") == 0
    assert len(server.asked) == 3


def test_a_slow_server_holds_up_nobody_else(start, serve):
    release = threading.Event()
    server = serve(lambda _: (release.wait(60), (200, {"result": "allow"}))[1])
    broker = start({"type": "http", "url": server.url, "timeout": "60s"}, listeners={"open": "tcp://127.0.0.1:0"})
    others = [broker.client("open").handshake(f"other{i}") for i in range(4)]  # on every shard
    waiting = [broker.client("main") for _ in range(20)]
    for i, client in enumerate(waiting):
        client.send(wire.connect(5, f"w{i}", user="ann", password="pw"))
    wait_until(lambda: len(server.asked) >= 20, 60, "all are asked about at once")
    for other in others:
        for _ in range(20):
            other.barrier()
    release.set()
    assert [client.receive().reason for client in waiting] == [0] * 20
    for client in waiting + others:
        client.close()
