"""S/MIME certificates by ACME (RFC 8823): an issuer asks by letter, the server answers, and what comes of it."""
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from acme_issuer import CHALLENGE_FIELDS, HOST, Issuer, Problem, SENDER
from certificates import Authority, openssl
from conftest import Instance, temporary
from nameserver import Dns
from ports import free_ports
from smtp_sink import Sink
from test_protect import session
from test_seal import records
from test_send import QUICK, ZONE, inbox

SPF = '@ TXT "v=spf1 ip4:127.0.0.1 -all"\n_dmarc TXT "v=DMARC1; p=reject"\n'
# Nothing of it is waited for where all is well.
WAIT, SHORT = "3min", "3s"


STRANGER = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
f = s.makefile("rwb", buffering=0)
f.readline()
f.write(b"EHLO x\\r\\n")
while not f.readline().startswith(b"250 "):
    pass
f.write(b"MAIL FROM:<Jones@foo.com> XACCOUNT\\r\\n")
print(f.readline().decode())
"""


def dkim_pair():
    """PEM of the key, and its record."""
    key = openssl("genrsa", "-traditional", "2048")
    public = openssl("rsa", "-pubout", stdin=key).decode()
    p = "".join(public.splitlines()[1:-1])
    return key, f'sel._domainkey TXT "v=DKIM1; k=rsa; p={p[:200]}" "{p[200:]}"\n'


class World:
    def __init__(self, top, kept):
        self.top, self.dns, self.sink = top, Dns(free_ports(1)[0]), Sink()
        key, record = dkim_pair()
        os.mkdir(os.path.join(top, "pki"), 0o755)
        web = Authority(os.path.join(top, "pki"))
        self.dns.zone(HOST, ZONE + "@ A 127.0.0.1\n" + SPF + record).zone("elsewhere.example", ZONE).zone("other.example", ZONE + SPF)
        self.w = Instance(os.path.join(top, "w"), self.dns.settings(**QUICK, **{
            "relay.port": str(self.sink.port), "trust.check_loopback": "yes", "smime.acme_authorities": web.file,
            "smime.acme_wait": WAIT, "smime.acme_timeout": "90s"}), kept=kept(("Jones@foo.com", "Brown@foo.com", "Smith@bar.com")))
        self.w.account("Green@foo.com")
        self.known = records(self.w, "foo.com", "bar.com")
        self.issuer = Issuer(web.context(HOST), key, self.w.ports["smtp"], self.sink, lambda: self.known)
        self.usual = {"smime.acme": self.issuer.directory}
        self.w.configure(**self.usual)
        self.w.start()

    def close(self):
        self.w.stop()
        self.issuer.stop()
        self.sink.__exit__(None, None, None)
        self.dns.stop()
        assert not re.search("Sanitizer|runtime error|signal=", self.w.log()), self.w.log()

    def acme(self, *words, status=0, **settings):
        """What it said; settings for this command alone."""
        before = dict(self.w.settings)
        self.w.configure(**{k.replace("_", ".", 1): v for k, v in settings.items()})
        p = self.w.run("cert", "acme", *words, check=False)
        self.w.settings = before
        self.w.configure()
        assert p.returncode == status, (p, self.issuer.wrong, self.w.log()[-4000:])
        return p.stdout if status == 0 else p.stderr

    def certificates(self, who, state="active"):
        return [c for c in json.loads(self.w.run("cert", "list", who, "--json").stdout) if c["state"] == state]

    def newest(self):
        return self.issuer.certificates[str(self.issuer.n)]

    def root(self):
        path = os.path.join(self.top, "root.pem")
        with open(path, "w") as f:
            f.write(self.issuer.papers.pem(self.issuer.papers.root))
        return path


@pytest.fixture(scope="module")
def world(kept):
    top = temporary("acme")
    one = World(top, kept)
    yield one
    one.close()
    shutil.rmtree(top, ignore_errors=True)


@pytest.fixture(autouse=True)
def afresh(world):
    world.issuer.clear()
    yield
    assert not world.issuer.wrong, world.issuer.wrong


def usage(certificate):
    k = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    return k.digital_signature, k.key_encipherment


def serial(certificate):
    text = f"{certificate.serial_number:X}"
    return text if len(text) % 2 == 0 else "0" + text


def test_a_certificate_of_an_issuer(world):
    world.issuer.faults["slow"] = True
    said = world.acme("Jones@foo.com")
    # It was left alone for as long as it had wanted (Retry-After).
    *_, before, last = world.issuer.orders[str(world.issuer.n)]["asked"]
    assert last - before >= 1
    mine, papers = world.newest(), world.issuer.papers
    assert serial(mine) in said and "good until" in said
    # What the issuer wants of the request it has checked itself.
    assert usage(mine) == (True, True) and isinstance(mine.public_key(), rsa.RSAPublicKey)
    (row,) = world.certificates("Jones@foo.com")
    assert (row["serial"], row["kind"], row["imported"]) == (serial(mine), "both", True)
    # By the public authority alone, with what came along.
    pem = world.w.run("cert", "show", "Jones@foo.com").stdout
    path = os.path.join(world.top, "between.pem")
    with open(path, "w") as f:
        f.write(papers.pem(papers.between))
    openssl("verify", "-purpose", "smimesign", "-CAfile", world.root(), "-untrusted", path, stdin=pem.encode())
    # The letter is in the mailbox, as any other; the answer went by the queue, from the account.
    (letter,) = [x for x in inbox(world.w) if x["Subject"].startswith("ACME:")]
    assert letter["From"].endswith(f"<{SENDER}>")
    ((mail, _),) = world.issuer.replies
    assert mail.startswith("MAIL FROM:<Jones@foo.com>")
    # It is what is published.
    assert openssl("x509", "-outform", "DER", stdin=pem.encode()).hex() in re.sub(r"\s", "", world.w.run("cert", "dns", "foo.com").stdout)
    # Our own key is nobody else's to read.
    assert os.stat(os.path.join(world.w.dir, "keys/acme", HOST, "account.key")).st_mode & 0o777 == 0o600
    # Again: the account with the issuer is the same, and a proof that it still holds is not asked for.
    world.issuer.faults["proved"] = True
    world.acme("Jones@foo.com")
    assert len(world.issuer.accounts) == 1 and len(world.issuer.replies) == 1
    assert [c["serial"] for c in world.certificates("Jones@foo.com")] == [serial(world.newest())]
    assert serial(mine) in [c["serial"] for c in world.certificates("Jones@foo.com", "retired")]


def test_signatures_carry_what_is_above(world):
    world.issuer.faults["proved"] = True
    world.acme("Green@foo.com")
    with session(world.w, "Green@foo.com") as c:
        c.sendmail("Green@foo.com", ["peer@elsewhere.example"],
                   "From: Green@foo.com\r\nTo: peer@elsewhere.example\r\nSubject: sealed\r\nWaxwing-Protect: sign\r\n\r\nHello\r\n")
    with world.sink.changed:
        assert world.sink.changed.wait_for(lambda: any(b"multipart/signed" in x["data"] for x in world.sink.letters), 120)
    (signed,) = [x["data"] for x in world.sink.letters if b"multipart/signed" in x["data"]]
    said = world.w.run("smime", "verify", "--json", "--ca", world.root(), stdin=signed.decode()).stdout
    assert json.loads(said)["verdict"] == "good", said
    openssl("cms", "-verify", "-CAfile", world.root(), stdin=signed)


def test_one_to_sign_with_and_one_to_encrypt_for(world):
    world.issuer.meta = {"termsOfService": f"https://{HOST}/terms"}
    world.acme("Brown@foo.com", smime_acme_keys="separate", smime_acme_agree="yes")
    a, b = (world.issuer.certificates[str(n)] for n in (world.issuer.n - 1, world.issuer.n))
    assert usage(a) == (True, False) and isinstance(a.public_key(), ec.EllipticCurvePublicKey)
    assert usage(b) == (False, True) and isinstance(b.public_key(), rsa.RSAPublicKey)
    assert {(c["kind"], c["serial"]) for c in world.certificates("Brown@foo.com")} == {("signing", serial(a)), ("encryption", serial(b))}
    assert len(world.issuer.replies) == 2


def test_the_first_time_with_an_issuer(world):
    """Terms of service, and a binding to an account elsewhere."""
    keys = os.path.join(world.w.dir, "keys/acme", HOST, "account.key")
    os.rename(keys, keys + ".before")
    world.issuer.faults["proved"] = True
    world.issuer.meta = {"termsOfService": f"https://{HOST}/terms", "externalAccountRequired": True}
    assert "set smime.acme_id" in world.acme("Green@foo.com", status=1)
    secret = os.path.join(world.top, "secret")
    with open(secret, "w") as f:
        f.write("dGhlIHNlY3JldCBvZiBraWQtMQ==\n")
    bound = {"smime_acme_id": "kid-1", "smime_acme_secret": secret, "smime_acme_contact": "hostmaster@foo.com"}
    assert f"https://{HOST}/terms" in world.acme("Green@foo.com", status=1, **bound)
    os.chmod(secret, 0o644)
    assert "others can read" in world.acme("Green@foo.com", status=1, smime_acme_agree="yes", **bound)
    os.chmod(secret, 0o600)
    world.acme("Green@foo.com", smime_acme_agree="yes", **bound)
    asked = [p for path, p in world.issuer.log if path == "/account"][-1]
    assert asked["contact"] == ["mailto:hostmaster@foo.com"] and asked["termsOfServiceAgreed"] is True


def other(name, value):
    """A directory with one entry of its own."""
    return lambda d: (200, {**d, name: value})


def test_what_an_issuer_may_say(world):
    """Each: refused or mended, with a sentence; and the account keeps what it has."""
    i, before = world.issuer, [c["serial"] for c in world.certificates("Jones@foo.com")]
    for fault, how, said in (
            ("order", Problem("rejectedIdentifier", "not that\r\naddress\x1b[31m"), r"not that\?\?address\?\[31m \(rejectedIdentifier\)"),
            ("order", Problem("rateLimited", "later", 429, **{"Retry-After": "7200"}), r"later \(rateLimited\)"),
            ("directory", lambda d: (200, {}), "directory is not understood"),
            ("directory", lambda d: (503, "<html>"), "only HTTP status 503"),
            ("directory", lambda d: (302, ""), "only HTTP status 302"),
            ("directory", other("newOrder", "https://elsewhere.example/order"), "directory leads to another host"),
            ("directory", other("newOrder", i.base + "0/order"), "directory leads to another host"),
            ("directory", other("newOrder", "http://" + HOST + "/order"), "directory leads to another host"),
            ("directory", other("newNonce", 7), "directory is not understood"),
            ("directory", other("padding", "x" * 300000), "too large")):
        i.clear()
        i.faults[fault] = how
        assert re.search(said, world.acme("Jones@foo.com", status=1)), said
    rows = {r["address"]: r for r in json.loads(world.w.run("cert", "acme", "list", "--json").stdout)}
    assert rows["Jones@foo.com"]["failures"] == 10 and "too large" in rows["Jones@foo.com"]["why"] and rows["Jones@foo.com"]["due"]
    assert [c["serial"] for c in world.certificates("Jones@foo.com")] == before
    # A nonce that is too old is no trouble.
    i.clear()
    i.faults.update(nonce=True, proved=True)
    world.acme("Jones@foo.com")
    rows = {r["address"]: r for r in json.loads(world.w.run("cert", "acme", "list", "--json").stdout)}
    assert rows["Jones@foo.com"]["failures"] == 0 and rows["Jones@foo.com"]["why"] is None
    assert "no such account" in world.acme("nobody@foo.com", status=1)
    # What cannot go well is said before anything is asked.
    asked = len(i.log)
    assert "trust.check is off" in world.acme("Jones@foo.com", status=1, trust_check="no")
    assert "should be a URL of https" in world.acme("Jones@foo.com", status=1, smime_acme="http://" + HOST)
    assert "both or separate" in world.acme("Jones@foo.com", status=1, smime_acme_keys="three")
    assert len(i.log) == asked


def test_letters_that_are_not_answered(world):
    i = world.issuer
    at, n = len(world.w.log()), len(world.sink.letters)
    eve = "A" * 22
    i.letters = [
        lambda o: i.challenge(o, signed=None, token=eve),                                       # unsigned
        lambda o: i.challenge(o, signed=CHALLENGE_FIELDS - {"subject"}, token=eve),             # anybody could write it
        lambda o: i.challenge(o, sender="eve@" + HOST, token=eve),                              # somebody else there
        lambda o: i.challenge(o, sender=SENDER, signed=CHALLENGE_FIELDS, token="short"),        # no token
        lambda o: i.challenge(o, token=eve, more="Reply-To: eve@elsewhere.example\r\n", signed=CHALLENGE_FIELDS - {"reply-to"}),
        lambda o: i.challenge(o, token=eve, name="X-Message-ID"),                               # not to be answered
    ]
    said = world.acme("Jones@foo.com", status=1, smime_acme_wait=SHORT)
    assert "no letter of the issuer came" in said
    world.w.wait_until(lambda: world.w.log()[at:].count(" accepted ") == 6, limit=90)
    log = world.w.log()[at:]
    # That of somebody else came before the issuer had said whom to expect, and did not count.
    assert log.count("challenge-unproved") == 3 and log.count(" challenge ") == 1, log
    # Nobody has asked: whoever signs it.
    i.challenge({"address": "Jones@foo.com", "part1": eve})
    world.w.wait_until(lambda: world.w.log()[at:].count(" accepted ") == 7 and "challenge-unasked" in world.w.log()[at:], limit=90)
    assert len(world.sink.letters) == n and not i.replies


def test_where_the_answer_goes(world):
    """Reply-To: is the issuer's, where it is signed; folds in the subject do not count."""
    i = world.issuer

    def letter(o):
        o["reply_to"] = "answers@" + HOST
        i.challenge(o, token=o["part1"][:9] + "\r\n " + o["part1"][9:], more=f"Reply-To: <answers@{HOST}>\r\n")
    i.letters = [letter]
    world.acme("Jones@foo.com")
    assert len(i.replies) == 1
    # An account whose letters are signed and encrypted for it, and stored encrypted: the answer is for a program.
    world.w.run("account", "protect", "Jones@foo.com", "encrypt")
    world.w.run("account", "encrypt", "Jones@foo.com", "on")
    i.letters = [i.challenge]
    world.acme("Jones@foo.com")
    assert len(i.replies) == 2 and b"application/pkcs7" not in i.replies[1][1]
    world.w.run("account", "protect", "Jones@foo.com", "off")
    world.w.run("account", "encrypt", "Jones@foo.com", "off")


