"""The policy of submission (RFC 6409): whose From: it is, what is mended, when a letter leaves, how many
there may be, who may relay."""
import email
import imaplib
import json
import os
import re
import smtplib
import ssl
import subprocess
import time

import pytest

from smtp_sink import Sink
from test_clients import certificate, need, run
from test_send import QUICK, ZONE, inbox, queue, recipient_fields, reports

OPEN = {"login.clear_text": "yes"}


def trusting():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def session(w, who="Jones@foo.com"):
    c = smtplib.SMTP("127.0.0.1", w.ports["submission"], "client.example", timeout=60)
    c.starttls(context=trusting())
    c.ehlo()
    c.login(who, "secret")
    c.ehlo()
    return c


def submit(w, text, to=("Brown@foo.com",), sender="Jones@foo.com", who="Jones@foo.com", mail=(), rcpt=()):
    """(code, text) of the reply that ended it, or of the first refusal."""
    with session(w, who) as c:
        code, said = c.mail(sender, mail)
        for one in to:
            if code == 250:
                code, said = c.rcpt(one, rcpt)
        if code in (250, 251):
            code, said = c.data(text.replace("\n", "\r\n"))
        return code, said.decode()


def mailbox(w, who="Brown@foo.com", name="INBOX"):
    """[(flags, bytes)] of a mailbox."""
    with imaplib.IMAP4("127.0.0.1", w.ports["imap"]) as c:
        c.starttls(trusting())
        c.login(who, "secret")
        if c.select(name, readonly=True)[0] != "OK":
            return []
        found = []
        for n in c.search(None, "ALL")[1][0].split():
            flags, text = c.fetch(n, "(FLAGS BODY.PEEK[])")[1][0]
            found.append((flags.decode(), text))
        return found


def arrived(w, n, who="Brown@foo.com", name="INBOX"):
    w.wait_until(lambda: len(mailbox(w, who, name)) >= n)
    return mailbox(w, who, name)[n - 1][1]


def letter(author="Jones@foo.com", more="", body="Hello\n"):
    return f"From: {author}\nTo: Brown@foo.com\nSubject: x\nDate: Sun, 22 Nov 2026 10:00:00 +0000\n" \
           f"Message-ID: <1@foo.com>\n{more}\n{body}"


@pytest.fixture
def world(instance, dns):
    """A server whose way out leads to the sink, for elsewhere.example."""
    dns.zone("elsewhere.example", ZONE)

    def make(sink, **more):
        return instance(dns.settings(**dict(QUICK, **{"relay.port": str(sink.port)}, **more)))
    return make


# ---- whose From: it is ----

def test_from_belongs_to_the_login(instance):
    w = instance()
    w.run("alias", "add", "alias@foo.com", "Jones@foo.com")
    w.run("account", "identity", "add", "Jones@foo.com", "boss@else.example")
    w.run("account", "identity", "add", "Jones@foo.com", "@granted.example")
    for good in ("Jones@foo.com", "JONES@FOO.COM", "J. Jones <jones+list@foo.com>", "alias@foo.com", '"Jones"@foo.com',
                 "The Boss <boss@else.example>", "anybody@granted.example", "Team: Jones@foo.com, alias@foo.com;",
                 "=?utf-8?q?J=C3=B6nes?= <Jones@foo.com>", "Jones@foo.com, alias@foo.com", "<@old.example:Jones@foo.com>"):
        code, said = submit(w, letter(good))
        assert code == 250, (good, code, said)
    for wrong, named in (("Brown@foo.com", "Brown@foo.com"), ("Jones@foo.com, Brown@foo.com", "Brown@foo.com"),
                         ("Jones <eve@else.example>", "eve@else.example"), ("Team: eve@else.example;", "eve@else.example"),
                         ('"Jones@foo.com" <eve@else.example>', "eve@else.example"),
                         ("Jones@foo.com\n ,\n eve@else.example", "eve@else.example"),
                         ("(Jones@foo.com) eve@else.example", "eve@else.example"),
                         ("<@Jones@foo.com:eve@else.example>", "eve@else.example"),
                         ("eve@granted.example.org", "eve@granted.example.org"),
                         ("Jönes <jönes@foo.com>", "j??nes@foo.com")):
        with session(w) as c:
            c.mail("Jones@foo.com", ["BODY=8BITMIME"])
            c.rcpt("Brown@foo.com")
            code, said = c.data(letter(wrong).replace("\n", "\r\n").encode())
        assert code == 550 and said.decode().startswith(f"5.7.1 From: has {named}, which is not one"), (wrong, said)
    for wrong in ("", "Undisclosed:;", "=?utf-8?q?Jones=40foo=2Ecom?=", "Jones", "Jones@foo.com\nFrom: Jones@foo.com",
                  "Jones@foo.com\nFROM : eve@else.example"):
        code, said = submit(w, letter(wrong))
        assert code == 550 and said.startswith("5.7.1 From: "), (wrong, code, said)
    # The null sender is no way around it.
    code, said = submit(w, letter("Brown@foo.com"), sender="")
    assert code == 550 and "Brown@foo.com" in said


