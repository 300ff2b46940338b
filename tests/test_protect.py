"""\"Protect this letter\": letters of any mail program, signed and encrypted by the server (S/MIME at submission)."""
import email
import hashlib
import json
import os
import pwd
import shutil
import signal
import smtplib
import subprocess
import tempfile

import pytest

from certificates import Authority
from conftest import WAXWING, Instance
from nameserver import Dns
from ports import free_ports
from smime_pki import Pki, openssl
from smtp_sink import Sink
from test_send import QUICK, inbox, queue
from test_submission import arrived, session

LETTER = "From: {sender}\nTo: {to}\nSubject: the secret subject\nMessage-ID: <{n}@foo.com>\n" \
         "Date: Wed, 25 Nov 2026 10:00:00 +0000\n{more}\nthe secret text\n"
STRONG, PLAIN = "127.0.0.1", "127.0.0.2"


def smimea(address, der):
    """A line of a zone file."""
    local = address.split("@")[0]
    return f"{hashlib.sha256(local.encode()).hexdigest()[:56]}._smimecert SMIMEA 3 0 0 {der.hex()}\n"


class World:
    """One server (foo.com); elsewhere.example, whose host can do all, and plain.example, whose host has no TLS.
    peer@ and blind@elsewhere.example, and peer@plain.example have certificates in DNS, nobody else has."""

    def __init__(self, top):
        self.top, self.n = top, 0
        self.pki = Pki(os.path.join(top, "pki"))
        records = {"elsewhere.example": "", "plain.example": ""}
        for address in ("peer@elsewhere.example", "blind@elsewhere.example", "peer@plain.example"):
            name = self.name(address)
            self.pki.leaf(name, "rsa", f"email:{address}")
            der = openssl("x509", "-in", self.pki(f"{name}.crt"), "-outform", "DER")
            records[address.split("@")[1]] += smimea(address, der)
        host = Authority(top).make("mx.elsewhere.example")
        self.strong = Sink(STRONG, tls=host.context(), offers=["8BITMIME", "REQUIRETLS"])
        self.plain = Sink(PLAIN, self.strong.port)
        tlsa = " ".join(map(str, host.tlsa(3, 1, 1)[:3])) + " " + host.tlsa(3, 1, 1)[3:].hex()
        self.dns = Dns(free_ports(1)[0])
        self.dns.zone("elsewhere.example", f"@ MX 10 mx\nmx A {STRONG}\n_{self.strong.port}._tcp.mx TLSA {tlsa}\n" +
                      records["elsewhere.example"])
        self.dns.zone("plain.example", f"@ MX 10 mx\nmx A {PLAIN}\n" + records["plain.example"])
        self.dns.zone("bogus.example", "@ MX 10 mx\n", expired=True)
        self.w = Instance(os.path.join(top, "w"), self.dns.settings(
            **QUICK, **{"relay.port": str(self.strong.port), "smime.issue": "yes", "host.doors": "1"}))
        for who in ("Jones@foo.com", "Brown@foo.com"):
            self.w.account(who)
        self.w.configure(**{"smime.issue": "no"})
        self.w.account("Green@foo.com")     # has no certificate
        self.w.start()

    @staticmethod
    def name(address):
        return address.replace("@", ".")

    def close(self):
        self.dns.stop()
        self.w.stop()
        self.strong.__exit__(None, None, None)
        self.plain.__exit__(None, None, None)

    def reload(self, **more):
        n = self.w.log().count(" reloaded")
        self.w.configure(**more)
        os.kill(self.w.process.pid, signal.SIGHUP)
        self.w.wait_until(lambda: self.w.log().count(" reloaded") > n)

    def policy(self, word, who="Jones@foo.com"):
        self.w.run("account", "protect", who, word)

    def submit(self, to, more="", visible=None, sender="Jones@foo.com", text=None, mail=()):
        """(code, text) of the reply to the letter."""
        self.n += 1
        text = text or LETTER.format(sender=sender, to=", ".join(visible if visible is not None else to), n=self.n, more=more)
        with session(self.w, sender) as c:
            assert c.mail(sender, mail)[0] == 250
            for one in to:
                assert c.rcpt(one)[0] == 250
            code, said = c.data(text.replace("\n", "\r\n").encode("latin-1"))
            return code, said.decode()

    def take(self, *args, **more):
        """It is taken."""
        code, said = self.submit(*args, **more)
        assert code == 250, said

    def inspect(self, data, key=None, ca=None):
        words = ["inspect", "smime"]
        if key:
            words += ["--key", key]
        words += ["--ca", ca or self.ca()]
        p = self.w.run(*words, stdin=data.decode("latin-1"))
        return json.loads(p.stdout)

    def ca(self):
        path = os.path.join(self.top, "ca.pem")
        with open(path, "w") as f:
            f.write(self.w.run("cert", "show", "foo.com").stdout)
        return path

    def key(self, who):
        """Of an account, or of a peer."""
        if who.endswith("@foo.com"):
            path = os.path.join(self.top, who + ".pem")
            with open(path, "w") as f:
                f.write(self.w.run("cert", "export", who).stdout)
            return path
        return self.pki(self.name(who) + ".pem")


