"""Bad input and bad luck, each through the running server: a clear reply, and nothing is lost.

| what | SMTP | IMAP | POP3 | below |
| --- | --- | --- | --- | --- |
| full disk | test_full_spool, test_full_disk_by_fault | test_full_mailbox_disk | - (writes nothing but at QUIT) | store: src/ms/test_store.c |
| EIO on write, flush | test_spool_that_cannot_be_written | test_append_that_cannot_be_flushed | test_quit_that_cannot_be_flushed | cuts: test_power.py |
| EMFILE | test_smtp.py test_full_descriptor_table | test_room_without_descriptors | test_room_without_descriptors | |
| ENOMEM | test_little_memory | test_little_memory | test_little_memory | every allocation: test_allocations.py |
| clock jumps | test_clock_jumps | test_clock_jumps | test_clock_jumps | |
| 10,000 silent connections | test_smtp.py test_ten_thousand_silent_connections | test_silent_crowd | test_silent_crowd | |
| endless line | test_smtp.py test_endless_line | test_endless_line, test_login.py | test_endless_line | fuzz_imap, fuzz_pop3, fuzz_smtp_command |
| endless header | test_endless_header | test_endless_header | test_endless_header | fuzz_header |
| 100,000 recipients | test_smtp.py test_hundred_thousand_recipients | test_hundred_thousand_addresses | - | |
| literals, sizes too large | transcripts/smtp/bdat-too-large, limits | test_literals, transcripts/imap/bad | - (has none) | fuzz_imap |
| NUL and 8-bit in commands | test_octets, transcripts/smtp/broken-lines | test_octets, transcripts/imap/bad | test_octets | |
| nested 10,000 deep | test_deeply_nested | test_deeply_nested | test_deeply_nested | fuzz_mime |
| truncated files | test_truncated_files | test_truncated_files | test_truncated_files | fuzz_journal, fuzz_spool |
| corrupt, missing, unreadable index | | test_spoilt_index | test_spoilt_index | |
"""
import contextlib
import glob
import json
import os
import poplib
import re
import resource
import signal
import smtplib
import socket
import subprocess
import time

import pytest

import test_imap
import test_smtp
from conftest import WAXWING

CHEAP = {"login.argon2_memory": "64k", "login.argon2_passes": "1", "login.clear_text": "yes"}
QUICK = dict(CHEAP, **{"queue.flush_interval": "100ms", "store.linger": "300ms"})
LETTER = "Subject: a letter\r\n\r\n" + "Blah blah blah\r\n" * 2000


def send(w, text="Subject: a letter\r\n\r\nBlah\r\n", to="Jones@foo.com"):
    """The code that the letter got."""
    with smtplib.SMTP("127.0.0.1", w.ports["smtp"], timeout=60) as c:
        try:
            c.sendmail("Smith@bar.com", [to], text)
        except smtplib.SMTPDataError as e:
            return e.smtp_code
    return 250


def pop(w):
    w.wait_port(w.ports["pop3"])
    p = poplib.POP3("127.0.0.1", w.ports["pop3"], timeout=60)
    p.user("Jones@foo.com")
    p.pass_("secret")
    return p


def count(w):
    """How many letters Jones has, as IMAP says."""
    c = test_imap.Client(w)
    return int(re.search(rb"MESSAGES (\d+)", c.ok("STATUS INBOX (MESSAGES)")[0])[1])


