"""Every letter that leaves is sealed: signed for its author's domain, or sealed
as sent on; and what others' programs (dkimpy, opendkim) say of it."""
import base64
import json
import os
import re
import signal
import smtplib
import ssl
import subprocess

import dkim
import pytest

from smtp_sink import Sink
from test_forward import bring
from test_send import QUICK, ZONE, hand_in, queue
from test_smime import later

SPF = '@ TXT "v=spf1 ip4:127.0.0.1 -all"\n'


def keys(w, domain="foo.com"):
    return json.loads(w.run("domain", "key", "list", domain, "--json").stdout)


def records(w, *domains):
    """What is to be published: {name: text}."""
    return {k["name"]: k["record"] for d in domains for k in keys(w, d)}


def zone_lines(w, domain="foo.com", states=("next", "active", "retired")):
    shown = w.run("domain", "key", "show", domain).stdout
    wanted = [k["name"] for k in keys(w, domain) if k["state"] in states]
    return "".join(x for x in re.findall(r"^\S+ IN TXT \((?:[^)]*)\)\n", shown, re.M) if x.split()[0].rstrip(".") in wanted)


@pytest.fixture
def world(instance, dns):
    dns.zone("elsewhere.example", ZONE + SPF + '_dmarc TXT "v=DMARC1; p=reject"\n').zone("foo.com", SPF).zone("bar.com", SPF)

    def make(sink, **more):
        w = instance(dns.settings(**dict(QUICK, **{"relay.port": str(sink.port)}, **more)))
        w.dns = dns
        return w
    return make


def unfold(text):
    return re.sub(rb"\r\n(?=[ \t])", b"", text)


def fields(letter, name):
    head = unfold(letter.split(b"\r\n\r\n")[0])
    return [x.split(b":", 1)[1].strip().decode() for x in head.split(b"\r\n") if x.lower().startswith(name.lower().encode() + b":")]


def tag(field, name):
    return re.search(rf"(?:^|;)\s*{name}=([^;]*)", field).group(1).replace(" ", "").replace("\t", "")


def verify(letter, known):
    """What dkimpy says of each signature, from the top."""
    def ask(name, timeout=5):
        return known.get(name.decode().rstrip("."), "").encode() or None
    def one(i):
        try:
            return dkim.DKIM(letter).verify(idx=i, dnsfunc=ask)
        except dkim.ValidationError:
            return False
    return [one(i) for i in range(len(fields(letter, "DKIM-Signature")))]


def submit_utf8(w, account, text):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP("127.0.0.1", w.ports["submission"], timeout=60) as c:
        c.starttls(context=context)
        c.ehlo()
        plain = base64.b64encode(f"\0{account}\0secret".encode()).decode()
        assert c.docmd("AUTH", "PLAIN " + plain)[0] == 235
        c.command_encoding = "utf-8"
        assert c.docmd("MAIL", f"FROM:<{account}> SMTPUTF8 BODY=8BITMIME")[0] == 250
        assert c.rcpt("a@elsewhere.example")[0] == 250
        assert c.data(text)[0] == 250


def opendkim(letter, known, path):
    (path / "letter").write_bytes(letter)
    (path / "keys").write_text("".join(f"{n} {r}\n" for n, r in known.items()))
    (path / "conf").write_text(f"TestPublicKeys {path}/keys\nMode v\n")
    p = subprocess.run(["opendkim", "-x", path / "conf", "-vvv", "-t", path / "letter"], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True)
    return p.stdout


def test_two_signatures_that_others_verify(world, tmp_path):
    with Sink() as sink:
        w = world(sink)
        hand_in(w, "a@elsewhere.example", "signed")
        letter = sink.wait(1)[0]["data"]
        signatures = fields(letter, "DKIM-Signature")
        assert sorted(tag(s, "a") for s in signatures) == ["ed25519-sha256", "rsa-sha256"]
        assert {tag(s, "d") for s in signatures} == {"foo.com"} and {tag(s, "c") for s in signatures} == {"relaxed/relaxed"}
        assert sorted(tag(s, "s") for s in signatures) == sorted(k["selector"] for k in keys(w))
        # Nothing can be added: each of these stands once more than it is there.
        for s in signatures:
            names = tag(s, "h").split(":")
            assert [names.count(n) for n in ("from", "to", "subject", "message-id", "cc")] == [2, 2, 2, 2, 1]
            assert "x=" not in s
        known = records(w, "foo.com")
        assert verify(letter, known) == [True, True]
        rsa = {n: r for n, r in known.items() if "k=rsa" in r}
        said = opendkim(letter, rsa, tmp_path)
        assert "verification (s=" in said and "succeeded" in said, said
        # It can fail.
        other = letter.replace(b"Blah blah", b"Blah blah!")
        assert not any(verify(other, known)) and "succeeded" not in opendkim(other, rsa, tmp_path)
        w.wait_log(r" sealed .*by=dkim domain=foo\.com")


