"""Random commands of several IMAP sessions on the same mailboxes, with rooms that die in
between, against a model: what each session was told adds up to what is there.

STEPS says how many commands (600 in `make check`, 5,000 in `make check-long`); SEED which.
"""
import os
import random
import re
import signal
import time

from test_imap import client_after_a_crash

STEPS = int(os.environ.get("STEPS", "600"))
SEED = int(os.environ.get("SEED", "1"))
SETTINGS = {"login.argon2_memory": "64k", "login.argon2_passes": "1", "login.clear_text": "yes", "login.remember": "1h",
            "store.segment": "1m", "store.linger": "300ms", "store.undelete": "0s"}
FLAGS = ["\\Seen", "\\Flagged", "\\Answered", "\\Deleted", "$one", "$two"]
BOXES = ["INBOX", "Archive"]


def numbers(text):
    """The numbers of a set, written out."""
    found = []
    for part in text.split(","):
        a, _, b = part.partition(":")
        found += range(int(a), int(b or a) + 1)
    return found


class Box:
    def __init__(self):
        self.letters, self.next, self.modseq = {}, 1, 0     # uid -> (subject, flags)

    def add(self, subject, flags):
        self.letters[self.next] = (subject, frozenset(flags))
        self.next += 1
        return self.next - 1

    def copy(self):
        fresh = Box()
        fresh.letters, fresh.next, fresh.modseq = dict(self.letters), self.next, self.modseq
        return fresh


class Session:
    """A client, and all that it was told of the selected mailbox."""

    def __init__(self, client, resync):
        self.client, self.resync = client, resync
        self.box, self.uids, self.flags = None, [], {}      # uids: None where not told yet
        self.away = False
        if resync:
            client.ok("ENABLE QRESYNC")

    def take(self, heard, numbers_stay=False):
        """What untagged lines say of the mailbox."""
        for line in heard:
            text = line.decode()
            if m := re.fullmatch(r"\* (\d+) EXISTS", text):
                assert int(m[1]) >= len(self.uids), heard
                self.uids += [None] * (int(m[1]) - len(self.uids))
            elif m := re.fullmatch(r"\* (\d+) EXPUNGE", text):
                assert not numbers_stay and not self.resync, heard
                self.flags.pop(self.uids.pop(int(m[1]) - 1), None)
            elif m := re.fullmatch(r"\* VANISHED ([\d:,]+)", text):
                assert not numbers_stay and self.resync, heard
                for uid in numbers(m[1]):
                    # One that was never named is the next that is not known.
                    self.uids.remove(uid if uid in self.uids else None)
                    self.flags.pop(uid, None)
            elif m := re.match(r"\* (\d+) FETCH \((.*)\)$", text, re.S):
                self.take_fetch(int(m[1]), m[2], heard)

    def take_fetch(self, n, items, heard):
        uid = int(re.search(r"UID (\d+)", items)[1])
        assert self.uids[n - 1] in (None, uid), (n, uid, self.uids, heard)
        self.uids[n - 1] = uid
        if m := re.search(r"FLAGS \(([^)]*)\)", items):
            self.flags[uid] = frozenset(m[1].split())

    def cmd(self, command, stay=False):
        heard, last = self.client.cmd(command)
        self.take(heard, stay)
        return heard, last.decode()


