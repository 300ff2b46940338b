"""Everybody's certificates: made, renewed, revoked, imported, exported, published."""
import hashlib
import json
import re
import subprocess

import pytest

from conftest import WAXWING
from smime_pki import Pki, openssl
from test_smime import inspect, waxwing

LETTER = b"From: Jones <Jones@foo.com>\r\nTo: Brown@foo.com\r\nSubject: The offer\r\n\r\nTen pounds.\r\n"


@pytest.fixture
def one(instance):
    return instance({"smime.issue": "yes"}, accounts=("Jones@foo.com", "Brown@foo.com"), start=False)


def raw(one, *args, stdin=b"", status=0):
    return waxwing(*args, "--dir", one.dir, stdin=stdin, status=status)


def listed(one, *who):
    return json.loads(raw(one, "cert", "list", *who, "--json"))


def active(one, who, kind):
    (row,) = [r for r in listed(one, who) if r["kind"] == kind and r["state"] == "active"]
    return row["serial"]


@pytest.fixture
def files(one, tmp_path):
    """authority.pem, and NAME.pem (keys) and NAME.crt of each account."""
    def write(name, data):
        (tmp_path / name).write_bytes(data)
    write("authority.pem", raw(one, "cert", "show", "foo.com"))
    for name in ("Jones", "Brown"):
        write(f"{name}.pem", raw(one, "cert", "export", f"{name}@foo.com"))
        write(f"{name}.crt", raw(one, "cert", "show", f"{name}@foo.com"))
    return tmp_path


def test_everybody_has_an_identity(one, files):
    kinds = sorted((r["kind"], r["address"] or "") for r in listed(one, "foo.com"))
    assert kinds == sorted([("authority", "")] + [(k, f"{n}@foo.com") for k in ("signing", "encryption") for n in ("Jones", "Brown")])
    sealed = waxwing("smime", "encrypt", "--key", files / "Jones.pem", "--certificates", files / "Brown.crt", stdin=LETTER)
    v = inspect(sealed, "--key", str(files / "Brown.pem"), "--ca", str(files / "authority.pem"))
    assert v["verdict"] == "good" and v["decryption"]["algorithm"] == "AES-256-GCM", v
    assert v["signers"][0]["addresses"] == ["Jones@foo.com"] and v["signers"][0]["algorithm"] == "ECDSA"


def test_the_authority_may_vouch_for_its_domain_alone(one, files, tmp_path):
    """Its key, stolen, makes no certificate for anybody else."""
    key = active(one, "foo.com", "authority")
    path = f"{one.dir}/keys/smime/foo.com/{key}.key"
    for san, verdict in (("email:eve@bar.com", "untrusted"), ("email:Jones@foo.com", "good"), ("email:x@sub.foo.com", "untrusted")):
        address = san.split(":")[1]
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", tmp_path / "k", "-out",
                tmp_path / "csr", "-subj", "/CN=eve")
        (tmp_path / "ext").write_text(f"subjectAltName={san}\nextendedKeyUsage=emailProtection\nkeyUsage=digitalSignature\n")
        openssl("x509", "-req", "-in", tmp_path / "csr", "-CA", files / "authority.pem", "-CAkey", path, "-set_serial", "7", "-days", "9",
                "-extfile", tmp_path / "ext", "-out", tmp_path / "crt")
        letter = b"From: " + address.encode() + b"\r\n" + openssl("cms", "-sign", "-signer", tmp_path / "crt", "-inkey", tmp_path / "k",
                                                                stdin=b"Hello\r\n")
        v = inspect(letter, "--ca", str(files / "authority.pem"))
        assert v["verdict"] == verdict, v
        assert ("constraints" in v["problems"]) == (verdict == "untrusted")


def test_old_letters_stay_readable(one, files):
    sealed = waxwing("smime", "encrypt", "--certificates", files / "Brown.crt", stdin=LETTER)
    before = active(one, "Brown@foo.com", "encryption")
    raw(one, "cert", "renew", "Brown@foo.com")
    after = active(one, "Brown@foo.com", "encryption")
    assert before != after and [r["state"] for r in listed(one, "Brown@foo.com") if r["serial"] == before] == ["retired"]
    (files / "Brown.new").write_bytes(raw(one, "cert", "export", "Brown@foo.com"))
    assert b"Ten pounds" in waxwing("smime", "decrypt", "--key", files / "Brown.new", stdin=sealed)
    assert raw(one, "cert", "renew", "--all") == b"0 certificates were made.\n"


def test_revoked(one, files):
    signed = waxwing("smime", "sign", "--key", files / "Jones.pem", stdin=LETTER)
    serial = active(one, "Jones@foo.com", "signing")
    raw(one, "cert", "revoke", serial, "--yes")
    assert b"no such certificate" in subprocess.run([WAXWING, "cert", "revoke", serial, "--yes", "--dir", one.dir], capture_output=True).stderr
    (files / "crl").write_bytes(raw(one, "cert", "crl", "foo.com"))
    v = inspect(signed, "--ca", str(files / "authority.pem"), "--crl", str(files / "crl"))
    assert v["verdict"] == "untrusted" and v["signers"][0]["revocation"] == "revoked", v
    assert serial.encode().lower() not in raw(one, "cert", "dns")
    # A new one is good, by the same list.
    raw(one, "cert", "renew", "--all")
    (files / "new").write_bytes(raw(one, "cert", "export", "Jones@foo.com"))
    v = inspect(waxwing("smime", "sign", "--key", files / "new", stdin=LETTER), "--ca", str(files / "authority.pem"), "--crl",
                str(files / "crl"))
    assert v["verdict"] == "good" and v["signers"][0]["revocation"] == "good", v