@pytest.fixture(scope="module")
def world():
    top = tempfile.mkdtemp(prefix="waxwing-protect-")
    os.chmod(top, 0o711)
    os.mkdir(os.path.join(top, "pki"))
    one = World(top)
    yield one
    one.close()
    shutil.rmtree(top, ignore_errors=True)


@pytest.fixture(autouse=True)
def afresh(world):
    world.policy("off")
    yield
    for one in held(world):
        world.w.run("queue", "remove", one["id"], "--yes")
    del world.strong.letters[:], world.plain.letters[:]


def test_off_by_default(world):
    assert "go as they are" in world.w.run("account", "protect", "Jones@foo.com").stdout
    world.take(["peer@elsewhere.example"])
    got = world.strong.wait(1)[0]
    assert b"the secret text" in got["data"] and b"Subject: the secret subject" in got["data"]
    assert "REQUIRETLS" not in got["mail"]


def test_signed(world):
    world.policy("sign")
    world.take(["peer@plain.example"])
    data = world.plain.wait(1)[0]["data"]
    assert b"the secret text" in data and b"multipart/signed" in data
    r = world.inspect(data)
    assert r["verdict"] == "good" and r["signers"][0]["addresses"] == ["Jones@foo.com"]
    # DKIM stands above it, and signs what leaves.
    assert data.index(b"DKIM-Signature:") < data.index(b"multipart/signed")


def test_encrypted_for_everybody_and_the_author(world):
    world.policy("protect")
    world.take(["peer@elsewhere.example", "peer@plain.example", "Brown@foo.com"])
    data, also = world.strong.wait(1)[0], world.plain.wait(1)[0]
    mine = arrived(world.w, 1)
    for text in (data["data"], also["data"], mine):
        assert b"secret" not in text and b"application/pkcs7-mime" in text
    assert "REQUIRETLS" not in data["mail"]
    for who, text in (("peer@elsewhere.example", data["data"]), ("peer@plain.example", also["data"]),
                      ("Brown@foo.com", mine), ("Jones@foo.com", mine)):
        r = world.inspect(text, world.key(who))
        assert r["verdict"] == "good", r
        assert {"the secret subject"} == {f["value"].strip() for f in r["protected"]["fields"] if f["name"] == "Subject"}
    # By somebody else's program: its own key opens the outer layer.
    opened = openssl("cms", "-decrypt", "-inkey", world.pki("peer.elsewhere.example.key"), "-recip",
                     world.pki("peer.elsewhere.example.crt"), stdin=data["data"])
    assert b"multipart/signed" in opened and b"the secret text" in opened


