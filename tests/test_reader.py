"""The full-screen reader in a real terminal, over a local copy alone; and the
copy as other programs see it."""
import imaplib
import mailbox
import os
import re
import shutil
import ssl
import subprocess
import time

import pytest

from waxmail import WAXMAIL, Person

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
READ_COPY = os.path.join(ROOT, "build/tests/read_copy")
LIMIT = 60


def deliver(w, text, user="Jones@foo.com"):
    context = ssl.create_default_context(cafile=os.path.join(w.dir, "keys/tls.pem"))
    m = imaplib.IMAP4_SSL("localhost", w.ports["imaps"], ssl_context=context)
    m.login(user, "secret")
    assert m.append("INBOX", "", None, text.encode())[0] == "OK"
    m.logout()


class Terminal:
    """A program in tmux: keys in, what stands on the screen out."""

    def __init__(self, folder, words, columns=80, rows=24, env=()):
        self.socket = str(folder / "tmux")
        command = " ".join(["env", "TERM=tmux-256color", "LANG=C.UTF-8", "TZ=UTC", *env, *words])
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), command)

    def tmux(self, *words):
        p = subprocess.run(["tmux", "-S", self.socket, "-f", "/dev/null", *words], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True, timeout=LIMIT)
        return p.stdout

    def screen(self, *options):
        return self.tmux("capture-pane", "-p", *options)

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def text(self, text):
        self.tmux("send-keys", "-l", "--", text)

    def until(self, what, *options):
        """Waits until the screen holds what (a text or a test), and gives it."""
        test = what if callable(what) else lambda s: what in s
        end = time.monotonic() + LIMIT
        while True:
            seen = self.screen(*options)
            if test(seen):
                return seen
            assert time.monotonic() < end, f"never seen: {what}\n{seen}"
            time.sleep(0.05)

    def send(self):
        """The editor has ended: what was written goes.  Earlier questions may still stand above."""
        self.until(lambda s: s.rstrip().endswith("throw it away"))
        self.keys("y")
        self.until(lambda s: "It is sent." in s and "Send it?" not in s)

    def ended(self):
        end = time.monotonic() + LIMIT
        while subprocess.run(["tmux", "-S", self.socket, "has-session"], stderr=subprocess.DEVNULL).returncode == 0:
            assert time.monotonic() < end, self.screen()
            time.sleep(0.05)

    def close(self):
        self.tmux("kill-server")


def letter(number, subject, body="Text.", more="", answers=None):
    refs = f"References: <{answers}@x>\r\n" if answers else ""
    return (f"From: Mary Smith <mary@example.net>\r\nTo: jones@foo.com\r\nSubject: {subject}\r\n"
            f"Date: Tue, 14 Nov 2023 22:{number:02}:00 +0000\r\nMessage-ID: <{number}@x>\r\n{refs}{more}\r\n{body}\r\n")


LETTERS = [
    letter(1, "Meeting", "Shall we meet at the old mill?"),
    letter(2, "Re: Meeting", "Yes.", answers=1),
    letter(3, "=?utf-8?b?5pel5pys6Kqe44Gu5Lu25ZCN?= wide", "Wide."),
    letter(4, "With a part", "--b\r\n\r\nSee the part.\r\n--b\r\nContent-Type: application/pdf\r\n"
              "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"../r.pdf\"\r\n\r\n"
              "aGVsbG8=\r\n--b--", "Content-Type: multipart/mixed; boundary=b\r\n"),
    letter(5, "A trap \x1b]0;owned\x07", "\x1b[2Jgone? \u202eabc <b>",
           "Content-Type: text/plain; charset=utf-8\r\n"),
    letter(6, "Long", "\r\n".join(f"line {i}" for i in range(200))),
]


@pytest.fixture
def copy(tmp_path):
    letters = tmp_path / "letters"
    letters.mkdir()
    for i, text in enumerate(LETTERS):
        (letters / f"{i}.eml").write_bytes(text.encode())
    subprocess.run([READ_COPY, tmp_path / "copy", "put", letters], check=True, timeout=LIMIT)
    return tmp_path / "copy"