def test_what_is_sent_is_what_is_signed(world):
    # The host takes 7 bits only; another one as it came.
    text = "From: Jones@foo.com\r\nTo: a@elsewhere.example\r\nSubject: gr\u00fc\u00dfe\r\nMIME-Version: 1.0\r\n" \
           "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\u00fc\u00dfe\r\n"
    for offers in (["PIPELINING"], ["8BITMIME"], ["8BITMIME", "CHUNKING"]):
        with Sink(offers=offers) as sink:
            w = world(sink, **{"relay.chunking": "0", "dkim.lifetime": "7d"})
            hand_in(w, "a@elsewhere.example", "x", text=text.encode(), mail=["BODY=8BITMIME"])
            letter = sink.wait(1)[0]["data"]
            assert ("Grüße".encode() in letter) == (offers != ["PIPELINING"])
            assert verify(letter, records(w, "foo.com")) == [True, True]
            for s in fields(letter, "DKIM-Signature"):
                assert int(tag(s, "x")) - int(tag(s, "t")) == 7 * 86400
            w.stop()


def test_more_recipients_than_one_transaction_and_a_large_letter(world):
    with Sink() as sink:
        w = world(sink, **{"relay.recipients": "2"})
        text = "From: Jones@foo.com\r\nTo: x@elsewhere.example\r\n\r\n" + "0123456789 abcdefghijklmnopqrstuvwxyz \r\n" * 60000
        hand_in(w, [f"p{i}@elsewhere.example" for i in range(5)], "many", text=text)
        letters = sink.wait(3)
        assert len({x["data"] for x in letters}) == 1
        assert verify(letters[0]["data"], records(w, "foo.com")) == [True, True]
        assert len(re.findall(" sealed ", w.log())) == 1


def test_whose_letter_is_signed(world):
    def sent(sink, w, n, author, sender="Jones@foo.com"):
        hand_in(w, "a@elsewhere.example", "x", sender=sender,
                text=f"From: {author}\r\nTo: a@elsewhere.example\r\nSubject: {n}\r\n\r\nx\r\n")
        return {tag(s, "d") for s in fields(sink.wait(n)[n - 1]["data"], "DKIM-Signature")}
    with Sink() as sink:
        w = world(sink, **{"submission.from": "any", "submission.sender": "never"})
        w.run("account", "identity", "add", "Jones@foo.com", "sales@bar.com")
        assert sent(sink, w, 1, "Jones <jones+x@FOO.com>") == {"foo.com"}
        assert sent(sink, w, 2, "sales@bar.com") == {"bar.com"}
        # Not his: nobody's letter, though his own address would have been good.
        assert sent(sink, w, 3, "Brown@foo.com") == set()
        assert sent(sink, w, 4, "Jones@foo.com, Brown@foo.com") == set()
        # Of a domain that is not ours: signed by who sends it.
        assert sent(sink, w, 5, "jones@far.example") == {"foo.com"}
        assert sent(sink, w, 6, "Smith@bar.com", "Smith@bar.com") == {"bar.com"}
        # Two From: fields, or none: nobody can say whose it is.
        assert sent(sink, w, 7, "Jones@foo.com\r\nFrom: Jones@foo.com") == set()
        assert len(re.findall(r"not-sealed .*why=", w.log())) == 3
        # Without one it gets one, and is signed by that.
        hand_in(w, "a@elsewhere.example", "x", text="Subject: none\r\n\r\nx\r\n")
        letter = sink.wait(8)[7]["data"]
        assert b"\r\nFrom: Jones@foo.com\r\n" in letter and verify(letter, records(w, "foo.com")) == [True, True]
    with Sink() as sink:
        w = world(sink, **{"dkim.sign": "no"})
        assert sent(sink, w, 1, "Jones@foo.com") == set()


