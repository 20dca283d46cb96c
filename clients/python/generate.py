#!/usr/bin/env python3
"""Writes the types of the API's answers into whereof.py, from openapi/openapi.json.

Usage: generate.py [--check]. With --check nothing is written, and the exit code is 1 where something would be:
`tests/notebooks.sh` asks so, and mypy then holds the client to these types.
"""

from __future__ import annotations

import difflib
import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent.parent / "openapi" / "openapi.json"
CLIENT = HERE / "whereof.py"
BEGIN = "# What the API answers, from openapi/openapi.json by generate.py; do not edit by hand.\n"
END = "# The end of what is generated.\n"
#: The answers that the client reads, and what they hold.
ROOTS = ["Dataset", "Job", "Run", "ModelInfo", "ScoreResponse", "LimitationsReport", "Problem", "Histories"]
#: What is left as it is: requests, and what only figures need.
OPAQUE = {"TrainSpec", "GeneratorSpec", "RangeTestReport", "Explanation", "Figure", "Lengths", "ImageSizes"}
#: Names that the client has for classes of its own.
RENAMED = {"Dataset": "DatasetInfo", "Job": "JobInfo", "Run": "RunInfo", "Problem": "ProblemDetails", "Warning": "WarningInfo"}

Schema = dict[str, Any]


class Types:
    """The types of a document that can be reached from the roots."""

    def __init__(self, schemas: dict[str, Schema]) -> None:
        self.schemas = schemas
        self.seen: list[str] = []

    def name(self, schema: str) -> str:
        if schema in OPAQUE:
            return "Json"
        if schema not in self.seen:
            self.seen.append(schema)
        return RENAMED.get(schema, schema)

    def of(self, schema: Schema) -> str:
        """The type of a schema, as Python writes it."""
        if "$ref" in schema:
            return self.name(schema["$ref"].rsplit("/", 1)[1])
        if "enum" in schema:
            return f"Literal[{', '.join(json.dumps(value) for value in schema['enum'])}]"
        if alternatives := schema.get("oneOf") or schema.get("anyOf"):
            return self.either(self.of(alternative) for alternative in alternatives)
        kind = schema.get("type")
        if isinstance(kind, list):
            return self.either(self.of({**schema, "type": one}) for one in kind)
        if kind == "array":
            items = schema.get("items")
            return f"list[{self.of(items) if isinstance(items, dict) else 'Any'}]"
        if kind == "object":
            more = schema.get("additionalProperties")
            return f"dict[str, {self.of(more) if isinstance(more, dict) and more else 'Any'}]"
        simple = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
        return simple.get(kind or "", "Any")

    @staticmethod
    def either(types: Any) -> str:
        unique = list(dict.fromkeys(types))
        return "Any" if "Any" in unique else " | ".join(unique)

    def declare(self, schema: str) -> str:
        body = self.schemas[schema]
        name = RENAMED.get(schema, schema)
        about = " ".join(body.get("description", "").split()).replace("\\", "")
        about = about.split(". ")[0].rstrip(".")
        if "properties" not in body:
            # In quotes, since what it names may be declared later.
            return f"#: {about}.\n{name}: TypeAlias = {json.dumps(self.of(body))}\n"
        lines = [f"class {name}(TypedDict):", f'    """{about}."""', ""]
        required = set(body.get("required", []))
        for field, kind in body["properties"].items():
            if not field.isidentifier():
                raise SystemExit(f"{schema}.{field} is no name in Python; declare {schema} by hand or make it opaque")
            typed = self.of(kind)
            lines.append(f"    {field}: {typed if field in required else f'NotRequired[{typed}]'}")
        return "\n".join(lines) + "\n"

    def all(self) -> str:
        for root in ROOTS:
            self.name(root)
        declared, done = [], 0
        while done < len(self.seen):
            declared.append(self.declare(self.seen[done]))
            done += 1
        return "\n\n".join(declared)


def generated(client: str, document: Schema) -> str:
    """The client with its types made anew."""
    before, rest = client.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{Types(document['components']['schemas']).all()}\n\n{END}{after}"


def main() -> int:
    client = CLIENT.read_text()
    made = generated(client, json.loads(DOCUMENT.read_text()))
    if "--check" not in sys.argv[1:]:
        CLIENT.write_text(made)
        return 0
    if made == client:
        return 0
    sys.stdout.writelines(
        difflib.unified_diff(client.splitlines(True), made.splitlines(True), "whereof.py", "openapi.json", n=1)
    )
    print("the client is not what openapi/openapi.json says: run clients/python/generate.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