@pytest.fixture
def reader(tmp_path, copy):
    opened = []

    def start(columns=80, rows=24, env=()):
        t = Terminal(tmp_path, [READ_COPY, str(copy)], columns, rows, env)
        opened.append(t)
        t.until("INBOX")
        return t

    yield start
    for t in opened:
        t.close()


def lines(seen):
    return seen.split("\n")


def test_list_threads_and_letter(reader):
    t = reader()
    seen = t.until("6 messages, 6 unread")
    assert "日本語の件名 wide" in seen
    assert "A trap" in seen and "\x1b" not in seen
    below = [x for x in lines(seen) if "└─▸" in x]
    assert len(below) == 1 and "Meeting" not in below[0], "an answer stands below its letter, without the subject again"
    assert "q:Quit" in lines(seen)[0]
    t.keys("Enter")
    seen = t.until("From:     Mary Smith <mary@example.net>")
    assert "Date:     Tue, 14 Nov 2023 22:06 +0000" in seen and "line 0" in seen
    t.keys("Space")
    t.until("line 15")
    t.keys("q")
    t.until("6 messages, 5 unread")
    t.keys("q")
    t.ended()


def test_strangers_cannot_move_the_cursor(reader):
    t = reader()
    t.keys("j", "Enter")
    seen = t.until("gone?")
    assert "�[2Jgone? abc <b>" in seen
    assert "q:Quit" in lines(seen)[0], "the screen was cleared by a letter"


def test_search_as_one_types(reader):
    t = reader()
    t.keys("/")
    t.until("Search:")
    t.text("meet")
    t.until("2 of 6: meet")
    t.text("ingx")
    t.until("Nothing is found")
    t.keys("BSpace")
    t.until("2 of 6: meeting")
    t.keys("Escape")
    t.until("6 messages")
    t.keys("/")
    t.text('body:"old mill"')
    t.keys("Enter")
    seen = t.until("1 of 6")
    assert "Meeting" in seen
    t.keys("l", "C-u", "Enter")
    t.until("6 messages")


def test_keywords_are_set_and_undone(reader, copy):
    t = reader()
    t.keys("Y")
    t.until("Keywords")
    t.text("work $Junk todo")
    t.keys("Enter")
    t.until("[work, junk, todo] Long")
    assert [x for x in os.listdir(copy / "mail/INBOX/cur") if x.endswith(":2,abc")]
    t.keys("Enter")
    t.until("Tags:     work, junk, todo")
    t.keys("Y")
    t.until("Keywords")
    t.text("-$Junk -to")
    t.keys("Tab")
    t.until("-todo")
    t.keys("Enter")
    t.until(lambda s: "Tags:     work\n" in s)
    t.keys("q", "U")
    t.until("[work, junk, todo] Long")
    t.keys("j", "Y")
    t.until("Keywords")
    t.text("a(b")
    t.keys("Enter")
    t.until("no word for a keyword")
    # The letter that one answers, from there.
    t.keys("/")
    t.until("Search:")
    t.text("re: meeting")
    t.keys("Enter")
    t.until("1 of 6")
    t.keys("Enter")
    t.until("Yes.")
    t.keys("P")
    t.until("Shall we meet at the old mill?")
    t.keys("P")
    t.until("answers no letter that is here")


def test_flags_are_in_the_files(reader, copy):
    t = reader()
    cur = copy / "mail/INBOX/cur"

    def flags(uid):
        return [x.split(":2,")[1] for x in os.listdir(cur) if f",U={uid}:" in x]

    t.keys("F")
    t.until(lambda s: flags(6) == ["F"])
    t.keys("d")
    t.until(lambda s: flags(6) == ["FT"])
    t.until("to sync")
    t.keys("k", "u")
    t.until(lambda s: flags(6) == ["F"])
    t.keys("k", "N")
    t.until(lambda s: flags(6) == ["FS"])
    t.keys("U")
    t.until("Undone: read")
    assert flags(6) == ["F"]
    assert len(list(mailbox.Maildir(copy / "mail/INBOX", create=False))) == 6


