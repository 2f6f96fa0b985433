"""Who may do what, from outside; and what a change of the files does to a running node. The classes of failure that other brokers
have had are named where a test is about one."""

import base64
import hashlib
import hmac
import os
import subprocess

import pytest

import mqtt_wire as wire
from mqtt_client import DEADLINE
from mqtt_wire import PUBACK, PUBLISH, SUBACK
from secure import HASH, Certificates, SecureBroker, trusting
from support.broker import wait_until

NOT_AUTHORIZED = 0x87
BAD_USER = 0x86


class Site:
    """A broker with users and rules in files that a test can change."""

    def __init__(self, folder):
        self.folder = folder
        self.write("users.txt", f"ann:{HASH}\nbob:{HASH}\n")
        self.write("acl.yaml", "rules: [{allow: all, users: [ann], topics: ['#']}, {allow: all, users: [bob], topics: ['b/#']}]\n")
        self.certificates = Certificates(folder / "pki")
        cert, key = self.certificates.files("server")
        self.broker = SecureBroker(folder, {
            "main": "tcp://127.0.0.1:0?authentication=users",
            "tls": f"tls://127.0.0.1:0?cert_file={cert}&key_file={key}&authentication=users",
        }, f"authentication: [{{name: users, type: password_file, file: {folder}/users.txt}}]\n"
           f"authorization: {{file: {folder}/acl.yaml}}\n")
        self.clients = []

    def write(self, name, text):
        """As editors and kubelet do it: a new file in the place of the old one."""
        new = self.folder / (name + ".new")
        new.write_text(text)
        os.replace(new, self.folder / name)

    def join(self, user, client_id="", listener="main", **fields):
        client = self.broker.client(listener)
        self.clients.append(client)
        return client.handshake(client_id, user=user, password="secret", **fields)

    def reloaded(self, count=1):
        self.broker.wait_log("config.reloaded", count)

    def close(self):
        for client in self.clients:
            client.close()
        self.broker.running.stop()


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    yield made
    made.close()


def refused(site, user, password="secret", listener="main"):
    client = site.broker.client(listener)
    client.send(wire.connect(5, "", user=user, password=password))
    got = client.receive()
    client.close()
    return got.reason


def subscribe(client, *filters):
    client.send(wire.subscribe(5, 77, [(name, wire.options(1)) for name in filters]))
    return list(client.expect(SUBACK, packet_id=77).codes)


def publish(client, topic, payload=b"x", retain=False):
    client.send(wire.publish(5, topic, payload, 1, 78, retain=retain))
    return client.expect(PUBACK, packet_id=78).reason


def test_who_comes_in(site):
    assert refused(site, "ann", "wrong") == BAD_USER
    assert refused(site, "nobody") in (BAD_USER, NOT_AUTHORIZED)
    assert refused(site, None, None) == NOT_AUTHORIZED
    site.join("ann")
    assert "secret" not in site.broker.running.log() and "wrong" not in site.broker.running.log().replace("wrong user name", "")


@pytest.mark.parametrize("user, password", [("admin", "public"), ("admin", "admin"), ("guest", "guest"), ("root", ""), ("", "")])
def test_class_default_credentials(site, user, password):
    assert refused(site, user, password) in (BAD_USER, NOT_AUTHORIZED)


def test_rules_hold_for_subscribe_publish_retain_and_share(site):
    ann, bob = site.join("ann"), site.join("bob")
    assert publish(ann, "a/kept", b"kept", retain=True) in (0, 0x10)
    assert subscribe(bob, "b/1", "b/#", "a/1", "#", "$share/g/b/1", "$share/g/a/1") == [1, 1, 0x87, 0x87, 1, 0x87]
    assert publish(bob, "a/1") == NOT_AUTHORIZED
    assert publish(bob, "a/1", retain=True) == NOT_AUTHORIZED
    site.broker.wait_log("access.refused")
    line = next(line for line in site.broker.running.log().splitlines() if "access.refused" in line)
    assert "user_name=bob" in line and "acl.yaml" not in line.split("rule=")[0] and "127.0.0.1" in line


def test_class_will_acl_gap(site):
    client = site.broker.client("main")
    client.send(wire.connect(5, "", user="bob", password="secret", will=wire.will("a/will", b"gone")))
    assert client.receive().reason == NOT_AUTHORIZED
    client.close()
    site.join("bob", will=wire.will("b/will", b"gone"))


