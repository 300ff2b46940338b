"""IMAP from login to logout with real clients: Python's imaplib, curl, mbsync."""
import imaplib
import os
import re
import shutil
import smtplib
import socket
import subprocess
import time

import pytest

import transcript

SETTINGS = {"login.argon2_memory": "64k", "login.argon2_passes": "1", "login.clear_text": "yes"}
LETTER = b"From: Smith@bar.com\r\nTo: Jones@foo.com\r\nSubject: %s\r\nMessage-ID: <%s@bar.com>\r\n\r\nA body.\r\n"


def letter(subject):
    return LETTER % (subject.encode(), subject.encode())


def deliver(w, subject, to="Jones@foo.com"):
    with smtplib.SMTP("127.0.0.1", w.ports["smtp"]) as s:
        s.sendmail("Smith@bar.com", [to], letter(subject))


class Client:
    """Says lines and hears whole responses, literals and all."""

    def __init__(self, w, user="Jones@foo.com"):
        w.wait_port(w.ports["imap"])
        self.sock = socket.create_connection(("127.0.0.1", w.ports["imap"]), 60)
        self.file = self.sock.makefile("rb")
        self.n = 0
        assert self.hear().startswith(b"* OK ")
        self.ok(f"LOGIN {user} secret")

    def hear(self):
        said = b""
        while True:
            line = self.file.readline()
            assert line.endswith(b"\r\n"), f"the server closed: {said + line!r}"
            said += line
            literal = re.search(rb"\{(\d+)\}\r\n$", line)
            if not literal:
                return said[:-2]
            said += self.file.read(int(literal.group(1)))

    def say(self, line):
        self.sock.sendall((line if isinstance(line, bytes) else line.encode()) + b"\r\n")

    def cmd(self, command):
        """All that comes up to the tagged answer, which is the last."""
        self.n += 1
        tag = b"a%d" % self.n
        self.say(tag + b" " + (command if isinstance(command, bytes) else command.encode()))
        heard = []
        while not heard or not heard[-1].startswith(tag + b" "):
            heard.append(self.hear())
        return heard[:-1], heard[-1][len(tag) + 1:]

    def ok(self, command):
        heard, last = self.cmd(command)
        assert last.startswith(b"OK"), (command, last)
        return heard

    def append(self, subject, box="INBOX"):
        text = letter(subject)
        return self.ok(b"APPEND %s {%d+}\r\n%s" % (box.encode(), len(text), text))


def hear_until(client, want, limit=60):
    end = time.monotonic() + limit
    heard = []
    while time.monotonic() < end:
        heard.append(client.hear())
        if re.search(want, heard[-1]):
            return heard
    raise AssertionError(f"never heard {want!r}: {heard}")


def test_a_letter_comes_out_of_imaplib(instance):
    w = instance(SETTINGS)
    deliver(w, "hello")
    w.wait_log("delivered")
    m = imaplib.IMAP4("127.0.0.1", w.ports["imap"])
    m.login("Jones@foo.com", "secret")
    assert m.select() == ("OK", [b"1"])
    assert m.search(None, "SUBJECT", "hello") == ("OK", [b"1"])
    assert letter("hello") in m.fetch("1", "(RFC822)")[1][0][1]
    assert b"\\Seen" in m.fetch("1", "(FLAGS)")[1][0]
    assert m.append("Sent", "\\Seen", None, letter("mine"))[0] == "OK"
    assert m.store("1", "+FLAGS", "\\Deleted")[0] == "OK"
    assert m.expunge() == ("OK", [b"1"])
    assert m.logout()[0] == "BYE"


def test_the_login_s_answer_names_the_capabilities(instance):
    w = instance(SETTINGS)
    c = Client(w)
    heard, last = c.cmd("CAPABILITY")
    assert last.startswith(b"OK") and len(heard) == 1
    words = heard[0].split()
    for word in (b"IMAP4rev1 IMAP4rev2 IDLE UIDPLUS MOVE NAMESPACE SPECIAL-USE CHILDREN ENABLE ID UNSELECT SASL-IR "
                 b"LITERAL+ LIST-EXTENDED LIST-STATUS STATUS=SIZE ESEARCH SEARCHRES CONDSTORE QRESYNC BINARY "
                 b"MULTIAPPEND QUOTA").split():
        assert word in words
    assert any(x.startswith(b"APPENDLIMIT=") for x in words)


def test_what_came_with_the_login_is_not_lost(instance):
    w = instance(SETTINGS)
    w.wait_port(w.ports["imap"])
    s = socket.create_connection(("127.0.0.1", w.ports["imap"]), 60)
    s.sendall(b"a LOGIN Jones@foo.com secret\r\nb SELECT INBOX\r\nc LOGOUT\r\n")
    heard = b""
    while more := s.recv(65536):
        heard += more
    assert heard.index(b"a OK") < heard.index(b"b OK [READ-WRITE]") < heard.index(b"c OK")


