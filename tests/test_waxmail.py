"""waxmail(1) in pipes: against our own server, and what it makes of letters."""
import contextlib
import email
import email.policy
import imaplib
import json
import os
import re
import shutil
import signal
import ssl
import stat
import subprocess
import time

import pytest

from conftest import ROOT
from test_reader import Terminal, deliver
from waxmail import WAXMAIL, Person

PDF = bytes(range(256)) * 100


@pytest.fixture
def person(tmp_path):
    return Person(tmp_path / "person")


@pytest.fixture
def jones(instance, person):
    """(Jones with an account, the server)"""
    w = instance()
    return person.account("Jones@foo.com", w, "--name", "J. Jönes"), w


def imap(w, user="Jones@foo.com"):
    ctx = ssl.create_default_context(cafile=os.path.join(w.dir, "keys/tls.pem"))
    m = imaplib.IMAP4_SSL("localhost", w.ports["imaps"], ssl_context=ctx)
    m.login(user, "secret")
    return m


def letter(n, more=""):
    return (f"From: Smith <Smith@bar.com>\r\nTo: Jones@foo.com\r\nSubject: letter {n}\r\n"
            f"Date: Wed, 25 Nov 2026 10:{n // 60 % 60:02}:{n % 60:02} +0000\r\nMessage-ID: <{n}@bar.com>\r\n{more}\r\nBlah {n}\r\n").encode()


def fill(w, count, user="Jones@foo.com"):
    m = imap(w, user)
    for n in range(count):
        assert m.append("INBOX", "", None, letter(n))[0] == "OK"
    m.logout()


def parse(person, number):
    raw = person.run("raw", str(number), input=b"").stdout
    return raw, email.message_from_bytes(raw.replace(b"\r\n", b"\n"), policy=email.policy.default)


# ---- the program itself ----

