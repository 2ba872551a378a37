"""Machines: tokens that end, certificates that are bound, revoked, and never shared."""

import pytest

from fzalert.access import ActorKind, Directory, Role
from fzalert.errors import (
    AccessDenied,
    CertificateUnknown,
    CredentialExpired,
    CredentialRevoked,
    InputError,
)

ONE, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64
NAME = "uri:fz:branch:chengguan"


def machines() -> tuple[Directory, str]:
    directory = Directory()
    _, token = directory.add_user("chengguan", [Role.RELAY], machine=True, expires_ms=1000)
    return directory, token


def test_a_machine_is_no_person_and_no_part_of_this_program() -> None:
    directory, token = machines()
    actor = directory.authenticate(token, 999)
    assert (actor.id, actor.kind) == ("peer:chengguan", ActorKind.MACHINE)
    assert actor.id != directory.machine_actor("chengguan").id


def test_a_token_ends_at_its_time_and_only_its_holder_hears_of_it() -> None:
    directory, token = machines()
    with pytest.raises(CredentialExpired):
        directory.authenticate(token, 1000)
    with pytest.raises(AccessDenied) as wrong:
        directory.authenticate(token + "x", 1000)
    assert not isinstance(wrong.value, CredentialExpired)
    _, new = directory.renew_token("chengguan", 2000)
    assert directory.authenticate(new, 1500).id == "peer:chengguan"


def test_a_certificate_is_known_by_fingerprint_or_by_a_name_in_it() -> None:
    directory, _ = machines()
    with pytest.raises(CertificateUnknown) as unknown:
        directory.by_certificate(ONE, [NAME])
    assert ONE in unknown.value.hint
    directory.bind("chengguan", ONE)
    assert directory.by_certificate(ONE).id == "peer:chengguan"
    directory.bind("chengguan", NAME)
    assert directory.by_certificate(OTHER, [NAME]).id == "peer:chengguan"


def test_a_revoked_certificate_is_kept_out_though_its_name_is_bound() -> None:
    directory, _ = machines()
    directory.bind("chengguan", NAME)
    directory.unbind("chengguan", ONE)
    with pytest.raises(CredentialRevoked):
        directory.by_certificate(ONE, [NAME])
    assert directory.by_certificate(OTHER, [NAME]).id == "peer:chengguan"
    directory.bind("chengguan", ONE)
    assert directory.by_certificate(ONE).id == "peer:chengguan", "bound again on purpose"


def test_revoking_ends_everything_and_disabling_too() -> None:
    directory, token = machines()
    directory.bind("chengguan", ONE)
    directory.bind("chengguan", NAME)
    directory.revoke("chengguan")
    with pytest.raises(AccessDenied):
        directory.authenticate(token, 0)
    with pytest.raises(CredentialRevoked):
        directory.by_certificate(ONE)
    with pytest.raises(CertificateUnknown):
        directory.by_certificate(OTHER, [NAME])
    directory.bind("chengguan", OTHER)
    directory.disable("chengguan")
    with pytest.raises(CredentialRevoked):
        directory.by_certificate(OTHER)


@pytest.mark.parametrize("name", ["sha256:12", "uri:", "md5:" + "1" * 32, "", "!" + ONE])
def test_what_names_no_certificate_is_refused(name: str) -> None:
    directory, _ = machines()
    with pytest.raises(InputError):
        directory.bind("chengguan", name)


def test_a_certificate_stands_for_one_machine_and_for_no_person() -> None:
    directory, _ = machines()
    directory.add_user("xinqiao", [Role.RELAY], machine=True)
    directory.add_user("wang", [Role.TELLER])
    directory.bind("chengguan", ONE)
    with pytest.raises(InputError, match="chengguan"):
        directory.bind("xinqiao", ONE)
    with pytest.raises(InputError, match="person"):
        directory.bind("wang", OTHER)


def test_whoever_runs_the_process_is_no_branch() -> None:
    assert Role.RELAY not in Directory().local_actor().roles