def test_idle_is_parked_and_woken_by_a_delivery(instance):
    w = instance(dict(SETTINGS, **{"store.linger": "1s"}))
    deliver(w, "one")
    w.wait_log("delivered")
    c = Client(w)
    c.ok("SELECT INBOX")
    c.say("i IDLE")
    assert c.hear().startswith(b"+")
    # Parked: the account's room goes, and nobody is missing it.
    end = time.monotonic() + 60
    while w.pids("room"):
        assert time.monotonic() < end, "an IDLE session keeps its room"
        time.sleep(0.05)
    deliver(w, "two")
    hear_until(c, rb"^\* 2 EXISTS$")
    c.say("DONE")
    hear_until(c, rb"^i OK")
    assert any(b"SEEN" not in x and b"UID 2" in x for x in c.ok("FETCH 2 UID"))


def test_a_silent_session_holds_no_room_and_goes_on(instance):
    w = instance(dict(SETTINGS, **{"store.linger": "1s"}))
    c = Client(w)
    c.append("one")
    c.ok("SELECT INBOX")
    end = time.monotonic() + 60
    while w.pids("room"):
        assert time.monotonic() < end, "a silent session keeps its room"
        time.sleep(0.05)
    assert c.ok("FETCH 1 (UID FLAGS)") == [b"* 1 FETCH (UID 1 FLAGS ())"]


def test_sessions_on_one_mailbox_see_each_other(instance):
    w = instance(SETTINGS)
    a, b = Client(w), Client(w)
    for i in range(3):
        a.append(f"m{i}")
    a.ok("SELECT INBOX")
    b.ok("SELECT INBOX")
    a.ok("STORE 1 +FLAGS (\\Deleted)")
    assert b"* 1 FETCH (UID 1 FLAGS (\\Deleted))" in b.ok("NOOP")
    a.ok("EXPUNGE")
    assert not any(b"EXPUNGE" in x for x in b.ok("FETCH 2:3 UID"))
    assert b.ok("NOOP") == [b"* 1 EXPUNGE"]
    a.ok("UID MOVE 2 Archive")
    assert b"* 1 EXPUNGE" in b.ok("NOOP")


def test_one_name_in_two_forms_is_one_mailbox(instance):
    w = instance(SETTINGS)
    c = Client(w)
    c.ok("ENABLE IMAP4rev2")
    one, two = "Gr\u00fcn/\u00e9".encode(), "Gru\u0308n/e\u0301".encode()
    c.ok(b'CREATE "' + two + b'"')
    assert c.cmd(b'CREATE "' + one + b'"')[1].startswith(b"NO [ALREADYEXISTS]")
    c.ok(b'SELECT "' + two + b'"')
    for name in (one, two):
        assert [x.endswith(b'"' + one + b'"') for x in c.ok(b'LIST "" "' + name + b'"')] == [True]
        c.append("x", name.decode().join('""'))
    assert b"MESSAGES 2" in c.ok(b'STATUS "' + one + b'" (MESSAGES)')[0]
    c.ok(b'RENAME "' + two + b'" "e\xcc\x81"')
    c.ok("DELETE \u00e9".encode().replace(b" ", b' "', 1) + b'"')