def test_a_domain_in_either_form(world):
    """The operator wrote U-labels, the letter has A-labels, and the other way round; d= has A-labels (RFC 8616)."""
    with Sink(offers=["8BITMIME", "SMTPUTF8"]) as sink:
        w = world(sink)
        for domain in ("b\u00fccher.example", "xn--mller-kva.example"):
            w.run("domain", "add", domain)
            w.account("x@" + domain)
        for n, (domain, ascii_domain) in enumerate((("b\u00fccher.example", "xn--bcher-kva.example"),
                                                   ("xn--bcher-kva.example", "xn--bcher-kva.example"),
                                                   ("m\u00fcller.example", "xn--mller-kva.example")), 1):
            text = f"From: J <x@{domain}>\r\nTo: a@elsewhere.example\r\nSubject: {n}\r\n\r\nx\r\n".encode()
            account = "x@xn--mller-kva.example" if domain.startswith("m") else "x@b\u00fccher.example"
            submit_utf8(w, account, text)
            letter = sink.wait(n)[n - 1]["data"]
            signed = fields(letter, "DKIM-Signature")
            assert {tag(s, "d") for s in signed} == {ascii_domain} and len(signed) == 2, letter
            known = {n.encode("idna").decode(): r for n, r in records(w, account.split("@")[1]).items()}
            assert verify(letter, known) == [True, True]


def test_hosts_that_speak_for_us(world):
    """Only those that are named twice; their letters are not held against them, as a stranger's are."""
    def sent(w, sink, n, author):
        text = f"From: {author}\r\nTo: a@elsewhere.example\r\nSubject: {n}\r\n\r\nx\r\n"
        code, said = bring(w, "a@elsewhere.example", "x", sender="cron@elsewhere.example", text=text)
        return {tag(s, "d") for s in fields(sink.wait(n)[n - 1]["data"], "DKIM-Signature")} if code == 250 else said
    common = {"relay.networks": "127.0.0.1/32", "trust.check_loopback": "yes"}
    with Sink() as sink:
        w = world(sink, **common, **{"dkim.networks": "127.0.0.1"})
        assert sent(w, sink, 1, "root@foo.com") == {"foo.com"}
        assert verify(sink.wait(1)[0]["data"], records(w, "foo.com")) == [True, True]
        assert sent(w, sink, 2, "host@db.bar.com") == {"bar.com"}
        assert sent(w, sink, 3, "x@far.example") == set()
        assert sent(w, sink, 4, "root@foo.com\r\nFrom: root@bar.com") == set()
    for networks in ("", "192.0.2.1"):
        with Sink() as sink:
            w = world(sink, **common, **{"dkim.networks": networks, "trust.reject_own": "no"})
            assert sent(w, sink, 1, "root@foo.com") == set()
            w.configure(**{"trust.reject_own": "reject"})
            w.stop()
            w.start()
            assert "which is ours" in sent(w, sink, 2, "root@foo.com")


def test_one_algorithm_and_none(world):
    with Sink() as sink:
        w = world(sink, **{"dkim.algorithms": "rsa-sha256"})
        hand_in(w, "a@elsewhere.example", "one")
        assert [tag(s, "a") for s in fields(sink.wait(1)[0]["data"], "DKIM-Signature")] == ["rsa-sha256"]


def test_our_reports_are_signed(world):
    def rcpt(session, line):
        return "550 5.1.1 nobody" if "nobody" in line else None
    with Sink(rcpt=rcpt) as sink:
        w = world(sink, **{"relay.networks": "127.0.0.1/32", "host.name": "mail.foo.com"})
        assert bring(w, "nobody@elsewhere.example", "lost", sender="who@elsewhere.example")[0] == 250
        report = sink.wait(1)[0]
        assert report["mail"].startswith("MAIL FROM:<>") and b"MAILER-DAEMON@mail.foo.com" in report["data"]
        assert {tag(s, "d") for s in fields(report["data"], "DKIM-Signature")} == {"foo.com"}
        assert verify(report["data"], records(w, "foo.com")) == [True, True]


def test_a_letter_to_somebody_here_is_not_signed(world):
    with Sink() as sink:
        w = world(sink)
        hand_in(w, "Brown@foo.com", "inside")
        w.wait_log(r" delivered ")
        assert " sealed " not in w.log()


