"""Senders that write down which letters the server took charge of, and a
reader that says what lies in the mailboxes."""
import glob
import os
import random
import re
import socket
import threading
import time

TO = ("Jones@foo.com", "Brown@foo.com", "Smith@bar.com")
BLAH = b"Blah blah blah " * 5 + b"\r\n"
SMALL, LARGE = 1024, 300 * 1024


class Sender(threading.Thread):
    """Sends letters until told to stop.  Each has an id of its own that is
    never used again, whatever became of it."""

    def __init__(self, port, name, seed, largest=LARGE, pause=0.0):
        super().__init__(daemon=True)
        self.port, self.name, self.largest, self.pause = port, name, largest, pause
        self.random = random.Random(seed)
        self.acked = []         # (id, recipients), in the order of the 250s
        self.refused = []       # (id, code): a 4xx or 5xx after the text
        self.unknown = []       # the connection broke between text and reply
        self.stopping = threading.Event()
        self.count = 0

    def run(self):
        while not self.stopping.is_set():
            try:
                self.session()
            except (OSError, ValueError):
                time.sleep(0.05)

    def session(self):
        with socket.create_connection(("127.0.0.1", self.port), 60) as s:
            f = s.makefile("rb")
            self.say(s, f, None, b"220")
            self.say(s, f, b"EHLO localhost\r\n", b"250")
            while not self.stopping.is_set():
                self.letter(s, f)
                time.sleep(self.pause)

    @staticmethod
    def reply(f):
        while True:
            line = f.readline()
            if not line.endswith(b"\n"):
                raise OSError("gone")
            if line[3:4] != b"-":
                return line

    def say(self, s, f, what, want):
        if what:
            s.sendall(what)
        line = self.reply(f)
        if not line.startswith(want):
            raise ValueError(line)

    def letter(self, s, f):
        self.count += 1
        ident = f"<{self.name}.{self.count}@localhost>"
        to = self.random.sample(TO, self.random.choice((1, 1, 1, 2, 3)))
        size = int(SMALL * (self.largest / SMALL) ** self.random.random())
        self.say(s, f, b"MAIL FROM:<Green@localhost>\r\n", b"250")
        for one in to:
            self.say(s, f, f"RCPT TO:<{one}>\r\n".encode(), b"250")
        self.say(s, f, b"DATA\r\n", b"354")
        s.sendall(f"Message-ID: {ident}\r\nSubject: load\r\n\r\n".encode() + BLAH * (size // len(BLAH)) + b".\r\n")
        try:
            line = self.reply(f)
        except OSError:
            self.unknown.append(ident)
            raise
        if line.startswith(b"250"):
            self.acked.append((ident, to))
        else:
            self.refused.append((ident, int(line[:3])))
            raise ValueError(line)

    def stop(self):
        self.stopping.set()
        self.join(90)
        assert not self.is_alive()


def start_senders(w, n, seed=0, **more):
    senders = [Sender(w.ports["smtp"], f"s{seed}.{i}", f"{seed}/{i}", **more) for i in range(n)]
    for s in senders:
        s.start()
    return senders


def accounts(w):
    """Address -> number of the folder below mail/, by order of making."""
    return {a: str(i + 1) for i, a in enumerate(TO)}


def in_journals(folder):
    """Message-ID -> how often it stands in the account's journal."""
    seen = {}
    try:
        for path in sorted(glob.glob(os.path.join(folder, "*.seg"))):
            for ident in re.findall(rb"Message-ID: (<s[^>\r\n]*@localhost>)\r\nSubject: load", open(path, "rb").read()):
                seen[ident.decode()] = seen.get(ident.decode(), 0) + 1
    except FileNotFoundError:       # housekeeping took it away just now
        return in_journals(folder)
    return seen


def missing(w, senders):
    """What was acknowledged and is not there yet."""
    boxes = {a: in_journals(os.path.join(w.dir, "mail", n)) for a, n in accounts(w).items()}
    return [(i, a) for s in senders for i, to in s.acked for a in to if i not in boxes[a]]


def verify(w, senders, limit=60):
    """Every acknowledged letter is there once; none is in a wrong mailbox and
    none that was refused is anywhere.  Where door or parent are killed a
    letter that was answered by nothing, or by 421, may be there, as for any
    server."""
    try:
        w.wait_until(lambda: not missing(w, senders), limit)
    except AssertionError as e:
        raise AssertionError(f"not there: {missing(w, senders)[:20]}\n{e}") from e
    boxes = {a: in_journals(os.path.join(w.dir, "mail", n)) for a, n in accounts(w).items()}
    acked = {i: to for s in senders for i, to in s.acked}
    refused = {i for s in senders for i, code in s.refused if code != 421}
    for address, box in boxes.items():
        twice = {i: n for i, n in box.items() if n != 1 and i in acked}
        assert not twice, f"more than once in {address}: {twice}"
        astray = [i for i in box if i in acked and address not in acked[i]]
        assert not astray, f"wrongly in {address}: {astray}"
        undead = refused & box.keys()
        assert not undead, f"refused and yet in {address}: {undead}"
    return len(acked)