def test_quick_resync_after_a_time_away(instance):
    w = instance(SETTINGS)
    c = Client(w)
    for i in range(4):
        c.append(f"m{i}")
    seen = b" ".join(c.ok("SELECT INBOX"))
    validity = re.search(rb"UIDVALIDITY (\d+)", seen).group(1).decode()
    modseq = re.search(rb"HIGHESTMODSEQ (\d+)", seen).group(1).decode()
    c.ok("LOGOUT")
    other = Client(w)
    other.ok("SELECT INBOX")
    other.ok("UID STORE 1 +FLAGS (\\Flagged)")
    other.ok("UID STORE 2 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    other.append("new")
    back = Client(w)
    assert back.ok("ENABLE QRESYNC") == [b"* ENABLED QRESYNC"]
    heard = back.ok(f"SELECT INBOX (QRESYNC ({validity} {modseq}))")
    assert b"* VANISHED (EARLIER) 2" in heard
    told = [x for x in heard if b"FETCH" in x]
    assert len(told) == 2 and b"\\Flagged" in told[0] and b"UID 5" in told[1]


def test_changedsince_names_only_what_has_changed(instance):
    w = instance(SETTINGS)
    c = Client(w)
    for i in range(5):
        c.append(f"m{i}")
    modseq = re.search(rb"HIGHESTMODSEQ (\d+)", b" ".join(c.ok("SELECT INBOX"))).group(1).decode()
    c.ok("STORE 2,4 +FLAGS (\\Flagged)")
    # What is rendered comes by whole runs, the rest one by one.
    for items in ("UID", "ENVELOPE", "(UID BODYSTRUCTURE)", "BODY.PEEK[HEADER]"):
        told = [x for x in c.ok(f"FETCH 1:5 {items} (CHANGEDSINCE {modseq})") if b" FETCH " in x]
        assert [x.split()[1] for x in told] == [b"2", b"4"], items


def client_after_a_crash(w, limit=60):
    """A login whose room dies under it is closed; the next one has a new room."""
    end = time.monotonic() + limit
    while True:
        try:
            return Client(w)
        except (AssertionError, OSError):
            assert time.monotonic() < end
            time.sleep(0.1)


def test_what_was_appended_survives_kill(instance):
    w = instance(SETTINGS)
    c = Client(w)
    c.append("kept")
    for pid in w.pids("room"):
        os.kill(pid, 9)
    again = client_after_a_crash(w)
    again.ok("SELECT INBOX")
    assert b"kept" in b"".join(again.ok("FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]"))


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not there")
def test_curl_reads_and_searches(instance):
    w = instance(SETTINGS)
    Client(w).append("by curl")
    url = f"imap://127.0.0.1:{w.ports['imap']}/INBOX"

    def curl(*words):
        p = subprocess.run(["curl", "-s", "-u", "Jones@foo.com:secret", *words], stdout=subprocess.PIPE, timeout=60)
        assert p.returncode == 0
        return p.stdout

    assert curl(url + ";UID=1") == letter("by curl")
    assert curl(url + "?SUBJECT%20curl").strip() == b"* SEARCH 1"
    assert b"Archive" in curl(url.replace("INBOX", ""))


@pytest.mark.skipif(not shutil.which("mbsync"), reason="mbsync is not there")
def test_mbsync_brings_both_sides_together(instance, tmp_path):
    w = instance(SETTINGS)
    c = Client(w)
    for i in range(3):
        c.append(f"m{i}")
    rc = tmp_path / "rc"
    box = tmp_path / "mail"
    box.mkdir()
    rc.write_text(f"""
IMAPStore far
Host 127.0.0.1
Port {w.ports['imap']}
User Jones@foo.com
Pass secret
AuthMechs LOGIN
SSLType None

MaildirStore near
Path {box}/
Inbox {box}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
""")

    def sync():
        p = subprocess.run(["mbsync", "-c", str(rc), "-a"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           timeout=60, env=dict(os.environ, HOME=str(tmp_path)))
        assert p.returncode == 0, p.stdout

    def files():
        return [f for d in ("cur", "new") for f in os.listdir(box / "INBOX" / d)]

    sync()
    assert len(files()) == 3
    (box / "INBOX/new/123.near").write_bytes(letter("near").replace(b"\r\n", b"\n"))
    c.ok("SELECT INBOX")
    c.ok("STORE 1 +FLAGS (\\Deleted)")
    c.ok("EXPUNGE")
    sync()
    assert len(files()) == 3
    assert b"* 3 EXISTS" in c.ok("SELECT INBOX")


@pytest.mark.parametrize("name", transcript.files("imap"))
def test_transcript(instance, name):
    transcript.run(instance, "imap", name)


def test_headers_in_utf8_for_who_cannot_read_them(instance):
    """RFC 6855 7: in ASCII, and the same body; as they are for who has enabled UTF8=ACCEPT or IMAP4rev2."""
    w = instance(SETTINGS)
    head = "From: M\u00fcller <m\u00fcller@bar.com>\r\nTo: Jones@foo.com\r\nSubject: gr\u00fcn\r\n".encode()
    body = "gr\u00fcn\r\n".encode() + b"x" * 20000 + b"\r\n"
    with smtplib.SMTP("127.0.0.1", w.ports["smtp"]) as s:
        s.sendmail("Smith@bar.com", ["Jones@foo.com"], head + b"\r\n" + body, ["SMTPUTF8", "BODY=8BITMIME"])
    w.wait_until(lambda: "to=Jones@foo.com uid" in w.log())
    group, subject = b"=?utf-8?q?M=C3=BCller_=3Cm=C3=BCller=40bar=2Ecom=3E?=", b"=?utf-8?b?Z3LDvG4=?="
    for enable, plain in ((None, False), ("IMAP4rev2", True), ("UTF8=ACCEPT", True)):
        c = Client(w)
        if enable:
            c.ok(f"ENABLE {enable}")
        c.ok("SELECT INBOX")
        whole = c.ok("FETCH 1 BODY.PEEK[]")[0]
        assert body in whole and (head in whole) == plain
        shown = c.ok("FETCH 1 (BODY.PEEK[HEADER.FIELDS (From Subject)] ENVELOPE BODY.PEEK[TEXT])")[0]
        assert body in shown
        before = shown.replace(body, b"")
        if plain:
            assert head.split(b"\r\n")[0] in before and "gr\u00fcn".encode() in before
        else:
            assert before.isascii() and b"From: " + group + b":;\r\n" in before and b"Subject: " + subject in before
            assert b'(NIL NIL "' + group + b'" NIL)(NIL NIL NIL NIL))' in before and b'"' + subject + b'"' in before
        c.sock.close()