def test_nobody_learns_of_who_is_not_named(world):
    world.policy("protect")
    code, said = world.submit(["peer@elsewhere.example", "blind@elsewhere.example"], visible=["peer@elsewhere.example"],
                              more="Bcc: blind@elsewhere.example\n")
    assert code == 250, said
    letters = {x["rcpts"][0]: x for x in world.strong.wait(2)}
    assert len(letters) == 2 and all(len(x["rcpts"]) == 1 for x in letters.values())
    for to, x in letters.items():
        address = "peer@elsewhere.example" if "peer@" in to else "blind@elsewhere.example"
        other = "blind@elsewhere.example" if "peer@" in to else "peer@elsewhere.example"
        assert b"blind" not in x["data"]
        assert world.inspect(x["data"], world.key(address))["verdict"] == "good"
        assert world.inspect(x["data"], world.key(other))["verdict"] == "locked"
        assert x["data"].count(b"DKIM-Signature:") == 2     # RSA and Ed25519, of each letter its own


def test_requiretls_where_a_certificate_is_lacking(world):
    world.policy("protect")
    world.take(["peer@elsewhere.example", "nobody@elsewhere.example"])
    got = world.strong.wait(1)[0]
    assert "REQUIRETLS" in got["mail"] and got["tls"]
    assert b"the secret text" in got["data"] and world.inspect(got["data"])["verdict"] == "good"
    world.w.wait_log(r"protected .*how=requiretls why=\"nobody@elsewhere.example has no certificate in DNS\"")


def held(world):
    p = world.w.run("queue", "list", "--held", "--json", check=False)     # the queue may just begin again
    return json.loads(p.stdout or "[]")


def test_neither_is_held_with_a_reason_and_then_released(world):
    world.policy("protect")
    before = len(inbox(world.w))
    world.take(["nobody@plain.example"])
    world.w.wait_until(lambda: held(world))
    one = held(world)[0]
    assert one["why"] == "requiretls"
    to = queue(world.w, "show", one["id"])[0]["to"][0]
    assert to["state"] == "held" and "REQUIRETLS" in to["reply"] and to["status"] == "4.7.30"
    world.w.wait_until(lambda: len(inbox(world.w)) > before)
    assert "to be protected" in inbox(world.w)[-1].as_string()
    # It survives a restart of the queue, and a release that changes nothing.
    os.kill(world.w.pids("queue")[0], signal.SIGKILL)
    world.w.wait_until(lambda: held(world))
    assert held(world)[0]["why"] == "requiretls"
    log = len(world.w.log())
    world.w.run("queue", "release", one["id"])
    world.w.wait_until(lambda: "why=requiretls" in world.w.log()[log:] and held(world))
    assert not world.plain.letters
    world.w.run("queue", "release", one["id"], "--unprotected")
    got = world.plain.wait(1)[0]
    assert b"the secret text" in got["data"] and "REQUIRETLS" not in got["mail"]
    world.w.wait_until(lambda: not held(world))


def test_neither_is_returned_by_command(world):
    world.policy("protect")
    world.take(["nobody@plain.example"])
    world.w.wait_until(lambda: held(world))
    n = len(inbox(world.w))
    world.w.run("queue", "remove", held(world)[0]["id"], "--bounce", "--yes")
    world.w.wait_until(lambda: len(inbox(world.w)) > n)
    report = inbox(world.w)[-1]
    assert report.get_content_type() == "multipart/report" and "5.7.30" in report.as_string()
    assert not world.plain.letters and not held(world)


