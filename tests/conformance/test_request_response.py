"""Request and response over MQTT 5.0."""

import pytest

import mqtt_wire as wire
from mqtt_wire import PUBLISH
from statements import statement


@statement("5.0", "MQTT-3.3.2-15", "MQTT-3.3.2-16")
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_request_finds_its_answer(join, name, qos):
    """The answer goes to the response topic of the request, with its correlation data; nobody else sees it."""
    requester, responder, other = join(5), join(5), join(5)
    requester.subscribe(f"{name}/answers/1", qos=qos)
    other.subscribe(f"{name}/answers/2", qos=qos)
    responder.subscribe(f"{name}/requests", qos=qos)
    props = [(wire.RESPONSE_TOPIC, f"{name}/answers/1"), (wire.CORRELATION_DATA, b"\0\xff id")]
    requester.publish(f"{name}/requests", b"2+2", qos=qos, props=props)
    request = responder.take(payload=b"2+2", qos=qos)
    answer_to, data = (wire.value_of(request, key) for key, _ in props)
    responder.publish(answer_to, b"4", qos=qos, props=[(wire.CORRELATION_DATA, data)])
    assert requester.take(payload=b"4", topic=f"{name}/answers/1").props == [(wire.CORRELATION_DATA, b"\0\xff id")]
    other.fence(responder)


@statement("5.0", "MQTT-3.3.2-14", "MQTT-4.13.1-1")
@pytest.mark.parametrize("topic", ["#", "+", "a/#", "a/+/b"])
def test_a_response_topic_with_wildcards_closes(join, name, topic):
    client = join(5)
    client.send(wire.publish(5, name, b"m", props=[(wire.RESPONSE_TOPIC, topic)]))
    client.expect_closed(0x81, 0x82, 0x90)


@statement("5.0", "MQTT-3.3.2-14")
@pytest.mark.parametrize("topic", ["#", "a/+/b"])
def test_a_will_with_such_a_response_topic_is_refused(dial, name, topic):
    client = dial(5)
    client.send(wire.connect(5, name, will=wire.will("t", props=[(wire.RESPONSE_TOPIC, topic)])))
    client.expect_refused(0x81, 0x82, 0x90, None)


@statement("5.0", "MQTT-3.3.2-15")
def test_several_receivers_see_the_same_response_topic(join, name):
    receivers, publisher = [join(5) for _ in range(3)], join(5)
    for receiver in receivers:
        receiver.subscribe(name)
    publisher.publish(name, b"m", props=[(wire.RESPONSE_TOPIC, "r/\u00e9/ "), (wire.CORRELATION_DATA, b"")])
    for receiver in receivers:
        assert receiver.expect(PUBLISH).props == [(wire.RESPONSE_TOPIC, "r/\u00e9/ "), (wire.CORRELATION_DATA, b"")]


@statement("5.0", "MQTT-3.1.2-28")
def test_response_information_may_be_asked_for(join, name):
    """The server may answer or not; if it does, the text is a usable topic prefix."""
    connack = join(5, name, props=[(wire.REQUEST_RESPONSE, 1)]).connack
    assert not set(wire.value_of(connack, wire.RESPONSE_INFO, "")) & {"+", "#"}
