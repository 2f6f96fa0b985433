"""The driver program around Eclipse Paho Python, 1.x and 2.x. Its line protocol is described in ../client_driver.py.

usage: paho_driver.py HOST PORT VERSION OUT_DIR
"""

import os
import sys
import threading
import urllib.parse

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

ANSWER_SECONDS = 60
INLINE_BYTES = 1024
VERSIONS = {"31": mqtt.MQTTv31, "311": mqtt.MQTTv311, "5": mqtt.MQTTv5}
SECOND_API = hasattr(mqtt, "CallbackAPIVersion")

output_lock = threading.Lock()


def say(word, pairs):
    """Writes one line: a word and key=value pairs, values percent-encoded."""
    parts = [word]
    for key, value in pairs:
        raw = value if isinstance(value, bytes) else str(value).encode()
        parts.append(key + "=" + urllib.parse.quote_from_bytes(raw))
    with output_lock:
        sys.stdout.write(" ".join(parts) + "\n")
        sys.stdout.flush()


def parse(line):
    """The operation, the fields of a request and its user properties."""
    words = line.split()
    fields, user = {}, []
    for word in words[1:]:
        key, _, value = word.partition("=")
        raw = urllib.parse.unquote_to_bytes(value)
        if key == "user":
            user.append(tuple(raw.decode().split("=", 1)))
        else:
            fields[key] = raw
    return words[0], fields, user


def number(reason):
    """A reason code as an integer, whichever type this Paho uses."""
    return getattr(reason, "value", reason)


class Answers:
    """What the callbacks brought, by packet id; the main thread waits for it."""

    def __init__(self):
        self.changed = threading.Condition()
        self.values = {}

    def put(self, key, value):
        with self.changed:
            self.values[key] = value
            self.changed.notify_all()

    def take(self, key):
        with self.changed:
            if not self.changed.wait_for(lambda: key in self.values, ANSWER_SECONDS):
                raise RuntimeError(f"no answer for {key}")
            return self.values.pop(key)