def test_warden_dies_while_a_letter_is_signed(world):
    """The next one signs it, at once: the host waits for MAIL meanwhile."""
    w = None

    def die(session, line):
        if w.pids("warden"):
            os.kill(w.pids("warden")[0], signal.SIGKILL)
    with Sink(ehlo=die) as sink:
        w = world(sink, **{"relay.idle": "0"})
        for n in range(1, 4):
            hand_in(w, "a@elsewhere.example", f"killed{n}")
            letter = sink.wait(n)[n - 1]["data"]
            assert verify(letter, records(w, "foo.com")) == [True, True]
            w.wait_until(lambda: len(w.pids("warden")) == 1 and w.run("status", check=False).returncode == 0)
        assert " later " not in w.log()


# ---- sent on (RFC 8617) ----

def chain(letter, known):
    def ask(name, timeout=5):
        return known.get(name.decode().rstrip("."), "").encode() or None
    return dkim.arc_verify(letter, dnsfunc=ask)


def test_what_is_sent_on_is_sealed(world):
    with Sink() as sink:
        w = world(sink, **{"trust.check_loopback": "yes"})
        w.run("account", "forward", "Jones@foo.com", "j@elsewhere.example")
        w.run("alias", "add", "sales@bar.com", "s@elsewhere.example")
        w.run("group", "add", "all@foo.com", "Brown@foo.com", "anyone")
        w.run("group", "member", "add", "all@foo.com", "m@elsewhere.example")
        known = records(w, "foo.com", "bar.com")
        for n, (to, domain) in enumerate((("Jones@foo.com", "foo.com"), ("sales@bar.com", "bar.com"), ("all@foo.com", "foo.com")), 1):
            assert bring(w, to, f"on{n}")[0] == 250
            letter = sink.wait(n)[n - 1]["data"]
            assert fields(letter, "DKIM-Signature") == []
            cv, results, reason = chain(letter, known)
            assert cv == b"pass", (to, reason, results)
            assert tag(fields(letter, "ARC-Seal")[0], "d") == domain and tag(fields(letter, "ARC-Seal")[0], "cv") == "none"
            found = fields(letter, "ARC-Authentication-Results")[0]
            assert "spf=pass" in found and "dmarc=pass" in found
            # The field of the door itself, which the set repeats.
            assert found.split(";", 1)[1].split() == fields(letter, "Authentication-Results")[0].split()
        assert chain(letter.replace(b"Blah", b"Bloh"), known)[0] == b"fail"
        assert "list-id" in tag(fields(letter, "ARC-Message-Signature")[0], "h").split(":")


def test_a_chain_goes_on(world):
    """Sent on twice by us: the second set is on top of the first, and both hold."""
    with Sink() as sink:
        w = world(sink, **{"trust.check_loopback": "yes", "trust.reject_own": "no"})
        w.run("account", "forward", "Jones@foo.com", "j@elsewhere.example")
        w.run("account", "forward", "Smith@bar.com", "s@elsewhere.example")
        known = records(w, "foo.com", "bar.com")
        w.dns.zone("foo.com", SPF + zone_lines(w)).zone("bar.com", SPF + zone_lines(w, "bar.com"))
        assert bring(w, "Jones@foo.com", "first")[0] == 250
        once = sink.wait(1)[0]["data"]
        assert bring(w, "Smith@bar.com", "second", text=once)[0] == 250
        twice = sink.wait(2)[1]["data"]
        seals = fields(twice, "ARC-Seal")
        assert [(tag(s, "i"), tag(s, "cv"), tag(s, "d")) for s in seals] == [("2", "pass", "bar.com"), ("1", "none", "foo.com")]
        assert chain(twice, known)[0] == b"pass"
        # One that was changed on its way is sealed as what it is.
        assert bring(w, "Smith@bar.com", "third", text=once.replace(b"Blah", b"Bloh"))[0] == 250
        broken = sink.wait(3)[2]["data"]
        assert tag(fields(broken, "ARC-Seal")[0], "cv") == "fail" and chain(broken, known)[0] != b"pass"


def test_what_was_not_checked_is_not_vouched_for(world):
    with Sink() as sink:
        w = world(sink)
        w.run("account", "forward", "Jones@foo.com", "j@elsewhere.example")
        assert bring(w, "Jones@foo.com", "plain")[0] == 250
        assert fields(sink.wait(1)[0]["data"], "ARC-Seal") == []
        w.wait_log(r"not-sealed .*by=arc .*it was not checked")


def explained(w, letter):
    found = re.search(rb"\r\n\tby \S+ with \S+ id (\S+)", letter).group(1).decode()
    w.wait_log(rf" onward .*id={found}")
    rows = json.loads(w.run("trace", found, "--json").stdout)
    text = next(r["explanation"] for r in rows if r["event"] == "onward")
    assert "At the next host: " + text in w.run("trace", found).stdout
    return text


