"""Every kind of client receives what every other kind publishes, whatever version of the protocol each speaks."""

import pytest

from client_driver import ALL_KINDS, VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_each_publishes_all_receive(new_client, name, version):
    """Publishers speak `version`; receivers of all kinds speak each of the versions in turn."""
    receivers = []
    for kind_number, kind in enumerate(ALL_KINDS):
        receiver = new_client(kind, VERSIONS[(kind_number + VERSIONS.index(version)) % len(VERSIONS)])
        receiver.connect(f"{name}r{kind_number}")
        receiver.subscribe(f"{name}/#", 2)
        receivers.append(receiver)
    wanted = []
    for kind in ALL_KINDS:
        publisher = new_client(kind, version)
        publisher.connect(f"{name}p")
        for qos in (0, 1, 2):
            topic, payload = f"{name}/{kind}/{qos}", f"from {kind} {version}".encode()
            publisher.publish(topic, payload, qos)
            wanted.append((topic, payload, qos))
    for receiver in receivers:
        got = [(message.topic, message.payload, message.qos) for message in receiver.expect(len(wanted))]
        # QoS 0, 1 and 2 of one publisher are different topics: no order among them is promised.
        assert sorted(got) == sorted(wanted), f"{receiver.kind} {receiver.version}"
        assert receiver.nothing_more()
