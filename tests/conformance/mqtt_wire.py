"""MQTT packets as bytes, for tests: an encoder that also writes what it should not, and a decoder that forgives nothing.

Versions are the protocol levels of CONNECT: 3 (MQTT 3.1), 4 (3.1.1), 5 (5.0). Encoders return bytes and check nothing, so that a
test can break any rule; `packet()` frames arbitrary bytes. `decode()` takes what a server sent and raises WireError on
everything a server must not send. Properties are lists of (identifier, value) in wire order.
"""

import struct
from types import SimpleNamespace

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE = range(1, 9)
SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = range(9, 16)
NAMES = ("0", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK", "UNSUBSCRIBE",
         "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH")

PAYLOAD_FORMAT, MESSAGE_EXPIRY, CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION_DATA = 0x01, 0x02, 0x03, 0x08, 0x09
SUBSCRIPTION_ID, SESSION_EXPIRY, ASSIGNED_CLIENT_ID, SERVER_KEEP_ALIVE = 0x0B, 0x11, 0x12, 0x13
AUTH_METHOD, AUTH_DATA, REQUEST_PROBLEM, WILL_DELAY, REQUEST_RESPONSE = 0x15, 0x16, 0x17, 0x18, 0x19
RESPONSE_INFO, SERVER_REFERENCE, REASON_STRING, RECEIVE_MAXIMUM = 0x1A, 0x1C, 0x1F, 0x21
TOPIC_ALIAS_MAXIMUM, TOPIC_ALIAS, MAXIMUM_QOS, RETAIN_AVAILABLE, USER_PROPERTY = 0x22, 0x23, 0x24, 0x25, 0x26
MAXIMUM_PACKET_SIZE, WILDCARD_AVAILABLE, SUB_ID_AVAILABLE, SHARED_AVAILABLE = 0x27, 0x28, 0x29, 0x2A

BYTE, U16, U32, VARINT, TEXT, BINARY, PAIR = range(7)
PROPERTY_TYPES = {
    PAYLOAD_FORMAT: BYTE, MESSAGE_EXPIRY: U32, CONTENT_TYPE: TEXT, RESPONSE_TOPIC: TEXT, CORRELATION_DATA: BINARY,
    SUBSCRIPTION_ID: VARINT, SESSION_EXPIRY: U32, ASSIGNED_CLIENT_ID: TEXT, SERVER_KEEP_ALIVE: U16, AUTH_METHOD: TEXT,
    AUTH_DATA: BINARY, REQUEST_PROBLEM: BYTE, WILL_DELAY: U32, REQUEST_RESPONSE: BYTE, RESPONSE_INFO: TEXT,
    SERVER_REFERENCE: TEXT, REASON_STRING: TEXT, RECEIVE_MAXIMUM: U16, TOPIC_ALIAS_MAXIMUM: U16, TOPIC_ALIAS: U16,
    MAXIMUM_QOS: BYTE, RETAIN_AVAILABLE: BYTE, USER_PROPERTY: PAIR, MAXIMUM_PACKET_SIZE: U32, WILDCARD_AVAILABLE: BYTE,
    SUB_ID_AVAILABLE: BYTE, SHARED_AVAILABLE: BYTE,
}
FLAGS = {PAYLOAD_FORMAT, MAXIMUM_QOS, RETAIN_AVAILABLE, WILDCARD_AVAILABLE, SUB_ID_AVAILABLE, SHARED_AVAILABLE}

