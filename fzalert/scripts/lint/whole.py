"""L08, L18 to L20: variables, repetition, responsibility, real cases."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fzalert.scripts.files import PUBLIC
from fzalert.scripts.lint.findings import Finding, Level, Passage, Request
from fzalert.scripts.model import PLACEHOLDER, ScriptKind
from fzalert.scripts.variables import VARIABLES

_BRACE = re.compile(r"[{}]")
_REAL_NAME = re.compile(
    "[王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严武戴莫孔向汤]"
    "(?:某某?|女士|先生|老汉|大爷|大妈|婆婆)"
)
_PRECISE = re.compile(r"\d[\d,，]*(?:\.\d+)?(?=\s*(?:元|万))")


def check(request: Request) -> Iterator[Finding]:
    """Run the rules of this module."""
    for passage in request.passages():
        yield from _variables(passage)
        if request.script.kind is ScriptKind.CASE_STORY:
            yield from _real_case(passage)
    if request.script.digest in request.recent:
        yield _about("L18", Level.WARNING, "Sent to the same audience within 28 days.")
    if request.production:
        yield from _responsibility(request)


def _variables(passage: Passage) -> Iterator[Finding]:
    for match in PLACEHOLDER.finditer(passage.text):
        variable = VARIABLES.get(match[1])
        if variable is None:
            yield passage.error("L08", match.span(), f"{match[0]} is no variable.")
        elif passage.field in PUBLIC and PUBLIC[passage.field] not in variable.places:
            yield passage.error("L08", match.span(), f"{match[0]} may not be shown in public.")
    bare = PLACEHOLDER.sub(lambda m: " " * len(m[0]), passage.text)
    for brace in _BRACE.finditer(bare):
        yield passage.error("L08", brace.span(), "A brace that belongs to no variable.")


def _real_case(passage: Passage) -> Iterator[Finding]:
    for match in _REAL_NAME.finditer(passage.text):
        yield passage.error("L20", match.span(), f"{match[0]} points at a person.")
    for match in re.finditer("某村|某组|某小区", passage.text):
        yield passage.error("L20", match.span(), f"{match[0]} points at a place.")
    for match in _PRECISE.finditer(passage.text):
        digits = re.sub(r"[^\d]", "", match[0]).strip("0")
        if len(digits) >= 4:
            yield passage.error("L20", match.span(), f"{match[0]} is exact: round it to 万元.")


def _responsibility(request: Request) -> Iterator[Finding]:
    script, approval = request.script, request.approval
    for name, text in (("source", script.source), ("author", script.author)):
        if not text:
            yield _about("L19", Level.ERROR, f"No {name}.")
    if approval is None or approval.digest != script.digest:
        yield _about("L19", Level.ERROR, "No approval of this text, by name and with an end date.")


def _about(rule: str, level: Level, text: str) -> Finding:
    return Finding(rule, level, "", (0, 0), text)
