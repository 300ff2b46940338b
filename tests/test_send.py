"""A letter's way out of the house, all of it: handed in with a login, kept,
carried by relay to another host as DNS says, tried again, given up, told of."""
import email
import imaplib
import json
import os
import random
import re
import signal
import smtplib
import ssl
import time

import pytest

from smtp_sink import DROP, Sink

LETTER = "From: <{sender}>\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@foo.com>\r\n\r\nBlah blah\r\n"
QUICK = {"queue.flush_interval": "100ms", "queue.retry": "300ms, 300ms, 500ms", "relay.idle": "500ms",
         "relay.ipv6": "no", "relay.command_timeout": "5s", "relay.connect_timeout": "3s"}
MOST_DOUBLED = 2  # by one kill: what is between the dot and the disk then
ZONE = "@ MX 10 mx\nmx A 127.0.0.1\n"


def hand_in(w, to, subject, sender="Jones@foo.com", rcpt=(), mail=(), text=None):
    to = [to] if isinstance(to, str) else to
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP("127.0.0.1", w.ports["submission"], timeout=60) as c:
        c.starttls(context=context)
        c.ehlo()
        c.login(sender, "secret")
        refused = c.sendmail(sender, to, text or LETTER.format(sender=sender, to=to[0], subject=subject), mail, rcpt)
    assert not refused, refused


def inbox(w, who="Jones@foo.com"):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    c = imaplib.IMAP4("127.0.0.1", w.ports["imap"])
    c.starttls(context)
    c.login(who, "secret")
    c.select("INBOX")
    found = [email.message_from_bytes(c.fetch(n, "(BODY.PEEK[])")[1][0][1]) for n in c.search(None, "ALL")[1][0].split()]
    c.logout()
    return found


def reports(w, who="Jones@foo.com"):
    return [m for m in inbox(w, who) if m.get_content_type() == "multipart/report"]


def queue(w, *words):
    return json.loads(w.run("queue", *words, "--json").stdout or "[]")


def recipient_fields(report):
    return [dict(part.items()) for part in report.get_payload()[1].get_payload()[1:]]


@pytest.fixture
def world(instance, dns):
    """make(sink, **settings): a server whose way out leads to that sink, for elsewhere.example."""
    dns.zone("elsewhere.example", ZONE).zone("other.example", ZONE, signed=False)

    def make(sink, **more):
        return instance(dns.settings(**dict(QUICK, **{"relay.port": str(sink.port)}, **more)))
    return make


def test_a_letter_leaves_and_is_forgotten(world):
    with Sink() as sink:
        w = world(sink)
        hand_in(w, ["anybody@elsewhere.example", "else@Elsewhere.Example", "Brown@foo.com"], "out")
        one = sink.wait(1)[0]
        assert one["mail"].startswith("MAIL FROM:<Jones@foo.com>")
        assert one["rcpts"] == ["RCPT TO:<anybody@elsewhere.example>", "RCPT TO:<else@Elsewhere.Example>"]
        assert b"\r\nSubject: out\r\n" in one["data"]
        assert one["data"].startswith(b"DKIM-Signature: ") and b"\r\nReceived: " in one["data"]
        w.wait_until(lambda: not queue(w, "list"))
        w.wait_until(lambda: len(inbox(w, "Brown@foo.com")) == 1)
        w.wait_log(r" relayed .*to=anybody@elsewhere\.example.*host=mx\.elsewhere\.example")
        assert not sink.wrong and len(sink.letters) == 1


def test_not_now_is_tried_again_and_told_once_given_up(world):
    with Sink(rcpt=lambda s, line: "451-4.2.1 not today\n451 4.2.1 at all" if "never" in line else None,
              text=["452 4.3.1 full"]) as sink:
        w = world(sink)
        hand_in(w, ["never@elsewhere.example", "soon@elsewhere.example"], "again", rcpt=["NOTIFY=FAILURE,SUCCESS"])
        assert sink.wait(1)[0]["rcpts"] == ["RCPT TO:<soon@elsewhere.example>"]
        w.wait_until(lambda: queue(w, "list") and len(queue(w, "list")) == 1)
        shown = queue(w, "show", queue(w, "list")[0]["id"])[0]
        never = next(r for r in shown["to"] if r["to"] == "never@elsewhere.example")
        assert "not today" in json.dumps(never) and "451" in json.dumps(never), shown
        w.configure(**{"queue.expire": "1s"})
        w.process.send_signal(signal.SIGHUP)
        w.wait_until(lambda: len(reports(w)) == 2)
        first, last = reports(w)
        assert [(f["Action"], f["Final-Recipient"]) for f in recipient_fields(first)] == [("relayed", "rfc822; soon@elsewhere.example")]
        (f,) = recipient_fields(last)
        assert f["Action"] == "failed" and f["Status"].startswith("4.4.7") and "not today" in f["Diagnostic-Code"]
        assert last["Return-Path"] == "<>" and "auto-replied" in last["Auto-Submitted"]
        w.wait_until(lambda: not queue(w, "list"))
        assert len(sink.letters) == 1