def test_help_manual_and_completion(tmp_path):
    rows = re.findall(r'^V\(\w+, "([^"]+)"', open(os.path.join(ROOT, "src/mua/verbs.def")).read(), re.M)
    assert len(rows) > 20
    text = subprocess.run([WAXMAIL, "help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    manual = subprocess.run([WAXMAIL, "--manual"], stdout=subprocess.PIPE, text=True, check=True).stdout
    script = subprocess.run([WAXMAIL, "--completion"], stdout=subprocess.PIPE, text=True, check=True).stdout
    for words in rows:
        assert words in text and f".It Cm {words}" in manual
        one = subprocess.run([WAXMAIL, "help", words.split()[0]], stdout=subprocess.PIPE, text=True, check=True)
        assert f"waxmail {words}" in one.stdout
    one = subprocess.run([WAXMAIL, "account", "add", "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert "--read URL" in one and "account list" not in one
    assert "".join(sorted({w.split()[0] for w in rows} & set(re.findall(r"\t(\w+)\) words", script)))) == \
        "".join(sorted({w.split()[0] for w in rows}))
    done = subprocess.run(["bash", "-c", script + "\nCOMP_WORDS=(waxmail account a); COMP_CWORD=2; _waxmail; echo ${COMPREPLY[@]}"],
                          stdout=subprocess.PIPE, text=True, check=True).stdout
    assert done.split() == ["add"]
    if shutil.which("zsh"):
        got = subprocess.run(["zsh", "-f", "-c", script + "\nCOMP_WORDS=(waxmail account a); COMP_CWORD=2\n"
                              "f() { emulate -L sh; _waxmail; echo ${COMPREPLY[@]}; }; f; echo $_comps[waxmail]"],
                             stdout=subprocess.PIPE, text=True, check=True, env=dict(os.environ, HOME=str(tmp_path))).stdout
        assert "add" in got.split() and "_bash_complete -F _waxmail" in got


def test_the_manual_is_clean(tmp_path):
    page = tmp_path / "waxmail.1"
    page.write_bytes(subprocess.run([WAXMAIL, "--manual"], stdout=subprocess.PIPE, check=True).stdout)
    p = subprocess.run(["mandoc", "-Tlint", str(page)], text=True, stdout=subprocess.PIPE)
    wrong = [x for x in p.stdout.splitlines() if "Xr mutt" not in x and "referenced manual not found" not in x and "STYLE: lower case" not in x]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("args,says", [
    (["lst"], "did you mean `list`"), (["send", "--subjcet", "x"], "did you mean --subject"), (["list", "--to", "x"], "has no option --to"),
    (["show", "x"], "is not the number of a letter"), (["move", "1"], "--folder"), (["attach", "1"], "usage:"),
    (["list", "--limit", "many"], "wants a number"), (["account", "add", "nobody"], "NAME@DOMAIN"),
])
def test_wrong_use(person, args, says):
    assert says in person.run(*args, status=2).stderr


def test_without_an_account(person):
    assert "account add" in person.run("list", status=1).stderr


@pytest.mark.parametrize("text,says", [
    ('default = 3;\n', "config:1: default wants a text"),
    ('\nnonsense = "x";\n', "config:2: nonsense is no setting"),
    ('accounts = ( {\n address = "a@b.c";\n read = "http://x";\n} );\n', "config:3: read wants a server"),
    ('accounts = ( {\n', "config:2: syntax error"),
    ('patience = 0;\n', "config:1: patience wants a number"),
])
def test_wrong_configuration(person, text, says):
    os.makedirs(os.path.join(person.env["XDG_CONFIG_HOME"], "waxmail"))
    open(os.path.join(person.env["XDG_CONFIG_HOME"], "waxmail/config"), "w").write(text)
    assert says in person.run("list", status=1).stderr


# ---- letters there and back ----

def test_send_and_read(jones):
    person, w = jones
    sent = person.json("send", "--to", "Jones@foo.com", "--subject", "Grüße", input="Hällo\n\nBlah\n")
    assert sent["state"] == "sent"
    rows = person.wait(lambda rows: len(rows) == 1)
    m = rows[0]
    assert {k: m[k] for k in ("folder", "flags", "subject", "from", "address", "message_id", "whole", "attachments", "pending")} == {
        "folder": "INBOX", "flags": [], "subject": "Grüße", "from": "J. Jönes", "address": "Jones@foo.com",
        "message_id": sent["message_id"], "whole": True, "attachments": False, "pending": False}
    shown = person.json("show", str(m["id"]))[0]
    assert shown["text"] == "Hällo\n\nBlah\n" and [p["type"] for p in shown["parts"]] == ["text/plain"]
    assert {"name": "Subject", "value": "Grüße"} in shown["fields"]
    text = person.run("show", str(m["id"])).stdout
    assert "Subject:  Grüße" in text and "Hällo" in text
    assert f"{m['id']} N" in person.run("list").stdout
    folders = {f["name"]: f for f in person.json("folders")}
    assert folders["INBOX"]["unseen"] == 1 and folders["INBOX"]["use"] == "inbox"
    # A copy of what was sent, here and on the server.
    assert folders["Sent"]["messages"] == 1 and folders["Sent"]["pending"] == 0
    assert [x.split()[1] for x in [imap(w).select("Sent")[1][0]] for x in [b"x " + x]] == [b"1"]


def test_pipes(jones):
    person, w = jones
    fill(w, 5)
    person.sync()
    lines = person.run("search", "subject:letter", "-subject:3", "--limit", "3").stdout
    assert len(lines.splitlines()) == 3
    person.run("flag", "--add", "flagged", "--add", "work", input=lines)
    found = person.run("search", "is:flagged", "tag:work", "--json").stdout
    assert sorted(m["subject"] for m in json.loads(found)) == ["letter 1", "letter 2", "letter 4"]
    assert person.json("move", "--folder", "Neu/Unter ordner", input=found) == {"letters": 3}
    assert [m["subject"] for m in person.list()] == ["letter 3", "letter 0"]
    assert person.run("show", input=person.run("list", "--limit", "1").stdout).stdout.endswith("Blah 3\n")
    assert person.sync()["refused"] == 0
    m = imap(w)
    assert m.select('"Neu/Unter ordner"')[1] == [b"3"]
    flags = m.fetch("1:*", "(FLAGS)")[1]
    assert all(b"\\Flagged" in f and b"work" in f for f in flags)
    assert m.select("INBOX")[1] == [b"2"]
    # Numbers stay what they were.
    assert {x["id"] for x in person.list("Neu/Unter ordner")} == {x["id"] for x in json.loads(found)}
    person.run("remove", input=found)
    person.sync()
    assert m.select('"Neu/Unter ordner"')[1] == [b"0"]
    assert person.list("Neu/Unter ordner") == []


def test_changes_on_the_server(jones):
    person, w = jones
    fill(w, 6)
    assert person.sync()["headers"] == 6
    assert {k: person.sync()[k] for k in ("headers", "letters", "flags", "gone", "told")} == dict.fromkeys(
        ("headers", "letters", "flags", "gone", "told"), 0)
    m = imap(w)
    m.select("INBOX")
    m.store("2", "+FLAGS", "(\\Seen \\Answered $Forwarded word)")
    m.store("4", "+FLAGS", "\\Deleted")
    m.expunge()
    m.append("INBOX", "\\Flagged", None, letter(9))
    got = person.sync()
    assert (got["headers"], got["gone"]) == (1, 1)
    rows = {x["subject"]: x for x in person.list()}
    assert sorted(rows) == ["letter 0", "letter 1", "letter 2", "letter 4", "letter 5", "letter 9"]
    assert rows["letter 1"]["flags"] == ["answered", "forwarded", "seen", "word"] and rows["letter 9"]["flags"] == ["flagged"]
    m.create("Later")
    m.copy("1", "Later")
    m.delete("Archive")
    person.sync()
    names = [f["name"] for f in person.json("folders")]
    assert "Later" in names and "Archive" not in names
    assert len(person.list("Later")) == 1


def test_another_uidvalidity(jones):
    person, w = jones
    m = imap(w)
    m.create("Box")
    m.append("Box", "", None, letter(1))
    person.sync()
    old = person.list("Box")[0]["id"]
    m.delete("Box")
    m.create("Box")
    m.append("Box", "", None, letter(2))
    m.append("Box", "", None, letter(3))
    person.sync()
    assert [x["subject"] for x in person.list("Box")] == ["letter 3", "letter 2"]
    assert old not in [x["id"] for x in person.list("Box")]


def test_headers_first_and_then_the_rest(jones):
    person, w = jones
    fill(w, 130)
    got = person.sync("--first", "INBOX")
    assert (got["headers"], got["letters"]) == (100, 0)
    newest = person.list("--limit", "1")[0]
    assert newest["subject"] == "letter 129" and not newest["whole"]
    # What is looked at is fetched.
    assert "Blah 129" in person.run("show", str(newest["id"])).stdout
    got = person.sync()
    assert (got["headers"], got["letters"]) == (30, 129)
    assert all(x["whole"] for x in person.list())


def test_a_sync_that_is_killed_goes_on(jones):
    person, w = jones
    fill(w, 400)
    for ms in (60, 120, 250):
        p = subprocess.Popen([WAXMAIL, "sync", "--quiet"], env=person.env, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(ms / 1000)
        p.send_signal(signal.SIGKILL)
        p.wait()
    person.sync()
    rows = person.list()
    assert len(rows) == 400 and all(x["whole"] for x in rows)
    assert len({x["uid"] for x in rows}) == 400


def test_two_places_at_once(jones, tmp_path):
    person, w = jones
    other = Person(tmp_path / "other").account("Jones@foo.com", w)
    fill(w, 3)
    person.sync()
    other.sync()
    one, two, three = [str(x["id"]) for x in person.list("--oldest")]
    person.run("flag", one, "--add", "flagged")
    other.run("flag", str(other.list("--oldest")[1]["id"]), "--add", "seen")
    other.run("remove", str(other.list("--oldest")[2]["id"]))
    # Changed here, and gone there.
    person.run("flag", three, "--add", "seen")
    other.sync()
    person.sync()
    other.sync()
    for p in (person, other):
        assert [x["flags"] for x in p.list("--oldest")] == [["flagged"], ["seen"]]


@contextlib.contextmanager
def watching(person):
    p = subprocess.Popen([WAXMAIL, "sync", "--watch"], env=person.env, stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        yield p
    finally:
        p.kill()
        p.communicate()


def until_there(person, p):
    end = time.monotonic() + 60
    while not person.list():
        assert time.monotonic() < end and p.poll() is None
        time.sleep(0.05)


def test_watch(jones):
    person, w = jones
    person.sync()
    with watching(person) as p:
        fill(w, 1)
        until_there(person, p)


def test_watching_outlives_the_server(jones):
    """The server starts again, and who watches goes on; a wrong password ends it."""
    person, w = jones
    person.sync()
    with watching(person) as p:
        w.stop()
        said = ""
        while "tried again" not in said:
            said = p.stderr.readline()
            assert said, p.wait()
        w.start()
        fill(w, 1)
        until_there(person, p)
    config = os.path.join(person.env["XDG_CONFIG_HOME"], "waxmail/config")
    text = open(config).read().replace("echo secret", "echo wrong")
    open(config, "w").write(text)
    p = person.run("sync", "--watch", status=1)
    assert "tried again" not in p.stderr and "says" in p.stderr


REPORT = """From: postmaster@bar.com
Subject: Undeliverable
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b

It did not work.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.bar.com

Final-Recipient: rfc822; Green@bar.com
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user
--b
Content-Type: text/rfc822-headers

Message-ID: {}
--b--
"""


def test_a_report_names_the_letter_that_was_sent(jones):
    person, w = jones
    sent = person.run("send", "--to", "Smith@bar.com", "--subject", "Blah blah", "--print-id", input="x\n").stdout.strip()
    deliver(w, REPORT.format(sent).replace("\n", "\r\n"))
    person.sync()
    mine, = person.list("Sent")
    report, = person.list()
    shown = person.run("show", str(report["id"])).stdout
    assert shown.startswith("Report:   Your letter could not be delivered to Green@bar.com: 550 5.1.1 no such user\n"
                            f"About:    letter {mine['id']} in Sent: Blah blah\nFrom: "), shown
    assert "It did not work." in shown and "Final-Recipient" in shown
    got, = person.json("show", str(report["id"]))
    assert got["report"] == {"says": "Your letter could not be delivered to Green@bar.com: 550 5.1.1 no such user", "about": mine["id"]}
    got, = person.json("show", str(mine["id"]))
    assert got["report"] is None


# ---- composing ----

def draft(person, *args, input="Blah\n"):
    number = person.run("send", "--draft", *args, input=input).stdout.strip()
    return parse(person, number)


def test_a_letter_with_everything(jones, tmp_path):
    person, _ = jones
    names = ["report.pdf", "grüße und ein sehr langer Name, der in Stücke zerlegt werden muss 😀.txt", 'a "b".bin']
    for name, data in zip(names, (PDF, "äöü\n".encode(), b"\xff\xfe\0")):
        (tmp_path / name).write_bytes(data)
    raw, m = draft(person, "--to", "\"Smith, A.\" <Smith@bar.com>, Jo <jo@foo.com>", "--to", "x@y.example", "--cc", "Jörg <c@d.example>",
                   "--subject", "Grüße aus dem fernen Land mit einer langen Zeile, die gefaltet werden muss " + "ß" * 60,
                   *[w for n in names for w in ("--attach", str(tmp_path / n))], input="Hällo\n" + "Wort " * 60 + "\n")
    assert [a.addr_spec for a in m["to"].addresses] == ["Smith@bar.com", "jo@foo.com", "x@y.example"]
    assert m["to"].addresses[0].display_name == "Smith, A." and m["cc"].addresses[0].display_name == "Jörg"
    assert m["subject"].endswith("ß" * 60) and m["from"].addresses[0].display_name == "J. Jönes"
    assert re.fullmatch(r"<[0-9a-f.]+@foo\.com>", m["message-id"]) and m["mime-version"] == "1.0"
    assert m["user-agent"] is None and m["date"].datetime.tzinfo is not None
    text, *files = m.iter_parts()
    assert text.get_content_type() == "text/plain" and text["content-type"].params["format"] == "flowed"
    assert [f.get_filename() for f in files] == names
    assert [f.get_content_type() for f in files] == ["application/pdf", "text/plain", "application/octet-stream"]
    assert files[0].get_content() == PDF and files[1].get_content() == "äöü\n" and files[2].get_content() == b"\xff\xfe\0"
    assert all(len(line) <= 78 for line in raw.splitlines()), max(raw.splitlines(), key=len)
    assert all(b < 128 for b in raw) and not m.defects and not any(p.defects for p in m.walk())


@pytest.mark.parametrize("text,charset,encoding", [
    ("Blah\n", "us-ascii", "7bit"), ("ä\n" + "Blah\n" * 20, "utf-8", "quoted-printable"), ("ДЖОНС\n", "utf-8", "base64"),
    ("x" * 2000 + "\n", "us-ascii", "quoted-printable"), ("From me\n.\n..\n -- \n> x\n", "us-ascii", "7bit"), ("", "us-ascii", "7bit"),
])
def test_text(jones, text, charset, encoding):
    person, _ = jones
    raw, m = draft(person, "--to", "x@y.example", input=text)
    assert m["content-type"].params["charset"] == charset and m["content-transfer-encoding"] == encoding
    # RFC 3676 4.2: what is stuffed, and joined.
    lines = [x[1:] if x.startswith(" ") else x for x in m.get_content().splitlines()]
    assert [x.rstrip() for x in lines] == [x.rstrip() for x in text.splitlines()]


def test_flowed_text_is_the_same_when_joined(jones):
    person, _ = jones
    text = "Ein langer Absatz " * 20 + "\nund noch einer\n"
    _, m = draft(person, "--to", "x@y.example", input=text)
    joined = "".join(x if x.endswith(" ") else x + "\n" for x in m.get_content().splitlines())
    assert joined == text.replace("Absatz \n", "Absatz\n")
    assert max(len(x) for x in m.get_content().splitlines()) <= 78


@pytest.mark.parametrize("where", ["--subject", "--to", "--from", "--cc"])
def test_no_field_is_smuggled_in(jones, where):
    person, _ = jones
    p = subprocess.run([WAXMAIL, "send", "--draft", "--to", "x@y.example", where, "a@b.c\r\nBcc: evil@x.example\n\nbody"], input="t\n", text=True,
                       env=person.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if p.returncode == 0:
        m = parse(person, p.stdout.strip())[1]
        assert m["bcc"] is None and m.get_content() == "t\n"
    else:
        assert "is no address" in p.stderr


def test_wrong_recipients(jones):
    person, _ = jones
    assert "nobody is no address" in person.run("send", "--to", "nobody", input="x", status=1).stderr
    assert "no recipient" in person.run("send", input="x", status=1).stderr
    assert "--dsn wants" in person.run("send", "--to", "a@b.c", "--dsn", "sometimes", input="x", status=2).stderr
    assert "missing.txt" in person.run("send", "--to", "a@b.c", "--attach", "missing.txt", input="x", status=1).stderr
    assert person.json("outbox", "list") == []


def test_refused_by_the_server(jones):
    person, _ = jones
    p = person.run("send", "--to", "nobody@foo.com, Brown@foo.com", "--subject", "x", input="text\n", status=1)
    assert "refuses nobody@foo.com: 550" in p.stderr and "it is draft" in p.stderr
    assert person.json("outbox", "list") == []
    person.sync()
    (one,) = person.list("Drafts")
    # Mended, it goes; and the draft goes with it.
    assert one["flags"] == ["draft", "seen"]
    _, m = parse(person, one["id"])
    assert m["to"] == "nobody@foo.com, Brown@foo.com"


def test_aliases(jones):
    person, _ = jones
    person.run("alias", "add", "bro", "B. Brown <Brown@foo.com>")
    person.run("alias", "add", "crew", "bro", "Smith@bar.com")
    _, m = draft(person, "--to", "crew")
    assert [(a.display_name, a.addr_spec) for a in m["to"].addresses] == [("B. Brown", "Brown@foo.com"), ("", "Smith@bar.com")]
    assert [a["name"] for a in person.json("alias", "list")] == ["bro", "crew"]
    person.run("alias", "remove", "bro")
    assert "no nickname" in person.run("alias", "remove", "bro", status=1).stderr
    assert "bro is no address" in person.run("send", "--to", "crew", input="x", status=1).stderr


def test_reply_forward_and_flags(jones):
    person, w = jones
    m = imap(w)
    m.append("INBOX", "", None, letter(1, "Cc: Brown <Brown@foo.com>, Jones@foo.com\r\nReferences: <a@b> <c@d>\r\n"
                                          "List-Post: <mailto:list@x.example>\r\n"))
    person.sync()
    number = str(person.list()[0]["id"])
    _, r = parse(person, person.run("reply", number, "--draft", "--all", input="Danke\n").stdout.strip())
    assert r["to"] == "Smith <Smith@bar.com>" and r["cc"] == "Brown <Brown@foo.com>" and r["subject"] == "Re: letter 1"
    assert r["in-reply-to"] == "<1@bar.com>" and r["references"].split() == ["<a@b>", "<c@d>", "<1@bar.com>"]
    assert r.get_content().startswith("Danke\n\nOn 2026-11-25 10:00, Smith <Smith@bar.com> wrote:\n> Blah 1\n")
    _, r = parse(person, person.run("reply", number, "--draft", "--list", "--no-quote", input="x\n").stdout.strip())
    assert r["to"] == "list@x.example" and r.get_content() == "x\n"
    _, f = parse(person, person.run("forward", number, "--draft", "--to", "x@y.example", input="FYI\n").stdout.strip())
    text, inner = f.iter_parts()
    assert text.get_content() == "FYI\n" and inner.get_content_type() == "message/rfc822"
    assert inner.get_content()["subject"] == "letter 1" and f["subject"] == "Fwd: letter 1"
    _, f = parse(person, person.run("forward", number, "--inline", "--draft", "--to", "x@y.example", input="FYI\n").stdout.strip())
    assert "Subject: letter 1" in f.get_content() and "Blah 1" in f.get_content()
    assert person.list()[0]["flags"] == []
    person.run("reply", number, "--to", "Jones@foo.com", input="x")
    person.run("forward", number, "--to", "Jones@foo.com", input="x")
    person.sync()
    assert person.list("--oldest")[0]["flags"] == ["answered", "forwarded"]


EDITOR = """#!/bin/sh
cp "$1" {seen}
printf 'From: Jones@foo.com\\nTo: Brown@foo.com\\nSubject: edited\\nAttach: {file}\\n\\nwritten\\n' > "$1"
"""


def test_editor(jones, tmp_path):
    person, _ = jones
    (tmp_path / "a.txt").write_text("file\n")
    editor = tmp_path / "my editor"
    editor.write_text(EDITOR.format(seen=tmp_path / "seen", file=tmp_path / "a.txt"))
    editor.chmod(0o755)
    p = person.run("send", "--edit", "--draft", "--to", "x@y.example", "--subject", "first", EDITOR=f"'{editor}'")
    _, m = parse(person, p.stdout.strip())
    assert (m["to"], m["subject"]) == ("Brown@foo.com", "edited")
    text, file = m.iter_parts()
    assert text.get_content() == "written\n" and file.get_content() == "file\n"
    seen = (tmp_path / "seen").read_text()
    assert "To: x@y.example\n" in seen and "Subject: first\n" in seen
    # Left as it was: nothing is sent.
    assert "nothing was written" in person.run("send", "--edit", "--to", "Brown@foo.com", EDITOR="true", status=1).stderr
    assert "ended with status 3" in person.run("send", "--edit", "--to", "Brown@foo.com", EDITOR="exit 3;", status=1).stderr


def test_drafts_go_on(jones, tmp_path):
    person, _ = jones
    (tmp_path / "a.bin").write_bytes(PDF)
    first = person.run("send", "--draft", "--to", "Jones@foo.com", "--bcc", "Brown@foo.com", "--subject", "d", input="text\n").stdout.strip()
    second = person.run("attach", first, str(tmp_path / "a.bin")).stdout.strip()
    assert [str(x["id"]) for x in person.list("Drafts")] == [second]
    raw, m = parse(person, second)
    assert m["bcc"] == "Brown@foo.com" and [p.get_content_type() for p in m.iter_parts()] == ["text/plain", "application/octet-stream"]
    assert person.json("send", second)["state"] == "sent"
    got = person.wait(lambda rows: len(rows) == 1)[0]
    raw, m = parse(person, got["id"])
    # Nobody sees who was not to be seen.
    assert b"Brown" not in raw and list(m.iter_parts())[1].get_content() == PDF
    assert person.list("Drafts") == []


def test_save(jones, tmp_path):
    person, w = jones
    inner = (b"--b\r\nContent-Type: application/octet-stream; name=\"../../evil\"\r\nContent-Disposition: attachment\r\n\r\nx\r\n"
             b"--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\".profile\"\r\n\r\ny\r\n--b--\r\n")
    imap(w).append("INBOX", "", None, letter(1, "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n").split(b"\r\n\r\n")[0] + b"\r\n\r\n" + inner)
    person.sync()
    number = str(person.list()[0]["id"])
    folder = tmp_path / "deep" / "saved"
    folder.mkdir(parents=True)
    first = person.run("save", number, "--dir", str(folder)).stdout.split()
    again = person.json("save", number, "--dir", str(folder))
    assert len(first) == 2 and sorted(os.listdir(folder)) == sorted(first + [x["file"] for x in again])
    assert all(not n.startswith(".") and "/" not in n for n in os.listdir(folder)) and len(os.listdir(folder)) == 4
    assert os.listdir(tmp_path / "deep") == ["saved"]
    assert all(stat.S_IMODE(os.stat(folder / n).st_mode) == 0o600 for n in os.listdir(folder))


def test_receipt(jones):
    person, w = jones
    m = imap(w)
    m.append("INBOX", "", None, letter(1, "Disposition-Notification-To: Smith@bar.com\r\n"))
    m.append("INBOX", "", None, letter(2, "Disposition-Notification-To: other@bar.com\r\n"))
    m.append("INBOX", "", None, letter(3))
    person.sync()
    one, two, three = [str(x["id"]) for x in person.list("--oldest")]
    assert "not go to its author" in person.run("receipt", two, status=1).stderr
    assert "did not ask" in person.run("receipt", three, status=1).stderr
    # Reading alone tells nobody.
    person.run("show", one)
    assert person.json("outbox", "list") == []
    person.run("receipt", one, "--queue")
    (out,) = person.json("outbox", "list")
    assert out["to"] == ["Smith@bar.com"] and out["from"] == ""
    assert "told already" in person.run("receipt", one, status=1).stderr


def test_a_letter_that_is_too_large_stops_no_other(jones):
    person, w = jones
    m = imap(w)
    m.append("INBOX", "", None, letter(1) + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 2000)
    m.append("INBOX", "", None, letter(2))
    config = os.path.join(person.env["XDG_CONFIG_HOME"], "waxmail/config")
    text = open(config).read()
    open(config, "w").write(re.sub(r"letter_size = \d+L", "letter_size = 65536", text))
    assert person.sync()["letters"] == 1
    assert [x["whole"] for x in person.list("--oldest")] == [False, True]
    assert "too long" in person.run("show", str(person.list("--oldest")[0]["id"]), status=1).stderr
    open(config, "w").write(text)
    assert person.sync()["letters"] == 1


def test_parts(jones, tmp_path):
    person, _ = jones
    (tmp_path / "a.pdf").write_bytes(PDF)
    number = person.run("send", "--draft", "--to", "x@y.example", "--receipt", "--attach", str(tmp_path / "a.pdf"), input="text\n").stdout.strip()
    assert [x.split()[:3] for x in person.run("show", number, "--parts").stdout.splitlines()] == [
        ["1", "-", "text/plain"], ["2", "a", "application/pdf"]]
    assert person.run("show", number, "--part", "2", input=b"").stdout == PDF
    assert "part" in person.run("show", number, "--part", "9", status=1).stderr
    assert b"\r\nDisposition-Notification-To: Jones@foo.com\r\n" in parse(person, number)[0].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


# ---- the outbox ----

def test_written_without_the_network(jones):
    person, w = jones
    person.sync()
    w.stop()
    p = person.run("send", "--to", "Jones@foo.com", "--subject", "later", input="x\n")
    assert "waits in the outbox" in p.stderr
    (out,) = person.json("outbox", "list")
    assert out["to"] == ["Jones@foo.com"] and out["from"] == "Jones@foo.com"
    person.run("send", "--queue", "--to", "Jones@foo.com", "--subject", "second", input="x\n")
    person.run("send", "--queue", "--to", "Jones@foo.com", "--subject", "third", input="x\n")
    person.run("outbox", "remove", str(person.json("outbox", "list")[-1]["number"]))
    person.run("sync", status=1)
    w.start()
    end = time.monotonic() + 60
    while person.json("outbox", "list"):
        assert time.monotonic() < end
        person.run("sync")
    rows = person.wait(lambda rows: len(rows) == 2)
    assert sorted(x["subject"] for x in rows) == ["later", "second"]


# ---- passwords ----

def test_password_command(instance, person):
    w = instance()
    person.account("Jones@foo.com", w, command="echo wrong")
    assert "says:" in person.run("sync", status=1).stderr
    person.run("account", "remove", "Jones@foo.com")
    person.account("Jones@foo.com", w, command="exit 3")
    assert "ended with status 3" in person.run("sync", status=1).stderr
    person.run("account", "remove", "Jones@foo.com")
    person.account("Jones@foo.com", w, command="printf 'secret\\nmore\\n'")
    person.run("sync")
    for top, _, files in os.walk(person.folder):
        for f in files:
            if f != "config":
                assert b"secret" not in open(os.path.join(top, f), "rb").read(), f


def test_keyring(instance, person):
    # The keyring is the user's: another run of the tests may ask it too.
    address = f"jones.{os.getpid()}@foo.com"
    w = instance(accounts=[address])
    person.account(address, w, command="")
    assert "no password" in person.run("sync", status=1).stderr
    p = subprocess.run([WAXMAIL, "account", "password", address], input="secret\n", text=True, env=person.env,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    if p.returncode and "does not keep keys" in p.stderr:
        pytest.skip("no keyring here")
    try:
        assert p.returncode == 0, p.stderr
        person.run("sync")
    finally:
        person.run("account", "password", address, "--forget")
    assert "no password" in person.run("sync", status=1).stderr


# ---- POP3 ----

def test_pop3(instance, person):
    w = instance()
    fill(w, 3)
    person.run("account", "add", "Jones@foo.com", "--read", f"pop3s://localhost:{w.ports['pop3s']}", "--send",
               f"submission://localhost:{w.ports['submission']}", "--authorities", os.path.join(w.dir, "keys/tls.pem"),
               "--password-command", "echo secret")
    assert person.sync()["letters"] == 3
    assert person.sync()["letters"] == 0
    rows = person.list("--oldest")
    assert [x["subject"] for x in rows] == ["letter 0", "letter 1", "letter 2"]
    person.run("remove", str(rows[0]["id"]))
    person.run("flag", str(rows[1]["id"]), "--add", "seen")
    person.run("move", str(rows[2]["id"]), "--folder", "Kept")
    fill(w, 1)
    assert person.sync()["letters"] == 1
    assert len(person.list()) == 2 and person.list("Kept")[0]["subject"] == "letter 2"
    assert person.run("raw", str(rows[1]["id"]), input=b"").stdout.replace(b"\r\n", b"\n").endswith(b"\nBlah 1\n")
    assert person.json("send", "--to", "Jones@foo.com", input="by STARTTLS\n")["state"] == "sent"
    # The server's letters stay, or go.
    assert imap(w).select("INBOX")[1][0] >= b"4"
    config = os.path.join(person.env["XDG_CONFIG_HOME"], "waxmail/config")
    text = open(config).read().replace("leave_on_server = true", "leave_on_server = false")
    open(config, "w").write(text)
    end = time.monotonic() + 60
    while imap(w).select("INBOX")[1] != [b"0"]:
        assert time.monotonic() < end
        person.sync()


# ---- the full-screen reader, with the network behind it ----

WRITE = """#!/bin/sh
sed -i -e 's/^To: *$/To: Jones@foo.com/' -e 's/^Subject: *$/Subject: from the reader/' "$1"
echo "written in the editor" >> "$1"
"""


def test_the_reader_syncs_and_writes(jones, tmp_path):
    person, w = jones
    fill(w, 2)
    editor = tmp_path / "editor"
    editor.write_text(WRITE)
    editor.chmod(0o755)
    env = [f"{k}={person.env[k]}" for k in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")]
    t = Terminal(tmp_path, [WAXMAIL], env=[*env, f"EDITOR={editor}"])
    try:
        t.until("Quit")
        t.keys("$")
        t.until("letter 1")
        t.keys("m")
        t.send()
        end = time.monotonic() + 60
        while "from the reader" not in t.screen():
            assert time.monotonic() < end, t.screen()
            t.keys("$")
            time.sleep(0.3)
        t.keys("=", "Enter")
        t.until("written in the editor")
        t.keys("r")
        t.send()
        # The server goes: what is here stays, and says why nothing new comes.
        w.stop()
        t.keys("q")
        t.until("letter 0")
        t.keys("$")
        t.until("refused")
        t.keys("q")
        t.ended()
    finally:
        t.close()
    assert [f["messages"] for f in person.json("folders") if f["use"] == "sent"] == [2]
