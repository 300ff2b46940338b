#!/usr/bin/env python3
"""waxmail's local copy and reader beside neomutt, mblaze and notmuch: the same
letters in one Maildir, everybody warm, in turn.

    bench/reader.py [--messages 100000] [--rounds 5] [--keep]

Prints medians of wall and processor time (user and system, of the process and
its children).  Our copy is made first; the peers read its Maildir.  Needs
build/tests/read_copy; peers that are not installed are left out.
"""
import argparse
import os
import pty
import resource
import select
import shutil
import signal
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OURS = os.path.join(ROOT, "build/tests/read_copy")
WHERE = os.environ.get("BENCH_DIR", "/tmp/waxwing-bench") + "/reader"
LIMIT = 600


def used():
    r = resource.getrusage(resource.RUSAGE_CHILDREN)
    return r.ru_utime + r.ru_stime


def run(command):
    """A pipeline whose output nobody sees: (wall, processor) seconds."""
    before, began = used(), time.monotonic()
    subprocess.run(command, shell=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=LIMIT,
                   check=True, env=dict(os.environ, NOTMUCH_CONFIG=WHERE + "/notmuch.rc", LC_ALL="C.UTF-8"))
    return time.monotonic() - began, used() - before


def on_terminal(words, until):
    """A full-screen program: seconds until its screen holds a text."""
    began = time.monotonic()
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm", LC_ALL="C.UTF-8", LINES="24", COLUMNS="80")
        os.execvp(words[0], words)
    took = wait_for(fd, until, began)
    os.kill(pid, signal.SIGKILL)
    os.close(fd)
    _, _, usage = os.wait4(pid, 0)
    return took, usage.ru_utime + usage.ru_stime


def wait_for(fd, text, began):
    seen = b""
    while text not in seen:
        if not select.select([fd], [], [], LIMIT)[0]:
            raise SystemExit(f"never seen: {text}")
        seen += os.read(fd, 65536)
    return time.monotonic() - began


def cells(n):
    """name -> [(program, function)]"""
    box = f"{WHERE}/copy/mail/INBOX"
    mutt = ["neomutt", "-n", "-R", "-F", f"{WHERE}/mutt.rc", "-f", box]
    last = f"{n} messages".encode()
    return {
        "list and thread all, printed": [
            ("waxmail", lambda: run(f"{OURS} {WHERE}/copy threads")),
            ("mblaze", lambda: run(f"mlist {box} | mthread | mscan")),
            ("notmuch", lambda: run("notmuch search --sort=newest-first '*'")),
        ],
        "start to the whole list on the screen": [
            ("waxmail", lambda: on_terminal([OURS, f"{WHERE}/copy"], b"threads  1/")),
            ("neomutt", lambda: on_terminal(mutt, f"Msgs:{n}".encode())),
        ],
        "start to the first screen": [
            ("waxmail", lambda: on_terminal([OURS, f"{WHERE}/copy"], last)),
        ],
        "search in sender, recipient, subject, printed": [
            ("waxmail", lambda: run(f"{OURS} {WHERE}/copy search 'matter 777'")),
            ("mblaze", lambda: run(f"mlist {box} | mpick -t 'subject =~ \"matter 777\"'")),
            ("notmuch", lambda: run("notmuch search --output=messages 'subject:\"matter 777\"'")),
        ],
        "search for a word in bodies, printed": [
            ("waxmail", lambda: run(f"{OURS} {WHERE}/copy search body:word777")),
            ("notmuch", lambda: run("notmuch search --output=messages word777")),
        ],
    }


def prepare(n):
    shutil.rmtree(WHERE, ignore_errors=True)
    os.makedirs(WHERE + "/cache")
    print(f"making {n} messages ...", file=sys.stderr)
    print("put: %.1f s, %.1f s of processor" % run(f"{OURS} {WHERE}/copy put {n}"))
    print("words: %.1f s, %.1f s of processor" % run(f"{OURS} {WHERE}/copy words"))
    with open(WHERE + "/mutt.rc", "w") as f:
        f.write(f"set header_cache={WHERE}/cache\nset sort=threads\nset mbox_type=Maildir\nset timeout=1\n"
                f"set folder={WHERE}/copy/mail\nset sleep_time=0\nset read_inc=0\n")
    with open(WHERE + "/notmuch.rc", "w") as f:
        f.write(f"[database]\npath={WHERE}/copy/mail\n[user]\nname=x\nprimary_email=x@y\n[new]\ntags=unread\nignore=\n")
    if shutil.which("notmuch"):
        print("notmuch new: %.1f s, %.1f s of processor" % run("notmuch new"))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--messages", type=int, default=100000)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--keep", action="store_true", help="use what an earlier run has made")
    o = p.parse_args()
    if not (o.keep and os.path.isdir(WHERE)):
        prepare(o.messages)
    print(f"\n{o.messages} messages, median of {o.rounds} (one before them is not counted); load {os.getloadavg()[0]:.1f}\n")
    print("| what | program | wall, s | processor, s |\n|---|---|---|---|")
    for name, programs in cells(o.messages).items():
        there = [(who, f) for who, f in programs if who == "waxmail" or shutil.which({"mblaze": "mlist"}.get(who, who))]
        got = {who: [] for who, _ in there}
        for i in range(o.rounds + 1):
            for who, f in there:
                seconds = f()
                if i:
                    got[who].append(seconds)
        for who, rows in got.items():
            wall, cpu = (statistics.median(x) for x in zip(*rows))
            print(f"| {name} | {who} | {wall:.3f} | {cpu:.3f} |", flush=True)


main()
