"""The loss of all that was not flushed, at any moment: what was acknowledged
before it is there afterwards, once, and no UID is given twice.  What is for
another host gets there, and who cannot be reached there is reported once.  The
index is lost altogether and made again; SQLite writes it, not the disk layer.

CUTS says how many moments are tried; SEED which.
"""
import bisect
import collections
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time

import pytest

import cut
import load
from conftest import SERVICES, WAXWING, Instance
from ports import free_ports
from smtp_sink import Sink

CUTS = int(os.environ.get("CUTS", "8"))
SEED = int(os.environ.get("SEED", "1"))
ENOUGH = 500            # writes and flushes to cut between
DUMP = os.path.join(os.path.dirname(os.path.dirname(WAXWING)), "tests/dump_store")
# Small, so that segments begin and go many times within a few seconds.
SMALL = {"queue.flush_interval": "60ms", "store.linger": "150ms", "queue.segment": "1m", "store.segment": "2m",
         "relay.networks": "127.0.0.1", "queue.retry": "50ms", "relay.sts": "no"}


class Noting(load.Sender):
    """Notes how long the record was when each 250 came."""

    def letter(self, s, f):
        n = len(self.acked)
        super().letter(s, f)
        if len(self.acked) > n:
            self.acked[-1] += (os.path.getsize(self.record),)


class Abroad(Noting):
    """From Jones to another host; every third letter also to somebody whom it refuses."""

    def letter(self, s, f):
        self.count += 1
        ident = f"<x{self.count}@localhost>"
        to = ["out@elsewhere.example"] + ["bad@elsewhere.example"] * (self.count % 3 == 0)
        self.say(s, f, b"MAIL FROM:<Jones@foo.com>\r\n", b"250")
        for one in to:
            self.say(s, f, f"RCPT TO:<{one}>\r\n".encode(), b"250")
        self.say(s, f, b"DATA\r\n", b"354")
        self.say(s, f, f"Message-ID: {ident}\r\n\r\n".encode() + load.BLAH * 20 + b".\r\n", b"250")
        self.acked.append((ident, to, os.path.getsize(self.record)))


class Elsewhere(Sink):
    """Takes most of it, not now or never the rest; notes how long the record was."""

    def __init__(self, record=None):
        self.record, self.chance = record, random.Random(SEED)
        super().__init__(rcpt=self.says)

    def says(self, session, line):
        return "550 5.1.1 nobody" if "bad@" in line else self.chance.choice([None, None, "451 4.2.1 not now"])

    def keep(self, letter):
        letter["at"] = os.path.getsize(self.record) if self.record else 0
        super().keep(letter)

    def idents(self, upto=0):
        return {re.search(rb"Message-ID: (<x[^>]*>)", m["data"])[1].decode() for m in list(self.letters) if m["at"] <= upto}

    def settings(self):
        return {"relay.routes": f"elsewhere.example = smtp://[127.0.0.1]:{self.port}"}


def reported(w, box):
    """Message-ID of a letter -> how many reports on it are in that INBOX."""
    about = {}
    folder = os.path.join(w.dir, "mail", load.accounts(w)["Jones@foo.com"])
    for name in sorted(os.listdir(folder)):
        if name.endswith(".seg"):
            data = open(os.path.join(folder, name), "rb").read()
            about.update(re.findall(rb"Message-ID: (<r[^>\r\n]*>)\r\nReferences: (<x[^>\r\n]*>)", data))
    return collections.Counter(about[m.encode()].decode() for m, uids in box.items() for _ in uids if m.encode() in about)


def recorded_load(w, record):
    senders = [Noting(w.ports["smtp"], f"s{i}", f"{SEED}/{i}", largest=100 * 1024, pause=0.002) for i in range(3)]
    senders.append(Abroad(w.ports["smtp"], "x", "x", pause=0.004))
    chance = random.Random(SEED)
    for s in senders:
        s.record = record
        s.start()
    # Processes die too while it lasts, so that restarts are cut as well.
    for role in ("room", "queue", "relay", "room", "queue"):
        time.sleep(chance.uniform(0.3, 0.6))
        for pid in w.pids(role)[:1]:
            os.kill(pid, signal.SIGKILL)
    time.sleep(0.5)
    # A machine that is busy needs longer for as much.
    w.wait_until(lambda: open(record, "rb").read().count(cut.MAGIC) > ENOUGH + 100)
    for s in senders:
        s.stop()
    w.wait_until(lambda: not load.missing(w, [plain(senders[:-1])]), 60)
    return senders[:-1], senders[-1]


class plain:
    """The acknowledged letters of several senders, without the notes."""

    def __init__(self, senders, upto=None):
        self.acked = [a[:2] for s in senders for a in s.acked if upto is None or a[2] <= upto]


