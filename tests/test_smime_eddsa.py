"""Signatures with Ed25519 (RFC 8419), which the openssl command of Debian 12 does not make: built here by hand."""
import base64

import pytest

from smime_pki import Pki, openssl
from test_smime import BODY, HEAD, der, header_of, judged, opaque, problems

DATA = bytes.fromhex("06092a864886f70d010701")
TIME_STAMP = bytes.fromhex("060b2a864886f70d0109100104")
SHA512 = der(0x30, bytes.fromhex("0609608648016503040203"))
SHA256 = der(0x30, bytes.fromhex("0609608648016503040201"))
ED25519 = der(0x30, bytes.fromhex("06032b6570"))
RSA = der(0x30, bytes.fromhex("06092a864886f70d010101"), b"\5\0")


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    one = Pki(tmp_path_factory.mktemp("pki"))
    one.leaf("ed", "ed25519", "email:smith@bar.com")
    one.leaf("other", "ed25519", "email:smith@bar.com")
    return one


def elements(data):
    at = 0
    while at < len(data):
        size, length = header_of(data, at)
        yield data[at:at + size + length]
        at += size + length


def inside(data):
    size, length = header_of(data)
    return data[size:size + length]


def digest(name, data):
    return openssl("dgst", f"-{name}", "-binary", stdin=data)


def sign(pki, key, octets):
    path = pki.write("octets", octets)
    return openssl("pkeyutl", "-sign", "-rawin", "-inkey", pki(f"{key}.key"), "-in", path)


def attribute(oid, value):
    return der(0x30, bytes.fromhex(oid), der(0x31, value))


def cms(pki, body, key="ed", content=None, attributes=True, hashed=None, kind=DATA, md=("sha512", SHA512), algorithm=ED25519, spoil=False):
    """SignedData with one signer; content None: detached."""
    certificate = openssl("x509", "-in", pki("ed.crt"), "-outform", "DER")
    fields = list(elements(inside(next(elements(inside(certificate))))))
    signed = [attribute("06092a864886f70d010903", kind),
              attribute("06092a864886f70d010904", der(4, digest(md[0], hashed or body)))]
    set_of = b"".join(sorted(signed))
    signature = sign(pki, key, der(0x31, set_of) if attributes else body)
    if spoil:
        signature = signature[:-1] + bytes([signature[-1] ^ 1])
    info = der(0x30, b"\2\1\1", der(0x30, fields[3], fields[1]), md[1], der(0xa0, set_of) if attributes else b"", algorithm,
               der(4, signature))
    data = der(0x30, b"\2\1\1", der(0x31, md[1]), der(0x30, kind, *([der(0xa0, der(4, content))] if content is not None else [])),
               der(0xa0, certificate), der(0x31, info))
    return der(0x30, bytes.fromhex("06092a864886f70d010702"), der(0xa0, data))


def detached(pki, body=BODY, **more):
    return (HEAD + b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-512; boundary=x\r\n\r\n'
            b"--x\r\n" + body + b"\r\n--x\r\nContent-Type: application/pkcs7-signature\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
            base64.encodebytes(cms(pki, body, **more)).replace(b"\n", b"\r\n") + b"--x--\r\n")


@pytest.mark.parametrize("attributes", [True, False])
def test_good(pki, attributes):
    for letter in (detached(pki, attributes=attributes), opaque(cms(pki, BODY, content=BODY, attributes=attributes), "signed-data")):
        v = judged(pki, letter)
        assert v["verdict"] == "good", v
        (s,) = v["signers"]
        assert s["algorithm"] == "ED25519" and s["digest"] == "SHA512" and s["address_match"]
        # A file of Unix.
        if b"multipart" in letter:
            assert judged(pki, letter.replace(b"\r\n", b"\n"))["verdict"] == "good"


@pytest.mark.parametrize("problem, more", [
    ("changed", {"hashed": b"something else"}),
    ("signature", {"key": "other"}),
    ("signature", {"spoil": True}),
    ("signature", {"spoil": True, "attributes": False}),
    ("signature", {"algorithm": RSA}),
    ("content-type", {"kind": TIME_STAMP}),
    ("content-type", {"kind": TIME_STAMP, "attributes": False}),
])
def test_bad(pki, problem, more):
    v = judged(pki, detached(pki, **more))
    assert v["verdict"] == "bad" and problem in problems(v), v


def test_changed_text(pki):
    for attributes in (True, False):
        v = judged(pki, detached(pki, attributes=attributes).replace(b"ten pounds", b"six pounds"))
        assert v["verdict"] == "bad", v


@pytest.mark.parametrize("kind", ["1.2.840.113549.1.9.16.1.4", "1.2.840.113549.1.9.16.1.1", "1.2.840.113549.1.7.2"])
def test_other_things_that_are_signed(pki, kind):
    """A time stamp, a receipt, CMS in CMS: signed with the same key, and no letter."""
    for more in ((), ("-noattr",)):
        der_ = openssl("cms", "-sign", "-nodetach", "-binary", "-outform", "DER", "-econtent_type", kind, "-signer", pki("smith.crt"),
                       "-inkey", pki("smith.key"), *more, stdin=BODY)
        v = judged(pki, opaque(der_, "signed-data"))
        assert v["verdict"] == "bad" and "content-type" in problems(v), v