@contextlib.contextmanager
def small_disk(path, size):
    """A disk of that size in the place of the folder; yields what makes it larger."""
    os.makedirs(path, exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=711", "none", path], stderr=subprocess.PIPE).returncode:
        pytest.skip("cannot mount a small disk here")
    try:
        yield lambda larger: subprocess.run(["mount", "-o", f"remount,size={larger}", path], check=True)
    finally:
        subprocess.run(["umount", "-l", path], check=True)


# ---- the disk ----

def test_full_spool(instance):
    """452 while it is full, 250 by itself when it is not; all that had 250 arrives."""
    w = instance(QUICK, start=False)
    with small_disk(os.path.join(w.dir, "spool"), "4m") as grow:
        # Nothing is delivered meanwhile, so nothing leaves the spool.
        w.configure(**{"testing.fault": "room/open:EIO:0"})
        w.start()
        codes = []
        while codes[-3:] != [452] * 3:
            codes.append(send(w, f"Subject: {len(codes)}\r\n\r\n" + "x" * 70 + "\r\n" * 50000))
            assert len(codes) < 200 and set(codes) <= {250, 452}
        assert 250 in codes
        grow("64m")
        w.wait_until(lambda: send(w) == 250)
        w.configure(**{"testing.fault": ""})
        w.stop()
        w.start()
        w.wait_until(lambda: count(w) == codes.count(250) + 1, 60)
        w.stop()


def test_full_disk_by_fault(instance):
    """The same where nobody may mount: each write fails for a while."""
    w = instance(dict(QUICK, **{"testing.fault": "queue/write:ENOSPC:2:6"}))
    codes = [send(w) for _ in range(12)]
    assert set(codes) == {250, 452} and codes[-1] == 250, codes
    w.wait_until(lambda: count(w) == codes.count(250))


def test_full_mailbox_disk(instance):
    """The mailbox's disk: letters wait in the spool, APPEND hears NO, what is there can be read and
    removed; and it all comes when there is space again."""
    w = instance(QUICK, start=False)
    with small_disk(os.path.join(w.dir, "mail/1"), "1m") as grow:
        os.chown(os.path.join(w.dir, "mail/1"), *(2 * [300000 + 16 + 1 if os.getuid() == 0 else os.getuid()]))
        w.start()
        n = 40
        assert [send(w, LETTER) for _ in range(n)] == [250] * n
        w.wait_log(" put-off ")
        c = test_imap.Client(w)
        text = LETTER.encode() * 20
        heard, last = c.cmd(b"APPEND INBOX {%d+}\r\n%s" % (len(text), text))
        assert last.startswith(b"NO ["), last
        c.ok("SELECT INBOX")
        there = len(c.ok("FETCH 1:* (UID BODY.PEEK[])"))
        assert 0 < there < n
        c.ok(r"STORE 1 +FLAGS (\Seen)") if there > 1 else None
        grow("64m")
        w.wait_until(lambda: count(w) == n, 90)
        c.ok(b"APPEND INBOX {%d+}\r\n%s" % (len(text), text))
        c.say("x LOGOUT")
        w.stop()


@pytest.mark.parametrize("op", ["write", "flush"])
def test_spool_that_cannot_be_written(instance, op):
    """451, and never a success later, not even after a restart."""
    w = instance(dict(QUICK, **{"testing.fault": f"queue/{op}:EIO:4:6"}))
    codes = [send(w, f"Subject: n{i}.\r\n\r\nBlah\r\n") for i in range(12)]
    assert set(codes) == {250, 451} and codes[-1] == 250, codes
    kept = {f"n{i}." for i, code in enumerate(codes) if code == 250}
    w.configure(**{"testing.fault": ""})
    for _ in range(2):
        w.wait_until(lambda: count(w) >= len(kept))
        c = test_imap.Client(w)
        c.ok("SELECT INBOX")
        heard = b"".join(c.ok("FETCH 1:* (BODY.PEEK[HEADER])"))
        assert set(re.findall(r"n\d+\.", heard.decode())) == kept
        w.process.kill()
        w.process.wait()
        w.start()


def test_append_that_cannot_be_flushed(instance):
    """NO, and the letter is not there after a crash either; the next one is."""
    w = instance(dict(QUICK, **{"testing.fault": "room/flush:EIO:4:8", "store.linger": "60s"}))
    c = test_imap.Client(w)
    said = []
    for i in range(12):
        text = test_imap.letter(f"n{i}.")
        said.append(c.cmd(b"APPEND INBOX {%d+}\r\n%s" % (len(text), text))[1][:2])
    assert set(said) == {b"NO", b"OK"} and said[-1] == b"OK", said
    for pid in w.pids("room"):
        os.kill(pid, signal.SIGKILL)
    w.configure(**{"testing.fault": ""})
    w.process.send_signal(signal.SIGHUP)
    w.wait_log("reloaded")
    c = test_imap.client_after_a_crash(w)
    c.ok("SELECT INBOX")
    heard = b"".join(c.ok("FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])")).decode()
    for i, one in enumerate(said):
        if one == b"OK":
            assert f"n{i}." in heard, (said, heard)


def test_quit_that_cannot_be_flushed(instance):
    """POP3's deletions: -ERR (RFC 1939 6: some or none may be removed), and the server goes on."""
    w = instance(QUICK)
    assert send(w) == 250
    w.wait_until(lambda: count(w) == 1)
    w.configure(**{"testing.fault": "room/flush:EIO:0", "store.linger": "100ms"})
    w.stop()
    w.start()
    p = pop(w)
    p.dele(1)
    with pytest.raises(poplib.error_proto):
        p.quit()
    w.configure(**{"testing.fault": ""})
    w.process.kill()
    w.process.wait()
    w.start()
    assert count(w) <= 1 and send(w) == 250


# ---- descriptors and memory ----

def test_room_without_descriptors(instance):
    """A room that cannot open its files: letters wait, sessions hear a reason; then all goes on."""
    w = instance(dict(QUICK, **{"testing.fault": "room/open:EMFILE:0"}))
    assert send(w) == 250
    with pytest.raises((AssertionError, OSError)):
        test_imap.Client(w)
    with pytest.raises((poplib.error_proto, OSError)):
        pop(w).stat()
    # However often: it is not the letter's fault.
    w.wait_until(lambda: w.log().count("died role=room") >= 4)
    w.configure(**{"testing.fault": ""})
    w.process.send_signal(signal.SIGHUP)
    w.wait_log("reloaded")
    w.wait_until(lambda: " delivered " in w.log(), 60)
    assert count(w) == 1 and " held " not in w.log()
    p = pop(w)
    assert p.stat()[0] == 1
    p.quit()


def test_little_memory(instance):
    """Address space for little: large letters are refused or taken, none that was taken is lost, and
    the server is as well as before when it is over."""
    w = instance(QUICK, start=False)
    w.process = subprocess.Popen([WAXWING, "serve", "--dir", w.dir], stdin=subprocess.DEVNULL,
                                 preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (96 << 20, 96 << 20)))
    w.wait_log(" serving ")
    large = "Subject: large\r\n\r\n" + ("x" * 998 + "\r\n") * 30000
    codes = []
    for text in [large] * 3 + [LETTER] * 3:
        try:
            codes.append(send(w, text))
        except (smtplib.SMTPException, OSError):
            codes.append(0)
    assert codes[3:] == [250] * 3 and set(codes) <= {250, 451, 452, 0}, codes
    small = 3
    w.wait_until(lambda: w.log().count(" delivered ") >= small)
    c = test_imap.Client(w)
    c.ok("SELECT INBOX")
    p = pop(w)
    assert p.stat()[0] >= small
    p.quit()
    w.stop()
    w.start()
    w.wait_until(lambda: count(w) == codes.count(250), 60)