def test_to_be_encrypted_or_not_sent(world):
    code, said = world.submit(["peer@plain.example", "nobody@plain.example"], "Waxwing-Protect: encrypt\n")
    assert code == 550 and "nobody@plain.example has no certificate in DNS" in said
    code, said = world.submit(["Green@foo.com"], "Waxwing-Protect: encrypt\n")
    assert code == 550 and "Green@foo.com has no certificate here" in said
    assert not queue(world.w, "list") and not world.plain.letters
    world.take(["peer@plain.example"], "Waxwing-Protect: encrypt\n")
    data = world.plain.wait(1)[0]["data"]
    assert b"Waxwing" not in data and b"secret" not in data
    assert b"Waxwing" not in openssl("cms", "-decrypt", "-inkey", world.pki("peer.plain.example.key"), "-recip",
                                     world.pki("peer.plain.example.crt"), stdin=data)


def test_a_letter_asks_for_itself(world):
    world.take(["peer@plain.example"], "Waxwing-Protect: sign\n")
    assert b"multipart/signed" in world.plain.wait(1)[0]["data"]
    world.policy("protect")
    world.take(["peer@plain.example"], "waxwing-protect:  OFF \n")
    data = world.plain.wait(2)[1]["data"]
    assert b"the secret text" in data and b"pkcs7" not in data and b"axwing-" not in data
    code, said = world.submit(["peer@plain.example"], "Waxwing-Protect: please\n")
    assert code == 550 and "off, sign, protect or encrypt" in said


def test_what_is_signed_or_encrypted_already(world):
    text = "From: Jones@foo.com\nTo: peer@plain.example\nSubject: x\nMIME-Version: 1.0\nContent-Type: {}\n\nhello\n"
    world.take(["peer@plain.example"], text=text.format('multipart/encrypted; boundary="b"\nWaxwing-Protect: encrypt'))
    assert b"\r\n\r\nhello\r\n" in world.plain.wait(1)[0]["data"]
    world.take(["peer@plain.example"], text=text.format('multipart/signed; boundary="b"\nWaxwing-Protect: sign'))
    assert b"\r\n\r\nhello\r\n" in world.plain.wait(2)[1]["data"]


def test_whom_nobody_can_sign_for(world):
    code, said = world.submit(["peer@plain.example"], "Waxwing-Protect: sign\n", sender="Green@foo.com")
    assert code == 550 and "no certificate" in said
    world.w.run("alias", "add", "info@foo.com", "Jones@foo.com")
    text = LETTER.format(sender="info@foo.com", to="peer@plain.example", n=99, more="Waxwing-Protect: sign\n")
    code, said = world.submit(["peer@plain.example"], text=text)
    assert code == 550 and "info@foo.com is not named by your certificate" in said
    assert not world.plain.letters


def test_a_certificate_from_elsewhere(world):
    """Of RSA, for both uses, and of an authority that is not ours."""
    world.w.account("Black@foo.com")
    world.pki.leaf("black", "rsa", "email:Black@foo.com")
    p12 = world.pki("black.p12")
    openssl("pkcs12", "-export", "-inkey", world.pki("black.key"), "-in", world.pki("black.crt"), "-passout", "pass:x",
            "-out", p12)
    world.w.run("cert", "import", "Black@foo.com", p12, "--password-stdin", stdin="x")
    world.take(["peer@plain.example"], "Waxwing-Protect: protect\n", sender="Black@foo.com")
    r = world.inspect(world.plain.wait(1)[0]["data"], world.key("peer@plain.example"), world.pki("ca.crt"))
    assert r["verdict"] == "good" and r["signers"][0]["addresses"] == ["Black@foo.com"]


def test_large_letters_and_eight_bits(world):
    body = "Grüße, " * 10 + "\n"
    text = "From: Jones@foo.com\nTo: peer@plain.example\nSubject: x\nMIME-Version: 1.0\n" \
           "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\nWaxwing-Protect: {}\n\n" + 40000 * body
    for n, word in enumerate(("sign", "protect"), 1):
        world.take(["peer@plain.example"], text=text.format(word).encode().decode("latin-1"), mail=["BODY=8BITMIME"])
        data = world.plain.wait(n)[n - 1]["data"]
        assert max(data) < 128
        r = world.inspect(data, world.key("peer@plain.example"))
        assert r["verdict"] == "good"



