"""What wills and retained messages are after the broker has gone and come back."""

import time

import pytest

import mqtt_wire as wire
from persistence import both
from support.broker import wait_until


# --- wills ----------------------------------------------------------------------------------------------------------------


def watch(node):
    """A durable session that gets all wills."""
    watcher = node.join("watcher")
    if not watcher.connack.session_present:
        watcher.subscribe("w/#", qos=2)
    return watcher


def join_with_will(node, name, delay=0, **fields):
    props = [(wire.WILL_DELAY, delay)] if delay else []
    return node.join(name, will=wire.will(f"w/{name}", name.encode(), qos=2, props=props), **fields)


def test_a_will_fires_when_the_broker_was_killed(node):
    """The connection was lost, if ever one was. It fires once, whatever happens then."""
    watch(node)
    join_with_will(node, "c")
    node.again("kill")
    watcher = watch(node)
    watcher.take(topic="w/c", payload=b"c")
    watcher.barrier()
    node.settle()
    node.again("kill")
    watch(node).barrier()


@both
def test_a_will_that_was_delayed_fires_at_its_time_after_a_restart(node, how):
    watch(node)
    join_with_will(node, "c", delay=2).drop()
    due = time.monotonic() + 2
    node.again(how)
    watcher = watch(node)
    watcher.take(topic="w/c")
    assert time.monotonic() > due - 0.1  # a bound from below: a slow machine cannot break it


@both
def test_a_delayed_will_whose_time_came_without_a_broker_fires_at_the_start(node, how):
    watch(node)
    join_with_will(node, "c", delay=1).drop()
    due = time.monotonic() + 1.1
    node.end(how)
    wait_until(lambda: time.monotonic() > due, 5, "the will is due")
    watch(node.start()).take(topic="w/c")


@both
def test_a_client_that_is_back_in_time_has_no_will_to_fire(node, how):
    watch(node)
    join_with_will(node, "back", delay=3).drop()
    join_with_will(node, "away", delay=4).drop()
    node.again(how)
    watcher = watch(node)
    back = node.join("back")
    watcher.take(topic="w/away")  # due after the other one
    assert back.connack.session_present
    watcher.barrier()


@both
def test_no_will_after_disconnect(node, how):
    watch(node)
    for delay in (0, 1):
        join_with_will(node, f"polite{delay}", delay=delay).disconnect()
    join_with_will(node, "fence", delay=2).drop()
    node.again(how)
    watch(node).take(topic="w/fence")


@both
def test_a_will_fires_at_the_latest_with_its_session(node, how):
    """The session expires before the will's delay is over."""
    watch(node)
    join_with_will(node, "c", delay=1000, props=[(wire.SESSION_EXPIRY, 1)]).drop()
    node.again(how)
    watch(node).take(topic="w/c")
    assert not node.join("c").connack.session_present


# --- retained messages ----------------------------------------------------------------------------------------------------


@both
def test_retained_messages_stay(node, how):
    publisher = node.guest()
    for number in range(100):
        publisher.keep(f"r/{number % 10}/{number // 10}", b"%d" % number, qos=number % 2 + 1)
    publisher.keep("r/0/0", b"newer", qos=1, props=[(wire.USER_PROPERTY, ("a", "b")), (wire.CONTENT_TYPE, "x")])
    publisher.publish("r/1/0", b"", qos=1, retain=True)
    for _ in range(2):
        node.again(how)
        found = node.guest().retained("r/#", qos=1)
        assert len(found) == 99 and "r/1/0" not in found
        assert found["r/0/0"].payload == b"newer" and found["r/0/0"].qos == 1
        assert wire.value_of(found["r/0/0"], wire.CONTENT_TYPE) == "x"
        assert wire.value_of(found["r/0/0"], wire.USER_PROPERTY) == ("a", "b")
        assert sorted(node.guest().retained("r/+/7")) == [f"r/{number}/7" for number in range(10)]
        assert node.guest().retained("r/3/4")["r/3/4"].payload == b"43"


@both
def test_a_deleted_retained_message_does_not_come_back(node, how):
    publisher = node.guest()
    for number in range(20):
        publisher.keep(f"r/{number}", b"x", qos=1)
    node.again(how)
    publisher = node.guest()
    for number in range(20):
        publisher.publish(f"r/{number}", b"", qos=1, retain=True)
    for _ in range(2):
        node.again(how)
        assert not node.guest().retained("r/#")


@both
def test_a_retained_message_expires_while_the_broker_is_down(node, how):
    publisher = node.guest()
    publisher.publish("r/short", b"x", qos=1, retain=True, props=[(wire.MESSAGE_EXPIRY, 1)])
    publisher.publish("r/long", b"x", qos=1, retain=True, props=[(wire.MESSAGE_EXPIRY, 1000)])
    over = time.monotonic() + 1.1
    node.end(how)
    wait_until(lambda: time.monotonic() > over, 5, "the message has expired")
    node.start()
    assert list(node.guest().retained("r/#")) == ["r/long"]
