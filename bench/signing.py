#!/usr/bin/env python3
"""What signing costs relaying: letters of 4 KiB from a host that speaks for our domain (dkim.networks), carried to a sink, signed
by both algorithms and not signed.

    WAXWING=build/src/waxwing bench/signing.py [--rounds N] [--letters N] [--sessions N]

Two servers of one build, dkim.sign=yes and no, in turn; each round's ratio is of two neighbouring runs, told is the median.
"""
import argparse
import json
import os
import subprocess
import time

import run
from checks import Server, in_turn, settings, tell
from ports import free_ports


def make_letter():
    path = os.path.join(run.DIR, "ours.eml")
    line = b"The figures of this quarter are better than those of the last one.\r\n"
    with open(path, "wb") as f:
        f.write(b"From: Host <host@bench.example>\r\nTo: You <you@relay.example>\r\nSubject: quarterly figures\r\n"
                b"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@bench.example>\r\nMIME-Version: 1.0\r\n"
                b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + line * 54)
    return path


def carry(s, letter, count, sessions):
    """Wall and processor time a letter until the sink has all, in ms."""
    sink = subprocess.Popen([run.SINK, s.env["RELAY_PORT"], str(count)], stdout=subprocess.PIPE, text=True)
    try:
        sink.stdout.readline()
        c0, t0 = s.cpu_ms(), time.monotonic()
        run.load("smtp", port=s.port("smtp"), count=count, conc=sessions, file=letter, away=1)
        last = json.loads(sink.communicate(timeout=120)[0])["last"]
    finally:
        sink.kill()
    return (last - t0) * 1000 / count, (s.cpu_ms() - c0) / count


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--rounds", type=int, default=7)
    ap.add_argument("--letters", type=int, default=2000)
    ap.add_argument("--sessions", type=int, default=100)
    a = ap.parse_args()
    run.build()
    letter, servers = make_letter(), []
    try:
        for name, sign in (("unsigned", "no"), ("signed", "yes")):
            os.environ["RELAY_PORT"] = str(free_ports(1)[0])
            s = Server(name, settings({"dkim.sign": sign, "dkim.networks": "127.0.0.1"}))
            s.call("setup")
            s.start()
            servers.append(s)
            carry(s, letter, 200, a.sessions)
        log = open(os.path.join(servers[1].env["BENCH_DIR"], "waxwing/w/log/waxwing.log")).read()
        assert log.count(" sealed ") >= 200 and "not-sealed" not in log, "not signed"
        rounds = in_turn(servers, a.rounds, lambda s: carry(s, letter, a.letters, a.sessions))
    finally:
        for s in servers:
            s.stop()
    tell(rounds, "unsigned", "signed")


if __name__ == "__main__":
    main()
