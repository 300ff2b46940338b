"""Legacy display elements (RFC 9788): written for programs that know nothing of header protection, taken out by ours."""
import base64
import quopri

import pytest

from smime_pki import Pki, openssl
from test_smime import DATE, der_of, judged, waxwing

HEAD = (b"From: Smith <smith@bar.com>\r\nTo: jones@foo.com\r\nSubject: %s\r\n"
        b"Date: " + DATE + b"\r\nMessage-ID: <1@bar.com>\r\nMIME-Version: 1.0\r\n")
SUBJECT = b"The offer & more"


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


def sealed(pki, body, subject=SUBJECT, *args):
    return waxwing("smime", "encrypt", "--certificates", pki("jones.crt"), "--cipher", "cbc", *args, stdin=HEAD % subject + body)


def payload(pki, letter):
    """What a program sees that only decrypts."""
    return openssl("cms", "-decrypt", "-inform", "DER", "-recip", pki("jones.crt"), "-inkey", pki("jones.key"), stdin=der_of(letter))


def opened(pki, letter):
    return waxwing("smime", "decrypt", "--key", pki("jones.pem"), "--ca", pki("ca.crt"), stdin=letter)


def body_of(entity):
    return entity.partition(b"\r\n\r\n")[2]


def same_text(a, b):
    return a.replace(b"\r\n", b"\n").rstrip(b"\n") == b.replace(b"\r\n", b"\n").rstrip(b"\n")


TEXT = b"Hello Jones,\r\n\r\nten pounds.\r\n"
PAGE = b"<!DOCTYPE html>\r\n<html><head><title>x</title></head><Body class='a'>\r\n<div>Hello</div>\r\n</body></html>\r\n"


@pytest.mark.parametrize("kind, body", [
    (b"text/plain", TEXT), (b"text/plain; charset=us-ascii", TEXT), (b"text/plain; charset=utf-8; format=flowed", TEXT),
    (b"Text/Plain; charset=\"iso-8859-15\"", TEXT), pytest.param(b"text/html; charset=utf-8", PAGE, id="page"), (b"text/html", b"<p>Hello\r\n"),
    (b"text/plain", b""), (b"text/plain", b"\r\n\r\nbehind blank lines\r\n"),
])
@pytest.mark.parametrize("encoding", [b"7bit", b"base64", b"quoted-printable"])
def test_one_part(pki, kind, body, encoding):
    encoded = (base64.encodebytes(body) if encoding == b"base64" else quopri.encodestring(body.replace(b"\r\n", b"\n"))
               if encoding == b"quoted-printable" else body).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    letter = sealed(pki, b"Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n" % (kind, encoding) + encoded)
    inner = payload(pki, letter)
    assert inner.count(b'hp-legacy-display="1"') == 1 and b'hp="cipher"' in inner
    decode = {b"base64": base64.b64decode, b"quoted-printable": quopri.decodestring}.get(encoding, bytes)
    seen = decode(body_of(inner)).replace(b"\r\n", b"\n")
    if b"html" in kind:
        element = b'<div class="header-protection-legacy-display"><pre>Subject: The offer &amp; more</pre></div>'
        assert seen.count(element) == 1
        if encoding != b"base64" and body == PAGE:
            assert seen.startswith(b"<!DOCTYPE html>") and seen.index(element) > seen.index(b"<Body class='a'>")
    else:
        assert seen.split(b"\n\n")[0].rstrip() == b"Subject: The offer & more"
    back = opened(pki, letter)
    assert b"legacy" not in back and b"[...]" not in back and back.count(b"Subject: ") == 1
    assert same_text(decode(body_of(back)).strip(b"\r\n"), body.strip(b"\r\n"))


def multipart(kind, *parts):
    return (b"Content-Type: multipart/%s; boundary=%s\r\n\r\n" % (kind, kind[:3]) +
            b"".join(b"--%s\r\n%s\r\n" % (kind[:3], p) for p in parts) + b"--%s--\r\n" % kind[:3])


PLAIN = b"Content-Type: text/plain; charset=utf-8\r\n\r\nHello\r\n"
HTML = b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>Hello\r\n"
FILE = b"Content-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nA file.\r\n\r\nOf mine.\r\n"
LETTER = b"Content-Type: message/rfc822\r\n\r\nSubject: older\r\n\r\nolder text\r\n"