def test_move_tag_and_undo(reader, copy):
    t = reader()
    t.keys("t", "t")
    t.until("2 tagged")
    t.keys("\\;", "s")
    t.until("Move to folder:")
    t.text("Lists/mutt")
    t.keys("Enter")
    t.until("Make it?")
    t.keys("y")
    t.until("2 moved to Lists/mutt")
    t.until("4 messages")
    assert len(list(mailbox.Maildir(copy / "mail/Lists/mutt", create=False))) == 2
    t.keys("U")
    t.until("6 messages")
    assert len(list(mailbox.Maildir(copy / "mail/Lists/mutt", create=False))) == 0
    t.keys("c")
    t.until("Go to folder")
    t.text("Li")
    t.keys("Tab")
    t.until("Lists/mutt")
    t.keys("Enter")
    t.until("No messages here")
    t.keys("y")
    t.until(lambda s: "INBOX" in s and "new" in s)
    t.keys("k", "Enter")
    t.until("6 messages")


def test_deleted_are_purged_when_asked(reader, copy):
    t = reader()
    t.keys("d", "d", "q")
    t.until("Purge 2 deleted messages?")
    t.keys("y")
    t.ended()
    out = subprocess.run([READ_COPY, copy, "search", ""], stdout=subprocess.PIPE, check=True, timeout=LIMIT).stdout
    assert len(out.splitlines()) == 4


def test_attachment_is_saved(reader, tmp_path):
    t = reader()
    t.keys("j", "j")
    t.keys("v")
    t.until("application/pdf")
    t.keys("s")
    t.until("Save to file: r.pdf")
    t.keys("C-u")
    t.text(str(tmp_path / "saved.pdf"))
    t.keys("Enter")
    t.until("Saved to")
    assert (tmp_path / "saved.pdf").read_bytes() == b"hello"
    t.keys("s", "C-u")
    t.text(str(tmp_path / "saved.pdf"))
    t.keys("Enter")
    t.until("Overwrite?")
    t.keys("n")
    t.until("Not saved")


def test_small_terminal_and_resize(reader):
    t = reader(40, 10)
    seen = t.until("6 messages")
    assert all(len(x) <= 40 for x in lines(seen))
    t.keys("Enter")
    t.until("line 0")
    t.tmux("resize-window", "-x", "100", "-y", "40")
    seen = t.until(lambda s: "Subject:" in s and "line 20" in s)
    assert "With a part" in seen, "a high terminal shows the list above the letter"
    t.tmux("resize-window", "-x", "20", "-y", "4")
    t.until(lambda s: len(lines(s)) <= 5)
    t.tmux("resize-window", "-x", "80", "-y", "24")
    t.until("line 0")
    t.keys("q", "q")
    t.ended()


@pytest.mark.parametrize("env, coloured", [(["NO_COLOR=1"], False), (["NO_COLOR="], True), (["TERM=vt100"], False)])
def test_colours(reader, env, coloured):
    t = reader(env=env)
    t.keys("Enter")
    t.until("line 0")
    assert bool(re.search(r"\x1b\[(?:\d+;)*3[1-6]m", t.screen("-e"))) == coloured


def test_help_and_unknown_keys(reader):
    t = reader()
    t.keys("?")
    seen = t.until("Keys of waxmail")
    assert "write a letter" in seen
    t.keys("q")
    t.until("6 messages")
    t.keys("K")
    t.until("This key does nothing here")
    t.keys("m")
    t.until("cannot be written here")


