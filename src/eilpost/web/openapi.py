"""The OpenAPI document, written from the table of operations and its types (a grammar)."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from eilpost.web.api_types import OPERATIONS, Change, Operation, Problem, Recipients, Which

_PATH: Final = re.compile(r"\{(\w+)\}")
_ERRORS: Final = {400: "What was asked makes no sense", 401: "Sign in", 403: "Not from another site, or not allowed",
                  404: "There is no such thing", 413: "Too big", 421: "Not a name of this server"}  # fmt: skip


_ALL_OPTIONAL: Final = (Which, Change, Recipients)
"""Bodies that may be left out: nothing in them has to be said."""


def document(version: str) -> dict[str, Any]:
    """OpenAPI 3.1."""
    types = [each for row in OPERATIONS for each in (row.result, row.body) if each not in (None, bytes)]
    schemas, components = msgspec.json.schema_components([*types, Problem], ref_template="#/components/schemas/{name}")
    found = iter(schemas)
    paths: dict[str, dict[str, Any]] = {}
    for row in OPERATIONS:
        result = next(found) if row.result is not None else None
        body = next(found) if row.body not in (None, bytes) else None
        paths.setdefault(f"/api{row.path}", {})[row.method.lower()] = _operation(row, result, body)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Eilpost, the developer's inbox", "version": version},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
        "security": [{}, {"basic": []}, {"bearer": []}],
    }


def _operation(row: Operation, result: Any, body: Any) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": row.name,
        "summary": row.help,
        "parameters": [*_in_path(row), *_in_query(row)],
        "responses": {
            str(row.status): {"description": "Done", "content": {row.media: {"schema": result or _octets(row)}}},
            **{str(code): _error(text) for code, text in _ERRORS.items()},
        },
    }
    if row.name == "wait":
        described["responses"]["408"] = _error("None came in time")
    if row.body is not None:
        schema = body or {"type": "string", "format": "binary"}
        described["requestBody"] = {
            "required": row.body not in _ALL_OPTIONAL,
            "content": {row.takes: {"schema": schema}},
        }
    return described


def _in_path(row: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _PATH.findall(row.path)
    ]


def _in_query(row: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            "in": "query",
            "description": each.help,
            "schema": {"type": "integer", "minimum": 0} if each.kind is int else {"type": "string"},
        }
        for each in row.parameters
    ]


def _octets(row: Operation) -> dict[str, Any]:
    return {"type": "string"} if row.media.startswith("text/") else {"type": "string", "format": "binary"}


def _error(text: str) -> dict[str, Any]:
    return {
        "description": text,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
