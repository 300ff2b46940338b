"""The full-screen reader of waxmail(1) at work, by keys alone, in tmux: answers, letters with files, letters sent on."""
import os
import re

import pytest

from test_reader import Terminal, deliver, letter
from waxmail import WAXMAIL, Person

EDITOR = """#!/bin/sh
cp "$1" "$SEEN"
case $(cat "$DO") in
answer) echo 'An answer.' >> "$1";;
new) { printf 'To: Smith@bar.com\\nCc: Jones@foo.com\\nSubject: Grüße 日本\\nAttach: %s\\n\\n' "$FILE"; echo 'A new letter.'; } > "$1";;
forward) sed -i 's/^To: .*/To: Smith@bar.com/' "$1"; echo FYI >> "$1";;
nothing) ;;
fail) exit 3;;
esac
"""


class Desk:
    """Jones at the reader, Smith elsewhere, and an editor that does as told."""

    def __init__(self, w, folder, columns=80, rows=24, env=()):
        self.w, self.folder = w, folder
        self.jones = Person(folder / "jones").account("Jones@foo.com", w)
        self.smith = Person(folder / "smith").account("Smith@bar.com", w)
        self.file = folder / "Bericht ä.txt"
        self.file.write_text("a report\n")
        editor = folder / "editor"
        editor.write_text(EDITOR)
        editor.chmod(0o755)
        words = {k: v for k, v in self.jones.env.items() if k in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
        words |= {"EDITOR": str(editor), "SEEN": str(folder / "seen"), "DO": str(folder / "do"), "FILE": f"'{self.file}'"}
        self.t = Terminal(folder, [WAXMAIL], columns, rows, env=[f"{k}={v}" for k, v in words.items()] + list(env))

    def edit(self, what, *keys):
        (self.folder / "do").write_text(what)
        self.t.keys(*keys)

    def seen(self):
        return (self.folder / "seen").read_text()


@pytest.fixture
def desk(instance, tmp_path):
    w = instance()
    for n, (subject, more) in enumerate((("Meeting", "Cc: Brown@foo.com\r\n"), ("Lunch", ""), ("Minutes", ""))):
        deliver(w, letter(n, subject, f"Text of {subject}.", more).replace("mary@example.net", "Smith@bar.com"))
    d = Desk(w, tmp_path)
    d.t.until("INBOX")
    d.t.keys("$")
    d.t.until("Meeting")
    d.t.until("3 messages")
    d.t.until(lambda s: "0 new" in s or "3 new" in s)
    yield d
    d.t.close()


def to_letter(t, subject):
    """The cursor onto the letter of that subject, by searching as one types."""
    t.keys("/")
    t.until("Search:")
    t.text(subject)
    t.until(f"{subject}")
    t.keys("Enter")
    t.until(lambda s: " 1 of 3" in s or "1/3" in s or s.count("Smith") == 1)


def test_answers_and_new_letters(desk):
    t = desk.t
    to_letter(t, "Meeting")
    # Nothing is written: nothing is sent.
    desk.edit("nothing", "r")
    t.until("Nothing was written.")
    desk.edit("fail", "r")
    t.until("status 3")
    desk.edit("answer", "r")
    t.send()
    seen = desk.seen()
    assert "To: Mary Smith <Smith@bar.com>" in seen and "Subject: Re: Meeting" in seen and "> Text of Meeting." in seen
    assert "Cc: \n" in seen
    # From within the letter, to all.
    t.keys("Enter")
    t.until("Text of Meeting.")
    desk.edit("answer", "g")
    t.send()
    assert "Brown@foo.com" in desk.seen().split("Cc:")[1].split("\n")[0]
    desk.edit("forward", "f")
    t.send()
    assert "Subject: Fwd: Meeting" in desk.seen() and "Attached:" in desk.seen()
    t.keys("q", "Escape")
    t.until("Minutes")
    desk.edit("new", "m")
    t.send()
    rows = desk.smith.wait(lambda rows: len(rows) == 4)
    subjects = sorted(x["subject"] for x in rows)
    assert subjects == ["Fwd: Meeting", "Grüße 日本", "Re: Meeting", "Re: Meeting"]
    new = next(x for x in rows if x["subject"].startswith("Gr"))
    assert "Bericht ä.txt" in [p["name"] for p in desk.smith.json("show", str(new["id"]))[0]["parts"]]
    # Our own copy of it came, with the file, which is saved by keys.
    t.keys("$")
    t.until("Grüße 日本")
    t.until(lambda s: "4 messages" in s)
    t.keys("=")
    t.keys("Enter")
    t.until("A new letter.")
    t.keys("v")
    t.until("Bericht ä.txt")
    t.keys("j", "s")
    t.until("Save")
    t.keys("C-u")
    t.text(str(desk.folder / "saved.txt"))
    t.keys("Enter")
    t.until(lambda s: (desk.folder / "saved.txt").exists())
    t.keys("q", "q")
    flags = {x["subject"]: x["flags"] for x in desk.jones.list()}
    assert {"answered", "forwarded"} <= set(flags["Meeting"])


def test_sent_on(desk):
    t = desk.t
    desk.edit("new", "m")
    t.send()
    t.keys("$")
    t.until("4 messages")
    t.keys("=", "b")
    t.until("Send it on as it is to:")
    t.keys("Escape")
    t.until("q:Quit")
    t.keys("b")
    t.until("Send it on as it is to:")
    t.text("nobody at all")
    t.keys("Enter")
    t.until("is no address")
    t.keys("b")
    t.text("Smith@bar.com")
    t.keys("Enter")
    t.until("It is sent.")
    rows = desk.smith.wait(lambda rows: len(rows) == 2)
    assert any("Resent-To: Smith@bar.com" in desk.smith.run("raw", str(x["id"])).stdout for x in rows)


def test_what_cannot_be_protected_is_asked_there(desk):
    """The account wants protect, and the server is gone: it waits, and the line says so."""
    t = desk.t
    t.keys("x")
    t.ended()
    config = desk.folder / "jones/config/waxmail/config"
    config.write_text(config.read_text().replace('protect = "auto"', 'protect = "encrypt"'))
    d = desk
    words = [f"{k}={v}" for k, v in d.jones.env.items() if k in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")]
    d.t = t = Terminal(d.folder, [WAXMAIL], env=[*words, f"EDITOR={d.folder}/editor", f"SEEN={d.folder}/seen", f"DO={d.folder}/do",
                                               f"FILE='{d.file}'"])
    t.until("Meeting")
    desk.edit("new", "m")
    t.until("Send it?")
    t.keys("y")
    t.until("no certificate of")
    t.keys("C-c")
    t.until("Throw it away?")
    t.keys("y")
    t.until("Nothing is sent.")
    t.until("q:Quit")
    assert "q:Quit" in t.screen() and desk.smith.sync()["headers"] == 0


@pytest.mark.parametrize("columns,rows,env", [(80, 24, ()), (200, 50, ()), (80, 24, ("NO_COLOR=1",)), (40, 10, ())])
def test_no_line_is_spoilt(instance, tmp_path, columns, rows, env):
    """Wide characters, long words and a resize in the middle: each line as wide as the terminal at most."""
    w = instance()
    deliver(w, letter(1, "=?utf-8?b?5pel5pys6Kqe44Gu5Lu25ZCN?= " * 6, "日本語の本文" * 30 + "\r\n" + "x" * 500, "Content-Type: text/plain; charset=utf-8\r\n"))
    deliver(w, letter(2, "family 👨‍👩‍👧 é e\u0301", "👍" * 100, "Content-Type: text/plain; charset=utf-8\r\n"))
    d = Desk(w, tmp_path, columns, rows, env)
    t = d.t
    try:
        t.until("INBOX")
        t.keys("$")
        t.until("日本語")
        out = open("/tmp/wm-screens.txt", "a") if os.environ.get("SHOW") else None
        for keys in (["="], ["Enter"], ["h"], ["q", "j", "Enter"], ["v"], ["q", "q", "?"], ["q", "y"], ["q"]):
            t.keys(*keys)
            t.tmux("resize-window", "-x", str(columns + 7), "-y", str(rows + 3))
            t.tmux("resize-window", "-x", str(columns), "-y", str(rows))
            # What tmux wrapped or cut meanwhile is drawn anew.
            seen = t.until(lambda s: s.startswith((" q:Quit", " i:List", " Keys of")) and not any(
                line.startswith(" " * 15 + "i:List") for line in s.split("\n")) and len(s.rstrip("\n").split("\n")) <= rows)
            if out:
                out.write(f"==== {columns}x{rows} {env} {keys}\n{seen}\n")
        if env:
            assert not re.search(r"\x1b\[(?:\d+;)*3[1-6]m", t.screen("-e"))
    finally:
        t.close()
