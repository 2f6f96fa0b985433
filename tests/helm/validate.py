"""Checks manifests against Kubernetes' schemas; fields that no schema knows are mistakes.

    build/helm/python/bin/python tests/helm/validate.py VERSION... < manifests.yaml

Prints a line a mistake and exits with 1 when there is one. Kinds that are not Kubernetes' own have schemas of the fields that the chart
uses in schemas/.
"""

import functools
import json
import pathlib
import sys

import jsonschema
import kubernetes_validate
import kubernetes_validate.utils
import yaml

# It reads a megabyte for each object otherwise.
kubernetes_validate.utils.schema_contents = functools.lru_cache(maxsize=None)(kubernetes_validate.utils.schema_contents)

SCHEMAS = pathlib.Path(__file__).parent / "schemas"


def mistakes(document, version):
    own = SCHEMAS / f"{document['kind'].lower()}.json"
    try:
        if own.exists():
            jsonschema.validate(document, json.loads(own.read_text()))
        else:
            kubernetes_validate.validate(document, version, strict=True)
    except (jsonschema.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
        where = "/".join(str(part) for part in getattr(error, "path", ()))
        yield f"{version}: {document['kind']} {document['metadata']['name']}: {where}: {error.message}"


def main(versions):
    documents = [each for each in yaml.safe_load_all(sys.stdin) if each]
    found = [line for version in versions for each in documents for line in mistakes(each, version)]
    print("\n".join(found))
    return 1 if found or not documents else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