# ---- the clock ----

def test_clock_jumps(instance):
    """Back ten years and ahead thirty, under a server that runs: UIDs, UIDVALIDITY and mod-sequences only
    grow, sessions and letters on their way stay, and a restart finds the same."""
    w = instance(dict(QUICK, **{"testing.time": "2026-03-01T12:00:00Z"}))
    seen = []

    def jump(to):
        before = w.log().count(" reloaded")
        w.configure(**{"testing.time": to})
        w.process.send_signal(signal.SIGHUP)
        w.wait_until(lambda: w.log().count(" reloaded") > before)

    watching = test_imap.Client(w)
    watching.ok("SELECT INBOX")
    for i, at in enumerate(["2026-03-01T12:00:00Z", "2016-03-01T12:00:00Z", "2046-03-01T12:00:00Z", "2026-03-01T11:00:00Z"]):
        jump(at)
        assert send(w) == 250
        w.wait_until(lambda: count(w) == i + 1)
        c = test_imap.Client(w)
        c.ok(f"CREATE box{i}")
        one = b" ".join(c.ok(f"STATUS box{i} (UIDVALIDITY)") + c.ok("STATUS INBOX (UIDNEXT UIDVALIDITY HIGHESTMODSEQ)"))
        seen.append([int(x) for x in re.findall(rb"(?:UIDVALIDITY|UIDNEXT|HIGHESTMODSEQ) (\d+)", one)])
    for before, after in zip(seen, seen[1:]):
        assert after[0] > before[0] and after[1] > before[1] and after[2] == before[2] and after[3] > before[3], seen
    watching.ok("NOOP")
    assert len(watching.ok("UID FETCH 1:* FLAGS")) >= 4
    p = pop(w)
    assert p.stat()[0] == 4
    p.quit()
    w.stop()
    w.start()
    c = test_imap.Client(w)
    assert b"UIDNEXT %d" % seen[-1][1] in c.ok("STATUS INBOX (UIDNEXT)")[0]


# ---- endless things ----

