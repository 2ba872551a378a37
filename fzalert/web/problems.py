"""Errors on the wire: RFC 9457 problem documents, and which of our errors becomes which.

Source: RFC 9457 (problem details); RFC 6901 (JSON pointers of the faults).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from fzalert import errors

__all__ = [
    "MEDIA_TYPE",
    "FieldFault",
    "Problem",
    "ProblemError",
    "UnmetGuard",
    "from_error",
    "from_validation",
]

MEDIA_TYPE = "application/problem+json"

_CHINESE = {
    400: "请求有误",
    401: "需要登录",
    403: "没有权限",
    404: "没有找到",
    405: "方法不支持",
    406: "格式不支持",
    408: "请求超时",
    409: "与已有的不一致",
    413: "内容太大",
    415: "内容类型不支持",
    421: "地址不对",
    422: "内容不合要求",
    429: "太频繁",
    500: "程序内部错误",
    501: "尚不支持",
    503: "暂时不可用",
}


class FieldFault(BaseModel):
    """One fault of a body or of the parameters."""

    model_config = ConfigDict(extra="forbid")

    pointer: str = Field(description="JSON pointer into the body, or ?name of a parameter.")
    detail: str = Field(description="What is wrong.")


class UnmetGuard(BaseModel):
    """One rule of a freeze request that is not met."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(description="Stable id of the rule, as the rules file has it.")
    zh: str = Field(description="What is missing, in Chinese.")
    en: str = Field(description="The same in English.")
    source: str = Field(description="The instrument and article.")
    detail: str = Field(
        default="", description="What exactly, without personal data; may be empty."
    )


class Problem(BaseModel):
    """The one shape of every error."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="Names the kind of problem.")
    title: str = Field(description="The kind in words, Chinese and English.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(default="", description="What happened and what to do next.")
    instance: str = Field(default="", description="The path that was asked.")
    code: str = Field(description="Stable name of the error; see the manual.")
    errors: list[FieldFault] = Field(default_factory=list, description="Every fault found.")
    guards: list[UnmetGuard] = Field(
        default_factory=list, description="Every unmet rule of a freeze request."
    )


class ProblemError(Exception):
    """Stops the handling of a request with a problem document."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str = "",
        *,
        faults: Sequence[FieldFault] = (),
        headers: Mapping[str, str] | None = None,
        guards: Sequence[UnmetGuard] = (),
    ) -> None:
        super().__init__(detail or code)
        self.status = status
        self.code = code
        self.detail = detail
        self.faults = tuple(faults)
        self.guards = tuple(guards)
        self.headers = dict(headers or {})

    @property
    def title(self) -> str:
        """The kind of problem in words."""
        phrase = HTTPStatus(self.status).phrase
        chinese = _CHINESE.get(self.status)
        return f"{chinese} {phrase}" if chinese else phrase

    def document(self, instance: str) -> Problem:
        """Make the document for one path."""
        return Problem(
            type=f"urn:fzalert:problem:{self.code}",
            title=self.title,
            status=self.status,
            detail=self.detail,
            instance=instance,
            code=self.code,
            errors=list(self.faults),
            guards=list(self.guards),
        )

    def response(self, instance: str) -> Response:
        """Make the answer for one path."""
        body = self.document(instance).model_dump_json()
        return Response(body, self.status, headers=self.headers, media_type=MEDIA_TYPE)


# The first row that fits decides; the tree is in `fzalert.errors`.
_STATUS: tuple[tuple[type[errors.FzalertError], int], ...] = (
    (errors.DuplicateKey, 409),
    (errors.ScriptNotApproved, 409),
    (errors.InputError, 422),
    (errors.SignInDelayed, 429),
    (errors.AccessDenied, 403),
    (errors.GuardsUnmet, 403),
    (errors.Overloaded, 429),
    (errors.ChannelThrottled, 429),
    (errors.ChannelError, 503),
    (errors.StoreError, 503),
    (errors.NotConnected, 503),
)


def from_error(error: errors.FzalertError) -> ProblemError:
    """Turn one of our errors into a problem; an unexpected kind is a 500 without its text."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    if isinstance(error, errors.GuardsUnmet):
        return _unmet(error, status)
    if status == 500:
        return ProblemError(500, error.code, "程序出错，已记入日志。The log has the details.")
    detail = " ".join(part for part in (str(error.args[0]), error.hint) if part)
    faults: list[FieldFault] = []
    if isinstance(error, errors.InputError) and error.field:
        row = "" if error.row is None else f"/{error.row}"
        faults.append(FieldFault(pointer=f"/{_escape(error.field)}{row}", detail=detail))
    headers: dict[str, str] = {}
    if error.retry_after is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after.total_seconds())))
    elif status in {429, 503}:
        headers["retry-after"] = "5"
    return ProblemError(status, error.code, detail, faults=faults, headers=headers)


def _unmet(error: errors.GuardsUnmet, status: int) -> ProblemError:
    """Every unmet rule; what is not there is a 404, what the present state has no way for a 409."""
    if set(error.guards) == {"unknown"}:
        status = 404
    elif "state" in error.guards:
        status = 409
    found = [
        UnmetGuard(id=guard, zh=zh, en=en, source=source, detail=detail)
        for guard, (zh, en, source), detail in zip(
            error.guards, error.reasons, error.details, strict=True
        )
    ]
    told = "；".join(one.zh for one in found)
    detail = " ".join(part for part in (told, str(error.args[0]), error.hint) if part)
    return ProblemError(status, error.code, detail, guards=found)


def from_validation(error: ValidationError, *, parameters: bool = False) -> ProblemError:
    """Turn what pydantic found into 400 (no JSON at all) or 422 with a pointer for each fault."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    if any(item["type"] == "json_invalid" for item in found):
        return ProblemError(400, "not-json", "The body is not valid JSON.")
    faults = [
        FieldFault(
            pointer=_pointer(tuple(item["loc"]), parameters=parameters),
            detail=item["msg"].removeprefix("Value error, "),
        )
        for item in found
    ]
    return ProblemError(422, "invalid", "Some values are wrong; see errors.", faults=faults)


def _pointer(loc: tuple[str | int, ...], *, parameters: bool) -> str:
    if parameters:
        return "?" + ".".join(str(step) for step in loc)
    return "".join(f"/{_escape(str(step))}" for step in loc)


def _escape(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")
