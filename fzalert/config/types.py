"""What the type of a setting holds: a table, a path."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

from pydantic import BaseModel

__all__ = ["holds_path", "model_in"]


def model_in(annotation: Any) -> type[BaseModel] | None:
    """Find the model of a table, also inside `X | None` and `tuple[X, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (model_in(part) for part in typing.get_args(annotation))
    return next((model for model in found if model is not None), None)


def holds_path(annotation: Any) -> bool:
    """Tell whether a setting is a path, also inside `Path | None` and `tuple[Path, ...]`."""
    return annotation is Path or any(holds_path(part) for part in typing.get_args(annotation))
