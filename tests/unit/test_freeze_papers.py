"""Papers: read back by another program, signed, checked by another validator."""

from __future__ import annotations

import os
import re
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

import fzalert
from fzalert.clock import SystemClock
from fzalert.freeze.model import InstructionKind
from fzalert.freeze.package import DocumentKind, write_package
from fzalert.freeze.papers import PaperKind, paper_content, render_paper
from fzalert.freeze.signing import FileDocumentSigner, check_pdf
from tests.unit.freezing import CARD, World
from tests.unit.test_freeze_package import approved, built

KIND = InstructionKind


def read(pdf: bytes) -> str:
    """The text that another program finds, blanks apart."""
    told = subprocess.run(
        ["pdftotext", "-layout", "-", "-"],
        input=pdf,
        capture_output=True,
        check=True,
    )
    return re.sub(r"[ \t　]+", "", told.stdout.decode())


def info(pdf: bytes, tmp_path: Path, *, tool: str = "pdfinfo") -> str:
    path = tmp_path / "paper.pdf"
    path.write_bytes(pdf)
    told = subprocess.run([tool, str(path)], capture_output=True, check=True)
    return told.stdout.decode()


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (KIND.STOP, ["紧急止付申请表", "第1次", "48小时", "伍万元整", "申请人签名", "虚假报案"]),
        (KIND.EXTEND, ["紧急止付延期申请表", "第2次", "原申请编号app-1"]),
        (
            KIND.FREEZE,
            ["协助冻结财产通知书", "限额冻结", "案件编号A1101050000002026110001", "2027年3月4日"],
        ),
        (KIND.RENEW, ["协助继续冻结财产通知书"]),
        (KIND.RELEASE, ["协助解除冻结财产通知书"]),
        (KIND.RETURN, ["协助返还冻结资金通知书", "壹拾贰元叁角肆分"]),
    ],
)
def test_a_paper_says_what_its_package_says(
    kind: InstructionKind, says: list[str], tmp_path: Path
) -> None:
    package = built(approved(kind))
    pdf = render_paper(paper_content(package))
    text = read(pdf)
    for words in [*says, CARD, "李四", "王一", "赵二", "010-12345678", "（回执）", "业务印章"]:
        assert words in text
    assert "具有法律约束力的指令" in text
    assert f"申请编号{package.application_id}" in text
    assert "第1页共2页" in text
    about = info(pdf, tmp_path)
    assert re.search(r"Pages:\s+2\n", about)
    assert "A4" in about
    assert b"pdfaid:part>2" in pdf or b"pdfaid:part" in pdf
    # Every font travels with it.
    fonts = info(pdf, tmp_path, tool="pdffonts").splitlines()[2:]
    assert fonts
    assert all(line.split()[-5] == "yes" for line in fonts), fonts


def test_a_pre_alert_says_that_it_binds_nobody() -> None:
    world = World()
    world.opened()
    world.do(world.prepare())
    package = built(world, document=DocumentKind.PRE_ALERT)
    text = read(render_paper(paper_content(package, PaperKind.PRE_ALERT)))
    assert "不是止付或冻结指令，不具有法律约束力" in text
    assert "预警通知（无约束力）" in text
    assert "具有法律约束力的指令" not in text
    assert "公章" not in text
    assert "010-12345678" in text
    with pytest.raises(fzalert.InputError, match="different documents"):
        paper_content(package)
    with pytest.raises(fzalert.InputError, match="different documents"):
        paper_content(built(world), PaperKind.PRE_ALERT)


def test_the_owner_learns_nothing_of_the_others() -> None:
    package = built(approved(KIND.FREEZE))
    text = read(render_paper(paper_content(package, PaperKind.OWNER_NOTICE)))
    assert "尾号0128" in text
    assert "申诉" in text
    for private in (CARD, "张三", "6228480402564890018", "P0001", "王一", "50,000.00"):
        assert private not in text


def test_a_drill_is_marked_and_the_same_package_gives_the_same_paper() -> None:
    package = built(approved(), drill=True)
    one, other = (render_paper(paper_content(package)) for _ in range(2))
    assert one == other
    assert "演练不作任何处置" in read(one)
    assert b'"drill":true' in write_package(package)


def test_a_missing_font_is_an_error_and_no_page_of_boxes() -> None:
    with pytest.raises(fzalert.ConfigError, match="no such font family"):
        render_paper(paper_content(built(approved())), fonts=("no such font family",))


