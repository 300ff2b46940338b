"""Files that somebody cuts while the server runs: what lies behind the cut cannot be read, all else can, and nobody dies of it."""
import glob
import os
import re
import smtplib
import time

import test_imap
from smtp_sink import Sink
from test_send import hand_in, queue, world     # noqa: F401 (a fixture)

LOOK = 0.1      # src/ms/segment.c: so often the length of a file is looked at
ROOM = {"store.linger": "10min", "login.clear_text": "yes"}


def biggest(w, pattern):
    return max(glob.glob(os.path.join(w.dir, pattern)), key=os.path.getsize)


def body(c, n):
    return c.ok(f"FETCH {n} BODY.PEEK[TEXT]")


def send(w, n, size=40000):
    with smtplib.SMTP("127.0.0.1", w.ports["smtp"]) as s:
        s.sendmail("Smith@bar.com", ["Jones@foo.com"], f"Subject: n{n}\r\n\r\n" + f"line of {n}\r\n" * (size // 12))


def test_a_cut_journal_costs_the_letters_behind_the_cut(instance):
    w = instance(ROOM)
    for n in range(1, 31):
        send(w, n)
    w.wait_until(lambda: w.log().count(" delivered id=") == 30)
    c = test_imap.Client(w)
    c.ok("SELECT INBOX")
    for n in (1, 20, 30):
        assert f"line of {n}\r\n".encode() in b"".join(body(c, n))
    rooms = w.pids("room")
    seg = biggest(w, "mail/1/*.seg")
    os.truncate(seg, os.path.getsize(seg) // 2)
    time.sleep(2 * LOOK)
    for n in (20, 30):
        assert c.cmd(f"FETCH {n} BODY.PEEK[TEXT]")[1].startswith(b"NO [CORRUPTION]")
    assert b"line of 1\r\n" in b"".join(body(c, 1))
    # What the index knows of it is told still, and a new one is whole.
    assert b"RFC822.SIZE" in b"".join(c.ok("FETCH 30 (FLAGS RFC822.SIZE)"))
    send(w, 31)
    w.wait_until(lambda: w.log().count(" delivered id=") == 31)
    c.ok("NOOP")
    assert b"line of 31\r\n" in b"".join(body(c, 31))
    c.cmd("SEARCH TEXT nowhere-to-be-found")
    assert w.pids("room") == rooms and " died role=room" not in w.log()
    w.stop()
    # The operator is told.
    said = w.run("rebuild", "Jones@foo.com", check=False)
    assert re.search(r"places are damaged", said.stdout + said.stderr), said


def test_a_cut_spool_costs_the_letters_behind_the_cut(world):
    waits = [True]
    with Sink(mail=lambda s, line: "451 4.3.0 later" if waits[0] else None) as sink:
        w = world(sink)
        for n in range(5):
            hand_in(w, ["anybody@elsewhere.example"], f"number{n}")
        w.wait_until(lambda: len(queue(w, "list")) == 5 and w.log().count(" later ") >= 5)
        send(w, 0)
        w.wait_until(lambda: " delivered id=" in w.log())
        path = biggest(w, "spool/*.log")
        os.truncate(path, open(path, "rb").read().index(b"Subject: number3"))
        waits[0] = False
        w.run("queue", "flush", "elsewhere.example")
        w.wait_until(lambda: len(sink.letters) == 3)
        w.wait_until(lambda: len(re.findall(r" held .*cannot be read", w.log())) >= 2)
        assert sorted(re.search(rb"Subject: (number\d)", x["data"])[1] for x in sink.letters) == [b"number0", b"number1", b"number2"]
        assert " died role=queue" not in w.log()
        hand_in(w, ["anybody@elsewhere.example"], "number5")
        w.wait_until(lambda: len(sink.letters) == 4)
