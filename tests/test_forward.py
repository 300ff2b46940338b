"""Letters that go on: catch-alls, details, aliases and forwards to other hosts,
groups, and the way back of bounces."""
import json
import os
import re
import signal
import smtplib
import socket
import threading

import pytest

from smtp_sink import Sink
from test_send import hand_in, inbox, queue, world

TEXT = "From: Smith <smith@elsewhere.example>\r\nTo: x@foo.com\r\nSubject: {0}\r\nMessage-ID: <{0}@elsewhere.example>\r\n\r\nBlah blah\r\n"


def bring(w, to, subject, sender="smith@elsewhere.example", text=None):
    """A stranger brings a letter: (code, said) of RCPT, or of the text where that was taken."""
    with smtplib.SMTP("127.0.0.1", w.ports["smtp"], timeout=60) as c:
        c.ehlo()
        assert c.mail(sender)[0] == 250
        code, said = c.rcpt(to)
        if code != 250:
            return code, said.decode()
        code, said = c.data(text or TEXT.format(subject))
        return code, said.decode()


def got(w, who, subject):
    w.wait_until(lambda: any(m["Subject"] == subject for m in inbox(w, who)))
    return next(m for m in inbox(w, who) if m["Subject"] == subject)


def test_catch_all_and_details(world):
    with Sink() as sink:
        w = world(sink)
        assert bring(w, "who@foo.com", "before")[0] == 550
        w.run("alias", "add", "@foo.com", "Brown@foo.com")
        w.run("alias", "add", "sales@foo.com", "Jones@foo.com")
        w.run("alias", "add", "jones+lists@foo.com", "Smith@bar.com")
        for to, who, subject in (("who@foo.com", "Brown@foo.com", "any"), ("JONES+x@FOO.com", "Jones@foo.com", "detail"),
                                 ("sales+2026@foo.com", "Jones@foo.com", "alias"), ("Jones+lists@foo.com", "Smith@bar.com", "exact"),
                                 ("+x@foo.com", "Brown@foo.com", "noname")):
            assert bring(w, to, subject)[0] == 250, to
            got(w, who, subject)
        assert [m["Subject"] for m in inbox(w, "Brown@foo.com")] == ["any", "noname"]
        assert bring(w, "who@bar.com", "other")[0] == 550
        # Who owns an address owns its details.
        hand_in(w, "Brown@foo.com", "asdetail", sender="Jones@foo.com")


def test_no_separator_no_detail(world):
    with Sink() as sink:
        w = world(sink, **{"address.separators": ""})
        assert bring(w, "Jones+x@foo.com", "off")[0] == 550


def test_an_alias_leads_elsewhere(world):
    with Sink() as sink:
        w = world(sink)
        for target in ("a@elsewhere.example", "Jones@foo.com"):
            w.run("alias", "add", "both@foo.com", target)
        assert bring(w, "both@foo.com", "out")[0] == 250
        one = sink.wait(1)[0]
        assert one["rcpts"] == ["RCPT TO:<a@elsewhere.example>"]
        got(w, "Jones@foo.com", "out")


def test_an_account_forwards(world):
    with Sink() as sink:
        w = world(sink)
        w.run("account", "forward", "Jones@foo.com", "a@elsewhere.example", "Brown@foo.com")
        assert bring(w, "jones@foo.com", "away")[0] == 250
        assert b"\r\nSubject: away\r\n" in sink.wait(1)[0]["data"]
        assert sink.letters[0]["data"].startswith(b"Delivered-To: Jones@foo.com\r\n")
        assert got(w, "Brown@foo.com", "away")["Delivered-To"] == "Jones@foo.com"
        w.run("account", "forward", "Jones@foo.com", "Brown@foo.com", "--keep")
        assert bring(w, "jones@foo.com", "kept")[0] == 250
        got(w, "Jones@foo.com", "kept")
        got(w, "Brown@foo.com", "kept")
        assert len(inbox(w)) == 1
        row = next(r for r in json.loads(w.run("account", "list", "--json").stdout) if r["address"] == "Jones@foo.com")
        assert row["forward"] == ["Brown@foo.com"] and row["keep"] is True
        # A forward takes nobody his own address, and gives none of another's.
        hand_in(w, "Smith@bar.com", "own", sender="Jones@foo.com")
        with pytest.raises(smtplib.SMTPSenderRefused):
            hand_in_as(w, "Brown@foo.com", "Jones@foo.com")
        w.run("account", "forward", "Jones@foo.com", "--off")
        assert bring(w, "jones@foo.com", "home")[0] == 250
        got(w, "Jones@foo.com", "home")
        assert len(inbox(w, "Brown@foo.com")) == 2 and len(sink.letters) == 1