def say_binary(world, c, data):
    assert c.mail("Jones@foo.com", ["BODY=BINARYMIME"])[0] == 250 and c.rcpt("peer@plain.example")[0] == 250
    c.send(b"BDAT %d LAST\r\n" % len(data) + data)
    return c.getreply()


def test_binary_letters_are_encoded_first(world):
    """Lines without end, NUL, CR and LF alone (RFC 3030): none of it would outlive a signature."""
    octets = b"\0\r\n\r\r\n\n." + bytes(range(256)) * 40 + b"\r"
    head = "From: Jones@foo.com\r\nTo: peer@plain.example\r\nSubject: x\r\nMIME-Version: 1.0\r\n" \
           "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n" \
           "Message-ID: <b{n}@foo.com>\r\nDate: Wed, 25 Nov 2026 10:00:00 +0000\r\nWaxwing-Protect: {word}\r\n\r\n"
    with session(world.w) as c:
        for n, word in enumerate(("sign", "protect"), 1):
            code, said = say_binary(world, c, head.format(n=n, word=word).encode() + octets)
            assert code == 250, said
            data = world.plain.wait(n)[n - 1]["data"]
            assert max(data) < 128
            assert world.inspect(data, world.key("peer@plain.example"))["verdict"] == "good"
            if word == "sign":
                m = email.message_from_bytes(data)
                assert m.get_content_type() == "multipart/signed"
                assert m.get_payload(0).get_payload(decode=True) == octets
        # What cannot be encoded anew is not sent without what was asked for.
        text = b"From: Jones@foo.com\r\nTo: peer@plain.example\r\nMIME-Version: 1.0\r\nWaxwing-Protect: sign\r\n" \
               b"Content-Type: message/partial; id=x; number=1\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\r\n"
        assert say_binary(world, c, text)[0] == 550
    assert len(world.plain.letters) == 2


def local_user(world, text, *args):
    return subprocess.run([os.path.join(os.path.dirname(WAXWING), "waxwing-sendmail"), "-f", "Jones@foo.com", *args,
                           "peer@plain.example"], text=True, timeout=60, capture_output=True, input=text,
                          env=dict(os.environ, WAXWING_DIR=world.w.dir))


def test_letters_of_users_of_this_machine(world):
    """Who they are the kernel says; so they sign as the account that they have, and as nobody else."""
    text = "From: {}\nSubject: x\nTo: peer@plain.example\nWaxwing-Protect: {}\n\nhello\n"
    me = pwd.getpwuid(os.geteuid()).pw_name
    world.reload(**{"local.accounts": f"{me} = Jones@foo.com"})
    for n, word in enumerate(("sign", "encrypt"), 1):
        p = local_user(world, text.format("Jones@foo.com", word))
        assert p.returncode == 0, p
        assert world.inspect(world.plain.wait(n)[n - 1]["data"], world.key("peer@plain.example"))["verdict"] == "good"
    p = local_user(world, text.format("Brown@foo.com", "sign"))
    assert p.returncode and "not named by your certificate" in p.stderr, p
    # Whoever has no account has no key.
    world.reload(**{"local.accounts": ""})
    p = local_user(world, text.format("Jones@foo.com", "sign"))
    assert p.returncode and "log in" in p.stderr, p
    assert len(world.plain.letters) == 2 and not queue(world.w, "list")


def test_neither_comes_back_where_the_operator_wants_that(world):
    world.reload(**{"submission.unprotected": "return"})
    try:
        world.w.wait_until(lambda: comes_back(world))
    finally:
        world.reload(**{"submission.unprotected": "hold"})
    assert not world.plain.letters