def messages(w):
    """{address: {Message-ID: [uid, ...]}} by the store, the server being down."""
    found = {}
    for address, n in load.accounts(w).items():
        found[address] = {}
        folder = os.path.join(w.dir, "mail", n)
        if not os.path.isdir(folder):
            continue
        p = subprocess.run([DUMP, folder], text=True, capture_output=True)
        assert p.returncode == 0, p.stderr
        uids, following = [], None
        for line in p.stdout.splitlines():
            box, _, uid, what = line.split(" ", 3)
            if box != "INBOX":
                continue
            if uid == "next":
                following = int(what)
                continue
            assert what != "damaged", line
            uids.append(int(uid))
            found[address].setdefault(what, []).append(int(uid))
        assert uids == sorted(set(uids)) and following > max(uids, default=0), (address, uids, following)
    return found


def resurrect(w, path, files, senders, upto, elsewhere):
    """An instance on what was left; waits until all that is owed is there."""
    new = Instance.__new__(Instance)
    new.__dict__.update(w.__dict__)
    new.dir, new.process = path, None
    new.ports = dict(zip(SERVICES, free_ports(len(SERVICES))))
    os.makedirs(path, mode=0o711)
    for kept in ("directory", "keys"):
        if os.path.isdir(os.path.join(w.dir, kept)):
            subprocess.run(["cp", "-a", os.path.join(w.dir, kept), path], check=True)
    for name in ["spool"] + [os.path.join("mail", n) for n in load.accounts(w).values()]:
        old = os.path.join(w.dir, name)
        if os.path.isdir(old):
            cut.write_folder(os.path.join(path, name), old, files.get(os.stat(old).st_ino, {}))
    os.chmod(os.path.join(path, "mail"), 0o711)
    new.settings = dict(w.settings, **{f"listen.{s}": f"127.0.0.1:{p}" for s, p in new.ports.items()})
    new.configure(**dict(elsewhere.settings(), **{"testing.record": "", "store.linger": "100ms"}))
    new.start()
    want = plain(senders, upto)
    try:
        new.wait_until(lambda: not load.missing(new, [want]))
        # What a torn record shows is not delivered yet.
        new.wait_until(lambda: json.loads(new.run("queue", "list", "--json").stdout) == [])
    finally:
        new.stop()
    return new, want


@pytest.mark.skipif(not os.path.exists(DUMP), reason="dump_store is not built")
def test_power_loss_at_any_moment(instance):
    w = instance(settings=dict(SMALL), start=False)
    record = os.path.join(os.path.dirname(w.dir), "record")
    with Elsewhere(record) as elsewhere:
        w.configure(**dict(elsewhere.settings(), **{"testing.record": record}))
        w.start()
        senders, abroad = recorded_load(w, record)
        w.stop()
    ends = [e[0] for e in cut.entries(record)]
    assert len(ends) > ENOUGH
    chance = random.Random(SEED)
    for i in range(CUTS):
        # Mostly moments at which something hangs in the air: just after a 250.
        acks = [a[2] for s in senders for a in s.acked]
        upto = chance.choice(ends) if i % 3 else ends[min(bisect.bisect_left(ends, chance.choice(acks)), len(ends) - 1)]
        mode = cut.MODES[i % len(cut.MODES)] if i < 6 else "any"
        files = cut.lose(record, upto, mode, chance)
        path = os.path.join(os.path.dirname(w.dir), f"cut{i}")
        what = f"cut {i} of seed {SEED}, at {upto}, {mode}"
        try:
            with Elsewhere() as again:
                new, want = resurrect(w, path, files, senders, upto, again)
            boxes = messages(new)
            told = reported(new, boxes["Jones@foo.com"])
        except AssertionError as e:
            raise AssertionError(f"{what}: {e}") from e
        there = elsewhere.idents(upto) | again.idents()
        for ident, to, at in abroad.acked:
            if at <= upto:
                assert ident in there, f"{what}: {ident} did not leave"
                assert told.get(ident, 0) == len(to) - 1, f"{what}: {ident} to {to} was reported {told.get(ident, 0)} times"
        for ident, to in want.acked:
            for address in to:
                assert len(boxes[address].get(ident, [])) == 1, f"{what}: {ident} in {address}: {boxes[address].get(ident)}"
        for address, box in boxes.items():
            twice = {m: u for m, u in box.items() if len(u) > 1}
            assert not twice, f"{what}: twice in {address}: {twice}"
        shutil.rmtree(path)
    print(f"{sum(len(s.acked) for s in senders)} letters and {len(abroad.acked)} to another host, {len(ends)} writes and flushes, {CUTS} cuts")