def test_resent_from_too(instance):
    w = instance()
    assert submit(w, letter(more="Resent-From: Jones@foo.com\n"))[0] == 250
    # Older ones, below, are of others.
    assert submit(w, letter(more="Resent-From: Jones@foo.com\nResent-From: eve@else.example\n"))[0] == 250
    for more in ("Resent-From: eve@else.example\n", "Resent-Sender: eve@else.example\nResent-From: Jones@foo.com\n",
                 "Resent-From: eve@else.example\nResent-From: Jones@foo.com\n"):
        code, said = submit(w, letter(more=more))
        assert code == 550 and "eve@else.example" in said and said.startswith("5.7.1 Resent-"), said
    assert submit(w, letter("friend@else.example", "Resent-From: Jones@foo.com\n"))[0] == 550


def test_an_operator_may_soften_it(instance):
    w = instance({"submission.from": "resent"})
    assert submit(w, letter("friend@else.example", "Resent-From: Jones@foo.com\n"))[0] == 250
    assert submit(w, letter("friend@else.example", "Resent-From: Brown@foo.com\n"))[0] == 550
    assert submit(w, letter("friend@else.example"))[0] == 550
    w.configure(**{"submission.from": "any"})
    w.process.send_signal(1)
    w.wait_log(" reloaded")
    w.wait_until(lambda: submit(w, letter("friend@else.example"))[0] == 250)
    text = arrived(w, 2)
    assert b"\r\nSender: Jones@foo.com\r\n" in text and b"\r\nFrom: friend@else.example\r\n" in text
    w.configure(**{"submission.from": "everybody"})
    p = w.run("serve", "--check", check=False)
    assert p.returncode and "submission.from" in p.stderr and "own, resent or any" in p.stderr


# ---- mending ----

def test_what_is_missing_is_added_and_the_rest_stays(instance):
    w = instance({"host.name": "foo.com"})
    signed = ('Content-Type: multipart/signed; boundary="b"; micalg=sha-256; protocol="application/x"\n\n'
              "--b\nContent-Type: text/plain\n\n  trailing blanks  \n\t\n--b\nContent-Type: application/x\n\nAAAA\n--b--\n")
    assert submit(w, "Subject: bare\nX-Odd:  kept  as\n it is\n" + signed, mail=["BODY=8BITMIME"])[0] == 250
    text = arrived(w, 1)
    head, body = text.split(b"\r\n\r\n", 1)
    m = email.message_from_bytes(text)
    assert m["From"] == "Jones@foo.com" and m["MIME-Version"] == "1.0" and m["Sender"] is None
    assert re.fullmatch(r"<[0-9a-f]+\.1@foo\.com>", m["Message-ID"]) and m["Date"].endswith("+0000")
    assert b"\r\nSubject: bare\r\nX-Odd:  kept  as\r\n it is\r\nContent-Type: multipart/signed" in head
    assert body == signed.split("\n\n", 1)[1].replace("\n", "\r\n").encode()
    assert re.match(rb"Return-Path: <Jones@foo.com>\r\nReceived: by foo\.com with ESMTPSA id ", text), text[:300]
    assert b"client.example" not in head and b"127.0.0.1" not in head
    # Nothing but a body.
    assert submit(w, "\nJust this\n")[0] == 250
    assert email.message_from_bytes(arrived(w, 2)).get_payload() == "Just this\r\n"
    assert submit(w, "Just this: no header at all, said he\n no\n")[0] == 250
    assert submit(w, "Dear Brown,\nBcc: is spoken of here\n\nYours\n")[0] == 250
    m = email.message_from_bytes(arrived(w, 4))
    assert m["From"] == "Jones@foo.com" and m.get_payload().startswith("Dear Brown,\r\nBcc: is")
    # What is whole stays as it is.
    whole = letter(more="MIME-Version: 1.0\nContent-Type: text/plain\nSender: Jones@foo.com\n")
    assert submit(w, whole)[0] == 250
    assert arrived(w, 5).endswith(b"\r\n" + whole.replace("\n", "\r\n").encode())


def test_long_letters_are_mended_too(instance):
    w = instance({"submission.mend": "no"})
    body = "A line of a long letter, more than what stays inline.\n" * 20000
    assert submit(w, "From: Jones@foo.com\nBcc: Secret@foo.com\nTo: x\n\n" + body)[0] == 250
    text = arrived(w, 1)
    assert b"Secret" not in text and text.endswith(b"\r\nFrom: Jones@foo.com\r\nTo: x\r\n\r\n" + body.replace("\n", "\r\n").encode())
    assert b"\r\nDate:" not in text and b"\r\nMessage-ID" not in text