def test_class_publishing_to_sys(site):
    ann = site.join("ann")
    site.write("acl.yaml", "rules: [{allow: all, topics: ['#', '$SYS/#']}]\n")
    site.reloaded()
    assert publish(ann, "$SYS/broker/uptime") == NOT_AUTHORIZED


def test_class_post_reload_acl_gap(site):
    """What was subscribed before is not delivered any more; what waits is not either."""
    bob, ann = site.join("bob", "bob", clean=False, props=[(wire.SESSION_EXPIRY, 1000)]), site.join("ann")
    assert subscribe(bob, "b/#") == [1]
    assert publish(ann, "b/x", b"before") == 0
    bob.take(payload=b"before")
    site.write("acl.yaml", "rules: [{allow: all, users: [ann], topics: ['#']}, {allow: all, users: [bob], topics: ['b/still']}]\n")
    site.reloaded()
    assert publish(ann, "b/x", b"after") == 0
    assert publish(ann, "b/still", b"still") == 0
    bob.take(payload=b"still")
    assert publish(bob, "b/x") == NOT_AUTHORIZED
    bob.close()
    site.write("acl.yaml", "rules: [{allow: all, users: [ann], topics: ['#']}]\n")
    site.reloaded(2)
    publish(ann, "b/still", b"waits")
    again = site.join("bob", "bob", clean=False, props=[(wire.SESSION_EXPIRY, 1000)])
    assert again.connack.session_present
    again.barrier()


def test_class_reload_that_fails_open(site):
    """A file with a mistake changes nothing, and is told once with its place."""
    site.write("acl.yaml", "rules:\n  - allow: everything\n")
    site.broker.wait_log("config.refused")
    assert "acl.yaml:2:12: key 'allow': allowed: publish" in site.broker.running.log()
    assert publish(site.join("bob"), "a/1") == NOT_AUTHORIZED
    site.write("users.txt", "eve:secret\n")
    site.broker.wait_log("config.refused", 2)
    assert refused(site, "eve") in (BAD_USER, NOT_AUTHORIZED)
    site.join("ann")
    os.unlink(site.folder / "users.txt")
    site.broker.wait_log("config.refused", 3)
    site.join("ann")


def test_class_empty_acl_or_password_file(site):
    ann = site.join("ann")
    site.write("acl.yaml", "")
    site.reloaded()
    assert publish(ann, "a/1") == NOT_AUTHORIZED
    assert subscribe(ann, "a/1") == [NOT_AUTHORIZED]
    site.write("users.txt", "")
    site.reloaded(2)
    assert refused(site, "ann") in (BAD_USER, NOT_AUTHORIZED)


def test_class_wildcards_in_a_placeholder(site):
    site.write("acl.yaml", "rules: [{allow: all, topics: ['c/%c/#']}]\n")
    site.reloaded()
    for client_id in ("+", "#", "a/b"):
        client = site.join("ann", client_id)
        assert subscribe(client, f"c/{client_id}/x", "c/+/x", "c/#") == [0x8F if client_id == "#" else 0x87, 0x87, 0x87]
    assert subscribe(site.join("ann", "me"), "c/me/x", "c/you/x") == [1, 0x87]


def test_class_retained_acl_gap(site):
    """A retained message is not given to who may subscribe to the filter but not have its topic."""
    site.write("acl.yaml", "rules: [{deny: subscribe, users: [bob], topics: ['b/secret']}, {allow: all, topics: ['#']}]\n")
    site.reloaded()
    ann, bob = site.join("ann"), site.join("bob")
    publish(ann, "b/secret", b"kept", retain=True)
    publish(ann, "b/open", b"kept", retain=True)
    assert subscribe(bob, "b/#") == [1]
    assert bob.expect(PUBLISH).topic == "b/open"
    publish(ann, "b/secret", b"live")
    bob.barrier()
    site.write("acl.yaml", "rules: [{deny: retain, users: [ann], topics: ['b/#']}, {allow: all, topics: ['#']}]\n")
    site.reloaded(2)
    assert publish(ann, "b/secret", b"", retain=True) == NOT_AUTHORIZED, "nor may it be taken away"