def hand_in_as(w, login, sender):
    import ssl
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP("127.0.0.1", w.ports["submission"], timeout=60) as c:
        c.starttls(context=context)
        c.ehlo()
        c.login(login, "secret")
        return c.sendmail(sender, ["Smith@bar.com"], TEXT.format("as"))


def test_forwards_in_a_circle_stay(world):
    with Sink() as sink:
        w = world(sink)
        w.run("account", "forward", "Jones@foo.com", "Brown@foo.com")
        w.run("account", "forward", "Brown@foo.com", "Jones@foo.com")
        assert bring(w, "jones@foo.com", "round")[0] == 250
        got(w, "Jones@foo.com", "round")
        assert not inbox(w, "Brown@foo.com")
        w.run("account", "forward", "Smith@bar.com", "gone@foo.com")
        assert bring(w, "smith@bar.com", "nowhere")[0] == 250
        got(w, "Smith@bar.com", "nowhere")
        # Aliases that lead in a circle are the operator's to mend.
        w.run("alias", "add", "a@foo.com", "b@foo.com")
        w.run("alias", "add", "b@foo.com", "a@foo.com")
        assert bring(w, "a@foo.com", "alias")[0] == 451


def test_a_group(world):
    with Sink() as sink:
        w = world(sink)
        w.run("group", "add", "crew@foo.com", "Jones@foo.com", "members")
        for member in ("Brown@foo.com", "a@elsewhere.example", "smith@elsewhere.example"):
            w.run("group", "member", "add", "crew@foo.com", member)
        assert [r["member"] for r in json.loads(w.run("group", "show", "crew@foo.com", "--json").stdout)] == \
            ["a@elsewhere.example", "Brown@foo.com", "smith@elsewhere.example"]
        assert bring(w, "crew@foo.com", "one")[0] == 250
        m = got(w, "Brown@foo.com", "one")
        assert m["List-Id"] == "<crew.foo.com>" and m["List-Post"] == "<mailto:crew@foo.com>"
        assert m["Return-Path"] == "<Jones@foo.com>" and m["List-Owner"] == "<mailto:Jones@foo.com>"
        assert sink.wait(1)[0]["mail"].startswith("MAIL FROM:<Jones@foo.com>")
        assert b"List-Id: <crew.foo.com>\r\n" in sink.letters[0]["data"]
        for sender in ("x@elsewhere.example", "Brown@foo.com", ""):
            code, said = bring(w, "crew@foo.com", "no", sender=sender)
            assert code == 550 and said.startswith("5.7.2"), (sender, said)
        hand_in(w, "crew@foo.com", "member", sender="Brown@foo.com")
        got(w, "Brown@foo.com", "member")
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            hand_in(w, "crew@foo.com", "nonmember", sender="Smith@bar.com")
        w.run("group", "member", "remove", "crew@foo.com", "Brown@foo.com")
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            hand_in(w, "crew@foo.com", "left", sender="Brown@foo.com")
        w.run("group", "remove", "crew@foo.com")
        assert bring(w, "crew@foo.com", "gone")[0] == 550