def test_nobody_sees_bcc(instance):
    w = instance()
    assert submit(w, letter(more="Bcc: Smith@bar.com,\n Jones@foo.com\nBCC : x@y.z\nResent-Bcc: a@b.c\nResent-From: Jones@foo.com\n"),
                  to=["Brown@foo.com", "Smith@bar.com"])[0] == 250
    for who in ("Brown@foo.com", "Smith@bar.com"):
        text = arrived(w, 1, who)
        assert b"cc" not in text.lower().split(b"\r\n\r\n")[0].replace(b"accept", b""), text
        assert b"Smith@bar.com" not in text


def test_sender_is_the_login(instance):
    w = instance()
    w.run("alias", "add", "alias@foo.com", "Jones@foo.com")
    w.run("account", "identity", "add", "Jones@foo.com", "boss@else.example")

    def sender(author, more=""):
        n = len(mailbox(w))
        assert submit(w, letter(author, more))[0] == 250
        return email.message_from_bytes(arrived(w, n + 1)).get_all("Sender")
    assert sender("Jones@foo.com") is None
    assert sender("alias@foo.com") is None                    # it is his own: his other name stays his business
    assert sender("boss@else.example") == ["Jones@foo.com"]
    assert sender("Jones@foo.com, alias@foo.com") == ["Jones@foo.com"]
    assert sender("boss@else.example", "Sender: eve@else.example\n") == ["Jones@foo.com"]
    assert sender("boss@else.example", "Sender: alias@foo.com\n") == ["alias@foo.com"]
    assert sender("Jones@foo.com", "Sender: eve@else.example\n") is None
    assert sender("boss@else.example", "Sender: a@b.c\nSender: Jones@foo.com\n") == ["Jones@foo.com"]
    w.configure(**{"submission.sender": "always"})
    w.process.send_signal(1)
    w.wait_log(" reloaded")
    w.wait_until(lambda: sender("alias@foo.com") == ["Jones@foo.com"])


def test_client_is_shown_where_the_operator_wants_it(instance):
    w = instance({"smtp.hide_client": "no"})
    assert submit(w, letter())[0] == 250
    assert b"\r\nReceived: from client.example ([127.0.0.1])\r\n" in arrived(w, 1)


# ---- FUTURERELEASE (RFC 4865) ----

def test_a_letter_leaves_later(world):
    with Sink() as sink:
        w = world(sink)
        with session(w) as c:
            seconds, until = c.esmtp_features["futurerelease"].split()
            assert seconds == "2592000" and re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", until)
            for wrong in (["HOLDFOR=2592001"], ["HOLDFOR=0"], ["HOLDFOR=x"], ["HOLDFOR=60", "HOLDUNTIL=2030-01-01T00:00:00Z"],
                          ["HOLDUNTIL=2000-01-01T00:00:00Z"], ["HOLDUNTIL=2099-01-01T00:00:00Z"], ["HOLDUNTIL=soon"],
                          ["HOLDFOR=60", "HOLDFOR=60"]):
                code, said = c.mail("Jones@foo.com", wrong)
                assert code == 501 and said.startswith(b"5.5.4"), (wrong, code, said)
        assert submit(w, letter(), ["b@elsewhere.example", "Brown@foo.com"], mail=["HOLDFOR=3000"])[0] == 250
        assert submit(w, letter(), ["c@elsewhere.example"], mail=["HOLDFOR=3000"])[0] == 250
        # The last, so that it is still there while all three are looked at.
        begun = time.time()
        assert submit(w, letter(), ["a@elsewhere.example"], mail=["HOLDFOR=5"])[0] == 250
        rows = queue(w, "list")
        assert len(rows) == 3 and all(r["leaves"] > time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(begun)) for r in rows)
        assert "LEAVES" in w.run("queue", "list").stdout
        assert json.loads(w.run("status", "--json").stdout)[2]["later"] == 3
        # It is cancelled by removing it, and sent now by releasing it; both survive a restart, as does the rest.
        w.run("queue", "remove", rows[1]["id"], "--yes")
        w.stop()
        w.start()
        assert [r["id"] for r in queue(w, "list")][:1] == [rows[0]["id"]]
        first = sink.wait(1)
        assert time.time() >= begun + 5 and first[0]["rcpts"] == ["RCPT TO:<a@elsewhere.example>"]
        assert not mailbox(w)
        w.run("queue", "release", rows[0]["id"])
        w.wait_until(lambda: len(sink.letters) == 2 and not queue(w, "list"))
        assert sink.letters[1]["rcpts"] == ["RCPT TO:<b@elsewhere.example>"] and len(mailbox(w)) == 1
        assert not any("RCPT TO:<c@" in line for line in sink.lines)


