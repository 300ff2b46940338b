#!/usr/bin/env python3
"""A storm of guesses, in figures: letters taken a second and logins of a good user, without it and in it.

    WAXWING=build/src/waxwing python3 bench/storm.py [SECONDS]

Guessers are those of tests/test_storm.py: six processes, from one network of 200 addresses, and from thirty networks.
argon2id costs what the settings say by default (32 MiB, 2 passes). Quiet and storm alternate, three times each.
"""
import os
import shutil
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests"))
import conftest  # noqa: E402
import test_storm as storm  # noqa: E402


def logins(port, seconds):
    """How long each of a good user's logins takes, in ms; all must succeed."""
    took, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        t = time.monotonic()
        assert storm.login(port, "127.9.0.1", "Jones@foo.com", "secret") == "OK"
        took.append((time.monotonic() - t) * 1000)
    return took


def measure(w, seconds):
    n = storm.letters_in(w, seconds) / seconds
    return n, statistics.median(logins(w.ports["imap"], seconds))


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3
    settings = {k: v for k, v in storm.SETTINGS.items() if not k.startswith("login.argon2")}
    for what, networks, addresses in (("one network, 200 addresses", ["1.0"], 200),
                                      ("30 networks", [f"{i}.0" for i in range(10, 40)], 50)):
        top = tempfile.mkdtemp(prefix="waxwing-storm-")
        os.chmod(top, 0o711)
        w = conftest.Instance(os.path.join(top, "w"), settings)
        w.account("Jones@foo.com")
        w.start()
        port = w.ports["imap"]
        assert storm.login(port, "127.9.0.1", "Jones@foo.com", "secret") == "OK"
        quiet, stormy, tries, checked = [], [], 0, storm.wrong_checked(w)
        for _ in range(3):
            quiet.append(measure(w, seconds))
            with storm.Storm(port, networks, addresses) as s:
                stormy.append(measure(w, seconds))
            tries += s.tries()
        q, t = ([statistics.median(x) for x in zip(*rows)] for rows in (quiet, stormy))
        print(f"{what}: {tries} guesses, {storm.wrong_checked(w) - checked} of them cost an argon2id; letters/s {q[0]:.0f} quiet, "
              f"{t[0]:.0f} in the storm; a login of who is known, ms: {q[1]:.0f}, {t[1]:.0f}")
        w.stop()
        shutil.rmtree(top)


main()
