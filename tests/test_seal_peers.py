"""What others' programs say of our seals, each asking the same DNS: Postfix with
OpenDKIM, to which our letters are carried, and rspamd, which checks what came
out behind that."""
import os
import re
import shutil
import smtplib
import tempfile
import types

import pytest

from certificates import Authority
from mail_peers import OpenDkim, OpenDmarc, Port53, Postfix, Rspamd, WholeRspamd, need, wait_port
from ports import free_ports
from smtp_sink import Sink
from test_forward import bring
from test_peers import TEXTS, body
from test_seal import fields, zone_lines
from test_send import QUICK, hand_in

# Where rspamd is told that we are, or somebody else: of loopback it checks nothing.
OURS, FOREIGN = "192.0.2.25", "192.0.2.66"
POLICY = '_dmarc TXT "v=DMARC1; p=reject"\n'
RECORDS = f'@ TXT "v=spf1 ip4:127.0.0.1 ip4:{OURS} -all"\n' + POLICY
BOTH = ("ed25519-sha256", "rsa-sha256")


def make_world(instance, dns, rspamd_kind, dmarc=False):
    top = tempfile.mkdtemp(prefix="waxwing-peer-")
    os.chmod(top, 0o755)
    folders = [os.path.join(top, n) for n in ("keys", "opendkim", "opendmarc", "rspamd", "postfix")]
    for f in folders:
        os.mkdir(f)
    port, milter, judge, scanner = free_ports(4)
    started = []

    def start(peer):
        peer.start()
        started.append(peer)
        wait_port(peer)
        return peer
    dns.zone("peer.example", "@ MX 10 mx\nmx A 127.0.0.1\n")
    dns.zone("elsewhere.example", '@ TXT "v=spf1 ip4:127.0.0.1 -all"\n' + POLICY)
    with Sink(offers=["PIPELINING", "8BITMIME", "SIZE 20000000"]) as sink:
        settings = {"relay.port": str(port), "relay.command_timeout": "60s", "trust.check_loopback": "yes",
                    "trust.reject_own": "no"}
        w = instance(dns.settings(**dict(QUICK, **settings)))
        for domain in ("foo.com", "bar.com"):
            dns.zone(domain, RECORDS + zone_lines(w, domain))
        try:
            start(OpenDkim(folders[1], milter, dns))
            if dmarc:
                start(OpenDmarc(folders[2], judge, dns))
            rspamd = start(rspamd_kind(folders[3], scanner, dns))
            pair = Authority(folders[0]).make("mx.peer.example")
            milters = [milter, judge] if dmarc else [milter]
            postfix = start(Postfix(folders[4], port, pair, {"peer.example": sink.port}, *milters))
            yield types.SimpleNamespace(w=w, sink=sink, postfix=postfix, rspamd=rspamd)
        finally:
            for peer in reversed(started):
                peer.stop()
            shutil.rmtree(top, ignore_errors=True)


@pytest.fixture
def world(instance, dns):
    """w: our server; postfix, with OpenDKIM; sink: what is behind it; rspamd."""
    need(Postfix.needs, OpenDkim.needs, Rspamd.needs)
    yield from make_world(instance, dns, Rspamd)


@pytest.fixture
def strict_world(instance, dns):
    """The same with OpenDMARC behind OpenDKIM, and with all of rspamd."""
    need(Postfix.needs, OpenDkim.needs, OpenDmarc.needs, WholeRspamd.needs)
    try:
        port53 = Port53(dns)
    except OSError as e:
        pytest.skip(f"port 53 of {Port53.address} is not to be had: {e}")
    port53.start()
    try:
        yield from make_world(instance, dns, WholeRspamd, dmarc=True)
    finally:
        port53.close()


def opendkim(letter):
    """What it says of each signature: [(result, domain, algorithm)]."""
    field = next(f for f in fields(letter, "Authentication-Results") if f.startswith("mx.peer.example;") and "dkim=" in f)
    return sorted(re.findall(r"dkim=(\w+)[^;]* header\.d=(\S+)[^;]* header\.a=(\S+)", re.sub(r"\([^)]*\)", "", field)))


def sender(one):
    return re.match("MAIL FROM:<(.*?)>", one["mail"]).group(1)


def test_our_signatures(world):
    w, sink = world.w, world.sink
    for n, (name, text) in enumerate(TEXTS.items(), 1):
        hand_in(w, "a@peer.example", name, text=text, mail=["BODY=8BITMIME"])
        one = sink.wait(n, 60)[n - 1]
        letter = one["data"]
        assert body(letter) == body(text)
        assert opendkim(letter) == [("pass", "foo.com", a) for a in BOTH], name
        found = world.rspamd.scan(letter, sender(one), OURS)
        assert {x.split(":")[0] for x in found["R_DKIM_ALLOW"]} == {"foo.com"} and len(found["R_DKIM_ALLOW"]) == 2, found
        assert found["DMARC_POLICY_ALLOW"][0] == "foo.com" and "R_SPF_ALLOW" in found and "ARC_NA" in found, found
    # From another host the signatures alone are good for it.
    found = world.rspamd.scan(letter, "Jones@foo.com", FOREIGN)
    assert found.keys() >= {"R_SPF_FAIL", "R_DKIM_ALLOW", "DMARC_POLICY_ALLOW"}, found