def test_another_process_changes_the_copy(reader, copy, tmp_path):
    t = reader()
    more = tmp_path / "more"
    more.mkdir()
    for i, text in enumerate([*LETTERS, letter(7, "The seventh")]):
        (more / f"{i}.eml").write_bytes(text.encode())
    subprocess.run([READ_COPY, copy, "put", more], check=True, timeout=LIMIT)
    assert "The seventh" in t.until("7 messages")


def command_lines():
    """Of all readers of copies that run."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read()
        except OSError:
            continue
        if words.startswith(str(READ_COPY).encode()):
            yield words


def test_terminal_that_goes_away_ends_it(tmp_path, copy):
    t = Terminal(tmp_path, ["sh", "-c", f"'{READ_COPY} {copy}; echo $? >{tmp_path}/rc'"])
    t.until("6 messages")
    t.tmux("kill-session")
    end = time.monotonic() + LIMIT
    while any(str(copy).encode() in words for words in command_lines()):
        assert time.monotonic() < end, "it runs on without a terminal"
        time.sleep(0.1)


def test_without_a_terminal(copy):
    p = subprocess.run([READ_COPY, copy], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       timeout=LIMIT)
    assert p.returncode == 1 and b"read_copy: screen:" in p.stderr
    assert p.stdout == b""


def test_many_messages_are_there_at_once(tmp_path):
    subprocess.run([READ_COPY, tmp_path / "big", "put", "20000"], check=True, timeout=300)
    t = Terminal(tmp_path, [READ_COPY, str(tmp_path / "big")])
    try:
        t.until("20000 messages")
        t.keys("*")
        t.until("20000/20000")
        t.keys("/")
        t.text("matter 77")
        t.until(" of 20000: matter 77")
        t.keys("Enter", "=", "Enter")
        t.until("speaks of matter")
    finally:
        t.close()


# ---- the program around it ----

EDITOR = """#!/bin/sh
sed -i 's/^Subject: .*/Subject: Re: written here/' "$1"
echo 'An answer.' >> "$1"
"""


def test_waxmail_alone(instance, tmp_path):
    """A letter comes, is read, answered and thrown away; by keys alone."""
    w = instance()
    person = Person(tmp_path / "person").account("Jones@foo.com", w)
    for n in range(3):
        deliver(w, letter(n, f"letter {n}"))
    editor = tmp_path / "editor"
    editor.write_text(EDITOR)
    editor.chmod(0o755)
    env = [f"{k}={v}" for k, v in person.env.items() if k in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")]
    t = Terminal(tmp_path, [WAXMAIL], env=[*env, f"EDITOR={editor}"])
    try:
        t.until("INBOX")
        t.keys("$")
        t.until("3 messages")
        t.until("letter 2")
        t.keys("Enter")
        t.until("From:     Mary Smith <mary@example.net>")
        t.until("Text.")
        t.keys("q", "d", "$")
        t.until("2 messages")
        t.until(lambda s: "told" in s or "moved" in s)
        assert [x["subject"] for x in person.list("Trash")] == ["letter 2"]
        # To a command, and back.
        t.keys("|")
        t.until("to the command")
        t.text(f"grep -c ^Subject: > {tmp_path}/count; echo it ran")
        t.keys("Enter")
        t.until("it ran")
        t.until("Enter goes back")
        t.keys("Enter")
        t.until("ended with status 0")
        assert (tmp_path / "count").read_text() == "1\n"
        # Without a recipient nothing goes, and nothing is lost: it is asked again.
        t.keys("m")
        t.until("Send it?")
        t.keys("y")
        t.until("it has no recipient")
        t.keys("p")
        t.until("It is draft")
        assert [x["subject"] for x in person.list("Drafts")] == ["Re: written here"]
        t.keys("y")
        t.until("Trash")
        t.keys("q", "q")
        t.ended()
    finally:
        t.close()


def test_password_is_asked(instance, tmp_path):
    w = instance()
    person = Person(tmp_path / "person").account("Jones@foo.com", w)
    config = tmp_path / "person/config/waxmail/config"
    config.write_text("".join(x for x in config.read_text().splitlines(True) if "echo secret" not in x))
    deliver(w, letter(1, "behind a password"))
    env = [f"{k}={v}" for k, v in person.env.items() if k in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")]
    t = Terminal(tmp_path, [WAXMAIL], env=env)
    try:
        # One that is refused is asked for again, and not kept.
        t.until("Password for")
        t.text("wrong")
        t.keys("Enter")
        t.until("INBOX")
        t.keys("$")
        t.until("says: ")
        t.keys("$")
        t.until("Password for")
        t.text("secret")
        t.keys("Enter")
        assert "secret" not in t.until("INBOX")
        t.until("behind a password")
        t.until("q:Quit")
    finally:
        t.close()


def test_what_goes_elsewhere(instance, tmp_path):
    """Somebody deletes the folder that is open; the server stops: the screen says so, and what is here stays."""
    w = instance()
    person = Person(tmp_path / "person").account("Jones@foo.com", w)
    deliver(w, letter(1, "in the inbox"))
    context = ssl.create_default_context(cafile=os.path.join(w.dir, "keys/tls.pem"))
    m = imaplib.IMAP4_SSL("localhost", w.ports["imaps"], ssl_context=context)
    m.login("Jones@foo.com", "secret")
    m.create("Work")
    m.append("Work", "", None, letter(2, "at work", "\r\n".join(f"line {i}" for i in range(100))).encode())
    env = [f"{k}={v}" for k, v in person.env.items() if k in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")]
    t = Terminal(tmp_path, [WAXMAIL], env=env)
    try:
        t.until("INBOX")
        t.keys("$")
        t.until("in the inbox")
        t.keys("c")
        t.until("Go to folder")
        t.text("Work")
        t.keys("Enter")
        t.until("Work: 1 message")
        t.keys("Enter")
        t.until(lambda s: "top  " in s and "line 8" in s)
        t.keys("*")
        t.until(lambda s: "end  " in s and "line 99" in s)
        t.keys("q")
        t.until("Work: 1 message")
        assert m.delete("Work")[0] == "OK"
        m.logout()
        # A change that waited is refused first, and then it goes.
        end = time.monotonic() + LIMIT
        while "The folder Work is gone from the server." not in t.screen():
            assert time.monotonic() < end, t.screen()
            t.keys("$")
            time.sleep(0.3)
        t.until("INBOX: 1 message")
        w.stop()
        person.run("send", "--to", "Smith@bar.com", "--queue", input="x\n")
        t.keys("O")
        t.until("refused")
        t.until("in the inbox")
        w.start()
        t.keys("O")
        t.until("1 sent")
    finally:
        t.close()


# ---- other programs ----

@pytest.mark.skipif(not shutil.which("mlist"), reason="mblaze is not here")
def test_mblaze_reads_it(copy):
    names = subprocess.run(["mlist", copy / "mail/INBOX"], stdout=subprocess.PIPE, check=True, timeout=LIMIT).stdout
    assert len(names.splitlines()) == 6
    out = subprocess.run(["mscan", "-f", "%s", *names.decode().splitlines()], stdout=subprocess.PIPE, check=True,
                         timeout=LIMIT).stdout.decode()
    assert "Meeting" in out and "日本語の件名 wide" in out


@pytest.mark.skipif(not shutil.which("neomutt"), reason="neomutt is not here")
def test_neomutt_reads_it(copy, tmp_path):
    (tmp_path / "rc").write_text(f"set folder={copy}/mail\nset spoolfile=+INBOX\nset mbox_type=Maildir\nset sort=date\n")
    t = Terminal(tmp_path, ["neomutt", "-n", "-R", "-F", str(tmp_path / "rc"), "-f", f"{copy}/mail/INBOX"])
    try:
        t.until(lambda s: "Meeting" in s and "Msgs:6" in s)
    finally:
        t.close()
