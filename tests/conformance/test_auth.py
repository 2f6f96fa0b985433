"""AUTH and authentication methods. This version of the broker has no method to configure: each one is unknown."""

import pytest

import mqtt_wire as wire
from mqtt_wire import PUBLISH
from statements import statement


@statement("5.0", "MQTT-4.12.0-1", "MQTT-4.12.0-4", "MQTT-3.1.4-2", "MQTT-4.13.2-1")
@pytest.mark.parametrize("props", [[], [(wire.AUTH_DATA, b"")], [(wire.AUTH_DATA, b"\0\1\2")]], ids=["bare", "empty", "data"])
def test_an_unknown_method_is_refused(dial, name, props):
    client = dial(5)
    client.send(wire.connect(5, name, props=[(wire.AUTH_METHOD, "SCRAM-SHA-1"), *props]))
    assert client.expect_refused(0x8C, 0x87)


@statement("5.0", "MQTT-3.1.4-1")
def test_data_without_a_method_are_refused(dial, name):
    client = dial(5)
    client.send(wire.connect(5, name, props=[(wire.AUTH_DATA, b"data")]))
    client.expect_refused(0x81, 0x82, None)


@statement("5.0", "MQTT-4.12.0-6", "MQTT-4.12.0-7", "MQTT-4.12.1-1", "MQTT-4.13.1-1")
@pytest.mark.parametrize("reason", [0x00, 0x18, 0x19])
def test_auth_without_a_method_in_connect_closes(join, name, reason):
    """It is answered with DISCONNECT, never with AUTH."""
    reader, client = join(5), join(5, name, will=wire.will(f"{name}/will", b"gone"))
    reader.subscribe(f"{name}/will")
    client.send(wire.auth(reason, [(wire.AUTH_METHOD, "any")]))
    client.expect_closed(0x82)
    reader.expect(PUBLISH, topic=f"{name}/will")


@statement("5.0", "MQTT-4.13.1-1")
@pytest.mark.parametrize("packet", [
    wire.auth(0x17, [(wire.AUTH_METHOD, "m")]), wire.auth(0x19), wire.auth(0x19, [(wire.AUTH_METHOD, "m")] * 2),
    wire.auth(0x19, [(wire.AUTH_METHOD, "m"), (wire.SESSION_EXPIRY, 1)]), b"\xf0\x02\x19\x05", b"\xf0\x00",
], ids=["unknown-code", "no-method", "method-twice", "strange-property", "cut-properties", "empty"])
def test_malformed_auth_closes(join, packet):
    client = join(5)
    client.send(packet)
    client.expect_closed(0x81, 0x82)


@statement("5.0", "MQTT-3.1.4-6")
def test_auth_after_a_refusal_changes_nothing(dial, name):
    client = dial(5)
    client.send(wire.connect(5, name, props=[(wire.AUTH_METHOD, "m")]), wire.auth(0x18, [(wire.AUTH_METHOD, "m")]))
    client.expect_refused(0x8C, 0x87)