def test_future_release_is_for_submission_only(instance):
    w = instance({"relay.networks": "127.0.0.1"})
    with smtplib.SMTP("127.0.0.1", w.ports["smtp"], timeout=60) as c:
        c.ehlo()
        assert "futurerelease" not in c.esmtp_features and "deliverby" in c.esmtp_features
        assert c.mail("a@b.c", ["HOLDFOR=60"])[0] == 555
    w2 = instance({"submission.hold": "0"})
    with session(w2) as c:
        assert "futurerelease" not in c.esmtp_features
        assert c.mail("Jones@foo.com", ["HOLDFOR=60"])[0] == 555
    with smtplib.SMTP("127.0.0.1", w2.ports["smtp"], timeout=60) as c:
        c.ehlo()
        assert not {"deliverby", "mt-priority", "futurerelease"} & set(c.esmtp_features)
        assert c.mail("a@b.c", ["BY=60;R"])[0] == 555 and c.mail("a@b.c", ["MT-PRIORITY=1"])[0] == 555


# ---- DELIVERBY (RFC 2852) ----

def test_late_letters_come_back_or_are_told_of(world):
    with Sink(offers=("DELIVERBY 1", "DSN"), rcpt="451 4.2.1 not today") as sink:
        w = world(sink, **{"queue.retry": "1h"})
        for wrong in ("BY=0;R", "BY=-5;R", "BY=60", "BY=60;X", "BY=9999999999;N"):
            assert submit(w, letter(), mail=[wrong])[0] == 501, wrong
        assert submit(w, letter(), ["back@elsewhere.example"], mail=["BY=5;R"])[0] == 250
        assert submit(w, letter(), ["late@elsewhere.example"], mail=["BY=5;N"])[0] == 250
        assert submit(w, letter(), ["quiet@elsewhere.example"], mail=["BY=5;N"], rcpt=["NOTIFY=NEVER"])[0] == 250
        w.wait_until(lambda: len(reports(w)) == 2)
        told = {f["Final-Recipient"]: f for r in reports(w) for f in recipient_fields(r)}
        back, late = told["rfc822; back@elsewhere.example"], told["rfc822; late@elsewhere.example"]
        assert back["Action"] == "failed" and back["Status"].startswith("5.4.7")
        assert late["Action"] == "delayed"
        assert all(r.get_payload()[1].get_payload()[0]["Deliver-By-Date"] for r in reports(w))
        w.wait_until(lambda: len(queue(w, "list")) == 2)
        line = next(x for x in sink.lines if x.startswith("MAIL") and "BY=" in x)
        assert re.search(r" BY=[1-5];[RN]", line), line


def test_by_goes_on_where_it_is_offered(world):
    with Sink(offers=("DELIVERBY", "DSN")) as sink, Sink() as plain:
        w = world(sink)
        assert submit(w, letter(), ["a@elsewhere.example"], mail=["BY=600;RT"])[0] == 250
        one = sink.wait(1)[0]
        seconds = int(re.search(r" BY=(\d+);RT", one["mail"]).group(1))
        assert 500 < seconds <= 600
        # With T it is told of, though the next host would report itself.
        w.wait_until(lambda: len(reports(w)) == 1)
        assert recipient_fields(reports(w)[0])[0]["Action"] == "relayed"
        assert submit(w, letter(), ["b@elsewhere.example"], mail=["BY=-10;N"])[0] == 250
        assert re.search(r" BY=-1\d;N", sink.wait(2)[1]["mail"])
        # A host that promises nothing does not get what must not be late; the other mode goes.
        w.configure(**{"relay.port": str(plain.port)})
        w.stop()
        w.start()
        assert submit(w, letter(), ["c@elsewhere.example"], mail=["BY=600;R"])[0] == 250
        assert submit(w, letter(), ["d@elsewhere.example"], mail=["BY=600;N"])[0] == 250
        one = plain.wait(1)[0]
        assert one["rcpts"] == ["RCPT TO:<d@elsewhere.example>"] and "BY=" not in one["mail"]
        # Of that one nobody else will say when it is late.
        w.wait_until(lambda: len(reports(w)) == 3)
        told = {f["Final-Recipient"]: f for r in reports(w) for f in recipient_fields(r)}
        assert told["rfc822; c@elsewhere.example"]["Action"] == "failed"
        assert told["rfc822; d@elsewhere.example"]["Action"] == "relayed"
        assert any("does not offer DELIVERBY" in str(r) for r in reports(w))
        assert submit(w, letter(), ["e@elsewhere.example"], mail=["BY=600;N"], rcpt=["NOTIFY=NEVER"])[0] == 250
        plain.wait(2)
        w.wait_until(lambda: not queue(w, "list"))
        assert len(reports(w)) == 3


# ---- MT-PRIORITY (RFC 6710, 6758) ----