@pytest.mark.parametrize("service", ["imap", "pop3"])
def test_silent_crowd(instance, service):
    """10,000 that say nothing (or as many as this machine lets one open): others are served."""
    want = 10000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < want + 200:
        want = hard - 500
    resource.setrlimit(resource.RLIMIT_NOFILE, (want + 400, hard))
    w = instance(CHEAP)
    w.wait_port(w.ports[service])
    crowd = []
    try:
        for _ in range(want):
            crowd.append(socket.create_connection(("127.0.0.1", w.ports[service]), 60))
        for s in crowd:
            assert s.recv(100)[:2] in (b"* ", b"+O")
        assert send(w) == 250
        w.wait_until(lambda: " delivered " in w.log())
        if service == "imap":
            assert count(w) == 1
        else:
            assert pop(w).stat()[0] == 1
    finally:
        for s in crowd:
            s.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def rss(w):
    total = 0
    for p in [p for pids in w.pids().values() for p in pids]:
        try:
            total += int(open(f"/proc/{p}/statm").read().split()[1]) * 4096
        except OSError:     # it went while we looked
            pass
    return total


def pour(s, piece, most):
    """Octets that it took until the connection ended, or most."""
    sent = 0
    s.settimeout(60)
    try:
        while sent < most:
            s.sendall(piece)
            sent += len(piece)
    except (ConnectionResetError, BrokenPipeError):
        pass
    return sent


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("service", ["imap", "pop3"])
def test_endless_line(instance, service, where):
    """Before and after the login: it ends, or what comes is thrown away; memory stays small."""
    w = instance(CHEAP)
    w.wait_port(w.ports[service])
    if where == "after":
        s = test_imap.Client(w).sock if service == "imap" else pop(w).sock
    else:
        s = socket.create_connection(("127.0.0.1", w.ports[service]), 60)
        s.recv(4096)
    before = rss(w)
    pour(s, b"A" * 65536, 32 << 20)
    assert rss(w) < before + (24 << 20)
    s.close()
    assert send(w) == 250
    w.wait_until(lambda: count(w) == 1)
    assert "died" not in w.log()


def test_endless_header(instance):
    """A field that does not end before the limit is 552; one of 8 MiB comes out as it went in."""
    w = instance(dict(CHEAP, **{"smtp.message_size": "9m", "imap.literal": "9m"}))
    c = test_smtp.Client(w)
    for line in (b"MAIL FROM:<Smith@bar.com>", b"RCPT TO:<Jones@foo.com>", b"DATA"):
        c.say(line + b"\r\n")
    c.s.sendall(b"Subject: x" + (b"\r\n " + b"x" * 900) * 11000)
    assert c.say(b"\r\n.\r\n").startswith(b"552")
    field = "Subject: " + "\r\n ".join(["y" * 990] * 8000)
    assert send(w, field + "\r\n\r\nBlah\r\n") == 250
    w.wait_until(lambda: count(w) == 1)
    c = test_imap.Client(w)
    c.ok("SELECT INBOX")
    assert c.ok("FETCH 1 (ENVELOPE BODYSTRUCTURE)")
    whole = b"".join(c.ok("FETCH 1 BODY.PEEK[]"))
    assert field.encode() in whole
    text = field.encode() + b"\r\n\r\nBlah\r\n"
    c.ok(b"APPEND INBOX {%d+}\r\n%s" % (len(text), text))
    p = pop(w)
    p.sock.settimeout(60)
    poplib._MAXLINE, before = 1 << 20, poplib._MAXLINE
    try:
        assert field.encode() in b"\r\n".join(p.retr(1)[1])
    finally:
        poplib._MAXLINE = before
    p.quit()


def test_hundred_thousand_addresses(instance):
    w = instance(CHEAP)
    field = "To: " + ",\r\n ".join(f"a{i}@example.com" for i in range(100000))
    assert send(w, field + "\r\nSubject: to all\r\n\r\nBlah\r\n") == 250
    w.wait_until(lambda: count(w) == 1)
    c = test_imap.Client(w)
    c.ok("SELECT INBOX")
    envelope = c.ok("FETCH 1 ENVELOPE")[0]
    assert 5000 < envelope.count(b'"example.com"') <= 10000
    assert c.ok('SEARCH TO "a4999@"')[0] == b"* SEARCH 1"


# ---- commands ----

def test_literals(instance):
    w = instance(dict(CHEAP, **{"imap.literal": "64k"}))
    for size in (65537, 4294967295, 2**63, 10**20):
        c = test_imap.Client(w)
        c.say(b"x APPEND INBOX {%d}" % size)
        assert re.match(rb"x (NO \[TOOBIG\]|BAD)|\* BYE", c.hear()), size
    c = test_imap.Client(w)
    heard, last = c.cmd(b"APPEND INBOX {70000+}\r\n" + b"z" * 70000)
    assert last.startswith(b"NO [TOOBIG]")
    s = socket.create_connection(("127.0.0.1", w.ports["imap"]), 60)
    s.recv(4096)
    s.sendall(b"a LOGIN {4294967296}\r\n")
    assert re.match(rb"a BAD|\* BYE", s.recv(4096))
    assert "died" not in w.log()