def test_what_was_changed_fails(world):
    w, sink = world.w, world.sink
    hand_in(w, "a@peer.example", "signed")
    letter = sink.wait(1, 60)[0]["data"]
    changes = ((b"Blah", b"Bloh"), (b"Subject: ", b"Subject: Re: "), (b"From: ", b"Cc: c@foo.com\r\nFrom: "))
    for n, (old, new) in enumerate(changes, 2):
        assert old in letter
        with smtplib.SMTP("127.0.0.1", world.postfix.port, timeout=60) as c:
            c.sendmail("Jones@foo.com", ["a@peer.example"], letter.replace(old, new, 1))
        changed = sink.wait(n, 60)[n - 1]["data"]
        assert [r for r, _, _ in opendkim(changed)] == ["fail", "fail"], changed
        found = world.rspamd.scan(changed, "Jones@foo.com", FOREIGN)
        assert found.keys() >= {"R_DKIM_REJECT", "R_SPF_FAIL", "DMARC_POLICY_REJECT"}, found
        assert not found.keys() & {"R_DKIM_ALLOW", "DMARC_POLICY_ALLOW"}, found


def arc_of(found):
    """(domain, instance) of the newest seal, where the chain holds."""
    domain, _, instance = found["ARC_ALLOW"][0].split(":")
    return domain, instance


def test_our_chains(world):
    w, sink = world.w, world.sink
    w.run("account", "forward", "Jones@foo.com", "j@peer.example")
    w.run("account", "forward", "Smith@bar.com", "s@peer.example")
    # Signed by its author's domain, as a stranger would bring it.
    hand_in(w, "a@peer.example", "signed", sender="Brown@foo.com")
    signed = sink.wait(1, 60)[0]["data"]
    assert bring(w, "Smith@bar.com", "x", sender="brown@foo.com", text=signed)[0] == 250
    once = sink.wait(2, 60)[1]["data"]
    assert bring(w, "Jones@foo.com", "x", sender="brown@foo.com", text=once)[0] == 250
    twice = sink.wait(3, 60)[2]["data"]
    for letter, arc in ((once, ("bar.com", "i=1")), (twice, ("foo.com", "i=2"))):
        assert opendkim(letter) == [("pass", "foo.com", a) for a in BOTH]
        found = world.rspamd.scan(letter, "brown@foo.com", OURS)
        assert found.keys() >= {"R_DKIM_ALLOW", "R_SPF_ALLOW", "DMARC_POLICY_ALLOW"} and arc_of(found) == arc, found
        # Changed: the text, and what was vouched for.
        for old, new in ((b"Blah", b"Bloh"), (b"spf=pass", b"spf=fail")):
            assert old in letter
            found = world.rspamd.scan(letter.replace(old, new), "brown@foo.com", OURS)
            assert "ARC_REJECT" in found and "ARC_ALLOW" not in found, found


def test_sent_on_for_somebody_elsewhere(world):
    """SPF holds for the address we give it, and what we vouch for stands in a chain that holds."""
    w, sink = world.w, world.sink
    w.run("account", "forward", "Jones@foo.com", "j@peer.example")
    assert bring(w, "Jones@foo.com", "on")[0] == 250
    one = sink.wait(1, 60)[0]
    assert sender(one).endswith("@foo.com")
    found = world.rspamd.scan(one["data"], sender(one), OURS)
    assert "R_SPF_ALLOW" in found and arc_of(found) == ("foo.com", "i=1"), found
    # Unsigned: nothing is left that is its author's.
    assert "R_DKIM_NA" in found and "DMARC_POLICY_REJECT" in found, found


REFUSALS = {"R_DKIM_REJECT", "R_DKIM_PERMFAIL", "R_DKIM_TEMPFAIL", "R_DKIM_NA", "DMARC_POLICY_REJECT", "DMARC_POLICY_QUARANTINE",
            "DMARC_NA", "ARC_REJECT", "ARC_INVALID", "ARC_DNSFAIL", "R_SPF_FAIL"}


def dmarc_of(letter):
    found = [f for f in fields(letter, "Authentication-Results") if f.startswith("mx.peer.example;") and "dmarc=" in f]
    return re.search(r"dmarc=(\w+)", found[0]).group(1), re.search(r"header\.from=(\S+)", found[0]).group(1)


def test_whole_rspamd_and_opendmarc(strict_world):
    """Signed, and sent on with a chain: OpenDMARC, told to refuse failures, takes both, and rspamd as Debian installs it does."""
    world = strict_world
    w, sink = world.w, world.sink
    w.run("account", "forward", "Smith@bar.com", "s@peer.example")
    hand_in(w, "a@peer.example", "signed", sender="Brown@foo.com")
    signed = sink.wait(1, 60)[0]["data"]
    assert bring(w, "Smith@bar.com", "x", sender="brown@foo.com", text=signed)[0] == 250
    on = sink.wait(2, 60)[1]["data"]
    for letter, arc in ((signed, "ARC_NA"), (on, "ARC_ALLOW")):
        assert opendkim(letter) == [("pass", "foo.com", a) for a in BOTH]
        assert dmarc_of(letter) == ("pass", "foo.com")
        found = world.rspamd.scan(letter, "brown@foo.com", OURS)
        assert found.keys() >= {"R_DKIM_ALLOW", "R_SPF_ALLOW", "DMARC_POLICY_ALLOW", arc} and not found.keys() & REFUSALS, found
        assert len(found["R_DKIM_ALLOW"]) == 2, found
    # It can fail: OpenDMARC does not take what was changed.
    with smtplib.SMTP("127.0.0.1", world.postfix.port, timeout=60) as c, pytest.raises(smtplib.SMTPDataError) as e:
        c.sendmail("brown@far.example", ["a@peer.example"], signed.replace(b"Blah", b"Bloh", 1))
    assert e.value.smtp_code == 550 and b"DMARC" in e.value.smtp_error, e.value