class Authority:
    """A certificate authority of the test, and one officer's certificate under it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root.pem"
        self.certificate = folder / "officer.pem"
        self.key = folder / "officer.key"
        root_key = rsa.generate_private_key(65537, 2048)
        root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test Root")])
        key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Qingshan County")])
        root = self._issue(root_name, root_name, root_key, root_key, authority=True)
        leaf = self._issue(name, root_name, key, root_key, authority=False)
        pem = serialization.Encoding.PEM
        self.root.write_bytes(root.public_bytes(pem))
        self.certificate.write_bytes(leaf.public_bytes(pem))
        self.key.write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        self.key.chmod(0o600)

    def _issue(
        self,
        name: x509.Name,
        issuer: x509.Name,
        key: rsa.RSAPrivateKey,
        signer: rsa.RSAPrivateKey,
        *,
        authority: bool,
    ) -> x509.Certificate:
        now = SystemClock().now()
        usage = x509.KeyUsage(
            digital_signature=not authority,
            content_commitment=not authority,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=authority,
            crl_sign=authority,
            encipher_only=False,
            decipher_only=False,
        )
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(signer, hashes.SHA256())
        )

    def signer(self) -> FileDocumentSigner:
        return FileDocumentSigner.load(self.certificate, self.key)


def by_pdfsig(path: Path) -> str:
    """What poppler says of the signature."""
    told = subprocess.run(
        ["pdfsig", "-nocert", str(path)],
        capture_output=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    return told.stdout.decode()


def by_openssl(cms: Path, content: Path, root: Path) -> subprocess.CompletedProcess[bytes]:
    """Check the CMS of a signature field over the bytes that it covers."""
    return subprocess.run(
        [
            *("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", str(cms)),
            *("-content", str(content), "-CAfile", str(root)),
            *("-purpose", "any", "-out", os.devnull),
        ],
        capture_output=True,
        check=False,
    )


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_a_signed_paper_is_checked_by_others(authority: Authority, tmp_path: Path) -> None:
    pdf = render_paper(paper_content(built(approved(KIND.FREEZE))))
    signer = authority.signer()
    signed = await signer.sign_pdf(pdf, reason="approved", location="Qingshan")
    assert signed.startswith(pdf)
    ours = await check_pdf(signed, (authority.root,))
    assert (ours.subject, ours.trusted) == ("Common Name: Qingshan County", True)
    # A stranger's root does not make it trusted, nor untrue.
    assert not (await check_pdf(signed)).trusted
    path = tmp_path / "signed.pdf"
    path.write_bytes(signed)
    told = by_pdfsig(path)
    assert "Signature is Valid" in told
    assert "Total document signed" in told
    assert "Qingshan County" in told
    # The contents of the signature field, by openssl.
    span = re.search(rb"/ByteRange \[(\d+) (\d+) (\d+) (\d+)\s*\]", signed)
    assert span is not None
    a, b, c, d = map(int, span.groups())
    content = tmp_path / "content"
    content.write_bytes(signed[a : a + b] + signed[c : c + d])
    cms = tmp_path / "cms.der"
    cms.write_bytes(bytes.fromhex(signed[a + b + 1 : c - 1].decode()))
    checked = by_openssl(cms, content, authority.root)
    assert checked.returncode == 0, checked.stderr.decode()


async def test_a_changed_paper_is_no_paper(authority: Authority) -> None:
    pdf = render_paper(paper_content(built(approved())))
    signed = await authority.signer().sign_pdf(pdf, reason="approved", location="Qingshan")
    for at in range(200, len(pdf), len(pdf) // 40):
        changed = bytearray(signed)
        changed[at] ^= 1
        with pytest.raises(fzalert.IntegrityError):
            await check_pdf(bytes(changed))
    with pytest.raises(fzalert.IntegrityError):
        await check_pdf(pdf)
    with pytest.raises(fzalert.IntegrityError):
        await check_pdf(b"no pdf")


def test_a_signer_is_read_with_care(authority: Authority, tmp_path: Path) -> None:
    authority.key.chmod(0o644)
    with pytest.raises(fzalert.ConfigError, match="Others may read"):
        authority.signer()
    authority.key.chmod(0o600)
    assert "Qingshan" in authority.signer().subject
    authority.certificate.write_text("no certificate", encoding="ascii")
    with pytest.raises(fzalert.ConfigError, match="fit"):
        authority.signer()
    with pytest.raises(fzalert.ConfigError, match="not there"):
        FileDocumentSigner.load(tmp_path / "none.pem", authority.key)
