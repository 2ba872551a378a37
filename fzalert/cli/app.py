"""Which commands there are, and what happens to their errors.

Commands are named here and loaded when called: `fzalert --help` imports none of them.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Group, Parameter, UnknownCommandError

from fzalert.cli.exits import MEANINGS, Exit, exit_for
from fzalert.cli.output import Output
from fzalert.cli.session import ServiceOpener, Session, current, started
from fzalert.errors import FzalertError
from fzalert.registry import Registry

__all__ = ["build", "commands", "main"]

_HELP = """反诈预警：短信、屏幕、喇叭、邮件。 Anti-fraud warnings on every channel.

With no daemon running, a command opens the store itself; otherwise it speaks to the daemon."""
_EPILOGUE = "退出码 Exit codes: " + "; ".join(
    f"{int(code)} {meaning}" for code, meaning in MEANINGS.items()
)
_COMMON = Group("Common", sort_key=100)
_CONFIG = "FZALERT_CONFIG"

_SINGLE = {
    "init": (
        "fzalert.cli.init:init",
        "五个问题，得到可用的配置。 Five questions, a configuration.",
    ),
    "run": ("fzalert.cli.run:run", "常驻运行，收发预警、提供页面。 Serve until stopped."),
    "check": ("fzalert.cli.check:check", "检查配置，一次列出全部问题。 Check the configuration."),
    "warn": ("fzalert.cli.warn:warn", "发一条预警。 Send one warning."),
    "reload": (
        "fzalert.cli.reload:reload",
        "重新读取配置，不重启。 Read the configuration again, no restart.",
    ),
    "status": ("fzalert.cli.status:status", "通道与计数。 Channels and counters."),
    "top": ("fzalert.cli.top:top", "实时看板。 Channels and campaigns, live."),
    "completion": (
        "fzalert.cli.completion:completion",
        "命令补全 bash、zsh、fish。 Completion for a shell.",
    ),
    "demo": ("fzalert.cli.demo:run_demo", "本机演示，全程演练。 The whole thing on this machine."),
}
_GROUPS = {
    "scripts": (
        "话术库。 The script library.",
        {
            "list": ("fzalert.cli.scripts:list_scripts", "列出话术。 List the scripts."),
            "show": ("fzalert.cli.scripts:show", "看一条话术的全文。 Show one script's texts."),
            "preview": (
                "fzalert.cli.scripts:preview",
                "看各渠道的成稿。 Show what each kind of channel gets.",
            ),
            "lint": ("fzalert.cli.scripts:lint_scripts", "检查话术。 Check scripts."),
            "approve": (
                "fzalert.cli.scripts:approve",
                "批准一条话术，须两人。 Approve a script, two persons.",
            ),
        },
    ),
    "campaign": (
        "宣防活动。 Campaigns.",
        {
            "list": ("fzalert.cli.campaign:list_campaigns", "列出活动。 List the campaigns."),
            "plan": ("fzalert.cli.campaign:plan", "导入名单，备好活动。 Import a list."),
            "preview": (
                "fzalert.cli.campaign_preview:preview",
                "看将要发什么：人数、条数、费用、全文。 Show what would go out.",
            ),
            "start": ("fzalert.cli.campaign:start", "核对后开始。 Look at it, and start."),
            "pause": ("fzalert.cli.campaign:pause", "暂停。 Pause."),
            "resume": ("fzalert.cli.campaign:resume", "继续。 Go on."),
            "cancel": ("fzalert.cli.campaign:cancel", "取消。 Cancel for good."),
        },
    ),
    "freeze": (
        "止付与冻结。 Freeze requests, from a report to a confirmed stop.",
        {
            "new": ("fzalert.cli.freeze.cases:new", "由文件立一案。 Open a case from a file."),
            "check": ("fzalert.cli.freeze.cases:check", "只检查，不发送。 Check a case's file."),
            "paste": (
                "fzalert.cli.freeze.cases:paste",
                "粘贴银行短信，得草稿。 A bank's message as a draft.",
            ),
            "add": ("fzalert.cli.freeze.cases:add", "增加账户，如下一级。 Add accounts."),
            "attach": ("fzalert.cli.freeze.cases:attach", "附文书。 Attach a document."),
            "file": ("fzalert.cli.freeze.cases:file_case", "登记立案。 File the case."),
            "officers": (
                "fzalert.cli.freeze.particulars:officers",
                "指定两名办案民警。 Name the two officers.",
            ),
            "duty": (
                "fzalert.cli.freeze.particulars:duty",
                "单位与值班电话。 Unit and duty telephone.",
            ),
            "submit": ("fzalert.cli.freeze.acts:submit", "提交止付。 Submit for approval."),
            "approve": ("fzalert.cli.freeze.acts:approve", "第二人审批。 Approve, second person."),
            "reject": ("fzalert.cli.freeze.acts:reject", "退回。 Send it back."),
            "send": ("fzalert.cli.freeze.acts:send", "发送或打印。 Send it, or print it."),
            "acknowledge": (
                "fzalert.cli.freeze.acts:acknowledge",
                "登记银行已受理。 The bank has it.",
            ),
            "receipt": ("fzalert.cli.freeze.acts:receipt", "登记回执。 Enter a bank's answer."),
            "status": ("fzalert.cli.freeze.cases:status", "看一案。 Show a case."),
            "extend": ("fzalert.cli.freeze.acts:extend", "止付延期。 Prepare the extension."),
            "convert": ("fzalert.cli.freeze.acts:convert", "转冻结。 Prepare the freeze."),
            "renew": ("fzalert.cli.freeze.acts:renew", "继续冻结。 Prepare the renewal."),
            "release": ("fzalert.cli.freeze.acts:release", "解除。 Prepare the release."),
            "return": (
                "fzalert.cli.freeze.acts:return_money",
                "计算并准备返还。 Divide and give back.",
            ),
            "irrelevant": (
                "fzalert.cli.freeze.acts:irrelevant",
                "认定与案件无关。 The money is not of the case.",
            ),
            "complaint": (
                "fzalert.cli.freeze.particulars:complaint",
                "登记投诉申诉。 Record a complaint.",
            ),
            "cancel": ("fzalert.cli.freeze.acts:cancel", "撤销未发出的。 Give it up unsent."),
            "correct": ("fzalert.cli.freeze.acts:correct", "更正账户。 Correct an account."),
            "trace": ("fzalert.cli.freeze.exports:trace", "资金去向估算。 Follow the money."),
            "paper": ("fzalert.cli.freeze.exports:paper", "出文书。 Write a paper as PDF."),
            "sm2-sign": ("fzalert.cli.freeze.sm2:sign", "国密签名。 Sign a file with SM2."),
            "sm2-verify": (
                "fzalert.cli.freeze.sm2:verify",
                "核对国密签名。 Check an SM2 signature.",
            ),
            "iso20022": (
                "fzalert.cli.freeze.messages:iso20022",
                "ISO 20022 报文出入。 camt.056 out, camt.029 in.",
            ),
            "bundle": ("fzalert.cli.freeze.exports:bundle", "导出证据包。 Write the evidence."),
            "verify": (
                "fzalert.cli.freeze.exports:verify",
                "核对证据包。 Check an evidence bundle.",
            ),
            "tasks": ("fzalert.cli.freeze.calls:tasks", "待办电话催办。 Whom to telephone."),
            "task-done": (
                "fzalert.cli.freeze.calls:task_done",
                "登记催办结果。 Say what came of a call.",
            ),
            "expiring": (
                "fzalert.cli.freeze.keeping:expiring",
                "保存期将满的案件。 Cases whose time is over.",
            ),
            "hold": ("fzalert.cli.freeze.keeping:hold", "依法保留一案。 Keep a case longer."),
            "unhold": (
                "fzalert.cli.freeze.keeping:unhold",
                "解除保留。 End the hold of a case.",
            ),
            "key": ("fzalert.cli.freeze.particulars:key", "本单位公钥。 The unit's public key."),
            "board": ("fzalert.cli.freeze.board:board", "全部措施与倒计时。 Every clock."),
            "figures": (
                "fzalert.cli.freeze.figures:figures",
                "各行各月的时效与金额。 Speed and money, by bank and month.",
            ),
        },
    ),
    "unknown": (
        "结果未知的消息。 Messages whose fate is unknown.",
        {
            "list": ("fzalert.cli.unknown:list_unknown", "列出结果未知的消息。 List them."),
            "settle": (
                "fzalert.cli.unknown:settle",
                "认定结果，或明知可能重复而再发。 Say what became of them.",
            ),
        },
    ),
    "backup": (
        "备份。 Backups.",
        {
            "make": ("fzalert.cli.backup:make", "备份数据库，运行中也可以。 Copy the database."),
            "verify": (
                "fzalert.cli.backup:verify",
                "试恢复并核对一份备份。 Whether a copy is sound.",
            ),
        },
    ),
    "evidence": (
        "存证。 The append-only record.",
        {
            "verify": ("fzalert.cli.evidence:verify", "核对存证链。 Check every chain."),
            "heads": ("fzalert.cli.evidence:heads", "列出每日链首。 List the daily heads."),
            "export": ("fzalert.cli.evidence:export", "导出为 JSON 行。 Write it as JSON lines."),
            "script": (
                "fzalert.cli.evidence:script",
                "写出独立核对脚本。 The script that checks without fzalert.",
            ),
        },
    ),
    "keys": (
        "保护个人数据的密钥。 The keys that protect personal data.",
        {
            "status": ("fzalert.cli.keys:status", "有哪些密钥，谁还用旧的。 Which keys there are."),
            "rotate": (
                "fzalert.cli.keys:rotate",
                "换主密钥，全部重新加密。 Another master key; all sealed anew.",
            ),
        },
    ),
    "optout": (
        "退订名单。 People who are not to be written to in bulk.",
        {
            "list": ("fzalert.cli.optout:list_optouts", "列出退订的人。 List them, masked."),
            "add": ("fzalert.cli.optout:add", "登记退订。 Note an opt-out."),
            "import": ("fzalert.cli.optout:import_list", "导入退订名单。 Note those of a file."),
            "remove": ("fzalert.cli.optout:remove", "恢复。 Take an opt-out back."),
        },
    ),
    "tls": (
        "内网证书。 Certificates for an intranet.",
        {
            "init": ("fzalert.cli.tls:init", "建立内部证书机构。 An authority and the server's."),
            "client": ("fzalert.cli.tls:client", "签发机器证书。 A machine's certificate."),
        },
    ),
    "user": (
        "人员、机器与凭证。 People, machines, their tokens and certificates.",
        {
            "list": ("fzalert.cli.user:list_users", "列出人员。 List the people."),
            "add": ("fzalert.cli.user:add", "添加，令牌只显示一次。 Add; shows the token once."),
            "add-machine": (
                "fzalert.cli.user:add_machine",
                "添加机器，如网点。 Add a machine, such as a branch's.",
            ),
            "appoint": ("fzalert.cli.user:appoint", "任命级别与单位。 Set rank and unit."),
            "renew": ("fzalert.cli.user:renew", "换发令牌。 Give a new token; the old one ends."),
            "bind": ("fzalert.cli.user:bind", "绑定客户端证书。 Bind a client certificate."),
            "unbind": ("fzalert.cli.user:unbind", "吊销一张证书。 Let a certificate in no more."),
            "password": ("fzalert.cli.user:password", "设定口令。 Set a password."),
            "enrol": ("fzalert.cli.user:enrol", "发通行密钥登记码。 A code to make a passkey."),
            "passkeys": ("fzalert.cli.user:passkeys", "列出、删除通行密钥。 Somebody's passkeys."),
            "sessions": ("fzalert.cli.user:sessions", "谁已登录。 Who is signed in."),
            "sign-out": (
                "fzalert.cli.user:sign_out",
                "结束某人的登录。 End somebody's sessions.",
            ),
            "revoke": ("fzalert.cli.user:revoke", "吊销全部凭证。 End token and certificates."),
            "disable": ("fzalert.cli.user:disable", "停用。 Close somebody's access."),
        },
    ),
    "desk": (
        "银行专岗：接收并答复止付、冻结申请包。 A bank's desk for freeze packages.",
        {
            "run": ("fzalert.cli.desk:run", "常驻接收。 Serve until stopped."),
            "list": ("fzalert.cli.desk:list_items", "列出待办。 List what waits."),
            "show": ("fzalert.cli.desk:show", "看一件的全文，留痕。 Show one in plain."),
            "answer": ("fzalert.cli.desk:answer", "答复一件。 Answer one."),
            "key": ("fzalert.cli.desk:key", "本专岗的公钥。 The desk's public key."),
            "keys": ("fzalert.cli.desk:keys", "专岗数据库的密钥。 The keys of its store."),
            "rotate-keys": ("fzalert.cli.desk:rotate_keys", "更换密钥。 Change its keys."),
            "token": ("fzalert.cli.desk:token", "给程序发令牌。 A token for a program."),
            "users": ("fzalert.cli.desk:list_users", "列出专岗人员。 List its people."),
            "add-user": ("fzalert.cli.desk:add_user", "添加人员，用于页面。 Add a person."),
            "password": ("fzalert.cli.desk:password", "设定口令。 Set a password."),
            "disable-user": ("fzalert.cli.desk:disable_user", "停用。 Close somebody's access."),
        },
    ),
    "contacts": (
        "银行24小时专岗通讯录。 The directory of banks' 24-hour desks.",
        {
            "list": ("fzalert.cli.contacts:list_contacts", "列出专岗和告警。 Desks and alarms."),
            "show": ("fzalert.cli.contacts:show", "看一条的全文，留痕。 Show one in plain."),
            "add": ("fzalert.cli.contacts:add", "提出登记或变更。 Propose an entry."),
            "remove": ("fzalert.cli.contacts:remove", "提出删除。 Propose its removal."),
            "approve": ("fzalert.cli.contacts:approve", "第二人批准。 Approve, second person."),
            "drop": ("fzalert.cli.contacts:drop", "撤回未生效的变更。 Take a change back."),
            "drill": ("fzalert.cli.contacts:drill", "演练：发测试件。 Send a test."),
            "answered": ("fzalert.cli.contacts:answered", "登记演练回执。 A test was answered."),
        },
    ),
    "adapters": (
        "适配器。 Adapters.",
        {"list": ("fzalert.cli.adapters:list_adapters", "列出适配器。 List the adapters.")},
    ),
    "sms": (
        "短信工具。 Tools for short messages.",
        {"parts": ("fzalert.cli.sms:parts", "一段文字要拆成几条。 How a text is cut.")},
    ),
}


def commands() -> tuple[str, ...]:
    """Name every command as it is typed, those of adapters left out."""
    grouped = (f"{group} {name}" for group, (_, names) in _GROUPS.items() for name in names)
    return (*_SINGLE, *grouped, "simulate")


def build(tokens: Sequence[str] = (), registry: Registry | None = None) -> App:
    """Build the program; a group that an adapter brings is loaded only if `tokens` asks for it."""
    registry = registry or Registry.installed()
    app = App(
        name="fzalert",
        help=_HELP,
        help_epilogue=_EPILOGUE,
        version=lambda: version("fzalert"),
        help_format="plaintext",
    )
    for name, (where, text) in _SINGLE.items():
        app.command(where, name=name, help=text, help_epilogue="")
    for name, (text, commands) in _GROUPS.items():
        group = App(name=name, help=text, help_epilogue="")
        for command, (where, line) in commands.items():
            group.command(where, name=command, help=line)
        app.command(group)
    _add_brought(app, tokens, registry)
    return app


def _add_brought(app: App, tokens: Sequence[str], registry: Registry) -> None:
    """Add the groups of adapters and simulators."""
    words = [token for token in tokens if not token.startswith("-")]
    simulate = App(
        name="simulate", help="模拟对端，供试用与演练。 Simulated far sides.", help_epilogue=""
    )
    app.command(simulate)
    for name in registry.simulator_names:
        if "simulate" in words:
            _bring(simulate, name, registry, simulator=True)
    for name in registry.command_names:
        if name in words:
            _bring(app[name] if name in _GROUPS else app, name, registry, simulator=False)
        elif name not in _GROUPS:
            app.command(App(name=name, help=f"适配器 {name} 的命令。 Commands of {name}."))


def _bring(app: App, name: str, registry: Registry, *, simulator: bool) -> None:
    from fzalert.cli.groups import add_group

    add_group(app, registry.simulator(name) if simulator else registry.commands(name), name)


@contextlib.contextmanager
def _named(config: Path | None) -> Iterator[None]:
    """Let commands that an adapter brings find the same configuration file."""
    before = os.environ.get(_CONFIG)
    if config is not None:
        os.environ[_CONFIG] = str(config)
    try:
        yield
    finally:
        if config is not None:
            os.environ.pop(_CONFIG)
        if before is not None:
            os.environ[_CONFIG] = before


def main(argv: Sequence[str] | None = None, *, opener: ServiceOpener | None = None) -> int:
    """Run the program; returns the exit code.

    Args:
        argv: What was typed after the program's name; the process's own where None.
        opener: Opens the service; the real one where None.
    """
    tokens = list(sys.argv[1:] if argv is None else argv)
    session = Session(output=Output(as_json="--json" in tokens), opener=opener)
    started(session)
    try:
        code = _run(tokens, opener)
        sys.stdout.flush()
    except CycloptsError as error:
        session.output.note(f"fzalert: {_describe(error, tokens)}")
        session.output.note("用法 Usage: fzalert --help")
        return Exit.USAGE
    except FzalertError as error:
        if os.environ.get("FZALERT_DEBUG") == "1":
            traceback.print_exc()
        found = exit_for(error)
        current().output.error(error, found)
        return found
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return Exit.OK
    except Exception as error:  # noqa: BLE001  the boundary of the program: one line, no trace
        if os.environ.get("FZALERT_DEBUG") == "1":
            traceback.print_exc()
        session.output.note(f"fzalert: 程序出错 unexpected {_masked(error)}")
        session.output.note("FZALERT_DEBUG=1 shows where.")
        return Exit.UNEXPECTED
    return code


def _masked(error: Exception) -> str:
    """An error that nobody foresaw: its text may hold anything."""
    from fzalert.cli.logs import Redaction

    return str(Redaction().value(error))


def _describe(error: CycloptsError, tokens: Sequence[str]) -> str:
    """Say what is wrong with the words; cyclopts would load every command to say it."""
    if not isinstance(error, UnknownCommandError):
        return str(error)
    word = next(iter(error.unused_tokens or []), "")
    group = next((name for name in tokens if name in _GROUPS), "")
    known = _GROUPS[group][1] if group else {**_SINGLE, **_GROUPS, "simulate": ""}
    close = difflib.get_close_matches(word, known, n=1)
    meant = f"; did you mean {close[0]}?" if close else f"; known are {', '.join(sorted(known))}."
    return f"没有这个命令 there is no command {word!r}{meant}"


def _run(tokens: list[str], opener: ServiceOpener | None) -> int:
    app = build(tokens)

    def launch(
        *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        config: Annotated[Path | None, Parameter(group=_COMMON)] = None,
        json: Annotated[bool, Parameter(group=_COMMON, negative=())] = False,
    ) -> object:
        """Take what every command shares.

        Args:
            words: The command and its own options.
            config: Configuration file; by default ./fzalert.toml or $FZALERT_CONFIG.
            json: Write JSON, one object a line, and nothing else, to standard output.
        """
        started(Session(config, Output(as_json=json), opener))
        with _named(config):
            return app(
                words,
                exit_on_error=False,
                print_error=False,
                result_action="return_value",
                backend="asyncio",
            )

    app.meta.default(launch)
    result = app.meta(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    return result if isinstance(result, int) else Exit.OK