# What a server may send, by packet type: properties and reason codes.
ACK_PROPERTIES = {REASON_STRING, USER_PROPERTY}
SERVER_PROPERTIES = {
    CONNACK: {SESSION_EXPIRY, RECEIVE_MAXIMUM, MAXIMUM_QOS, RETAIN_AVAILABLE, MAXIMUM_PACKET_SIZE, ASSIGNED_CLIENT_ID,
              TOPIC_ALIAS_MAXIMUM, REASON_STRING, USER_PROPERTY, WILDCARD_AVAILABLE, SUB_ID_AVAILABLE, SHARED_AVAILABLE,
              SERVER_KEEP_ALIVE, RESPONSE_INFO, SERVER_REFERENCE, AUTH_METHOD, AUTH_DATA},
    PUBLISH: {PAYLOAD_FORMAT, MESSAGE_EXPIRY, TOPIC_ALIAS, RESPONSE_TOPIC, CORRELATION_DATA, USER_PROPERTY,
              SUBSCRIPTION_ID, CONTENT_TYPE},
    PUBACK: ACK_PROPERTIES, PUBREC: ACK_PROPERTIES, PUBREL: ACK_PROPERTIES, PUBCOMP: ACK_PROPERTIES,
    SUBACK: ACK_PROPERTIES, UNSUBACK: ACK_PROPERTIES,
    DISCONNECT: {REASON_STRING, USER_PROPERTY, SERVER_REFERENCE},
    AUTH: {AUTH_METHOD, AUTH_DATA, REASON_STRING, USER_PROPERTY},
}
PUBLISH_CODES = {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99}
REASON_CODES = {
    CONNACK: {0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A,
              0x9B, 0x9C, 0x9D, 0x9F},
    PUBACK: PUBLISH_CODES, PUBREC: PUBLISH_CODES, PUBREL: {0x00, 0x92}, PUBCOMP: {0x00, 0x92},
    SUBACK: {0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2},
    UNSUBACK: {0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91},
    DISCONNECT: {0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98,
                 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2},
    AUTH: {0x00, 0x18, 0x19},
}
HEADER_FLAGS = {PUBREL: 2}  # all other packets of a server except PUBLISH have 0


class WireError(AssertionError):
    """The server sent bytes that the standard does not allow."""


# --- encoding ------------------------------------------------------------------------------------------------------------


def varint(value, padded_to=1):
    """A variable byte integer; `padded_to` more bytes than needed makes it overlong."""
    out = bytearray()
    while True:
        value, digit = value >> 7, value & 0x7F
        more = value > 0 or len(out) + 1 < padded_to
        out.append(digit | (0x80 if more else 0))
        if not more:
            return bytes(out)


def u16(value):
    return struct.pack(">H", value)


def u32(value):
    return struct.pack(">I", value)


def binary(data):
    """Length-prefixed bytes; a str is encoded as UTF-8, bytes are taken as they are, well-formed or not."""
    data = data.encode("utf-8") if isinstance(data, str) else bytes(data)
    return u16(len(data)) + data


def prop(identifier, value):
    """One property. A bytes value for a number type is written raw."""
    kind = PROPERTY_TYPES[identifier]
    if kind in (BYTE, U16, U32, VARINT) and isinstance(value, bytes):
        return varint(identifier) + value
    body = {BYTE: lambda: bytes([value]), U16: lambda: u16(value), U32: lambda: u32(value), VARINT: lambda: varint(value),
            TEXT: lambda: binary(value), BINARY: lambda: binary(value),
            PAIR: lambda: binary(value[0]) + binary(value[1])}[kind]()
    return varint(identifier) + body


def properties(items):
    """A property section; `items` is a list of (identifier, value), or the raw bytes of the properties."""
    body = items if isinstance(items, bytes) else b"".join(prop(identifier, value) for identifier, value in items or ())
    return varint(len(body)) + body


def packet(kind, flags, body):
    return bytes([kind << 4 | flags]) + varint(len(body)) + body


def connect(version, client_id="", clean=True, keep_alive=0, will=None, user=None, password=None, props=(), flags=None,
            protocol=None, level=None, payload=None):
    """CONNECT. `will` is will(); `flags`, `protocol`, `level` and `payload` replace what would be written."""
    bits = (2 if clean else 0) | (0x80 if user is not None else 0) | (0x40 if password is not None else 0)
    body = binary(client_id)
    if will:
        bits |= 4 | will.qos << 3 | (0x20 if will.retain else 0)
        body += (properties(will.props) if version >= 5 else b"") + binary(will.topic) + binary(will.payload)
    for field in (user, password):
        body += binary(field) if field is not None else b""
    name = protocol if protocol is not None else ("MQIsdp" if version == 3 else "MQTT")
    head = binary(name) + bytes([version if level is None else level, bits if flags is None else flags]) + u16(keep_alive)
    head += properties(props) if version >= 5 else b""
    return packet(CONNECT, 0, head + (body if payload is None else payload))


def will(topic, payload=b"", qos=0, retain=False, props=()):
    return SimpleNamespace(topic=topic, payload=payload, qos=qos, retain=retain, props=list(props))