def comes_back(world):
    """Does it, or is it held, as before the door has heard of it?"""
    n = len(inbox(world.w))
    world.take(["nobody@plain.example"], "Waxwing-Protect: protect\n")
    world.w.wait_until(lambda: len(inbox(world.w)) > n)
    report = inbox(world.w)[-1].as_string()
    return "Action: failed" in report and "5.7.30" in report and "does not offer STARTTLS" in report


def test_what_the_operator_demands(world):
    world.reload(**{"submission.protect": "sign"})
    try:
        world.w.wait_until(lambda: b"multipart/signed" in asked_for_nothing(world))
    finally:
        world.reload(**{"submission.protect": "off"})
    world.w.wait_until(lambda: b"multipart/signed" not in asked_for_nothing(world))


def asked_for_nothing(world):
    n = len(world.plain.letters)
    world.take(["peer@plain.example"], "Waxwing-Protect: off\n")
    return world.plain.wait(n + 1)[n]["data"]


def test_killed_in_the_middle(world):
    """Nothing is acknowledged, nothing is lost, and nothing is anywhere in clear."""
    world.policy("protect")
    names, door, warden = (world.w.pids(x)[0] for x in ("names", "door", "warden"))

    def begin(to):
        """The door waits for a certificate that nobody has asked for lately, with the whole text in its hands."""
        text = LETTER.format(sender="Jones@foo.com", to=to, n=98, more="")
        c = session(world.w)
        assert c.mail("Jones@foo.com")[0] == 250 and c.rcpt(to)[0] == 250
        os.kill(names, signal.SIGSTOP)
        c.docmd("DATA")
        c.send(text.replace("\n", "\r\n").encode() + b".\r\n")
        c.sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            c.sock.recv(100)
        c.sock.settimeout(60)
        return c

    try:
        c = begin("peer@elsewhere.example")
        os.kill(warden, signal.SIGSTOP)     # from now on the door waits for the signature
        os.kill(names, signal.SIGCONT)
        c.sock.settimeout(3)    # until it has asked DNS and then warden, on a busy machine too
        with pytest.raises(TimeoutError):
            c.sock.recv(100)
        c.sock.settimeout(60)
        os.kill(warden, signal.SIGKILL)
        assert c.sock.recv(100).startswith(b"451 4.7.5")
        c.close()
        world.w.wait_until(lambda: world.w.pids("warden") and world.w.pids("warden") != [warden])
        c = begin("blind@elsewhere.example")
        os.kill(door, signal.SIGKILL)
        try:
            assert c.sock.recv(100) == b""
        except ConnectionError:
            pass
        c.close()
    finally:
        for pid in (names, warden):
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass
    world.w.wait_until(lambda: world.w.pids("door") and world.w.pids("door") != [door])
    world.w.wait_port(world.w.ports["submission"])
    assert not queue(world.w, "list") and not world.strong.letters
    spool = os.path.join(world.w.dir, "spool")
    assert not any(b"98@foo.com" in open(os.path.join(spool, x), "rb").read() for x in os.listdir(spool))
    world.take(["peer@elsewhere.example"])
    assert world.inspect(world.strong.wait(1)[0]["data"], world.key("peer@elsewhere.example"))["verdict"] == "good"


def test_what_cannot_be_known_now_is_not_none(world):
    world.policy("protect")
    code, said = world.submit(["nobody@bogus.example"])
    assert code == 451 and said.startswith("4.7.5"), said
    assert not queue(world.w, "list") and not world.strong.letters


# ---- what arrives in clear is stored encrypted ----

def deliver(world, to, text):
    with smtplib.SMTP("127.0.0.1", world.w.ports["smtp"], timeout=60) as c:
        c.sendmail("peer@stranger.example", [to], text.replace("\n", "\r\n").encode("latin-1"))


def stored(world, who):
    """All that lies in its folder."""
    folder = os.path.join(world.w.dir, "mail", str(world.accounts[who]))
    return b"".join(open(os.path.join(folder, x), "rb").read() for x in os.listdir(folder) if x.endswith(".seg"))