def test_trace_tells_what_fails_at_the_next_host(world):
    with Sink() as sink:
        w = world(sink, **{"trust.check_loopback": "yes", "trust.reject_own": "no"})
        w.run("account", "forward", "Jones@foo.com", "j@elsewhere.example")
        assert bring(w, "Jones@foo.com", "unsigned")[0] == 250
        text = explained(w, sink.wait(1)[0]["data"])
        assert "SPF passes there, for foo.com" in text and "DKIM: the letter has no signature" in text
        assert "DMARC fails: nothing that holds is of elsewhere.example. Our seal (ARC)" in text
        # Signed by its author's domain: as our own letters are, which a stranger brings back.
        w.dns.zone("bar.com", SPF + '_dmarc TXT "v=DMARC1; p=reject"\n' + zone_lines(w, "bar.com"))
        hand_in(w, "a@elsewhere.example", "x", sender="Smith@bar.com", text="From: Smith@bar.com\r\nSubject: x\r\n\r\nGr\u00fc\u00dfe\r\n".encode(),
                mail=["BODY=8BITMIME"])
        signed = sink.wait(2)[1]["data"]
        assert bring(w, "Jones@foo.com", "signed", sender="smith@bar.com", text=signed)[0] == 250
        text = explained(w, sink.wait(3)[2]["data"])
        assert "DKIM passes: the signature of bar.com holds" in text and "DMARC passes for bar.com, by DKIM alone" in text
        sink.offers[:] = ["PIPELINING"]
        w.wait_until(lambda: not queue(w, "list"))
        # The connection that knows of 8BITMIME is not kept longer (relay.idle).
        w.wait_until(lambda: sink.lines.count("QUIT") == len(sink.sessions))
        assert bring(w, "Jones@foo.com", "converted", sender="smith@bar.com", text=signed)[0] == 250
        text = explained(w, sink.wait(4)[3]["data"])
        assert "DKIM fails: that host takes 7 bits only" in text and "DMARC fails" in text


def test_a_trusted_chain_outweighs_dmarc(world):
    """What was proved when foo.com got it, and is not any more: only who trusts foo.com takes it."""
    with Sink() as sink:
        w = world(sink, **{"trust.check_loopback": "yes"})
        w.run("account", "forward", "Jones@foo.com", "j@elsewhere.example")
        w.dns.zone("foo.com", SPF + zone_lines(w))
        assert bring(w, "Jones@foo.com", "on")[0] == 250
        one = sink.wait(1)[0]
        sender = re.search("<(.*)>", one["mail"]).group(1)
        for sealers, code in (("", 550), ("bar.com", 550), ("bar.com FOO.com", 250)):
            to = world(sink, **{"trust.check_loopback": "yes", "trust.arc_sealers": sealers})
            got = bring(to, "Brown@foo.com", "on", sender=sender, text=one["data"])
            assert got[0] == code, (sealers, got)
            # Changed after the seal: nobody's word counts.
            assert bring(to, "Brown@foo.com", "on", sender=sender, text=one["data"].replace(b"Blah", b"Bloh"))[0] == 550
            to.wait_log(r"checked .*dmarc=fail disposition=%s arc=pass" % ("none" if code == 250 else "reject"))
            to.stop()


# ---- rotation ----

def states(w, domain="foo.com"):
    return sorted((k["state"], k["algorithm"]) for k in keys(w, domain))


BOTH = ["ed25519", "rsa"]