def test_class_share_acl_gap(site):
    """$share is judged by the filter inside, and a member who may not have a message is passed over."""
    site.write("acl.yaml", "rules: [{deny: subscribe, users: [bob], topics: ['b/secret']}, {allow: all, topics: ['b/#']}]\n")
    site.reloaded()
    ann, bob = site.join("ann"), site.join("bob")
    assert subscribe(bob, "$share/g/b/secret", "$share/g/a/#", "$share/g/b/#") == [0x87, 0x87, 1]
    assert subscribe(ann, "$share/g/b/#") == [1]
    sender = site.join("ann")
    for number in range(20):
        publish(sender, "b/secret", b"%d" % number)
    for number in range(20):
        message = ann.expect(PUBLISH, topic="b/secret", payload=b"%d" % number)
        ann.acknowledge(message)
    bob.barrier()


def test_a_secret_that_is_swapped(site):
    """As kubelet does it: a folder behind the symbolic link ..data. Connections stay, new ones see the new certificate."""
    old = trusting(site.certificates.ca)
    client = site.broker.client("tls", context=old).handshake("", user="ann", password="secret")
    other = Certificates(site.folder / "other")
    for name in ("server.pem", "server.key"):
        target = site.folder / "pki" / name
        os.unlink(target)
        os.symlink(site.folder / "other" / name, target)
    site.reloaded()
    client.barrier()
    client.close()
    site.broker.client("tls", context=trusting(other.ca)).handshake("", user="ann", password="secret").close()


def test_what_needs_a_restart_is_refused(site):
    config = site.broker.config
    config.write_text(config.read_text() + "limits: {max_inflight: 7}\nlog: {level: debug}\n")
    site.broker.wait_log("config.refused")
    assert "needs a restart: limits.max_inflight" in site.broker.running.log()
    config.write_text(config.read_text().replace("limits: {max_inflight: 7}\n", ""))
    site.reloaded()
    site.join("ann", "loud")
    site.broker.wait_log("client.connected client_id=loud")


def test_a_login_storm_does_not_hold_up_the_others(site):
    """Hashing goes on elsewhere: a connected client is answered while logins wait for it."""
    ann = site.join("ann")
    waiting = []
    for number in range(200):
        client = site.broker.client("main")
        client.send(wire.connect(5, f"s{number}", user="bob", password=f"wrong{number}"))
        waiting.append(client)
    for _ in range(20):
        ann.barrier()
    for client in waiting:
        assert client.receive().reason == BAD_USER
        client.close()
    wait_until(lambda: ann.barrier() is None, DEADLINE, "still answered")


