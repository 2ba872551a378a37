"""`fzalert adapters`: what can deliver."""

from __future__ import annotations

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from fzalert.cli.session import current
from fzalert.errors import ConfigError
from fzalert.registry import Registry

__all__ = ["AdapterView", "SettingView", "list_adapters"]


class SettingView(BaseModel):
    """One setting of an adapter."""

    name: str
    required: bool
    default: str = ""
    description: str = ""


class AdapterView(BaseModel):
    """One adapter."""

    name: str
    where: str
    problem: str = ""
    summary: str = ""
    settings: list[SettingView] = []


def list_adapters(name: str = "") -> None:
    """List the adapters, or the settings of one of them.

    Args:
        name: An adapter; then its settings are shown.
    """
    output = current().output
    registry = Registry.installed()
    names = [each for each in registry.adapter_names if not name or each == name]
    views = [_view(registry, each) for each in names]
    if name and not views:
        raise ConfigError(
            f"There is no adapter {name!r}.", hint=f"Known: {', '.join(registry.adapter_names)}."
        )
    output.rows(views)
    if not name:
        rows = [[view.name, view.problem or view.summary] for view in views]
        output.table(["适配器", "说明"], rows)
        return
    (view,) = views
    output.line(f"{view.name}  {view.problem or view.summary}")
    output.table(
        ["设置", "必填", "默认", "说明"],
        [
            [each.name, "是" if each.required else "", each.default, each.description]
            for each in view.settings
        ],
    )


def _default(field: FieldInfo) -> str:
    return "" if field.is_required() else str(field.get_default(call_default_factory=True))


def _view(registry: Registry, name: str) -> AdapterView:
    where = registry.where(name)
    try:
        factory = registry.adapter(name)
    except ConfigError as error:
        return AdapterView(name=name, where=where, problem=f"{error.args[0]} {error.hint}")
    lines = (factory.__doc__ or "").strip().splitlines()
    settings = [
        SettingView(
            name=key,
            required=field.is_required(),
            default=_default(field),
            description=field.description or "",
        )
        for key, field in factory.Config.model_fields.items()
        if not field.exclude
    ]
    return AdapterView(name=name, where=where, summary=lines[0] if lines else "", settings=settings)