OCTETS = [b"NO\0OP", b"NOOP\0", b"\0" * 50, b"\xff\xfe\xfd", "XOP ü".encode(), b"\x80" * 500, b"NO\rOP", b"\x1b[2J", b"%s%n%x"]


@pytest.mark.parametrize("service", ["smtp", "imap", "pop3"])
def test_octets(instance, service):
    """Each is one wrong command: an answer of one line, and the session goes on."""
    w = instance(dict(CHEAP, **{"login.errors": "100", "smtp.errors": "100"}))
    w.wait_port(w.ports[service])
    s = socket.create_connection(("127.0.0.1", w.ports[service]), 60)
    f = s.makefile("rb")
    f.readline()
    wrong = {"smtp": rb"5\d\d ", "imap": rb"(\*|[!-~]+) BAD ", "pop3": rb"-ERR "}[service]
    right = {"smtp": (b"NOOP", rb"250 "), "imap": (b"t NOOP", rb"t OK "), "pop3": (b"CAPA", rb"\+OK")}[service]
    for octets in OCTETS:
        s.sendall((b"t " if service == "imap" else b"") + octets + b"\r\n")
        said = f.readline()
        assert re.match(wrong, said), (octets, said)
        assert not re.search(rb"[^\x20-\x7e\r\n]", said), said
    s.sendall(right[0] + b"\r\n")
    assert re.match(right[1], f.readline())


# ---- letters ----

def nested_parts(deep):
    head = "".join(f"Content-Type: multipart/mixed; boundary=b{i}\r\n\r\n--b{i}\r\n" for i in range(deep))
    return "Subject: deep\r\n" + head + "\r\nneedle\r\n" + "".join(f"--b{i}--\r\n" for i in reversed(range(deep)))


def nested_letters(deep):
    return "Content-Type: message/rfc822\r\n\r\n" * deep + "Subject: deep\r\n\r\nneedle\r\n"


@pytest.mark.parametrize("form", [nested_parts, nested_letters])
def test_deeply_nested(instance, form):
    w = instance(CHEAP)
    text = form(10000)
    assert send(w, text) == 250
    w.wait_until(lambda: count(w) == 1)
    c = test_imap.Client(w)
    c.ok("SELECT INBOX")
    for what in ("ENVELOPE", "BODYSTRUCTURE", "BODY", "BODY.PEEK[1.1.1.1]", "BODY.PEEK[" + ".".join(["1"] * 200) + "]", "BINARY.PEEK[1.1]"):
        heard, last = c.cmd(f"FETCH 1 ({what})")
        assert re.match(b"OK|NO|BAD", last), (what, last)
    c.ok("SEARCH TEXT needle")
    assert c.ok("FETCH 1 RFC822.SIZE")
    p = pop(w)
    assert text.split("\r\n")[-2].encode() in p.retr(1)[1]
    assert p.top(1, 5)
    p.quit()
    assert "died" not in w.log()


# ---- words of other languages ----

FOREIGN = ["x';DROP TABLE account;--", 'x"--', "x%s%n%08x", "$(touch${IFS}here)", "`id`", "|id", "x*)(mail=*", "../../../keys/tls.key",
           "x\\", "x' OR '1'='1", ":include:/etc/passwd", "/dev/null"]


def test_words_of_other_languages(instance):
    """SQL, shells, LDAP, format strings, paths: in an address they are letters of it, and in a search a text."""
    w = instance(QUICK)
    w.account("o'hara@foo.com")
    for word in FOREIGN:
        quoted = word.replace("\\", "\\\\").replace('"', '\\"')
        with smtplib.SMTP("127.0.0.1", w.ports["smtp"], timeout=60) as c:
            c.ehlo()
            assert c.docmd("MAIL", f'FROM:<"{quoted}"@bar.com>')[0] == 250, word
            assert c.docmd("RCPT", f'TO:<"{quoted}"@foo.com>')[0] == 550, word
            assert c.docmd("RCPT", f"TO:<Jones@{word}>")[0] // 100 == 5, word
    assert send(w, to="o'hara@foo.com") == 250
    assert send(w, "Subject: x';DROP TABLE letter;--\r\n\r\n%s%n\r\n") == 250
    w.wait_until(lambda: count(w) == 1)
    c = test_imap.Client(w)
    c.ok("SELECT INBOX")
    for word in FOREIGN:
        literal = b"{%d+}\r\n%s" % (len(word), word.encode())
        c.ok(b"SEARCH OR SUBJECT " + literal + b" TEXT " + literal)
    assert c.ok("SEARCH SUBJECT \"';DROP TABLE letter\"") == [b"* SEARCH 1"]
    assert len(json.loads(w.run("account", "list", "--json").stdout)) >= 2
    assert "died" not in w.log()