def test_priorities_by_policy(world):
    with Sink(offers=("MT-PRIORITY",)) as sink, Sink() as plain:
        w = world(sink)
        with session(w) as c:
            assert c.esmtp_features["mt-priority"] == "MIXER"
            for wrong in ("10", "-10", "x", "+1"):
                assert c.mail("Jones@foo.com", [f"MT-PRIORITY={wrong}"])[0] == 501
        code, said = submit(w, letter(), ["a@elsewhere.example"], mail=["MT-PRIORITY=5"])
        assert code == 250 and said.startswith("2.3.6 0 is its priority, "), said
        assert submit(w, letter(), ["b@elsewhere.example"], mail=["MT-PRIORITY=-3"])[1].startswith("2.0.0 ")
        w.run("account", "limit", "Jones@foo.com", "priority=4")
        assert submit(w, letter(), ["c@elsewhere.example"], mail=["MT-PRIORITY=5"])[1].startswith("2.3.6 4 is")
        # As a field, which goes; MAIL's word counts more.
        assert submit(w, letter(more="MT-Priority: 3\n"), ["d@elsewhere.example"])[1].startswith("2.0.0 ")
        assert submit(w, letter(more="MT-Priority: 3\n"), ["e@elsewhere.example"], mail=["MT-PRIORITY=-1"])[0] == 250
        sink.wait(5)
        got = {one["rcpts"][0][9]: one for one in sink.letters}
        asked = {who: (re.findall(r"MT-PRIORITY=(-?\d)", one["mail"]) or [""])[0] for who, one in got.items()}
        assert asked == {"a": "", "b": "-3", "c": "4", "d": "3", "e": "-1"}
        assert not any(b"MT-Priority" in one["data"] for one in sink.letters)
        assert b"\r\n\tpriority -3;\r\n" in got["b"]["data"]
        w.configure(**{"relay.port": str(plain.port)})
        w.stop()
        w.start()
        assert submit(w, letter(more="MT-Priority: 2\n"), ["f@elsewhere.example"])[0] == 250
        one = plain.wait(1)[0]
        assert "MT-PRIORITY" not in one["mail"] and one["data"].count(b"MT-Priority: 2\r\n") == 1
        # Of a stranger it is a field like any other.
        with smtplib.SMTP("127.0.0.1", w.ports["smtp"], timeout=60) as c:
            c.sendmail("x@y.example", ["Brown@foo.com"], letter("x@y.example", "MT-Priority: 9\n"))
        assert b"MT-Priority: 9" in arrived(w, 1)


# ---- the other parameters on this port ----

def test_parameters_work_here(world):
    with Sink(offers=("CHUNKING", "BINARYMIME", "SMTPUTF8", "8BITMIME", "DSN")) as sink:
        w = world(sink)
        with session(w) as c:
            assert {"chunking", "binarymime", "smtputf8", "dsn", "limits", "pipelining"} <= set(c.esmtp_features)
            assert c.esmtp_features["limits"] == "MAILMAX=1000 RCPTMAX=1000"
            assert c.mail("Jones@foo.com", ["BODY=BINARYMIME", "SMTPUTF8", "RET=HDRS", "ENVID=e+2B1"])[0] == 250
            assert c.docmd("RCPT", "TO:<jöns@elsewhere.example> NOTIFY=FAILURE ORCPT=rfc822;j@x.y".encode().decode("latin-1"))[0]
            assert c.docmd("RSET")[0] == 250
            assert c.mail("Jones@foo.com", ["BODY=BINARYMIME", "RET=HDRS", "ENVID=e+2B1"])[0] == 250
            assert c.docmd("RCPT", "TO:<a@elsewhere.example> NOTIFY=FAILURE ORCPT=rfc822;j@x.y")[0] == 250
            text = b"From: Jones@foo.com\r\nBcc: x@y.z\r\nContent-Type: application/octet-stream\r\n\r\n\0\r\n.\r\n\xff\n"
            for i, piece in enumerate((text[:30], text[30:])):
                c.send(b"BDAT %d%s\r\n" % (len(piece), b" LAST" if i else b"") + piece)
                assert c.getreply()[0] == 250
        one = sink.wait(1)[0]
        assert " BODY=BINARYMIME" in one["mail"] and " RET=HDRS ENVID=e+2B1" in one["mail"]
        assert one["rcpts"] == ["RCPT TO:<a@elsewhere.example> NOTIFY=FAILURE ORCPT=rfc822;j@x.y"]
        head, body = one["data"].split(b"\r\n\r\n", 1)
        assert body == text.split(b"\r\n\r\n", 1)[1] and b"Bcc" not in head
        assert all(f in head for f in (b"\r\nDate: ", b"\r\nMessage-ID: ", b"\r\nMIME-Version: 1.0"))


# ---- how much ----