class Driver:
    def __init__(self, host, port, version, out_dir):
        self.host, self.port, self.out_dir = host, int(port), out_dir
        self.version = VERSIONS[version]
        self.answers = Answers()
        self.client = None
        self.files = 0
        self.aliases = {}

    def v5(self):
        return self.version == mqtt.MQTTv5

    def properties(self, packet, names, fields, user=()):
        """The v5 properties among `fields`; None for older versions."""
        if not self.v5():
            return None
        properties = Properties(packet)
        for name, (attribute, convert) in names.items():
            if name in fields:
                setattr(properties, attribute, convert(fields[name]))
        for pair in user:
            properties.UserProperty = pair
        return properties

    def connect(self, fields, user):
        arguments = {"client_id": fields.get("id", b"").decode(), "protocol": self.version, "reconnect_on_failure": False}
        if SECOND_API:
            arguments["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION2
        clean = fields.get("clean", b"1") == b"1"
        if not self.v5():
            arguments["clean_session"] = clean
        self.client = client = mqtt.Client(**arguments)
        self.aliases = {}
        self.attach(client)
        client.max_inflight_messages_set(100)
        if "will_topic" in fields:
            client.will_set(fields["will_topic"].decode(), fields.get("will_payload", b""), int(fields.get("will_qos", b"0")),
                            fields.get("will_retain") == b"1",
                            self.properties(PacketTypes.WILLMESSAGE, {"will_delay": ("WillDelayInterval", int)}, fields))
        more = {}
        if self.v5():
            more["clean_start"] = clean
            more["properties"] = self.properties(PacketTypes.CONNECT, {
                "expiry": ("SessionExpiryInterval", int), "alias_max": ("TopicAliasMaximum", int),
                "receive_max": ("ReceiveMaximum", int)}, fields, user)
        client.connect(self.host, self.port, int(fields.get("keepalive", b"60")), **more)
        client.loop_start()
        return self.answers.take("connect")

    def attach(self, client):
        answers = self.answers

        def on_connect(_client, _data, flags, reason, properties=None):
            present = flags["session present"] if isinstance(flags, dict) else flags.session_present
            pairs = [("present", int(present)), ("reason", number(reason))]
            if properties is not None:
                for key, name in (("assigned", "AssignedClientIdentifier"), ("alias_max", "TopicAliasMaximum")):
                    if hasattr(properties, name):
                        pairs.append((key, getattr(properties, name)))
            answers.put("connect", pairs)

        def on_subscribe(_client, _data, mid, reasons, _properties=None):
            answers.put(("subscribe", mid), ",".join(str(number(reason)) for reason in reasons))

        def on_unsubscribe(_client, _data, mid, *_rest):
            answers.put(("unsubscribe", mid), "")

        def on_publish(_client, _data, mid, reason=0, _properties=None):
            answers.put(("publish", mid), number(reason))

        def on_disconnect(_client, _data, *rest):
            reason = rest[1] if SECOND_API else rest[0]
            answers.put("disconnect", [])
            say("closed", [("reason", number(reason))])

        client.on_connect, client.on_subscribe, client.on_unsubscribe = on_connect, on_subscribe, on_unsubscribe
        client.on_publish, client.on_disconnect, client.on_message = on_publish, on_disconnect, self.on_message

    def on_message(self, _client, _data, message):
        topic = message.topic
        pairs = [("qos", message.qos), ("retain", int(message.retain)), ("dup", int(message.dup))]
        properties = getattr(message, "properties", None)
        if self.v5() and properties is not None:
            alias = getattr(properties, "TopicAlias", None)
            if alias is not None:
                topic = self.aliases.setdefault(alias, topic) if not topic else topic
                self.aliases[alias] = topic
                pairs.append(("alias", alias))
            for key, name in (("content_type", "ContentType"), ("response_topic", "ResponseTopic"),
                              ("correlation", "CorrelationData"), ("expiry", "MessageExpiryInterval"),
                              ("format", "PayloadFormatIndicator")):
                if hasattr(properties, name):
                    pairs.append((key, getattr(properties, name)))
            pairs += [("user", "=".join(pair)) for pair in getattr(properties, "UserProperty", [])]
            pairs += [("subid", one) for one in getattr(properties, "SubscriptionIdentifier", [])]
        pairs.append(("topic", topic))
        if len(message.payload) > INLINE_BYTES:
            self.files += 1
            path = os.path.join(self.out_dir, f"paho-{os.getpid()}-{self.files}")
            with open(path, "wb") as file:
                file.write(message.payload)
            pairs.append(("file", path))
        else:
            pairs.append(("payload", message.payload))
        say("msg", pairs)

    def subscribe(self, fields, user):
        topic, qos = fields["filter"].decode(), int(fields.get("qos", b"0"))
        if self.v5():
            options = SubscribeOptions(qos=qos, noLocal=fields.get("nl") == b"1", retainAsPublished=fields.get("rap") == b"1",
                                       retainHandling=int(fields.get("rh", b"0")))
            properties = self.properties(PacketTypes.SUBSCRIBE, {"subid": ("SubscriptionIdentifier", int)}, fields, user)
            _, mid = self.client.subscribe(topic, options=options, properties=properties)
        else:
            _, mid = self.client.subscribe(topic, qos)
        return [("codes", self.answers.take(("subscribe", mid)))]

    def unsubscribe(self, fields, _user):
        _, mid = self.client.unsubscribe(fields["filter"].decode())
        self.answers.take(("unsubscribe", mid))
        return []

    def publish(self, fields, user):
        payload = fields.get("payload", b"")
        if "file" in fields:
            with open(fields["file"].decode(), "rb") as file:
                payload = file.read()
        properties = self.properties(PacketTypes.PUBLISH, {
            "content_type": ("ContentType", bytes.decode), "response_topic": ("ResponseTopic", bytes.decode),
            "correlation": ("CorrelationData", bytes), "expiry": ("MessageExpiryInterval", int),
            "format": ("PayloadFormatIndicator", int), "alias": ("TopicAlias", int)}, fields, user)
        info = self.client.publish(fields["topic"].decode(), payload, int(fields.get("qos", b"0")),
                                   fields.get("retain") == b"1", properties)
        return [("reason", self.answers.take(("publish", info.mid)))]

    def burst(self, fields, _user):
        topic, qos, count = fields["topic"].decode(), int(fields.get("qos", b"0")), int(fields["count"])
        mids = [self.client.publish(topic, str(index), qos).mid for index in range(count)]
        for mid in mids:
            self.answers.take(("publish", mid))
        return []

    def disconnect(self, fields, _user):
        if self.v5():
            self.client.disconnect(properties=self.properties(
                PacketTypes.DISCONNECT, {"expiry": ("SessionExpiryInterval", int)}, fields))
        else:
            self.client.disconnect()
        self.answers.take("disconnect")
        self.client.loop_stop()
        return []

    def run(self):
        operations = {"connect": self.connect, "subscribe": self.subscribe, "unsubscribe": self.unsubscribe,
                      "publish": self.publish, "burst": self.burst, "disconnect": self.disconnect}
        for line in sys.stdin:
            name, fields, user = parse(line)
            try:
                say("=", operations[name](fields, user))
            except Exception as error:  # reported to the test, which decides
                say("!", [("error", f"{name}: {error!r}")])


if __name__ == "__main__":
    Driver(*sys.argv[1:5]).run()