def test_who_may_post(world):
    with Sink() as sink:
        w = world(sink)
        w.run("group", "add", "all@foo.com", "Jones@foo.com", "anyone")
        w.run("group", "add", "house@foo.com", "Jones@foo.com", "domain")
        for group in ("all@foo.com", "house@foo.com"):
            w.run("group", "member", "add", group, "Smith@bar.com")
        assert bring(w, "all@foo.com", "open", sender="x@elsewhere.example")[0] == 250
        got(w, "Smith@bar.com", "open")
        assert bring(w, "house@foo.com", "shut")[0] == 550
        assert bring(w, "house@foo.com", "forged", sender="Jones@foo.com")[0] == 550
        hand_in(w, "house@foo.com", "inside", sender="Brown@foo.com")
        got(w, "Smith@bar.com", "inside")
        p = w.run("group", "add", "x@foo.com", "o@elsewhere.example", check=False)
        assert p.returncode == 1 and "is not one of ours" in p.stderr
        p = w.run("group", "add", "Jones@foo.com", "Jones@foo.com", check=False)
        assert p.returncode == 1 and "has that address" in p.stderr


def test_who_is_told_of_what_fails_while_it_is_asked_who_that_is(world):
    """Bounces of a group's members are its owner's, whatever else of the letter comes back just then."""
    at = {"slow": threading.Event(), "fast": threading.Event()}
    there = []

    def answer(_, line):
        who = re.match(r"RCPT TO:<(\w+)", line)[1]
        if who not in at:
            return None
        there.append(who)
        assert at[who].wait(60)
        return "550 5.1.1 nobody"

    with Sink(rcpt=answer) as sink:
        w = world(sink)
        w.run("group", "add", "crew@foo.com", "Jones@foo.com", "anyone")
        w.run("group", "member", "add", "crew@foo.com", "slow@elsewhere.example")
        w.run("alias", "add", "out@bar.com", "fast@other.example")
        with smtplib.SMTP("127.0.0.1", w.ports["smtp"], timeout=60) as c:
            c.sendmail("smith@elsewhere.example", ["crew@foo.com", "out@bar.com"], TEXT.format("two"))
        w.wait_until(lambda: sorted(there) == ["fast", "slow"])
        warden = w.pids("warden")[0]
        os.kill(warden, signal.SIGSTOP)
        try:
            for n, who in enumerate(("fast", "slow")):
                at[who].set()
                w.wait_until(lambda: w.log().count(" failed ") > n)
        finally:
            os.kill(warden, signal.SIGCONT)
        m = str(got(w, "Jones@foo.com", "Your letter to crew@foo.com was not delivered"))
        assert "slow@elsewhere.example" in m and "fast@" not in m
        told = sink.wait(1)[0]
        assert told["rcpts"] == ["RCPT TO:<smith@elsewhere.example>"]
        assert b"fast@other.example" in told["data"] and b"slow@" not in told["data"]


def rewritten(sink, n=0):
    return re.fullmatch(r"MAIL FROM:<([^>]*)>.*", sink.wait(n + 1)[n]["mail"]).group(1)


def test_senders_are_rewritten_and_bounces_go_back(world):
    with Sink() as sink:
        w = world(sink)
        w.run("account", "forward", "Jones@foo.com", "a@other.example")
        w.run("alias", "add", "out@bar.com", "b@other.example")
        assert bring(w, "Jones@foo.com", "srs")[0] == 250
        sender = rewritten(sink)
        assert re.fullmatch(r"SRS0=[a-z2-7]{8}=[a-z2-7]{2}=elsewhere\.example=smith@foo\.com", sender)
        assert bring(w, "out@bar.com", "alias")[0] == 250
        assert re.fullmatch(r"SRS0=.*=elsewhere\.example=smith@bar\.com", rewritten(sink, 1))
        # One who came by SRS himself; one of ours; and nobody.
        assert bring(w, "Jones@foo.com", "twice", sender="SRS0=abc=de=elsewhere.example=joe@other.example")[0] == 250
        assert re.fullmatch(r"SRS1=[a-z2-7]{8}=other\.example==abc=de=elsewhere\.example=joe@foo\.com", rewritten(sink, 2))
        hand_in(w, "Jones@foo.com", "ours", sender="Brown@foo.com")
        assert rewritten(sink, 3) == "Brown@foo.com"
        assert bring(w, "Jones@foo.com", "null", sender="")[0] == 250
        assert rewritten(sink, 4) == ""
        # The way back: to the sender, for bounces alone, and only what we made.
        assert bring(w, sender.upper(), "bounce", sender="")[0] == 250
        assert rewritten(sink, 5) == "" and sink.letters[5]["rcpts"][0].lower() == "rcpt to:<smith@elsewhere.example>"
        w.run("alias", "add", "@foo.com", "Brown@foo.com")
        hash = sender[5:13]
        forged = sender.replace(hash, "a" * 7 + ("b" if hash[-1] != "b" else "c"))
        for to, who in ((forged, ""), (sender.replace("smith", "other"), ""), (sender, "x@elsewhere.example"), ("SRS0=x@foo.com", "")):
            assert bring(w, to, "no", sender=who)[0] == 550, (to, who)
        assert len(sink.letters) == 6