def test_rates(instance):
    w = instance({"submission.letters_hour": "3", "submission.recipients_day": "10"})
    for _ in range(3):
        assert submit(w, letter())[0] == 250
    code, said = submit(w, letter())
    assert code == 450 and re.match(r"4\.7\.28 Too much mail from this account; try again in \d+ minutes", said), said
    # Others are not concerned.
    assert submit(w, letter("Brown@foo.com"), who="Brown@foo.com", sender="Brown@foo.com")[0] == 250
    # A restart forgets nothing, nor does a crash what was written down.
    w.stop()
    w.start()
    assert submit(w, letter())[0] == 450
    shown = {r["limit"]: r for r in json.loads(w.run("account", "limit", "Jones@foo.com", "letters-hour=100", "--json").stdout)}
    assert shown["letters-hour"] == {"limit": "letters-hour", "most": 100, "own": "yes", "now": 3}
    assert shown["recipients-day"] == {"limit": "recipients-day", "most": 10, "own": "no", "now": 3}
    with session(w) as c:
        assert c.mail("Jones@foo.com")[0] == 250
        assert [c.rcpt("Brown@foo.com")[0] for _ in range(7)] == [250] * 7
        code, said = c.rcpt("Brown@foo.com")
        assert code == 452 and said.startswith(b"4.7.28 ")
        assert c.data(letter())[0] == 250
    code, said = submit(w, letter())
    assert code == 452
    w.run("account", "limit", "Jones@foo.com", "letters-hour=default", "recipients-day=0")
    assert submit(w, letter())[0] == 450
    for wrong in ("letters=3", "letters-hour", "letters-hour=-1", "priority=10", "sent=1"):
        assert w.run("account", "limit", "Jones@foo.com", wrong, check=False).returncode == 2, wrong


def test_sessions_side_by_side_do_not_exceed(instance):
    w = instance({"submission.letters_hour": "2"})
    sessions = [session(w) for _ in range(4)]
    for c in sessions:
        assert c.mail("Jones@foo.com")[0] == 250 and c.rcpt("Brown@foo.com")[0] == 250
    codes = [c.data(letter().replace("\n", "\r\n"))[0] for c in sessions]
    assert codes == [250, 250, 450, 450]
    for c in sessions:
        c.quit()


# ---- to whom he has never written ----

def test_a_stolen_account_is_held(world):
    with Sink() as sink:
        w = world(sink, **{"submission.new_recipients": "5"})
        friends = [f"friend{i}@elsewhere.example" for i in range(4)]
        assert submit(w, letter(), friends)[0] == 250
        sink.wait(1)
        assert submit(w, letter(), friends)[0] == 250
        # Many for the first time: taken, and held; so is what follows.
        assert submit(w, letter(body="spam\n"), [f"victim{i}@elsewhere.example" for i in range(3)])[0] == 250
        assert submit(w, letter(body="spam\n"), friends[:1])[0] == 250
        assert submit(w, letter("Brown@foo.com"), friends, "Brown@foo.com", "Brown@foo.com")[0] == 250
        held = queue(w, "list", "--held")
        assert len(held) == 2 and all(r["held"] and r["why"] == "recipients" for r in held)
        assert len(re.findall(" account-held ", w.log())) == 1 and "told=yes" in w.log()
        w.wait_until(lambda: len(inbox(w)) == 1)
        notice = inbox(w)[0]
        assert notice["Subject"] == "Your letters are held" and notice["Return-Path"] == "<>"
        assert "account release Jones@foo.com" in notice.get_payload()
        sink.wait(3)
        assert "held" in w.run("status").stdout
        # Held over a restart, a crash of warden and of the queue.
        for pid in w.pids("warden") + w.pids("queue"):
            os.kill(pid, 9)
        w.wait_until(lambda: w.pids("warden") and w.pids("queue"))
        w.stop()
        w.start()
        assert len(queue(w, "list", "--held")) == 2
        assert submit(w, letter(body="more\n"), friends[:1])[0] == 250
        assert "held" in w.run("account", "limit", "Jones@foo.com").stderr
        assert len(sink.letters) == 3
        p = w.run("account", "release", "Jones@foo.com")
        assert p.stdout == "Jones@foo.com: letters released: 3\n"
        sink.wait(6)
        w.wait_until(lambda: not queue(w, "list"))
        # Those are known from now on, and the count has begun anew.
        assert submit(w, letter(), [f"victim{i}@elsewhere.example" for i in range(3)])[0] == 250
        assert submit(w, letter(), [f"new{i}@elsewhere.example" for i in range(5)])[0] == 250
        sink.wait(8)
        # Dropped: nobody gets them.
        assert submit(w, letter(body="spam\n"), ["new9@elsewhere.example"])[0] == 250
        assert len(queue(w, "list", "--held")) == 1
        assert w.run("account", "release", "Jones@foo.com", "--drop", "--yes").stdout == "Jones@foo.com: letters dropped: 1\n"
        assert not queue(w, "list", "--held")
        assert submit(w, letter(), friends)[0] == 250
        assert len(sink.wait(9)) == 9 and not any("new9" in str(one["rcpts"]) for one in sink.letters)
        w.wait_until(lambda: len(inbox(w)) == 2)


def test_held_letters_keep_their_time(world):
    with Sink() as sink:
        w = world(sink, **{"submission.new_recipients": "1"})
        assert submit(w, letter(), ["a@elsewhere.example", "b@elsewhere.example"], mail=["HOLDFOR=3000"])[0] == 250
        w.run("account", "release", "Jones@foo.com")
        w.wait_until(lambda: len(inbox(w)) == 1)
        w.wait_until(lambda: len(queue(w, "list")) == 1)
        (row,) = queue(w, "list")
        assert not row["held"] and row["leaves"]
        w.stop()
        w.start()
        (row,) = queue(w, "list")
        assert not row["held"] and row["leaves"]
        w.run("queue", "release", row["id"])
        sink.wait(1)