def scram(client, user, password, start):
    """One conversation of SCRAM-SHA-256 (RFC 5802); `start` sends the first message. Returns the last packet."""
    def text(packet):
        return wire.value_of(packet, wire.AUTH_DATA).decode()

    def digest(key, message):
        return hmac.new(key, message.encode(), hashlib.sha256).digest()

    first = f"n={user},r=abcdefghij"
    start(("n,," + first).encode())
    challenge = client.receive()
    if challenge.reason != 0x18:
        return challenge
    fields = dict(part.split("=", 1) for part in text(challenge).split(","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
    last = f"c=biws,r={fields['r']}"
    whole = f"{first},{text(challenge)},{last}"
    key = digest(salted, "Client Key")
    proof = bytes(a ^ b for a, b in zip(key, hmac.new(hashlib.sha256(key).digest(), whole.encode(), hashlib.sha256).digest()))
    client.send(wire.auth(0x18, [(wire.AUTH_METHOD, "SCRAM-SHA-256"),
                                 (wire.AUTH_DATA, f"{last},p={base64.b64encode(proof).decode()}".encode())]))
    answer = client.receive()
    if answer is not None and answer.reason == 0:
        signature = digest(digest(salted, "Server Key"), whole)
        assert text(answer) == "v=" + base64.b64encode(signature).decode()
    return answer


def test_scram(tmp_path):
    """MQTT 5 enhanced authentication, and once more on the connection."""
    file, password = tmp_path / "scram.txt", tmp_path / "password"
    password.write_text("pencil\n")
    control = os.environ.get("SKEINMQCTL") or os.environ["SKEINMQD"].replace("skeinmqd", "skeinmqctl")
    subprocess.run([control, "passwd", "--scram", "--password-file", str(password), str(file), "ann"], check=True, capture_output=True)
    more = (f"authentication: [{{name: s, type: scram_file, file: {file}}}]\nauthorization: {{allow_without_rules: true}}\n")
    with SecureBroker(tmp_path, {"main": "tcp://127.0.0.1:0?authentication=s"}, more) as broker:
        for user, secret, good in (("ann", "pencil", True), ("ann", "pencils", False), ("bob", "pencil", False)):
            client = broker.client("main")
            answer = scram(client, user, secret, lambda data, to=client: to.send(wire.connect(
                5, "", props=[(wire.AUTH_METHOD, "SCRAM-SHA-256"), (wire.AUTH_DATA, data)])))
            assert (answer.reason == 0) == good, (user, secret, answer.reason)
            if good:
                again = scram(client, user, secret, lambda data, to=client: to.send(wire.auth(
                    0x19, [(wire.AUTH_METHOD, "SCRAM-SHA-256"), (wire.AUTH_DATA, data)])))
                assert again.reason == 0
                assert publish(client, "x") in (0, 0x10)
            client.close()


def connack(broker, listener, client_id, source=None, **fields):
    """The reason of CONNACK; None if the connection was closed without one."""
    client = broker.client(listener, source=source)
    try:
        client.send(wire.connect(5, client_id, **fields))
        packet = client.receive()
    except OSError:
        packet = None
    client.close()
    return packet and packet.reason


@pytest.fixture
def open_broker(tmp_path):
    """Starts brokers whose listeners need no credentials."""
    started = []

    def start(listeners, more=""):
        started.append(SecureBroker(tmp_path, listeners, more))
        return started[-1]

    yield start
    for broker in started:
        broker.running.stop()


def test_bans_hold_for_new_and_for_connected_clients(open_broker):
    broker = open_broker({"main": "tcp://127.0.0.1:0", "other": "tcp://127.0.0.1:0"},
                         "bans: [{client_id: gone}, {address: 127.0.0.64/26}, {client_id: free, until: '2020-01-01T00:00:00Z'}]\n")
    assert connack(broker, "main", "gone") == 0x8A
    assert connack(broker, "main", "x", source="127.0.0.70") == 0x8A
    assert connack(broker, "main", "x", source="127.0.0.130") == 0
    assert connack(broker, "main", "free") == 0, "that ban is over"
    stays, goes = broker.client("main").handshake("stays"), broker.client("other").handshake("goes")
    broker.config.write_text("bans: [{client_id: goes}]\n")
    broker.wait_log("config.reloaded")
    goes.expect(wire.DISCONNECT, reason=0x98)
    goes.expect_closed()
    assert connack(broker, "main", "goes") == 0x8A
    assert connack(broker, "main", "gone") == 0
    stays.barrier()
    broker.config.write_text("bans: [{client_id: stays}, {address: nowhere}]\n")
    broker.wait_log("config.refused")
    assert "bans[1].address" in broker.running.log()
    stays.barrier()
    for client in (stays, goes):
        client.close()


def test_flapping_clients_are_banned(open_broker):
    broker = open_broker({"main": "tcp://127.0.0.1:0"}, "security: {flapping_connects: 5, flapping_window: 1h, flapping_ban: 1h}\n")
    assert [connack(broker, "main", "flap") for _ in range(8)] == [0] * 5 + [0x8A] * 3
    assert connack(broker, "main", "calm") == 0


def test_connection_rates(open_broker):
    broker = open_broker({"all": "tcp://127.0.0.1:0?connection_rate=2", "each": "tcp://127.0.0.1:0?connection_rate_per_source=2",
                          "proxied": "tcp://127.0.0.1:0?connection_rate_per_source=2&proxy_from=127.0.0.1"})
    for listener in ("all", "each"):
        answers = [connack(broker, listener, "") for _ in range(20)]
        assert answers[0] == 0 and None in answers, listener
    assert connack(broker, "each", "", source="127.0.0.2") == 0, "another source has its own rate"
    broker.wait_log("listener.refusing")

    def proxied(source):
        client = broker.client("proxied")
        client.socket.sendall(f"PROXY TCP4 {source} 192.0.2.1 1 2\r\n".encode())
        client.send(wire.connect(5, ""))
        reason = client.receive().reason
        client.close()
        return reason

    answers = [proxied("192.0.2.7") for _ in range(20)]
    assert answers[0] == 0 and 0x9F in answers
    assert proxied("192.0.2.8") == 0


def test_a_client_that_does_not_slow_down_is_disconnected(open_broker):
    broker = open_broker({"main": "tcp://127.0.0.1:0?publish_rate=50&publish_patience=1s", "free": "tcp://127.0.0.1:0"})
    client, calm = broker.client("main").handshake("fast"), broker.client("free").handshake("calm")
    client.send(wire.publish(5, "t", b"x") * 400)
    client.expect(wire.DISCONNECT, reason=0x96)
    client.expect_closed()
    calm.barrier()
    for each in (client, calm):
        each.close()
