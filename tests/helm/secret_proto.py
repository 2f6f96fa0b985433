"""Secrets as typed clients send them: Helm's own, in which it keeps a release. Kubernetes' protobuf, k8s.io/api/core/v1/generated.proto."""

import base64

MAGIC = b"k8s\x00"


def varint(data, at):
    value, shift = 0, 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at


def fields(data):
    """(number, value) of a message; a value is a number or bytes."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        assert tag & 7 in (0, 2), f"wire type {tag & 7}"
        value, at = varint(data, at)
        if tag & 7 == 2:
            value, at = data[at:at + value], at + value
        yield tag >> 3, value


def pairs(message, number):
    """A map, whose entries have that number."""
    entries = [dict(fields(value)) for found, value in fields(message) if found == number]
    return {entry[1].decode(): entry.get(2, b"") for entry in entries}


def decode(body):
    assert body.startswith(MAGIC)
    unknown = dict(fields(body[len(MAGIC):]))
    kind = dict(fields(unknown[1]))
    assert kind[2] == b"Secret", kind
    secret = dict(fields(unknown[2]))
    metadata = dict(fields(secret[1]))
    return {"apiVersion": "v1", "kind": "Secret", "type": secret[3].decode(), "metadata": {
        "name": metadata[1].decode(), "labels": {key: value.decode() for key, value in pairs(secret[1], 11).items()}},
        "data": {key: base64.b64encode(value).decode() for key, value in pairs(unknown[2], 2).items()}}
