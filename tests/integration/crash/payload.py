"""Payloads that say who sent them and show whether a byte is missing: "name sequence length padding"."""


def make_payload(name, sequence, size):
    head = f"{name} {sequence} {size} ".encode()
    return head + bytes([97 + sequence % 26]) * size


def read_payload(payload):
    """(name, sequence); None when the payload is not one of make_payload()."""
    parts = payload.split(b" ", 3)
    if len(parts) != 4 or not (parts[1].isdigit() and parts[2].isdigit()):
        return None
    sequence, size = int(parts[1]), int(parts[2])
    if parts[3] != bytes([97 + sequence % 26]) * size:
        return None
    return parts[0].decode(errors="replace"), sequence