class Two:
    """The model, and those who act on it."""

    def __init__(self, w):
        self.w, self.chance, self.count, self.said = w, random.Random(SEED), 0, []
        self.boxes = {b: Box() for b in BOXES}
        self.sessions = [self.session(i == 1) for i in range(3)]

    def session(self, resync):
        return Session(client_after_a_crash(self.w), resync)

    def do(self, s, command, stay=False):
        self.said.append((self.sessions.index(s), command))
        return s.cmd(command, stay)

    # ---- what is done ----

    def some(self, s):
        """(by uid?, the set's text, the uids that it names for this client)"""
        self.learn(s)
        if not s.uids:
            return None, "", []
        if self.chance.random() < 0.5:
            a, b = sorted(self.chance.choices(s.uids, k=2))
            return True, f"{a}:{b}", [u for u in s.uids if a <= u <= b]
        a, b = sorted(self.chance.choices(range(1, len(s.uids) + 1), k=2))
        text, names = f"{a}:{b}", range(a, b + 1)
        if self.chance.random() < 0.3:
            c = self.chance.randrange(1, len(s.uids) + 1)
            text, names = f"{text},{c}", sorted({*names, c})
        return False, text, [s.uids[n - 1] for n in names]

    def learn(self, s):
        """Of those that it heard of only; some may be gone already."""
        while None in s.uids:
            self.do(s, "NOOP")
            if s.uids:
                self.do(s, "FETCH 1:* (UID FLAGS)", stay=True)

    def select(self, s):
        s.box, s.uids, s.flags = self.chance.choice(BOXES), [], {}
        heard, last = self.do(s, f"SELECT {s.box}")
        assert last.startswith("OK"), last
        assert len(s.uids) == len(self.boxes[s.box].letters)
        self.settled(s)

    def append(self, s):
        self.count += 1
        name, flags = self.chance.choice(BOXES), self.chance.sample(FLAGS, self.chance.randrange(3))
        text = b"Subject: m%d\r\n\r\nText.\r\n" % self.count
        heard, last = self.do(s, b"APPEND %s (%s) {%d+}\r\n%s" % (name.encode(), " ".join(flags).encode(), len(text), text))
        uid = self.boxes[name].add(f"m{self.count}", flags)
        assert re.match(rf"OK \[APPENDUID \d+ {uid}\]", last), (last, uid)

    def store(self, s):
        by_uid, names, uids = self.some(s)
        if by_uid is None:
            return
        op, quiet = self.chance.choice(["+", "-", ""]), self.chance.choice(["", ".SILENT"])
        flags = frozenset(self.chance.sample(FLAGS, self.chance.randrange(1, 3)))
        box = self.boxes[s.box]
        there = [u for u in uids if u in box.letters]
        heard, last = self.do(s, f"{'UID ' * by_uid}STORE {names} {op}FLAGS{quiet} ({' '.join(flags)})", stay=not by_uid)
        assert last.startswith("OK") or (not by_uid and len(there) < len(uids) and "EXPUNGEISSUED" in last), last
        for uid in there:
            subject, was = box.letters[uid]
            now = was | flags if op == "+" else was - flags if op == "-" else flags
            box.letters[uid] = (subject, now)
            if quiet and uid in s.flags:
                s.flags[uid] = now

    def expunge(self, s):
        box = self.boxes[s.box]
        if self.chance.random() < 0.5:
            self.learn(s)
            known = set(s.uids)
            self.do(s, "EXPUNGE")
        else:
            by_uid, names, uids = self.some(s)
            if not by_uid:
                return
            known = set(uids)
            self.do(s, f"UID EXPUNGE {names}")
        for uid in known:
            if uid in box.letters and "\\Deleted" in box.letters[uid][1]:
                del box.letters[uid]

    def transfer(self, s):
        by_uid, names, uids = self.some(s)
        if by_uid is None:
            return
        word, to = self.chance.choice(["COPY", "MOVE"]), self.chance.choice(BOXES)
        box = self.boxes[s.box]
        there = [u for u in uids if u in box.letters]
        heard, last = self.do(s, f"{'UID ' * by_uid}{word} {names} {to}")
        if not by_uid and len(there) < len(uids):
            assert "EXPUNGEISSUED" in last, last
            return
        assert last.startswith("OK"), last
        told = re.search(r"COPYUID \d+ ([\d:,]+) ([\d:,]+)", " ".join(x.decode() for x in heard) + last)
        assert bool(told) == bool(there)
        made = [self.boxes[to].add(*box.letters[u]) for u in there]
        if told:
            assert (numbers(told[1]), numbers(told[2])) == (there, made)
        for uid in there if word == "MOVE" else []:
            del box.letters[uid]

    def search(self, s):
        self.learn(s)
        box, flag = self.boxes[s.box], self.chance.choice(FLAGS)
        key = {"\\Seen": "SEEN", "\\Flagged": "FLAGGED", "\\Answered": "ANSWERED", "\\Deleted": "DELETED"}
        heard, last = self.do(s, f"SEARCH {key.get(flag, 'KEYWORD ' + flag)}", stay=True)
        found = [x for x in heard if x.startswith(b"* SEARCH")][0].decode().split()[2:]
        found = [u for n in found if (u := s.uids[int(n) - 1])]     # the others were told of just before
        assert found == [u for u in s.uids if u in box.letters and flag in box.letters[u][1]]

    def since(self, s):
        """What has changed since a mod-sequence that somebody was told is all that is named, and no more."""
        self.learn(s)
        heard, last = self.do(s, f"STATUS {s.box} (HIGHESTMODSEQ UIDNEXT MESSAGES)")
        modseq, uidnext, n = re.search(r"MODSEQ (\d+) UIDNEXT (\d+) MESSAGES (\d+)", self.status(heard)).groups()
        box = self.boxes[s.box]
        assert (int(uidnext), int(n)) == (box.next, len(box.letters)) and int(modseq) >= box.modseq
        box.modseq = int(modseq)
        changed = sorted({u for u in self.chance.choices([*box.letters, None], k=2) if u})
        others = [x for x in self.sessions if x is not s and x.box == s.box and not x.away]
        if not others or not changed:
            return
        other = self.chance.choice(others)
        for uid in changed:
            flags = box.letters[uid][1] ^ {"$one"}
            self.do(other, f"UID STORE {uid} FLAGS ({' '.join(flags)})")
            box.letters[uid] = (box.letters[uid][0], flags)
        items = self.chance.choice(["FLAGS", "(FLAGS ENVELOPE)"])
        heard, last = self.do(s, f"UID FETCH 1:* {items} (CHANGEDSINCE {modseq})")
        named = {int(re.search(rb"UID (\d+)", x)[1]) for x in heard if b"FETCH (" in x}
        assert named == set(changed), (named, changed)

    @staticmethod
    def status(heard):
        words = [x for x in heard if x.startswith(b"* STATUS")][0].decode()
        pairs = dict(re.findall(r"([A-Z]+) (\d+)", words.partition("(")[2]))
        return " ".join(f"{k} {pairs[k]}" for k in ("HIGHESTMODSEQ", "UIDNEXT", "MESSAGES"))

    def settled(self, s):
        """All is told: the client knows what is there, and nothing else."""
        if s.box is None:
            return
        self.do(s, "NOOP")
        box = self.boxes[s.box]
        assert len(s.uids) == len(box.letters)
        self.learn(s)
        assert s.uids == list(box.letters), (s.uids, box.letters)
        assert s.flags == {u: f for u, (_, f) in box.letters.items()}, (s.flags, box.letters)

    def idle(self, s):
        """Others change the mailbox while the room has given this session back."""
        if s.box is None:
            return
        parked = self.w.log().count(" parked ")
        s.client.say(b"i IDLE")
        while not (line := s.client.hear()).startswith(b"+"):
            s.take([line])
        self.w.wait_until(lambda: self.w.log().count(" parked ") > parked)
        self.others_act(s)
        s.client.say(b"DONE")
        while not (line := s.client.hear()).startswith(b"i "):
            s.take([line])
        assert line.startswith(b"i OK"), line
        self.settled(s)

    def others_act(self, s):
        s.away = True
        for _ in range(5):
            self.act([x for x in self.sessions if x is not s])
        s.away = False

    def back(self, s):
        """Leaves and comes back with what it knows (RFC 7162 3.2.5)."""
        if s.box is None or not s.resync:
            return
        self.settled(s)
        heard, last = self.do(s, f"STATUS {s.box} (HIGHESTMODSEQ UIDVALIDITY)")
        modseq, validity = (re.search(rf"{k} (\d+)", heard[-1].decode())[1] for k in ("HIGHESTMODSEQ", "UIDVALIDITY"))
        self.do(s, "UNSELECT")
        name, uids, flags, s.box, s.uids, s.flags = s.box, s.uids, s.flags, None, [], {}
        self.others_act(s)
        heard, last = s.client.cmd(f"SELECT {name} (QRESYNC ({validity} {modseq}))")
        for line in heard:
            if m := re.fullmatch(rb"\* VANISHED \(EARLIER\) ([\d:,]+)", line):
                uids = [u for u in uids if u not in numbers(m[1].decode())]
        flags = {u: f for u, f in flags.items() if u in uids}
        s.box, s.uids, s.flags = name, uids, flags
        for line in heard:
            if m := re.match(rb"\* (\d+) FETCH \(UID (\d+)", line):
                n, uid = int(m[1]), int(m[2])
                s.uids += [uid] if uid not in s.uids else []
                assert s.uids[n - 1] == uid, (heard, s.uids)
        s.take(heard)
        self.settled(s)

    def kill(self, _):
        """Of what was acknowledged nothing is lost; of what was not, all is there or nothing."""
        before = {b: x.copy() for b, x in self.boxes.items()}
        victim = self.chance.choice(self.sessions)
        pids = self.w.pids("room")
        if victim.box and self.chance.random() < 0.7:
            word = self.chance.choice(["UID MOVE 1:* " + self.chance.choice(BOXES), "UID STORE 1:* +FLAGS ($two)"])
            victim.client.say(b"k " + word.encode())
            time.sleep(self.chance.random() / 200)
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.sessions = [self.session(s.resync) for s in self.sessions]
        for name in BOXES:
            self.look(name, before)

    def look(self, name, before):
        """What is there now, which is what was, or what the last command would have made of it."""
        s, was = self.sessions[0], before[name]
        heard = s.client.ok(f"SELECT {name}")
        uidnext = int(re.search(rb"UIDNEXT (\d+)", b" ".join(heard))[1])
        fresh = Box()
        for line in s.client.ok("FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])") if b"* 0 EXISTS" not in heard else []:
            uid, flags, subject = re.search(rb"UID (\d+) FLAGS \(([^)]*)\).*Subject: (m\d+)", line, re.S).groups()
            fresh.letters[int(uid)] = (subject.decode(), frozenset(flags.decode().split()))
        s.client.ok("UNSELECT")
        assert uidnext >= was.next
        fresh.next, fresh.modseq = uidnext, was.modseq
        subjects = sorted(x for b in before.values() for x, _ in b.letters.values())
        for uid, (subject, flags) in fresh.letters.items():
            if uid < was.next:
                assert was.letters[uid][0] == subject and flags - was.letters[uid][1] <= {"$two"}
            assert subject in subjects
        left = set(was.letters) - set(fresh.letters)
        assert left in (set(), set(was.letters)), "a MOVE that was half done"
        self.boxes[name] = fresh

    # ---- all of it ----

    def act(self, sessions):
        s = self.chance.choice(sessions)
        what = self.chance.choice([self.append] * 3 + [self.store] * 5 + [self.expunge, self.transfer, self.transfer, self.search,
                                                                          self.since, self.select, self.settled])
        if s.box is None and what is not self.append:
            what = self.select
        if sum(len(b.letters) for b in self.boxes.values()) > 60:
            self.thin(s)
        what(s)

    def thin(self, s):
        box = self.boxes[s.box] if s.box else None
        if box and box.letters:
            self.do(s, "UID STORE 1:* +FLAGS.SILENT (\\Deleted)")
            self.do(s, "UID EXPUNGE 1:*")
            box.letters.clear()

    def run(self, steps):
        for i in range(steps):
            if i % 100 == 40:
                self.idle(self.chance.choice(self.sessions))
            elif i % 20 == 10:
                self.back(self.sessions[1])
            elif i % 200 == 150:
                self.kill(None)
            else:
                self.act(self.sessions)
        for s in self.sessions:
            self.settled(s)


def test_sessions_against_a_model(instance):
    m = Two(instance(SETTINGS))
    try:
        m.run(STEPS)
    except BaseException:
        print(*m.said[-30:], sep="\n")
        raise