# ---- the copy in Sent ----

def test_a_copy_goes_into_sent(instance):
    w = instance({"queue.flush_interval": "100ms"})
    assert submit(w, letter())[0] == 250
    arrived(w, 1)
    assert not mailbox(w, "Jones@foo.com", "Sent")
    assert submit(w, letter(more="Waxwing-Sent: yes\nBcc: Smith@bar.com\n"), ["Brown@foo.com", "Smith@bar.com"])[0] == 250
    text = arrived(w, 1, "Jones@foo.com", "Sent")
    assert text.startswith(b"Bcc: Smith@bar.com\r\nReceived: ") and b"Waxwing-Sent" not in text and b"Return-Path" not in text
    assert "\\Seen" in mailbox(w, "Jones@foo.com", "Sent")[0][0]
    assert b"Bcc" not in arrived(w, 2) and not mailbox(w, "Jones@foo.com")
    assert "put into" in w.run("account", "sent", "Jones@foo.com", "on").stdout
    assert submit(w, letter())[0] == 250
    arrived(w, 2, "Jones@foo.com", "Sent")
    assert submit(w, letter(more="Waxwing-Sent: no\n"))[0] == 250
    # The null reverse-path has none: such letters are no person's.
    assert submit(w, letter(), sender="")[0] == 250
    arrived(w, 5)
    assert len(mailbox(w, "Jones@foo.com", "Sent")) == 2
    # Under another name, and where it was deleted.
    with imaplib.IMAP4("127.0.0.1", w.ports["imap"]) as c:
        c.starttls(trusting())
        c.login("Jones@foo.com", "secret")
        assert c.rename("Sent", "Outgoing")[0] == "OK"
    assert submit(w, letter())[0] == 250
    arrived(w, 3, "Jones@foo.com", "Outgoing")
    with imaplib.IMAP4("127.0.0.1", w.ports["imap"]) as c:
        c.starttls(trusting())
        c.login("Jones@foo.com", "secret")
        assert c.delete("Outgoing")[0] == "OK"
    assert submit(w, letter())[0] == 250
    arrived(w, 1, "Jones@foo.com", "Sent")
    w.run("account", "sent", "Jones@foo.com", "off")
    assert w.run("account", "sent", "Jones@foo.com", "maybe", check=False).returncode == 2


def test_the_copy_is_there_once(instance):
    """Whoever dies on the way."""
    w = instance({"queue.flush_interval": "200ms"})
    w.run("account", "sent", "Jones@foo.com", "on")
    n = 20
    for i in range(n):
        assert submit(w, letter(more=f"X-N: {i}.\n"))[0] == 250
        if i % 3 == 0:
            for pid in w.pids("queue") if i % 2 else w.pids("room"):
                os.kill(pid, 9)
    w.wait_until(lambda: len(mailbox(w, "Jones@foo.com", "Sent")) >= n and not queue(w, "list"))
    got = sorted(int(re.search(rb"X-N: (\d+)\.", text).group(1)) for _, text in mailbox(w, "Jones@foo.com", "Sent"))
    assert got == list(range(n))


# ---- who may relay ----

PROBES = ["a@elsewhere.example", "A@ELSEWHERE.EXAMPLE", "a@elsewhere.example.", "a%elsewhere.example@foo.com",
          "a%elsewhere.example@[127.0.0.1]", "a%elsewhere.example", "@foo.com:a@elsewhere.example",
          "@foo.com,@bar.com:a@elsewhere.example", '"a@elsewhere.example"', '"a@elsewhere.example"@foo.com',
          '"a%elsewhere.example"@foo.com', "a@elsewhere.example@foo.com", "elsewhere.example!a",
          "elsewhere.example!a@foo.com", "foo.com!elsewhere.example!a", "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]",
          "postmaster%elsewhere.example@foo.com", "a@elsewhere.example%foo.com", "a@foo.com@elsewhere.example",
          '"a\\@elsewhere.example"@foo.com', "a@elsewhere.example(foo.com)", "a@elsewhere.example,b@foo.com",
          "Jones@foo.com,a@elsewhere.example", "a@sub.foo.com", "a@foo.com.elsewhere.example"]
SENDERS = ["", "Jones@foo.com", "JONES@FOO.COM", "postmaster@foo.com", "a@elsewhere.example", "x@localhost",
           "Jones@[127.0.0.1]", "@foo.com:Jones@foo.com", "nobody@foo.com"]


def test_no_relay_for_strangers(world):
    """The forms by which open relays are looked for, on 25 and 587, in clear and under TLS."""
    with Sink() as sink:
        w = world(sink)
        for port, tls in (("smtp", False), ("smtp", True), ("submission", False), ("submission", True)):
            for sender in SENDERS:
                for probes in (PROBES[:14], PROBES[14:]):       # a session has not too many errors
                    with smtplib.SMTP("127.0.0.1", w.ports[port], timeout=60) as c:
                        if tls:
                            c.starttls(context=trusting())
                        c.ehlo("foo.com")
                        taken = c.docmd("MAIL", f"FROM:<{sender}>")[0] == 250
                        assert not (taken and port == "submission")
                        for to in probes:
                            code, said = c.docmd("RCPT", f"TO:<{to}>")
                            assert code // 100 == 5, (port, sender, to, code, said)
        assert not sink.sessions and not queue(w, "list")