@pytest.mark.parametrize("body, elements", [
    (multipart(b"alternative", PLAIN, HTML), 2),
    (multipart(b"mixed", multipart(b"alternative", PLAIN, HTML), FILE, PLAIN), 2),
    (multipart(b"mixed", PLAIN, FILE, LETTER), 1),
    (multipart(b"mixed", b"\r\nno type of its own\r\n", FILE), 1),
    (multipart(b"mixed", FILE, PLAIN), 0),
    (multipart(b"mixed", LETTER, PLAIN), 0),
    (multipart(b"signed", PLAIN, FILE), 0),
    (multipart(b"related", HTML, b"Content-Type: image/png\r\n\r\nx\r\n"), 1),
    (b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\neHg=\r\n", 0),
    (b"Content-Type: text/plain; charset=utf-16\r\nContent-Transfer-Encoding: base64\r\n\r\neHg=\r\n", 0),
])
def test_main_parts_alone(pki, body, elements):
    letter = sealed(pki, body)
    inner = payload(pki, letter)
    assert inner.count(b'hp-legacy-display="1"') == elements == inner.count(b"The offer") - 1
    back = opened(pki, letter)
    assert back.count(b"The offer") == 1 and b"legacy" not in back
    for text in (b"Hello", b"A file.\r\n\r\nOf mine.", b"no type of its own", b"older text"):
        assert back.count(text) == body.count(text)


@pytest.mark.parametrize("kind, shown", [
    (b"text/plain; charset=utf-8", "Subject: Grüße <b>".encode()), (b"text/plain", b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe_<b>?="),
    (b"text/html; charset=utf-8", "Subject: Grüße &lt;b&gt;</pre>".encode()), (b"text/html", b"Subject: Gr&#xfc;&#xdf;e &lt;b&gt;</pre>"),
])
def test_charsets(pki, kind, shown):
    inner = payload(pki, sealed(pki, b"Content-Type: %s\r\n\r\nHello\r\n" % kind, b"=?utf-8?q?Gr=C3=BC=C3=9Fe_<b>?="))
    assert shown in body_of(inner)


def test_line_ends_in_a_subject(pki):
    """An encoded word brings no line of its own."""
    inner = payload(pki, sealed(pki, b"Content-Type: text/plain\r\n\r\nHello\r\n", b"=?us-ascii?q?a=0D=0A=0D=0Ab?="))
    element = body_of(inner).split(b"\r\n\r\n")[0]
    assert element.startswith(b"Subject: a") and element.endswith(b"b") and b"\n" not in element


def test_only_where_the_subject_is_hidden(pki):
    text = b"Content-Type: text/plain\r\n\r\nHello\r\n"
    assert b"legacy" not in payload(pki, sealed(pki, text, SUBJECT, "--clear-header"))
    assert b"legacy" not in waxwing("smime", "sign", "--key", pki("smith.pem"), stdin=HEAD % SUBJECT + text)
    letter = waxwing("smime", "encrypt", "--certificates", pki("jones.crt"), stdin=b"From: smith@bar.com\r\n" + text)
    assert b"Hello" in opened(pki, letter) and letter.count(b"Subject") == 0


def test_encrypted_again(pki):
    """An opened letter says nothing of an element that is there no more: the second reader would take text for it."""
    letter = sealed(pki, b"Content-Type: text/plain; charset=utf-8\r\n\r\nFirst.\r\n\r\nSecond.\r\n")
    for _ in range(2):
        back = opened(pki, letter)
        assert b"First.\r\n\r\nSecond." in back and back.count(b"The offer") == 1
        letter = waxwing("smime", "encrypt", "--certificates", pki("jones.crt"), stdin=back)
    claims = b"Content-Type: text/plain; hp-legacy-display=\"1\"; hp=\"cipher\"\r\n\r\nFirst.\r\n\r\nSecond.\r\n"
    assert b"First.\r\n\r\nSecond." in opened(pki, sealed(pki, claims))


# RFC 9788 C.3.1.2, E.1 and E.2: what is inside, as printed there.
BASELINE = b"""MIME-Version: 1.0
Content-Transfer-Encoding: 7bit
Subject: smime-signed-enc-hp-baseline
Message-ID: <smime-signed-enc-hp-baseline@example>
From: Alice <alice@smime.example>
To: Bob <bob@smime.example>
Date: Sat, 20 Feb 2021 10:09:02 -0500
User-Agent: Sample MUA Version 1.0
HP-Outer: Subject: [...]
HP-Outer: Message-ID: <smime-signed-enc-hp-baseline@example>
HP-Outer: From: Alice <alice@smime.example>
HP-Outer: To: Bob <bob@smime.example>
HP-Outer: Date: Sat, 20 Feb 2021 10:09:02 -0500
HP-Outer: User-Agent: Sample MUA Version 1.0
Content-Type: text/plain; charset="utf-8"; hp="cipher"

This is the
smime-signed-enc-hp-baseline
message.
"""
DINNER = b"""Date: Fri, 21 Jan 2022 20:40:48 -0500
From: Alice <alice@example.net>
To: Bob <bob@example.net>
Subject: Dinner plans
Message-ID: <text-%(kind)s-legacy-display@lhp.example>
MIME-Version: 1.0
Content-Type: text/%(kind)s; charset="us-ascii"; hp-legacy-display="1";
 hp="cipher"
HP-Outer: Date: Fri, 21 Jan 2022 20:40:48 -0500
HP-Outer: From: Alice <alice@example.net>
HP-Outer: To: Bob <bob@example.net>
HP-Outer: Subject: [...]
HP-Outer: Message-ID: <text-%(kind)s-legacy-display@lhp.example>

"""
DINNER_PLAIN = b"""Subject: Dinner plans

Let's meet at Rama's Roti Shop at 8pm and go to the park
from there.
"""
DINNER_HTML = b"""<html><head><title></title></head><body>
<div class="header-protection-legacy-display">
<pre>Subject: Dinner plans</pre>
</div>
<p>
Let's meet at Rama's Roti Shop at 8pm and go to the park
from there.
</p>
</body>
</html>
"""


def outside_of(payload):
    """The letter around it, with the fields that HP-Outer names."""
    fields = [line[len(b"HP-Outer: "):] for line in payload.split(b"\n") if line.startswith(b"HP-Outer: ")]
    return b"".join(f + b"\r\n" for f in fields) + b"MIME-Version: 1.0\r\n"


def as_letter(pki, payload):
    return outside_of(payload) + openssl("cms", "-encrypt", "-aes-256-gcm", pki("jones.crt"), stdin=payload.replace(b"\n", b"\r\n"))


def test_rfc_9788_baseline(pki):
    v = judged(pki, as_letter(pki, BASELINE), key="jones")
    fields = {f["name"]: (f["value"].strip(), f["hidden"]) for f in v["protected"]["fields"]}
    assert fields["Subject"] == ("smime-signed-enc-hp-baseline", True) and fields["User-Agent"] == ("Sample MUA Version 1.0", False)
    assert len(fields) == 6 and v["protected"]["hp"] == "cipher" and "outer-fields" not in v["problems"]


@pytest.mark.parametrize("kind, body", [(b"plain", DINNER_PLAIN), (b"html", DINNER_HTML)])
def test_rfc_9788_legacy_display(pki, kind, body):
    back = opened(pki, as_letter(pki, DINNER % {b"kind": kind} + body))
    assert back.count(b"Dinner plans") == 1 and b"Subject: Dinner plans\r\n" in back.partition(b"\r\n\r\n")[0] + b"\r\n"
    assert b"legacy-display\"" not in back and b"Rama's Roti Shop" in back
    if kind == b"plain":
        assert body_of(back) == b"Let's meet at Rama's Roti Shop at 8pm and go to the park\r\nfrom there.\r\n"


@pytest.mark.parametrize("body, kept", [
    (b"no blank line at all\r\n", b"no blank line at all\r\n"),
    (b"\r\nrest\r\n", b"rest\r\n"),
])
def test_elements_that_are_none(pki, body, kept):
    entity = b'Content-Type: text/plain; hp="cipher"; hp-legacy-display="1"\n\n' + body
    assert body_of(opened(pki, as_letter(pki, entity))) == kept


@pytest.mark.parametrize("body, kept", [
    (b'<div class="header-protection-legacy-display">never closed', b'<div class="header-protection-legacy-display">never closed'),
    (b"<div class='header-protection-legacy-display'><div>a</div>b</DIV>c<div>d</div>", b"c<div>d</div>"),
    (b'<div id="x"\r\nclass="header-protection-legacy-display" >a</div >b', b"b"),
    (b"<divx class='header-protection-legacy-display'>a</div>b", b"<divx class='header-protection-legacy-display'>a</div>b"),
    pytest.param(b"<div " * 50000, b"<div " * 50000, id="tags-without-end"),
    pytest.param(b"<div class='header-protection-legacy-display'>" * 20000, b"<div class='header-protection-legacy-display'>" * 20000, id="deep"),
])
def test_pages_that_are_not_well_formed(pki, body, kept):
    entity = b'Content-Type: text/html; hp="cipher"; hp-legacy-display="1"\n\n' + body.replace(b"\r\n", b"\n") + b"\n"
    assert body_of(opened(pki, as_letter(pki, entity))).rstrip(b"\r\n") == kept


def test_not_without_encryption(pki):
    """What was only signed had nothing to hide: nothing of its text is taken away."""
    entity = b'Content-Type: text/plain; hp="clear"; hp-legacy-display="1"\r\n\r\nSubject: x\r\n\r\nrest\r\n'
    letter = HEAD % SUBJECT + openssl("cms", "-sign", "-signer", pki("smith.crt"), "-inkey", pki("smith.key"), stdin=entity)
    assert b"Subject: x\r\n\r\nrest" in opened(pki, letter)