def test_removing_an_account_revokes(one, files):
    raw(one, "account", "remove", "Brown@foo.com", "--yes", status=None)
    states = {r["state"] for r in listed(one, "foo.com") if r["address"] == "Brown@foo.com"}
    assert states == {"revoked"}
    said = openssl("crl", "-noout", "-text", stdin=raw(one, "cert", "crl", "foo.com")).decode()
    assert said.count("Serial Number:") == 2


def test_import_and_export(one, files, tmp_path):
    pki = Pki(tmp_path)
    for name, address in (("theirs", "Jones@foo.com"), ("eves", "eve@bar.com")):
        pki.leaf(name, "rsa", f"email:{address}")
        openssl("pkcs12", "-export", "-in", pki(f"{name}.pem"), "-certfile", pki("ca.crt"), "-out", pki(f"{name}.p12"), "-passout", "pass:secret")
    wrong = subprocess.run([WAXWING, "cert", "import", "Jones@foo.com", pki("theirs.p12"), "--password-stdin", "--dir", one.dir],
                           input=b"other\n", capture_output=True)
    assert wrong.returncode == 1 and b"password" in wrong.stderr
    wrong = subprocess.run([WAXWING, "cert", "import", "Jones@foo.com", pki("eves.p12"), "--password-stdin", "--dir", one.dir],
                           input=b"secret\n", capture_output=True)
    assert wrong.returncode == 1 and b"does not name" in wrong.stderr
    # Each is refused for what it is.
    for name, why, more in (("web", b"emailProtection", {"extendedKeyUsage": "serverAuth"}), ("over", b"expired", {
            "dates": ("-startdate", "20200101000000Z", "-enddate", "20210101000000Z")}), ("crl", b"neither signing nor", {"keyUsage": "cRLSign"}),
            ("short", b"too short", {"key": "short"}), ("above", b"authority's", {"basicConstraints": "critical,CA:TRUE"})):
        pki.leaf(name, **{"key": "rsa", "san": "email:Jones@foo.com", **more})
        openssl("pkcs12", "-export", "-in", pki(f"{name}.pem"), "-out", pki(f"{name}.p12"), "-passout", "pass:secret")
        wrong = subprocess.run([WAXWING, "cert", "import", "Jones@foo.com", pki(f"{name}.p12"), "--password-stdin", "--dir", one.dir],
                               input=b"secret\n", capture_output=True)
        assert wrong.returncode == 1 and why in wrong.stderr, wrong.stderr
    raw(one, "cert", "import", "Jones@foo.com", pki("theirs.p12"), "--password-stdin", stdin=b"secret\n")
    rows = [r for r in listed(one, "Jones@foo.com") if r["state"] == "active"]
    assert [(r["kind"], r["imported"]) for r in rows] == [("both", True)]
    # Out again, for a mail program: all keys in one file, and what came with the imported one.
    (tmp_path / "out.p12").write_bytes(raw(one, "cert", "export", "Jones@foo.com", "--password-stdin", stdin=b"hidden\n"))
    text = openssl("pkcs12", "-in", tmp_path / "out.p12", "-passin", "pass:hidden", "-nodes").decode()
    assert text.count("BEGIN PRIVATE KEY") == 3 and text.count("BEGIN CERTIFICATE") == 5


def test_published(one, files):
    """RFC 8162 3: the hash of the local part; ours do not tell cases apart, so both are there."""
    said = raw(one, "cert", "dns").decode()
    for local in ("Jones", "jones", "Brown", "brown"):
        owner = hashlib.sha256(local.encode()).hexdigest()[:56]
        found = re.findall(rf"{owner}\._smimecert\.foo\.com\. IN SMIMEA 3 0 0 \(([^)]*)\)", said)
        assert len(found) == 2
        ders = {bytes.fromhex(re.sub(r"\s", "", f)) for f in found}
        shown = raw(one, "cert", "show", f"{local}@foo.com")
        assert {openssl("x509", "-outform", "DER", stdin=p.encode() + b"-----END CERTIFICATE-----\n")
                for p in shown.decode().split("-----END CERTIFICATE-----\n")[:-1]} == ders


def test_names_that_are_not_ascii(instance):
    one = instance({"smime.issue": "yes"}, accounts=("jörg@foo.com",), start=False)
    letter = "From: jörg@foo.com\r\n\r\nHallo\r\n".encode()
    with open(f"{one.dir}/k.pem", "wb") as f:
        f.write(raw(one, "cert", "export", "jörg@foo.com"))
    with open(f"{one.dir}/a.pem", "wb") as f:
        f.write(raw(one, "cert", "show", "foo.com"))
    v = inspect(waxwing("smime", "sign", "--key", f"{one.dir}/k.pem", stdin=letter), "--ca", f"{one.dir}/a.pem")
    assert v["verdict"] == "good" and v["signers"][0]["addresses"] == ["jörg@foo.com"], v


def test_not_wanted(instance):
    one = instance(accounts=("Jones@foo.com",), start=False)
    assert [(r["kind"], r["domain"]) for r in listed(one)] == [("authority", "bar.com"), ("authority", "foo.com")]
    raw(one, "cert", "renew", "--all")
    assert len(listed(one, "Jones@foo.com")) == 2