def publish(version, topic, payload=b"", qos=0, packet_id=0, retain=False, dup=False, props=()):
    body = binary(topic) + (u16(packet_id) if qos else b"") + (properties(props) if version >= 5 else b"")
    payload = payload.encode() if isinstance(payload, str) else payload
    return packet(PUBLISH, dup << 3 | qos << 1 | retain, body + payload)


def ack(version, kind, packet_id, reason=None, props=None, flags=None):
    """PUBACK, PUBREC, PUBREL or PUBCOMP; short when there is neither reason nor property."""
    body = u16(packet_id)
    if version >= 5 and (reason is not None or props is not None):
        body += bytes([reason or 0]) + (properties(props) if props is not None else b"")
    return packet(kind, HEADER_FLAGS.get(kind, 0) if flags is None else flags, body)


def subscribe(version, packet_id, filters, props=(), flags=2):
    """SUBSCRIBE; `filters` is a list of (filter, options byte)."""
    body = u16(packet_id) + (properties(props) if version >= 5 else b"")
    return packet(SUBSCRIBE, flags, body + b"".join(binary(text) + bytes([options]) for text, options in filters))


def unsubscribe(version, packet_id, filters, props=(), flags=2):
    body = u16(packet_id) + (properties(props) if version >= 5 else b"")
    return packet(UNSUBSCRIBE, flags, body + b"".join(binary(text) for text in filters))


def pingreq():
    return packet(PINGREQ, 0, b"")


def disconnect(version, reason=None, props=None, flags=0):
    body = b""
    if version >= 5 and (reason is not None or props is not None):
        body = bytes([reason or 0]) + (properties(props) if props is not None else b"")
    return packet(DISCONNECT, flags, body)


def auth(reason=0x18, props=(), flags=0):
    return packet(AUTH, flags, bytes([reason]) + properties(props))


def options(qos=0, no_local=False, retain_as_published=False, retain_handling=0):
    """The options byte of a subscription in 5.0; in 3.x only the QoS."""
    return qos | no_local << 2 | retain_as_published << 3 | retain_handling << 4


# --- decoding ------------------------------------------------------------------------------------------------------------


class Reader:
    """Takes fields off a body; running over its end is a WireError."""

    def __init__(self, data):
        self.data, self.at = data, 0

    @property
    def left(self):
        return len(self.data) - self.at

    def take(self, count):
        if count > self.left:
            raise WireError(f"field of {count} bytes runs over the packet's end: {self.data.hex()}")
        self.at += count
        return self.data[self.at - count:self.at]

    def byte(self):
        return self.take(1)[0]

    def u16(self):
        return struct.unpack(">H", self.take(2))[0]

    def u32(self):
        return struct.unpack(">I", self.take(4))[0]

    def varint(self):
        value = 0
        for index in range(4):
            digit = self.byte()
            value |= (digit & 0x7F) << 7 * index
            if not digit & 0x80:
                if index and not digit:
                    raise WireError(f"overlong variable byte integer: {self.data.hex()}")
                return value
        raise WireError(f"variable byte integer of more than four bytes: {self.data.hex()}")

    def binary(self):
        return self.take(self.u16())

    def text(self):
        data = self.binary()
        try:
            text = data.decode("utf-8")  # Python's decoder refuses surrogates and overlong forms
        except UnicodeDecodeError as error:
            raise WireError(f"not UTF-8: {data.hex()}") from error
        if "\0" in text:
            raise WireError(f"U+0000 in a string: {data.hex()}")
        return text

    def rest(self):
        return self.take(self.left)


def decode_properties(reader, kind):
    """The property section as a list; duplicates, strangers and values out of range are refused."""
    inner = Reader(reader.take(reader.varint()))
    found, seen = [], set()
    while inner.left:
        identifier = inner.varint()
        if identifier not in SERVER_PROPERTIES[kind]:
            raise WireError(f"property {identifier:#04x} in {NAMES[kind]} of a server")
        many = identifier == USER_PROPERTY or (kind, identifier) == (PUBLISH, SUBSCRIPTION_ID)
        if identifier in seen and not many:
            raise WireError(f"property {identifier:#04x} twice in {NAMES[kind]}")
        seen.add(identifier)
        read = {BYTE: inner.byte, U16: inner.u16, U32: inner.u32, VARINT: inner.varint, TEXT: inner.text,
                BINARY: inner.binary, PAIR: lambda: (inner.text(), inner.text())}[PROPERTY_TYPES[identifier]]
        value = read()
        zero_forbidden = (RECEIVE_MAXIMUM, TOPIC_ALIAS, MAXIMUM_PACKET_SIZE, SUBSCRIPTION_ID)
        if (identifier in FLAGS and value > 1) or (identifier in zero_forbidden and value == 0):
            raise WireError(f"property {identifier:#04x} with value {value}")
        found.append((identifier, value))
    return found