# ---- files ----

def crash(w):
    w.process.kill()
    w.process.wait()


def test_truncated_files(instance):
    """A cut journal and a cut spool: what is before the cut is there, what comes is taken, and it is said."""
    # The room stays, so that it flushes nothing by leaving.
    w = instance(dict(QUICK, **{"queue.flush_interval": "600s", "store.linger": "60s"}))
    for i in range(20):
        assert send(w, f"Subject: n{i}.\r\n\r\nBlah\r\n") == 250
    w.wait_until(lambda: count(w) == 20)
    crash(w)
    # Not flushed, so the spool still owes all: a journal cut in half is made whole again.
    seg = max(glob.glob(os.path.join(w.dir, "mail/1/*.seg")), key=os.path.getsize)
    os.truncate(seg, os.path.getsize(seg) // 2)
    w.configure(**{"queue.flush_interval": "100ms", "store.linger": "300ms"})
    w.start()
    w.wait_until(lambda: count(w) == 20 and json.loads(w.run("queue", "list", "--json").stdout) == [], 60)
    w.stop()
    # All is settled now: half of a journal is half of the letters, and UIDs go on.
    seg = max(glob.glob(os.path.join(w.dir, "mail/1/*.seg")), key=os.path.getsize)
    os.truncate(seg, os.path.getsize(seg) // 2)
    spool = max(glob.glob(os.path.join(w.dir, "spool/*.log")))
    os.truncate(spool, max(os.path.getsize(spool) // 2, 600))
    w.start()
    left = count(w)
    assert 0 < left < 20
    c = test_imap.Client(w)
    assert int(re.search(rb"UIDNEXT (\d+)", c.ok("STATUS INBOX (UIDNEXT)")[0])[1]) >= 21
    assert send(w) == 250
    w.wait_until(lambda: count(w) == left + 1)
    p = pop(w)
    assert p.stat()[0] == left + 1
    p.quit()
    assert " store-mended " in w.log()


@pytest.mark.parametrize("harm", ["garbage", "half", "empty", "missing", "folder", "flipped"])
def test_spoilt_index(instance, harm):
    """It is made again from the journal, which is said in the log; nothing is missing."""
    w = instance(QUICK)
    for i in range(10):
        assert send(w, f"Subject: n{i}.\r\n\r\nBlah\r\n") == 250
    w.wait_until(lambda: count(w) == 10)
    c = test_imap.Client(w)
    c.ok("SELECT INBOX")
    c.ok(r"STORE 3 +FLAGS (\Flagged $Seal)")
    before = c.ok("FETCH 1:* (UID FLAGS MODSEQ ENVELOPE BODYSTRUCTURE)")
    w.stop()
    path = os.path.join(w.dir, "mail/1/index.db")
    for extra in glob.glob(path + "-*"):
        os.unlink(extra)
    size, owner = os.path.getsize(path), os.stat(path)
    if harm == "garbage":
        open(path, "r+b").write(os.urandom(size))
    elif harm == "half":
        os.truncate(path, size // 2)
    elif harm == "empty":
        os.truncate(path, 0)
    elif harm == "flipped":
        with open(path, "r+b") as f:
            for at in range(100, size, 512):
                f.seek(at)
                f.write(b"\xa5" * 16)
    else:
        os.unlink(path)
        if harm == "folder":
            os.mkdir(path)
            os.chown(path, owner.st_uid, owner.st_gid)
    w.start()
    assert count(w) == 10
    c = test_imap.Client(w)
    c.ok("SELECT INBOX")
    assert c.ok("FETCH 1:* (UID FLAGS MODSEQ ENVELOPE BODYSTRUCTURE)") == before
    if harm != "missing":
        assert re.search("store-mended .*rebuilt=1", w.log())
    p = pop(w)
    assert p.stat()[0] == 10
    p.quit()