@pytest.fixture(scope="module")
def encrypting(world):
    world.accounts = {x["address"]: x["account"] for x in json.loads(world.w.run("account", "list", "--json").stdout)}
    world.w.run("account", "encrypt", "Brown@foo.com", "on")
    yield world
    world.w.run("account", "encrypt", "Brown@foo.com", "off")


STRANGER = "From: peer@stranger.example\nTo: Brown@foo.com\nSubject: rosebud\nComments: rosebud\nMessage-ID: <{n}@s>\n" \
           "Authentication-Results: evil.example; dkim=pass\n\nrosebud, in clear\n"


def test_what_arrives_is_stored_encrypted(encrypting):
    w, n = encrypting.w, len(inbox(encrypting.w, "Brown@foo.com"))
    deliver(encrypting, "Brown@foo.com", STRANGER.format(n=1))
    data = arrived(w, n + 1)
    assert b"rosebud" not in data and b"smime-type=authEnveloped-data" in data
    assert data.startswith(b"Return-Path: <peer@stranger.example>\r\nReceived: ") and b"Message-ID: <1@s>" in data
    assert b"Authentication-Results: evil.example" in data
    r = encrypting.inspect(data, encrypting.key("Brown@foo.com"))
    assert r["verdict"] == "encrypted" and r["layers"][0]["decryption"]["algorithm"].upper().endswith("GCM"), r
    opened = w.run("smime", "decrypt", "--key", encrypting.key("Brown@foo.com"), stdin=data.decode("latin-1")).stdout
    assert "Subject: rosebud" in opened and "rosebud, in clear" in opened
    assert b"rosebud" not in stored(encrypting, "Brown@foo.com")


def test_what_is_encrypted_already_stays(encrypting):
    encrypting.policy("protect")
    n = len(inbox(encrypting.w, "Brown@foo.com"))
    encrypting.take(["Brown@foo.com"])
    data = arrived(encrypting.w, n + 1)
    r = encrypting.inspect(data, encrypting.key("Brown@foo.com"))
    assert r["verdict"] == "good" and [x["type"] for x in r["layers"]] == ["authEnveloped-data", "multipart-signed"], r


def test_others_store_what_comes(encrypting):
    n = len(inbox(encrypting.w))
    deliver(encrypting, "Jones@foo.com", STRANGER.replace("Brown", "Jones").format(n=3))
    assert b"rosebud, in clear" in arrived(encrypting.w, n + 1, "Jones@foo.com")
    assert "no certificate" in encrypting.w.run("account", "encrypt", "Green@foo.com", "on", check=False).stderr


def test_large_ones_and_those_without_a_header(encrypting):
    n = len(inbox(encrypting.w, "Brown@foo.com"))
    deliver(encrypting, "Brown@foo.com", STRANGER.format(n=4) + 60000 * "a line of text that is not so short\n")
    data = arrived(encrypting.w, n + 1)
    opened = encrypting.w.run("smime", "decrypt", "--key", encrypting.key("Brown@foo.com"), stdin=data.decode("latin-1")).stdout
    assert opened.count("a line of text") == 60000
    with session(encrypting.w) as c:
        c.sendmail("Jones@foo.com", ["Brown@foo.com"], b"no header at all\r\n")
    data = arrived(encrypting.w, n + 2)
    assert b"no header at all" not in data


def test_off_again(encrypting):
    w, n = encrypting.w, len(inbox(encrypting.w, "Brown@foo.com"))
    assert "as it comes" in w.run("account", "encrypt", "Brown@foo.com", "off").stdout
    deliver(encrypting, "Brown@foo.com", STRANGER.format(n=5))
    assert b"rosebud, in clear" in arrived(w, n + 1)
    w.run("account", "encrypt", "Brown@foo.com", "on")
    deliver(encrypting, "Brown@foo.com", STRANGER.format(n=6))
    assert b"rosebud" not in arrived(w, n + 2)