def test_nothing_switches_before_dns_has_it(world):
    with Sink() as sink:
        w = world(sink, **{"dkim.wait": "1h", "testing.time": later(0)})
        old = {k["selector"] for k in keys(w)}
        w.run("domain", "key", "rotate", "foo.com")
        assert states(w) == [("active", a) for a in BOTH] + [("next", a) for a in BOTH]
        assert w.run("domain", "key", "rotate", "foo.com", check=False).returncode == 1
        new = {k["selector"] for k in keys(w)} - old
        w.run("domain", "key", "check")
        assert all(k["seen"] is None for k in keys(w))

        def publish(lines):
            w.dns.zone("foo.com", SPF + lines)
            w.run("dns", "forget", check=False)
            return dict(re.findall(r"(\w+)\._domainkey\.foo\.com: (.*)\n", w.run("domain", "key", "check").stdout))

        # One of the two, and the other with a wrong key.
        lines = zone_lines(w)
        wrong = re.sub(r"k=ed25519; p=....", "k=ed25519; p=AAAA", lines)
        w.wait_until(lambda: sorted(publish(wrong).values()) == ["no", "yes"])
        assert sum(k["seen"] is not None for k in keys(w)) == 1
        w.wait_until(lambda: list(publish(lines).values()) == ["yes", "yes"])
        assert all(k["seen"] for k in keys(w) if k["state"] == "next")
        # Seen, but not for long enough.
        assert states(w) == [("active", a) for a in BOTH] + [("next", a) for a in BOTH]
        hand_in(w, "a@elsewhere.example", "still")
        assert {tag(s, "s") for s in fields(sink.wait(1)[0]["data"], "DKIM-Signature")} == old
        # A gap begins the time anew.
        w.wait_until(lambda: list(publish("").values()) == ["no", "no"])
        assert all(k["seen"] is None for k in keys(w))
        w.wait_until(lambda: list(publish(lines).values()) == ["yes", "yes"])
        w.stop()
        w.configure(**{"testing.time": later(1.5 / 24)})
        w.start()
        w.wait_until(lambda: (w.run("domain", "key", "check", check=False), states(w))[1] ==
                     [("active", a) for a in BOTH] + [("retired", a) for a in BOTH])
        w.wait_log(r" key-active domain=foo\.com")
        hand_in(w, "a@elsewhere.example", "now")
        letter = sink.wait(2)[1]["data"]
        assert {tag(s, "s") for s in fields(letter, "DKIM-Signature")} == new
        assert verify(letter, records(w, "foo.com")) == [True, True]
        # What signs cannot be removed, what is retired can.
        assert w.run("domain", "key", "remove", "foo.com", new.copy().pop(), check=False).returncode == 1
        for s in old:
            w.run("domain", "key", "remove", "foo.com", s)
        assert states(w) == [("active", a) for a in BOTH]


def test_keys_of_a_domain_that_goes_go_too(instance):
    w = instance(accounts=())
    w.run("domain", "add", "third.example")
    folder = os.path.join(w.dir, "keys/dkim/third.example")
    names = os.listdir(folder)
    assert sorted(n[-5:] for n in names) == ["e.key", "r.key"]
    for n in names:
        s = os.stat(os.path.join(folder, n))
        # Made by a command, and warden's all the same.
        assert s.st_mode & 0o777 == 0o600 and s.st_uid == os.stat(os.path.join(w.dir, "keys")).st_uid
    w.run("domain", "remove", "third.example")
    assert os.listdir(folder) == []
    assert json.loads(w.run("domain", "key", "list", "--json").stdout)
    assert w.run("domain", "key", "list", "third.example", check=False).returncode == 1


def test_retired_keys_are_removable_after_their_time(world):
    with Sink() as sink:
        w = world(sink, **{"dkim.wait": "0", "dkim.keep": "1ms"})
        w.run("domain", "key", "rotate", "foo.com")
        w.dns.zone("foo.com", SPF + zone_lines(w))
        w.wait_until(lambda: (w.run("domain", "key", "check", check=False), states(w))[1][-1][0] == "retired")
        assert {k["to_do"] for k in keys(w) if k["state"] == "retired"} == {"remove its record and it"}


def test_keys_by_themselves(world):
    """Of age: the next ones are made, and made once; a domain of before there were keys gets its first."""
    with Sink() as sink:
        w = world(sink, **{"dkim.rotate": "1s", "dkim.check": "1s", "dkim.wait": "0"})
        w.wait_until(lambda: [s for s, _ in states(w)] == ["active", "active", "next", "next"])
        w.dns.zone("foo.com", SPF + zone_lines(w))
        w.wait_until(lambda: "retired" in [s for s, _ in states(w)])
    with Sink() as sink:
        w = world(sink, **{"dkim.check": "1s"})
        import sqlite3
        db = sqlite3.connect(f"{w.dir}/directory/directory.db")
        db.execute("DELETE FROM signing_key WHERE domain = 'foo.com'")
        db.commit()
        db.close()
        hand_in(w, "a@elsewhere.example", "none")
        assert fields(sink.wait(1)[0]["data"], "DKIM-Signature") == []
        w.wait_until(lambda: [s for s, _ in states(w)] == ["next", "next"])
