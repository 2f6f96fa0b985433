"""Asks the admin API and checks each answer against docs/openapi.json, and remembers what was asked."""

import json
import pathlib
import re
import urllib.parse

import jsonschema
from admin_client import ask

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = json.loads((ROOT / "docs" / "openapi.json").read_text())
VALIDATORS = {}
ASKED = set()  # (method, path of the document, status)


def operation_of(method, path):
    """The path of the document, and the operation, that a request belongs to."""
    bare = path.split("?")[0]
    for template, item in DOCUMENT["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), bare) and method.lower() in item:
            return template, item[method.lower()]
    raise AssertionError(f"{method} {bare} is not in docs/openapi.json")


def check(method, path, status, answer):
    template, operation = operation_of(method, path)
    assert str(status) in operation["responses"], f"{method} {template}: {status} is not documented: {answer}"
    key = (method, template, status)
    if key not in VALIDATORS:
        schema = operation["responses"][str(status)]["content"]["application/json"]["schema"]
        VALIDATORS[key] = jsonschema.Draft202012Validator({**schema, "components": DOCUMENT["components"]})
    VALIDATORS[key].validate(answer)
    ASKED.add(key)


def api(broker, path, method="GET", body=None, token=None, status=200, **query):
    """The answer, which must have that status and be as documented."""
    if query:
        path += "?" + urllib.parse.urlencode({name: str(value).lower() if isinstance(value, bool) else value
                                              for name, value in query.items()})
    got, answer = ask(broker, path, method, None if body is None else json.dumps(body), token)
    assert got == status, (method, path, got, answer)
    check(method, path, got, answer)
    return answer


def quoted(client_id):
    return urllib.parse.quote(client_id, safe="")
