"""Tokens and actors: who gets one, and that nobody makes one."""

import dataclasses
import hashlib

import pytest

from fzalert.access import LOCAL_ROLES, Actor, ActorKind, Directory, Role, UserRow
from fzalert.errors import AccessDenied, InputError
from fzalert.messages import ActorId


def test_a_token_gives_its_owner() -> None:
    directory = Directory()
    row, token = directory.add_user("li-wei", [Role.TELLER, "viewer"], display="李伟", created_ms=5)
    assert row == UserRow(
        "li-wei", "李伟", ("teller", "viewer"), hashlib.sha256(token.encode()).digest(), 5
    )
    actor = Directory([row]).authenticate(token)
    assert (actor.id, actor.name, actor.kind) == ("user:li-wei", "李伟", ActorKind.USER)
    assert actor.roles == {Role.TELLER, Role.VIEWER}
    assert not actor.drill


def test_a_token_has_256_random_bits_and_is_not_kept() -> None:
    directory = Directory()
    tokens = [directory.add_user(f"u{n}", [])[1] for n in range(50)]
    assert len({token.partition(".")[2] for token in tokens}) == 50
    assert all(len(token.partition(".")[2]) == 43 for token in tokens)
    assert not any(token.partition(".")[2] in repr(directory.rows) for token in tokens)


def test_every_refusal_reads_the_same() -> None:
    directory = Directory()
    _, token = directory.add_user("a", [Role.VIEWER])
    _, other = directory.add_user("b", [Role.VIEWER])
    directory.disable("b")
    wrong = ["", "a", "a.", token + "x", token[:-1], "c." + token[2:], other, "a.\ud800"]
    texts = set()
    for attempt in wrong:
        with pytest.raises(AccessDenied) as caught:
            directory.authenticate(attempt)
        texts.add(str(caught.value))
    assert len(texts) == 1
    assert directory.authenticate(token).id == "user:a"


def test_a_new_token_ends_the_old_one() -> None:
    directory = Directory()
    _, old = directory.add_user("a", [])
    row, new = directory.renew_token("a")
    assert directory.authenticate(new).id == "user:a"
    assert directory.rows == (row,)
    with pytest.raises(AccessDenied):
        directory.authenticate(old)


def test_a_disabled_person_may_be_enabled_again() -> None:
    directory = Directory()
    _, token = directory.add_user("a", [])
    assert directory.disable("a").disabled
    assert not directory.enable("a").disabled
    assert directory.authenticate(token).id == "user:a"


def test_roles_can_change() -> None:
    directory = Directory()
    _, token = directory.add_user("a", [Role.VIEWER])
    directory.set_roles("a", [Role.AUDITOR])
    assert directory.authenticate(token).roles == {Role.AUDITOR}


@pytest.mark.parametrize("name", ["", "A", "a.b", "-a", "a" * 33, "张三", "a b", "a\n"])
def test_a_malformed_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="name of a user"):
        Directory().add_user(name, [])


def test_a_taken_name_an_unknown_user_and_no_role_are_refused() -> None:
    directory = Directory()
    directory.add_user("a", [])
    with pytest.raises(InputError, match="already"):
        directory.add_user("a", [])
    with pytest.raises(InputError, match="no role"):
        directory.add_user("b", ["king"])
    for change in (directory.disable, directory.enable, directory.renew_token):
        with pytest.raises(InputError, match="no user"):
            change("nobody")


def test_an_actor_cannot_be_made_or_changed() -> None:
    with pytest.raises(TypeError, match="issued by"):
        Actor(ActorId("user:x"), "x", frozenset(Role), ActorKind.USER)
    actor = Directory().local_actor()
    with pytest.raises(TypeError, match="issued by"):
        dataclasses.replace(actor, roles=frozenset(Role))
    with pytest.raises(dataclasses.FrozenInstanceError):
        actor.roles = frozenset(Role)  # type: ignore[misc]  # the point of the test


def test_the_local_actor_is_nobody_s_second_pair_of_eyes() -> None:
    actor = Directory().local_actor()
    assert actor.kind is ActorKind.LOCAL
    assert actor.id == f"local:{actor.name}"
    assert actor.roles == LOCAL_ROLES
    assert Role.APPROVER not in actor.roles


def test_the_program_itself_acts_as_a_machine() -> None:
    actor = Directory().machine_actor("deadlines")
    assert (actor.id, actor.kind, actor.roles) == (
        "machine:deadlines",
        ActorKind.MACHINE,
        frozenset(),
    )


def test_a_person_of_a_drill_stays_marked() -> None:
    directory = Directory()
    _, token = directory.add_user("demo", [Role.APPROVER], drill=True)
    assert directory.authenticate(token).drill


def test_a_missing_role_is_named() -> None:
    actor = Directory().machine_actor("deadlines", roles=frozenset({Role.VIEWER}))
    actor.require(Role.ADMIN, Role.VIEWER)
    with pytest.raises(AccessDenied, match="role approver or admin"):
        actor.require(Role.APPROVER, Role.ADMIN)


def test_a_session_ends_with_the_credential_that_it_was_opened_with() -> None:
    directory = Directory()
    directory.add_user("a", [Role.VIEWER], expires_ms=1000)
    stamp = directory.stamp("a")
    actor = directory.by_session("a", stamp, 500, 999)
    assert actor.id == "user:a"
    assert actor.proved_at is not None
    assert actor.proved_at.timestamp() == 0.5
    for name, shown, now in (("a", stamp, 1000), ("a", "0" * 32, 999), ("b", stamp, 999)):
        with pytest.raises(AccessDenied):
            directory.by_session(name, shown, 500, now)
    directory.disable("a")
    with pytest.raises(AccessDenied):
        directory.by_session("a", stamp, 500, 999)
    directory.enable("a")
    assert directory.by_session("a", stamp, 500, 999).id == "user:a"
    directory.renew_token("a", 1000)
    with pytest.raises(AccessDenied):
        directory.by_session("a", stamp, 500, 999)
    with pytest.raises(AccessDenied):
        directory.stamp("nobody")
