"""The OpenAPI 3.1 document, made from the list of endpoints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from fzalert.web.endpoints import JSON, KEY_HEADER, KEY_PATTERN, Endpoint
from fzalert.web.problems import MEDIA_TYPE, Problem, ProblemError

__all__ = ["document"]

_REF = "#/components/schemas/{model}"
_BYTES: dict[str, str] = {"type": "string", "format": "binary"}
_Model = tuple[type[BaseModel], JsonSchemaMode]


def document(
    endpoints: Sequence[Endpoint[BaseModel, BaseModel]], *, version: str
) -> dict[str, object]:
    """Describe every endpoint with each of its answers.

    Source: OpenAPI Specification 3.1.1.
    """
    models = sorted(_models(endpoints), key=lambda pair: (pair[0].__name__, pair[1]))
    refs, schema = models_json_schema(models, ref_template=_REF)
    paths: dict[str, dict[str, object]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, refs)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "fzalert",
            "version": version,
            "description": "反诈预警接口 Anti-fraud warnings. Every error is a problem document.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schema["$defs"],
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "fz",
                    "description": "Of somebody signed in at the pages; `__Host-fz` over TLS.",
                },
            },
        },
    }


def _models(endpoints: Sequence[Endpoint[BaseModel, BaseModel]]) -> set[_Model]:
    found: set[_Model] = {(Problem, "serialization")}
    for endpoint in endpoints:
        if endpoint.media == JSON:
            found.add((endpoint.answer, "serialization"))
        if endpoint.has_body and not endpoint.takes:
            found.add((endpoint.body, "validation"))
    return found


def _operation(endpoint: Endpoint[BaseModel, BaseModel], refs: Any) -> dict[str, object]:
    shape = _BYTES if endpoint.media != JSON else refs[endpoint.answer, "serialization"]
    good = {"description": "OK", "content": {endpoint.media: {"schema": shape}}}
    answers: dict[str, object] = {str(code): good for code in (endpoint.status, *endpoint.also)}
    for code in (*endpoint.all_problems, 405):
        answers[str(code)] = {
            "description": ProblemError(code, "").title,
            "content": {MEDIA_TYPE: {"schema": refs[Problem, "serialization"]}},
        }
    operation: dict[str, object] = {
        "operationId": endpoint.operation,
        "summary": endpoint.summary,
        "parameters": list(_parameters(endpoint)),
        "responses": answers,
        "security": _security(endpoint),
    }
    if endpoint.takes:
        content = {kind: {"schema": _BYTES} for kind in endpoint.takes}
        operation["requestBody"] = {"required": True, "content": content}
    elif endpoint.has_body:
        operation["requestBody"] = {
            "required": True,
            "content": {JSON: {"schema": refs[endpoint.body, "validation"]}},
        }
    return operation


def _security(endpoint: Endpoint[BaseModel, BaseModel]) -> list[dict[str, list[str]]]:
    if endpoint.roles is None:
        return []
    found: list[dict[str, list[str]]] = [{"token": []}]
    return [*found, {"session": []}] if endpoint.sessions else found


def _parameters(endpoint: Endpoint[BaseModel, BaseModel]) -> Iterator[dict[str, object]]:
    for name in re.findall(r"\{(\w+)\}", endpoint.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    schema = endpoint.query.model_json_schema()
    for name, field in schema.get("properties", {}).items():
        yield {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": field.get("description", ""),
            "schema": field,
        }
    if endpoint.keyed:
        yield {
            "name": KEY_HEADER,
            "in": "header",
            "required": True,
            "description": "The same for each repetition of the same call.",
            "schema": {"type": "string", "pattern": KEY_PATTERN},
        }