def test_a_name_relays_for_nobody(instance):
    w = instance(start=False)
    for claim in ("foo.com", "@foo.com", "Jones@foo.com", "*.foo.com", "10.0.0.0/8, foo.com"):
        w.configure(**{"relay.networks": claim})
        p = w.run("serve", check=False)
        assert p.returncode == 2 and "relay.networks" in p.stderr and "anybody can say it" in p.stderr, (claim, p.stderr)
    w.configure(**{"relay.networks": "10.0.0.0/8, 203.0.0.0/20, 198.51.100.0/24, 2001:db8::/40"})
    w.start()
    w.wait_log(r' relay-wide networks="?203\.0\.0\.0/20 2001:db8::/40')


# ---- real clients ----

def test_clients_hand_in(instance, tmp_path):
    w = instance()
    port, tls_port = w.ports["submission"], w.ports["submissions"]
    plain = "To: Brown@foo.com\nSubject: {}\nBcc: Smith@bar.com\n\nHello\n"
    need("msmtp")
    rc = tmp_path / "msmtprc"
    rc.write_text(f"account default\nhost 127.0.0.1\nport {port}\nauth on\nuser Jones@foo.com\npassword secret\n"
                  f"from Jones@foo.com\ntls on\ntls_certcheck off\nset_from_header off\nset_date_header off\n"
                  f"set_msgid_header off\nundisclosed_recipients off\nremove_bcc_headers off\n")
    rc.chmod(0o600)
    version = subprocess.run(["msmtp", "--version"], stdout=subprocess.PIPE, text=True).stdout
    if not re.search(r"msmtp version 1\.8\.(2[0-9]|[3-9])", version):
        rc.write_text(rc.read_text().replace("set_from_header off\nset_date_header off\nset_msgid_header off\n", ""))
    run(["msmtp", "-C", str(rc), "--", "Brown@foo.com", "Smith@bar.com"], tmp_path, plain.format("msmtp"))
    need("swaks")
    run(["swaks", "--server", f"127.0.0.1:{port}", "--tls", "--auth", "PLAIN", "--auth-user", "Jones@foo.com",
         "--auth-password", "secret", "--from", "Jones@foo.com", "--to", "Brown@foo.com", "--data", plain.format("swaks"),
         "--helo", "client.example"], tmp_path)
    p = subprocess.run(["swaks", "--server", f"127.0.0.1:{port}", "--tls", "--auth", "PLAIN", "--auth-user", "Jones@foo.com",
                        "--auth-password", "secret", "--from", "Jones@foo.com", "--to", "Brown@foo.com", "--helo", "c.example",
                        "--data", "From: Brown@foo.com\nSubject: forged\n\nx\n"], stdout=subprocess.PIPE, text=True, timeout=60)
    assert p.returncode and "550 5.7.1 From: has Brown@foo.com, which is not one of your addresses" in p.stdout
    need("curl")
    (tmp_path / "letter").write_text(plain.format("curl"))
    run(["curl", "-sS", "--insecure", "-u", "Jones@foo.com:secret", "--crlf", "--mail-from", "Jones@foo.com", "--mail-rcpt",
         "Brown@foo.com", "-T", "letter", f"smtps://127.0.0.1:{tls_port}/client.example"], tmp_path)
    need("neomutt")
    (tmp_path / "muttrc").write_text(
        f'set smtp_url="smtps://Jones%40foo.com@127.0.0.1:{tls_port}/"\nset smtp_pass="secret"\nset from="Jones@foo.com"\n'
        f'set use_from=yes\nset envelope_from_address="Jones@foo.com"\nset use_envelope_from=yes\nset ssl_verify_host=no\n'
        f"set ssl_ca_certificates_file={certificate(w)}\nset certificate_file={tmp_path}/certs\nset copy=no\n"
        f"set smtp_authenticators=plain\nset record=\n")
    run(["neomutt", "-F", str(tmp_path / "muttrc"), "-s", "neomutt", "-b", "Smith@bar.com", "Brown@foo.com"], tmp_path, "Hello\n")
    w.wait_until(lambda: len(mailbox(w)) == 4)
    found = {m["Subject"]: m for m in (email.message_from_bytes(t) for _, t in mailbox(w))}
    assert set(found) == {"msmtp", "swaks", "curl", "neomutt"}
    for m in found.values():
        assert "Jones@foo.com" in m["From"] and m["Date"] and m["Message-ID"] and m["Bcc"] is None
    w.wait_until(lambda: len(mailbox(w, "Smith@bar.com")) == 2)