def test_refused_for_good_is_told_at_once(world):
    with Sink(rcpt=lambda s, line: "550 5.1.1 nobody of that name" if "nobody" in line else None) as sink:
        w = world(sink)
        hand_in(w, ["nobody@elsewhere.example", "hidden@nobody.example"], "bounce")
        w.wait_until(lambda: len(reports(w)) >= 1)
        w.wait_until(lambda: not queue(w, "list"))
        text = next(m.as_string() for m in reports(w)
                    if recipient_fields(m)[0]["Final-Recipient"] == "rfc822; nobody@elsewhere.example")
        assert "5.1.1" in text and "nobody of that name" in text and "<bounce@foo.com>" in text
        # Asked not to be told, nobody is; and a report is never reported on.
        hand_in(w, "nobody@elsewhere.example", "quiet", rcpt=["NOTIFY=NEVER"])
        w.wait_until(lambda: all("<quiet@foo.com>" not in str(m) for m in reports(w)) and not queue(w, "list"))


def test_no_report_on_a_bounce(world):
    """The null sender of a host that may relay: what fails is gone."""
    with Sink(mail="550 5.7.1 no") as sink:
        w = world(sink, **{"relay.networks": "127.0.0.1"})
        with smtplib.SMTP("127.0.0.1", w.ports["smtp"], timeout=60) as c:
            c.sendmail("", ["a@elsewhere.example"], "Subject: x\r\n\r\n")
        w.wait_log(" refused .*to=a@elsewhere")
        w.wait_until(lambda: not queue(w, "list"))
        assert not inbox(w)


def test_strangers_are_not_carried(world):
    """The forms by which open relays are looked for."""
    with Sink() as sink:
        w = world(sink)
        probes = ["a@elsewhere.example", "a%elsewhere.example@foo.com", "a%elsewhere.example@[127.0.0.1]",
                  "@foo.com:a@elsewhere.example", '"a@elsewhere.example"', '"a@elsewhere.example"@foo.com',
                  "a@elsewhere.example@foo.com", "elsewhere.example!a", "elsewhere.example!a@foo.com",
                  "a@[192.0.2.1]", '"a%elsewhere.example"@foo.com', "postmaster%elsewhere.example@foo.com"]
        for sender in ("", "Jones@foo.com", "a@elsewhere.example", "x@localhost"):
            with smtplib.SMTP("127.0.0.1", w.ports["smtp"], timeout=60) as c:
                c.ehlo()
                c.mail(sender)
                for to in probes:
                    code, said = c.docmd("RCPT", f"TO:<{to}>")
                    assert code // 100 == 5, (sender, to, code, said)
        assert not sink.sessions


def test_an_open_relay_is_refused_at_start(instance):
    w = instance(start=False)
    for wrong in ("0.0.0.0/0", "::/0", "8.0.0.0/8", "1.2.3.4/1"):
        w.configure(**{"relay.networks": wrong})
        p = w.run("serve", check=False)
        assert p.returncode == 2 and "waxwing.conf:" in p.stderr and "relay.networks" in p.stderr, (wrong, p.stderr)


def test_a_dead_site_does_not_delay_another(world):
    with Sink() as sink:
        w = world(sink)
        for i in range(20):
            hand_in(w, f"a{i}@nowhere.example", f"dead{i}")
        hand_in(w, "b@elsewhere.example", "alive")
        assert b"Subject: alive" in sink.wait(1, 30)[0]["data"]
        # Told that there is no such domain.
        w.wait_until(lambda: len(reports(w)) == 20)


def test_operator_holds_routes_and_releases(world):
    with Sink(rcpt=lambda s, line: "450 4.7.1 later") as sink, Sink() as other:
        w = world(sink, **{"queue.retry": "1h"})
        hand_in(w, "a@elsewhere.example", "routed")
        w.wait_until(lambda: sink.lines.count("RCPT TO:<a@elsewhere.example>") == 1)
        w.wait_until(lambda: queue(w, "list"))
        id = queue(w, "list")[0]["id"]
        w.run("queue", "hold", id)
        w.run("queue", "route", id, f"smtp://[127.0.0.1]:{other.port}")
        w.run("queue", "retry", id, check=False)
        time.sleep(0.5)
        assert not other.letters
        w.process.kill()
        w.process.wait()
        w.start()
        w.wait_until(lambda: queue(w, "list"))
        assert [q["id"] for q in queue(w, "list", "--held")] == [id]
        w.run("queue", "release", id)
        w.run("queue", "retry", id, check=False)
        assert b"Subject: routed" in other.wait(1)[0]["data"]
        w.wait_until(lambda: not queue(w, "list"))