def test_a_user_of_the_machine_is_no_account(world):
    """Only who runs the server hands in for an account."""
    if os.geteuid() != 0:
        pytest.skip("needs another user")
    said = subprocess.run([sys.executable, "-c", STRANGER, os.path.join(world.w.dir, "local/submit")], user=65534, group=65534,
                          extra_groups=[], cwd="/", capture_output=True, text=True, timeout=60)
    assert said.stdout.startswith("555 "), said


def test_renewed_by_the_server(world):
    """Whose certificate is in the last third of its life gets the next one unasked; so does every account of a domain."""
    i, w = world.issuer, world.w
    i.days = (60, 20)
    world.acme("Jones@foo.com")
    first = serial(world.newest())
    i.clear()
    for one in ("Green", "Brown"):
        w.run("cert", "acme", one + "@foo.com", "--off", check=False)    # where it was on
    w.stop()
    w.configure(**{"smime.check": "1s", "smime.acme_domains": "bar.com"})
    w.start()
    w.wait_until(lambda: [c["serial"] for c in world.certificates("Jones@foo.com")] != [first] and
                 [c["imported"] for c in world.certificates("Smith@bar.com")] == [True], limit=240)
    w.wait_log(r" acme\[\d+\] certificate-obtained of=Jones@foo\.com serial=[0-9A-F]+ until=", limit=60)
    assert len(i.replies) == 2
    # They last; nothing more is asked for.
    asked = len(i.log)
    assert world.acme("--all") == "" and len([p for p, _ in i.log[asked:] if p == "/order"]) == 0