def decode(version, first, body):
    """One packet of a server: an object with kind, the fields of that kind, and size."""
    kind, flags, reader = first >> 4, first & 15, Reader(body)
    out = SimpleNamespace(kind=kind, flags=flags, props=[], size=1 + len(varint(len(body))) + len(body))
    if kind not in DECODERS or (version < 5 and kind in (DISCONNECT, AUTH)):
        raise WireError(f"{NAMES[kind]} from a server in version {version}: {first:02x} {body.hex()}")
    if kind != PUBLISH and flags != HEADER_FLAGS.get(kind, 0):
        raise WireError(f"{NAMES[kind]} with header flags {flags:04b}")
    DECODERS[kind](version, reader, out)
    if reader.left:
        raise WireError(f"{reader.left} bytes too many in {NAMES[kind]}: {body.hex()}")
    reason = getattr(out, "reason", None)
    if version >= 5 and reason is not None and reason not in REASON_CODES[kind]:
        raise WireError(f"{NAMES[kind]} with reason code {reason:#04x}")
    return out


def decode_connack(version, reader, out):
    flags = reader.byte()
    if flags > (1 if version > 3 else 0):
        raise WireError(f"CONNACK flags {flags:#04x}")
    out.session_present, out.reason = bool(flags), reader.byte()
    if version >= 5:
        out.props = decode_properties(reader, CONNACK)
    elif out.reason > 5:
        raise WireError(f"CONNACK return code {out.reason}")
    if out.reason and out.session_present:
        raise WireError("CONNACK with an error and Session Present")


def decode_publish(version, reader, out):
    out.dup, out.qos, out.retain = bool(out.flags & 8), out.flags >> 1 & 3, bool(out.flags & 1)
    if out.qos == 3 or (out.qos == 0 and out.dup):
        raise WireError(f"PUBLISH with header flags {out.flags:04b}")
    out.topic = reader.text()
    if "+" in out.topic or "#" in out.topic:
        raise WireError(f"wildcard in topic name {out.topic}")
    out.packet_id = reader.u16() if out.qos else 0
    if out.qos and not out.packet_id:
        raise WireError("PUBLISH with packet identifier 0")
    if version >= 5:
        out.props = decode_properties(reader, PUBLISH)
    if not out.topic and TOPIC_ALIAS not in dict(out.props):
        raise WireError("PUBLISH without a topic")
    out.payload = reader.rest()


def decode_ack(version, reader, out):
    out.packet_id, out.reason = reader.u16(), 0
    if not out.packet_id:
        raise WireError(f"{NAMES[out.kind]} with packet identifier 0")
    if version >= 5 and reader.left:
        out.reason = reader.byte()
        if reader.left:
            out.props = decode_properties(reader, out.kind)


def decode_suback(version, reader, out):
    out.packet_id = reader.u16()
    out.props = decode_properties(reader, out.kind) if version >= 5 else []
    out.codes = list(reader.rest()) if version >= 5 or out.kind == SUBACK else []
    allowed = REASON_CODES[out.kind] if version >= 5 else {0, 1, 2, 0x80}
    if not set(out.codes) <= allowed or not out.packet_id:
        raise WireError(f"{NAMES[out.kind]} {out.packet_id} with codes {out.codes}")


def decode_reason(version, reader, out):
    out.reason = reader.byte() if reader.left else 0
    out.props = decode_properties(reader, out.kind) if reader.left else []


DECODERS = {CONNACK: decode_connack, PUBLISH: decode_publish, PUBACK: decode_ack, PUBREC: decode_ack, PUBREL: decode_ack,
            PUBCOMP: decode_ack, SUBACK: decode_suback, UNSUBACK: decode_suback, PINGRESP: lambda *_: None,
            DISCONNECT: decode_reason, AUTH: decode_reason}


def value_of(message, identifier, default=None):
    """The value of a property that may be there once."""
    return dict(message.props).get(identifier, default)


def values_of(message, identifier):
    """All values of a property, in order."""
    return [value for key, value in message.props if key == identifier]