def test_killed_at_any_moment_each_letter_arrives(world):
    """Queue and relay die under load: each letter that was accepted comes, and
    again only where the reply to its dot was lost with who waited for it or had
    it to write down (the sink keeps nothing of what it drops)."""
    kills = int(os.environ.get("KILLS", "20"))
    chance = random.Random(int(os.environ.get("SEED", "1")))
    with Sink(text=lambda s, line: chance.choice([None, None, None, "451 4.3.0 not now", DROP])) as sink:
        # More letters than a person writes.
        w = world(sink, **{f"submission.{n}": "0" for n in ("new_recipients", "letters_hour", "letters_day", "recipients_hour")})
        sent, unsure, seen, killed = [], [], {}, {"queue": 0, "relay": 0}
        while sum(killed.values()) < kills:
            name = f"k{len(sent) + len(unsure)}"
            try:
                hand_in(w, f"{name}@{chance.choice(['elsewhere', 'other'])}.example", name)
                sent.append(name)
            except (smtplib.SMTPException, OSError, AssertionError):
                unsure.append(name)
            for role in killed:
                for pid in w.pids(role):
                    # One that dies at once, again and again, is started more and more slowly.
                    if time.monotonic() - seen.setdefault(pid, time.monotonic()) > 2.1 + chance.uniform(0, 1):
                        os.kill(pid, signal.SIGKILL)
                        killed[role] += 1
                        seen[pid] = float("inf")
        subjects = lambda: [m["data"].split(b"Subject: ")[1].split(b"\r\n")[0].decode() for m in list(sink.letters)]
        w.wait_until(lambda: set(sent) <= set(subjects()), 60)
        w.wait_until(lambda: not queue(w, "list"), 60)
        assert not sink.wrong
        came = subjects()
        doubled = len(came) - len(set(came))
        announced = len(re.findall(r" may-be-doubled ", w.log()))
        print(f"{killed['queue']} kills of the queue, {killed['relay']} of relays: {len(sent)} letters accepted, all came; "
              f"{len(unsure)} without an answer, {len(set(came) & set(unsure))} of these came; {doubled} doubled, "
              f"{announced} drops after the dot in the log")
        # Nobody dies but whom we killed.
        assert not re.findall(r" died role=\w+ .*signal=(?!9\b)\d+", w.log())
        assert len(sent) > kills
        assert doubled <= MOST_DOUBLED * kills


def test_routes_of_the_settings(world):
    with Sink() as by_mx, Sink() as of_domain, Sink() as of_sender, Sink() as smart:
        def to(sink):
            return f"smtp://[127.0.0.1]:{sink.port}"

        w = world(by_mx, **{"relay.routes": f"routed.example = {to(of_domain)}, .routed.example = {to(of_domain)}, "
                                            f"sender Brown@foo.com = {to(of_sender)}, other.example = mx",
                            "relay.smarthost": to(smart)})
        hand_in(w, ["a@routed.example", "b@below.routed.example", "c@other.example", "d@anywhere.example"], "one")
        hand_in(w, ["e@anywhere.example", "f@routed.example"], "two", sender="Brown@foo.com")

        def people(sink, n):
            return sorted(r[9:-1] for x in sink.wait(n) for r in x["rcpts"])

        assert people(of_domain, 2) == ["a@routed.example", "b@below.routed.example", "f@routed.example"]
        assert people(by_mx, 1) == ["c@other.example"]
        assert people(of_sender, 1) == ["e@anywhere.example"]
        assert people(smart, 1) == ["d@anywhere.example"]
        w.wait_until(lambda: not queue(w, "list"))


def test_old_segments_are_given_back_after_a_restart(world):
    """Letters that wait long lie in any order after some moves: their segments go all the same."""
    segments = lambda: sorted(int(n[:16], 16) for n in os.listdir(os.path.join(w.dir, "spool")) if n.endswith(".log"))

    def fill(letters):
        with smtplib.SMTP("127.0.0.1", w.ports["smtp"], timeout=60) as c:
            for _ in range(letters):
                c.sendmail("somebody@other.example", "Brown@foo.com", "Subject: fill\r\n\r\n" + "x" * 70 + "\r\n" * 10000)

    with Sink(rcpt=lambda s, line: "451 4.2.1 not today") as sink:
        w = world(sink, **{"queue.segment": "64k", "queue.retry": "1h"})
        for i in range(6):
            hand_in(w, f"never{i}@elsewhere.example", f"stuck{i}")
            fill(6)
        w.wait_log(r" moved letters=")
        w.stop()
        newest = segments()[-1]
        w.start()
        deadline = time.monotonic() + 60
        while segments()[0] <= newest and time.monotonic() < deadline:
            fill(4)
        assert segments()[0] > newest
        assert sum(l["from"] == "Jones@foo.com" for l in queue(w, "list")) == 6
