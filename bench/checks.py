#!/usr/bin/env python3
"""What the checks of who sent a letter cost its reception: SPF, DKIM, DMARC, ARC and iprev, beside a server without them.

    WAXWING=build/src/waxwing bench/checks.py [--rounds N] [--letters N] [--sessions N]

Letters of 4 KiB, DKIM-signed, one a session, from one domain of a DNS of our own (knot on loopback, signed zones), all answers
in the caches when it counts, all rooms open (store.linger).  Two servers of one build, trust.check=yes and no, take letters in turn; each round's ratio is of
two neighbouring runs, told is the median.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time

import run

sys.path.insert(0, os.path.join(os.path.dirname(run.HERE), "tests"))
from ports import free_ports  # noqa: E402
from nameserver import Dns  # noqa: E402

SENDER = "sender.example"
LINE = "The figures of this quarter are better than those of the last one.\r\n"


class Server(run.Peer):
    def __init__(self, name, settings):
        ports = free_ports(5)
        self.env = dict(os.environ, BENCH_DIR=os.path.join(run.DIR, name), WAXWING_EXTRA=settings,
                        **{k: str(p) for k, p in zip(("PORT", "IMAP", "IMAPS", "POP3", "SUBMISSIONS"), ports)})
        os.makedirs(self.env["BENCH_DIR"], exist_ok=True)
        super().__init__("waxwing")
        self.group += "-" + name

    def call(self, verb):
        return subprocess.run([self.script, verb], check=True, stdin=subprocess.DEVNULL, text=True, env=self.env,
                              stdout=subprocess.PIPE, timeout=120).stdout

    def start(self):
        os.makedirs(self.group, exist_ok=True)
        subprocess.run(["sh", "-c", f'echo $$ >{self.group}/cgroup.procs; exec "$0" start', self.script], check=True, env=self.env,
                       stdin=subprocess.DEVNULL, timeout=60, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def take(self, letter, count, sessions):
        """Wall time a letter until all are delivered, and processor time, in ms."""
        before = int(self.call("count"))
        c0, t0 = self.cpu_ms(), time.monotonic()
        run.load("smtp", port=self.port("smtp"), count=count, conc=sessions, file=letter)
        t1 = self.wait_count(before + count)
        return (t1 - t0) * 1000 / count, (self.cpu_ms() - c0) / count


def openssl(*words, stdin=None):
    return subprocess.run(["openssl", *words], check=True, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def make_letter():
    """A signed letter in a file, and the record of its key."""
    path, key = os.path.join(run.DIR, "signed.eml"), os.path.join(run.DIR, "dkim.pem")
    head = (f"From: Sender <sender@{SENDER}>\r\nTo: You <you@bench.example>\r\nSubject: quarterly figures\r\n"
            f"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@{SENDER}>\r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n\r\n")
    text = (head + LINE * ((4096 - len(head)) // len(LINE))).encode()
    openssl("genrsa", "-out", key, "2048")
    public = "".join(openssl("rsa", "-in", key, "-pubout").decode().split("\n")[1:-2])
    waxwing = os.environ.get("WAXWING") or os.path.join(run.HERE, "..", "build", "src", "waxwing")
    fields = subprocess.run([waxwing, "inspect", "dkim-sign", "--key", key, "--selector", "s", "--domain", SENDER], input=text,
                            check=True, stdout=subprocess.PIPE).stdout
    with open(path, "wb") as f:
        f.write(json.loads(fields)["field"].encode() + text)
    return path, f's._domainkey TXT "v=DKIM1; k=rsa; p={public[:200]}" "{public[200:]}"\n'


def settings(values):
    groups = {}
    for name, value in values.items():
        group, key = name.split(".")
        groups.setdefault(group, []).append(f'{key} = "{value}";')
    return "\n".join(f"{g} = {{ {' '.join(v)} }};" for g, v in groups.items())


def in_turn(servers, rounds, measure):
    """[[figures of each server] of each round]; who begins changes, so that neither always comes after the other."""
    found = []
    for i in range(rounds):
        got = {s: measure(s) for s in (servers if i % 2 else servers[::-1])}
        found.append([got[s] for s in servers])
    return found


def tell(rounds, first, second):
    """rounds: of wall and processor time of two servers."""
    for i, what in enumerate(("wall", "processor")):
        pairs = [(without[i], with_[i]) for without, with_ in rounds]
        print(f"{what} time a letter, ms: {first} {statistics.median(p[0] for p in pairs):.3f}, "
              f"{second} {statistics.median(p[1] for p in pairs):.3f}; "
              f"ratio of neighbours {statistics.median(p[1] / p[0] for p in pairs):.2f} "
              f"({min(p[1] / p[0] for p in pairs):.2f}-{max(p[1] / p[0] for p in pairs):.2f})")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--rounds", type=int, default=9)
    ap.add_argument("--letters", type=int, default=4000)
    ap.add_argument("--sessions", type=int, default=100)
    a = ap.parse_args()
    if os.geteuid() != 0:
        sys.exit("checks.py: must be root, to give each server a control group of its own")
    run.build()
    letter, record = make_letter()
    dns = Dns(free_ports(1)[0], ttl=3600)
    servers = []
    try:
        dns.zone(SENDER, f'@ TXT "v=spf1 mx include:_spf.{SENDER} -all"\n@ MX 10 mx\nmx A 192.0.2.1\n'
                 f'_spf TXT "v=spf1 ip4:127.0.0.0/8 ~all"\n_dmarc TXT "v=DMARC1; p=reject; rua=mailto:r@{SENDER}"\n' + record)
        for name, check in (("unchecked", "no"), ("checked", "yes")):
            s = Server(name, settings(dns.settings(**{"trust.check": check, "trust.check_loopback": "yes", "store.linger": "10min"})))
            s.call("setup")
            s.start()
            servers.append(s)
            s.take(letter, 1000, a.sessions)
        log = open(os.path.join(servers[1].env["BENCH_DIR"], "waxwing/w/log/waxwing.log")).read()
        assert re.search(" checked .* spf=pass .* dkim=pass dmarc=pass", log), "not checked"
        rounds = in_turn(servers, a.rounds, lambda s: s.take(letter, a.letters, a.sessions))
    finally:
        for s in servers:
            s.stop()
        dns.stop()
    tell(rounds, "unchecked", "checked")


if __name__ == "__main__":
    main()
