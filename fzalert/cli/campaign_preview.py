"""`fzalert campaign preview`: what would go out, as a person reads it before saying yes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from fzalert.campaigns.tally import OTHERS
from fzalert.cli.session import current
from fzalert.service.preview_models import CampaignPreview, CarrierPreview, ChannelPreview

__all__ = ["group_lines", "lines_of", "preview"]

ALL = 10_000
_MOST = 8
_CARRIERS = {
    "mobile": "移动",
    "unicom": "联通",
    "telecom": "电信",
    "broadnet": "广电",
    "unknown": "号段不明",
}
_KINDS = {
    "mvno": "虚拟运营商 virtual operators",
    "m2m": "物联网 machines",
    "unknown": "号段不明 unknown segments",
}
_GROUPS = {
    "town": "各镇 by town",
    "village": "各村 by village",
    "group": "各组 by group",
    "school": "各校 by school",
    "class": "各班 by class",
    "elderly": "老年 elderly",
    "age": "年龄 by age",
    "tag": "标签 by tag",
}


async def preview(id: str, *, token_file: Path | None = None) -> None:
    """Show what a campaign would send: people, parts, cost, carriers, text and time.

    Args:
        id: Its id.
        token_file: Who acts: a file with a token, - for standard input.
    """
    session = current()
    async with session.service() as api:
        found = await api.preview_campaign(id, await session.actor(api, token_file))
    session.output.data(found)
    for line in lines_of(found, most=ALL):
        session.output.line(line)
    session.output.line(
        f"还没有发送。核对后 Nothing is sent yet: fzalert campaign start {id}"
        f" --confirm {found.digest}"
    )


def lines_of(found: CampaignPreview, *, most: int = _MOST) -> Iterator[str]:
    """What a person reads.

    Args:
        found: The preview.
        most: Values of each group, and refused rows, that are named.
    """
    cost = f"，{found.cost} 元 yuan" if found.cost else ""
    if found.cost and found.unpriced:
        cost += f"（另有 {found.unpriced:,} 条无单价 without a price）"
    yield (
        f"对象 {found.recipients:,} 人，共 {found.parts:,} 条{cost}"
        "  recipients, short messages, cost"
    )
    if found.fed:
        yield f"此前已进队列，不在其内 in the queue before, not counted here：{found.fed:,} 人"
    for channel in found.channels:
        yield from _channel(channel)
    for carrier in found.carriers:
        yield _carrier(carrier)
    for kind, people in sorted(found.kinds.items()):
        yield f"{_KINDS.get(kind, kind)}：{people:,} 人"
    yield from _list(found)
    yield from group_lines(found.groups, most)
    yield from _spared(found)
    yield from _times(found)
    for refusal in found.refusals[:most]:
        where = f"{refusal.sheet} 第 {refusal.row} 行".strip()
        yield f"  ✗ {where} {refusal.column} {refusal.code}: {refusal.reason}"
    if len(found.refusals) > most:
        yield f"  … 其余见 the others: fzalert campaign preview {found.campaign}"
    yield f"摘要 Digest {found.digest}"


def _channel(channel: ChannelPreview) -> Iterator[str]:
    price = f"，每条 {channel.price} 元，{channel.cost} 元 yuan" if channel.price else ""
    yield (
        f"通道 {channel.name}（{channel.adapter}）：{channel.recipients:,} 人，每人"
        f" {channel.parts_each} 条，共 {channel.parts:,} 条{price}"
        "  recipients, texts each, in all"
    )
    for line in channel.text.splitlines():
        yield f"    │ {line}"
    if channel.problem:
        yield f"    ✗ {channel.problem}"


def _carrier(carrier: CarrierPreview) -> str:
    by = "，".join(f"{name} {people:,}" for name, people in carrier.channels.items())
    cost = f"，{carrier.cost} 元" if carrier.cost else ""
    name = _CARRIERS.get(carrier.carrier, carrier.carrier)
    return (
        f"{name} {carrier.carrier}：{carrier.recipients:,} 人，{carrier.parts:,} 条{cost}"
        f"（经 by {by}）"
    )


def _list(found: CampaignPreview) -> Iterator[str]:
    if not found.rows:
        return
    why = "，".join(f"{code} {count:,}" for code, count in sorted(found.by_code.items()))
    yield (
        f"名单 {found.rows:,} 行：重复 {found.duplicates:,}，拒收 {found.refused:,}"
        f"{f'（{why}）' if why else ''} rows, duplicates, refused"
    )


def group_lines(groups: Mapping[str, dict[str, int]], most: int = _MOST) -> Iterator[str]:
    """What people read of the groups of an audience, a line for each kind of group."""
    for key, counts in groups.items():
        if any(counts):
            yield _group(key, counts, most)


def _group(key: str, counts: dict[str, int], most: int) -> str:
    values = [item for item in counts.items() if item[0] != OTHERS]
    told = "，".join(f"{name or '未填'} {people:,}" for name, people in values[:most])
    more = len(values) - most
    others = f"，另有 {more} 个 others" if more > 0 else ""
    if OTHERS in counts:
        others += f"，其余共 {counts[OTHERS]:,}"
    return f"{_GROUPS.get(key, key)}：{told}{others}"


def _spared(found: CampaignPreview) -> Iterator[str]:
    if found.only or found.excluded:
        chosen = "，".join((*found.only, *(f"除 except {one}" for one in found.excluded)))
        yield f"所选 chosen：{chosen}；名单中另有 {found.left_out:,} 行 rows left out"
    if found.opted_out:
        yield f"已退订，不发 opted out, not written to：{found.opted_out:,} 人"
    if found.capped:
        yield f"已达每人上限，不发 written to enough lately：{found.capped:,} 人"


def _times(found: CampaignPreview) -> Iterator[str]:
    window = f"{_local(found.not_before)} – {_local(found.not_after)}"
    yield f"时限 window：{window}"
    if found.seconds is None:
        yield "时长 duration：通道未设速率，不能预计 a channel has no rate to tell by"
    else:
        done = f"，现在开始约 {_local(found.done_at)} 发完" if found.done_at else ""
        yield f"时长 duration：约 {_length(found.seconds)}{done} done if it began now"
    yield from _pauses([(one.begins, one.ends) for one in found.pauses])
    if found.late:
        yield f"  ✗ 时限内发不完，约 {found.late:,} 人收不到 the window ends before their turn"


def _pauses(pauses: Sequence[tuple[str, str]]) -> Iterator[str]:
    for begins, ends in pauses[:3]:
        yield f"  静默 quiet hours：{_local(begins)} – {_local(ends)}"


def _local(moment: str) -> str:
    if not moment:
        return "?"
    return datetime.fromisoformat(moment).astimezone().strftime("%m-%d %H:%M")


def _length(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} 小时 h {minutes} 分 min"
    return f"{minutes} 分 min {rest} 秒 s" if minutes else f"{rest} 秒 s"
