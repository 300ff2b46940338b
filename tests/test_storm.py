"""A storm of guesses: thousands of logins from many addresses, while mail goes on and people log in."""
import json
import multiprocessing
import os
import random
import re
import smtplib
import socket
import time

SETTINGS = {"login.clear_text": "yes", "login.argon2_memory": "8m", "login.argon2_passes": "2", "login.failures": "3",
            "login.remember": "0", "smtp.letters": "1000000", "login.log": "100000", "login.errors": "1000", "host.doors": "2"}
WIDE, IN_HAND, PER_WIDE = 8, 24, 3 * 8      # src/warden/guess.h: GUESS_WIDE, GUESS_WIDE_IN_HAND


def connect(port, source):
    s = socket.socket()
    s.settimeout(60)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((source, 0))
    s.connect(("127.0.0.1", port))
    return s, s.makefile("rb")


def login(port, source, name, password):
    """What the server says to it, as the word in brackets, or "OK"."""
    s, f = connect(port, source)
    with s, f:
        f.readline()
        s.sendall(f"a LOGIN {name} {password}\r\n".encode())
        heard = f.readline().decode()
    return "OK" if heard.startswith("a OK") else heard[heard.find("[") + 1:heard.find("]")]


def storm(port, networks, addresses, stop, heard, seed):
    """One guesser: another address and another guess each time."""
    rng = random.Random(seed)
    names = ["Jones@foo.com", "Brown@foo.com", "Green@foo.com", "Nobody@elsewhere.example"]
    while not stop.is_set():
        source = f"127.{rng.choice(networks)}.{rng.randrange(1, addresses + 1)}"
        try:
            word = login(port, source, rng.choice(names), f"guess{rng.random()}")
        except OSError:
            continue
        with heard.get_lock():
            heard[{"AUTHENTICATIONFAILED": 0, "LIMIT": 1}.get(word, 2)] += 1


class Storm:
    """Guessers in processes of their own, from blow() to end()."""

    def __init__(self, port, networks, addresses=200, guessers=6):
        self.stop = multiprocessing.Event()
        self.heard = multiprocessing.Array("l", 3)
        self.processes = [multiprocessing.Process(target=storm, daemon=True, args=(
            port, networks, addresses, self.stop, self.heard, i)) for i in range(guessers)]

    def __enter__(self):
        for p in self.processes:
            p.start()
        return self

    def __exit__(self, *what):
        self.stop.set()
        for p in self.processes:
            p.join(60)
            assert not p.is_alive()

    def tries(self):
        return sum(self.heard)


def write_when_told(sock, path):
    with open(path, "wb", 0) as f:
        while sock.recv(1):
            f.write(bytes(1024))
            os.fdatasync(f.fileno())
            sock.sendall(b"x")


class Yardstick:
    """What the machine can do just now, whatever else runs on it: another process is woken, writes and flushes."""

    def __init__(self, path):
        self.sock, theirs = socket.socketpair()
        self.process = multiprocessing.Process(target=write_when_told, daemon=True, args=(theirs, path))
        self.process.start()

    def step(self):
        self.sock.sendall(b"x")
        assert self.sock.recv(1)

    def stop(self):
        self.process.kill()
        self.process.join(60)


def slowness(w, yardstick, seconds=1):
    """How many of its steps a letter takes, over so many seconds."""
    letters, steps, n, end = 0, 0, 0, time.monotonic() + seconds
    with smtplib.SMTP("127.0.0.1", w.ports["smtp"], timeout=60) as c:
        while time.monotonic() < end:
            begun = time.monotonic()
            assert c.sendmail("Smith@bar.com", ["Jones@foo.com"], f"Subject: {n}\r\n\r\nhi\r\n") == {}
            kept = time.monotonic()
            yardstick.step()
            letters, steps, n = letters + kept - begun, steps + time.monotonic() - kept, n + 1
    return letters / steps


def wrong_checked(w):
    """Passwords that cost an argon2id and were wrong."""
    return len(re.findall(r" login sid=.* result=no\b", w.log()))


def test_one_network_is_held_off_and_its_good_user_gets_in(instance):
    w = instance(SETTINGS)
    port = w.ports["imap"]
    w.wait_port(port)
    # He is known at the address that many share; whose account is guessed at from there has to wait himself.
    assert login(port, "127.1.0.7", "Smith@bar.com", "secret") == "OK"
    with Storm(port, ["1.0"]) as s:
        w.wait_until(lambda: s.tries() >= 2000, limit=120)
        for _ in range(5):
            assert login(port, "127.1.0.7", "Smith@bar.com", "secret") == "OK"
        # Somebody from elsewhere who was never here.
        assert login(port, "127.77.0.1", "Brown@foo.com", "secret") == "OK"
        # In the storm's own network, who is not known has to wait, whatever he knows.
        assert login(port, "127.1.0.9", "Brown@foo.com", "secret") == "LIMIT"
    assert s.heard[2] == 0
    assert 3 <= wrong_checked(w) <= PER_WIDE + IN_HAND, wrong_checked(w)
    assert s.heard[1] > s.heard[0]
    # The log is written a second later.
    log = lambda: json.loads(w.run("account", "log", "Jones@foo.com", "--json").stdout)
    w.wait_until(lambda: {"no", "slow"} <= {r["result"] for r in log()} and sum(r["times"] for r in log() if r["result"] == "slow") > 10)
    rows = log()
    assert sum(r["times"] for r in rows if r["result"] == "slow") > 10
    assert any(r["address"].startswith("127.1.0.") for r in rows if r["result"] != "ok")


def test_many_networks_and_mail_goes_on(instance):
    w = instance(SETTINGS)
    port = w.ports["imap"]
    w.wait_port(port)
    networks = [f"{i}.0" for i in range(10, 40)]
    assert login(port, "127.9.0.1", "Jones@foo.com", "secret") == "OK"
    yardstick = Yardstick(os.path.join(w.dir, "yardstick"))
    slowness(w, yardstick, 0.3)
    quiet, stormy = [], []
    for _ in range(3):
        quiet.append(slowness(w, yardstick))
        with Storm(port, networks, addresses=50) as s:
            before = s.tries()
            w.wait_until(lambda: s.tries() > before + 100, limit=120)
            stormy.append(slowness(w, yardstick))
            for _ in range(3):
                assert login(port, "127.9.0.1", "Jones@foo.com", "secret") == "OK"
    yardstick.stop()
    # The usual one of each, with slack.
    assert sorted(stormy)[1] < 10 * sorted(quiet)[1], (quiet, stormy)
    assert wrong_checked(w) <= len(networks) * (PER_WIDE + IN_HAND)
    # A stranger to that place gets in once there is room.
    w.wait_until(lambda: login(port, "127.78.0.1", "Brown@foo.com", "secret") == "OK", limit=60)


def test_refusals_come_later_and_later(instance):
    w = instance(dict(SETTINGS, **{"login.failures": "100", "login.argon2_memory": "64k", "login.argon2_passes": "1"}))
    port = w.ports["imap"]
    w.wait_port(port)
    took = []
    for i in range(5):
        start = time.monotonic()
        assert login(port, "127.5.0.1", "Jones@foo.com", f"guess{i}") == "AUTHENTICATIONFAILED"
        took.append(time.monotonic() - start)
    # 100 ms, doubled: what is held back is the least that it can take.
    for i, t in enumerate(took):
        assert t >= 0.1 * 2 ** i * 0.95, took