def test_what_cannot_be_sent_on_is_told_to_the_sender(world):
    """Our own report goes to the address that stands for him, and so to him."""
    with Sink(rcpt=lambda s, line: "550 5.1.1 nobody" if "gone@" in line else None) as sink:
        w = world(sink)
        w.run("account", "forward", "Jones@foo.com", "gone@other.example")
        assert bring(w, "Jones@foo.com", "fails")[0] == 250
        one = sink.wait(1)[0]
        assert one["mail"].startswith("MAIL FROM:<>") and one["rcpts"] == ["RCPT TO:<smith@elsewhere.example>"], one
        w.wait_until(lambda: not queue(w, "list"))


def test_what_was_sent_on_is_not_sent_on_again(world):
    with Sink() as sink:
        w = world(sink)
        w.run("account", "forward", "Jones@foo.com", "a@elsewhere.example")
        back = "Received: from x by y; Wed, 25 Nov 2026 16:00:00 +0000\r\nDelivered-To:\r\n  jones@FOO.com\r\n" + TEXT
        code, said = bring(w, "Jones@foo.com", "round", text=back.format("round"))
        assert code == 554 and said.startswith("5.4.6"), said
        # In the text it says nothing, nor for another.
        for text in (TEXT + "Delivered-To: Jones@foo.com\r\n", "Delivered-To: Brown@foo.com\r\n" + TEXT,
                     "X-Delivered-To: Jones@foo.com\r\n" + TEXT):
            assert bring(w, "Jones@foo.com", "once", text=text.format("once"))[0] == 250
        w.run("account", "forward", "Jones@foo.com", "a@elsewhere.example", "--keep")
        assert bring(w, "Jones@foo.com", "kept", text=back.format("kept"))[0] == 250
        got(w, "Jones@foo.com", "kept")
        w.wait_until(lambda: len(sink.letters) == 3 and not queue(w, "list"))
        assert all(b"Subject: once" in one["data"] for one in sink.letters)


def test_a_domain_is_one_in_either_form(instance):
    """U-labels and A-labels (RFC 5890), however the directory has it."""
    w = instance(accounts=())
    for domain in ("bücher.example", "xn--kse-qla.example"):
        w.run("domain", "add", domain)
        w.account(f"Jones@{domain}")
    with socket.create_connection(("127.0.0.1", w.ports["smtp"]), 60) as sock, sock.makefile("rb") as f:
        def say(line):
            sock.sendall(line.encode() + b"\r\n")
            while (said := f.readline())[3:4] == b"-":
                pass
            return said[:3].decode()
        f.readline()
        assert say("EHLO x.example") == "250" and say("MAIL FROM:<a@x.example> SMTPUTF8") == "250"
        for domain in ("bücher.example", "xn--bcher-kva.example", "BÜCHER.example", "käse.example", "xn--kse-qla.example"):
            assert say(f"RCPT TO:<Jones@{domain}>") == "250", domain
        for domain in ("sub.bücher.example", "xn--nxasmq6b.example", "xn--.example", "müller.example"):
            assert say(f"RCPT TO:<Jones@{domain}>") in ("550", "501", "553"), domain
