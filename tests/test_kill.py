"""kill -9 of any process at any time: what was acknowledged is there, once.

KILLS says how many (20 in `make check`, 200 in `make check-long`); SEED which.
"""
import json
import os
import random
import signal
import time

import load

KILLS = int(os.environ.get("KILLS", "20"))
SEED = int(os.environ.get("SEED", "1"))
QUICK = {"queue.flush_interval": "100ms", "store.linger": "300ms", "queue.segment": "2m", "store.segment": "4m"}


def alive(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def all_pids(w):
    return [p for pids in w.pids().values() for p in pids]


def start_again(w):
    """A stranger's outgoing connection may hold one of our ports for a moment."""
    for _ in range(10):
        w.start(wait=False)
        time.sleep(0.2)
        if w.process.poll() is None:
            break
    w.wait_port(w.ports["smtp"])


def kill_one(w, role, chance):
    """One process of that role; the parent is started again."""
    if role == "parent":
        children = all_pids(w)
        w.process.kill()
        w.process.wait()
        # Nobody is left behind, and nobody had to be told.
        w.wait_until(lambda: not any(alive(p) for p in children))
        start_again(w)
        return
    there = w.pids(role)
    if there:
        try:
            os.kill(chance.choice(there), signal.SIGKILL)
        except ProcessLookupError:
            pass


def test_kills_lose_and_double_nothing(instance):
    chance = random.Random(SEED)
    w = instance(settings=QUICK)
    senders = load.start_senders(w, 4, seed=SEED)
    deck = []
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.02, 0.4))
        if not deck:
            deck = ["parent", "door", "warden", "names", "relay", "queue", "queue", "room", "room", "room"]
            chance.shuffle(deck)
        kill_one(w, deck.pop(), chance)
    for s in senders:
        s.stop()
    n = load.verify(w, senders)
    w.wait_until(lambda: sum(os.path.getsize(os.path.join(w.dir, "spool", f))
                             for f in os.listdir(os.path.join(w.dir, "spool"))) < 8 << 20)
    print(f"{n} letters")
    assert n > KILLS
    assert "Sanitizer" not in w.log() and "signal=31" not in w.log()


def test_queue_takes_up_its_work_after_a_restart(instance):
    """Nothing new comes, and yet what is owed is delivered."""
    w = instance(settings=dict(QUICK, **{"testing.fault": "room/open:EIO:0"}))
    senders = load.start_senders(w, 2, seed=7)
    w.wait_until(lambda: sum(len(s.acked) for s in senders) > 20)
    for s in senders:
        s.stop()
    assert len(load.missing(w, senders)) > 20
    w.configure(**{"testing.fault": ""})
    w.process.kill()
    w.process.wait()
    w.start()
    load.verify(w, senders)


def test_idle_spool_is_emptied(instance):
    """DONEs are committed without a letter that follows."""
    w = instance(settings=QUICK)
    senders = load.start_senders(w, 2, seed=8, largest=2048)
    w.wait_until(lambda: sum(len(s.acked) for s in senders) > 50)
    for s in senders:
        s.stop()
    load.verify(w, senders)
    boxes = {a: load.in_journals(os.path.join(w.dir, "mail", n)) for a, n in load.accounts(w).items()}
    w.wait_until(lambda: json.loads(w.run("queue", "list", "--json").stdout) == [])
    time.sleep(1)
    w.process.kill()
    w.process.wait()
    before = len(w.log())
    w.start()
    w.wait_log("serving")
    time.sleep(0.5)
    assert "delivered id=" not in w.log()[before:], "delivered again what had been settled"
    after = {a: load.in_journals(os.path.join(w.dir, "mail", n)) for a, n in load.accounts(w).items()}
    assert boxes == after


def test_a_letter_whose_queue_died_before_its_word_is_kept_once(instance):
    """Each queue dies between a flush and the answers: the door asks the next
    one about the same letter, and no client hears 451 for one that is kept."""
    w = instance(settings=dict(QUICK, **{"testing.fault": "queue/flush:DIE:4"}))
    senders = load.start_senders(w, 4, seed=9, pause=0.02)
    w.wait_until(lambda: w.log().count("died role=queue") >= 4, 60)
    w.configure(**{"testing.fault": ""})
    w.process.send_signal(signal.SIGHUP)
    w.wait_until(lambda: sum(len(s.acked) for s in senders) > 100, 90)
    for s in senders:
        s.stop()
    assert [s.refused for s in senders] == [[]] * 4 and [s.unknown for s in senders] == [[]] * 4
    load.verify(w, senders)
    assert "offered-again id=" in w.log(), "no queue died where it should have"
