#!/usr/bin/env python3
"""Runs workloads against each peer in turn (A B A B ...), several rounds, and
prints the medians, the spread, and each peer's ratio to the first one.

    run.py [--rounds N] [--quick] [--out FILE] [WORKLOAD...] [-- PEER...]

Workloads: inbound relay imap pop3 idle counter (all).  Peers: waxwing, and whichever of the
others in peers/ is installed.  Machines are noisy: compare only figures of one
run, and prefer ratios.  README.md says what each figure means.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DIR = os.environ.setdefault("BENCH_DIR", "/tmp/waxwing-bench")
LOAD, SINK = os.path.join(DIR, "load"), os.path.join(DIR, "sink")
RELAY_PORT = int(os.environ.setdefault("RELAY_PORT", "2600"))
BIG = 200               # the user with the big mailbox
META = "FETCH 1:* (FLAGS UID RFC822.SIZE ENVELOPE BODYSTRUCTURE)"


def build():
    os.makedirs(DIR, exist_ok=True)
    for program in (LOAD, SINK):
        source = os.path.join(HERE, os.path.basename(program) + ".c")
        if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(source):
            subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-o", program, source], check=True)


def load(mode, *commands, **options):
    args = [LOAD, mode, *(f"{k}={v}" for k, v in options.items()), *commands]
    p = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
    if not p.stdout:
        raise RuntimeError(f"{' '.join(args)}: {p.stderr.strip()}")
    result = json.loads(p.stdout)
    if result["errors"]:
        raise RuntimeError(f"{' '.join(args)}: {result['errors']} errors: {p.stderr.strip()[:200]}")
    return result


class Peer:
    """A server, in a control group of its own: its processor time and its
    processes can be told from ours."""

    def __init__(self, name):
        self.name = name
        self.script = os.path.join(HERE, "peers", name + ".sh")
        self.info = dict(l.split("=", 1) for l in self.call("info").splitlines() if "=" in l)
        mounts = open("/proc/self/mountinfo").read()
        root = re.search(r"^(?:\S+ ){4}(\S+) .* - cgroup2 ", mounts, re.M).group(1)
        self.group = os.path.join(root, "waxwing-bench-" + name)

    def call(self, verb):
        return subprocess.run([self.script, verb], check=True, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, timeout=120).stdout

    def start(self):
        os.makedirs(self.group, exist_ok=True)
        subprocess.run(["sh", "-c", f'echo $$ >{self.group}/cgroup.procs; exec "$0" start', self.script],
                       check=True, stdin=subprocess.DEVNULL, timeout=60,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        self.call("stop")
        end = time.monotonic() + 10
        while open(self.group + "/cgroup.procs").read().strip() and time.monotonic() < end:
            time.sleep(0.05)

    def port(self, service):
        return int(self.info[service])

    def cpu_ms(self):
        return int(re.search(r"usage_usec (\d+)", open(self.group + "/cpu.stat").read()).group(1)) / 1000

    def memory_kib(self):
        """Proportional set size of all processes."""
        total = 0
        for pid in open(self.group + "/cgroup.procs").read().split():
            try:
                total += int(re.search(r"^Pss:\s+(\d+)", open(f"/proc/{pid}/smaps_rollup").read(), re.M).group(1))
            except (OSError, AttributeError):
                pass
        return total

    def wait_count(self, want, limit=60):
        end = time.monotonic() + limit
        while int(self.call("count")) < want:
            if time.monotonic() > end:
                raise RuntimeError(f"{self.name}: {self.call('count').strip()} of {want} letters delivered")
            time.sleep(0.02)
        return time.monotonic()


# ---- workloads: prepare(peer) once, measure(peer, say) each round ------------

CELLS = [  # name, bytes, sessions at once, letters a session, letters
    ("4k c1", 4096, 1, 1, 300),
    ("4k c20", 4096, 20, 1, 2000),
    ("4k c100", 4096, 100, 1, 2000),
    ("4k c20 x20", 4096, 20, 20, 3000),
    ("100k c20", 102400, 20, 1, 400),
]


def inbound_prepare(p):
    p.call("setup")


def inbound(p, say, scale):
    for name, size, conc, per, letters in CELLS:
        letters = int(letters * scale) // per * per
        p.call("reset")
        p.start()
        load("smtp", port=p.port("smtp"), count=20, conc=2)
        p.wait_count(20)
        c0, t0 = p.cpu_ms(), time.monotonic()
        r = load("smtp", port=p.port("smtp"), count=letters // per, per=per, conc=conc, size=size)
        t1 = p.wait_count(20 + letters)
        say(name, accepted_per_s=r["rate"], delivered_per_s=letters / (t1 - t0), p50_ms=r["p50_ms"],
            p99_ms=r["p99_ms"], server_cpu_ms_a_letter=(p.cpu_ms() - c0) / letters)
        p.stop()


def relay(p, say, scale):
    for name, size, conc, per, letters in CELLS[1:3] + CELLS[4:]:
        letters = int(letters * scale)
        p.call("reset")
        p.start()
        sink = subprocess.Popen([SINK, str(RELAY_PORT), str(letters)], stdout=subprocess.PIPE, text=True)
        sink.stdout.readline()
        c0, t0 = p.cpu_ms(), time.monotonic()
        r = load("smtp", port=p.port("smtp"), count=letters, conc=conc, size=size, away=1)
        try:
            s = json.loads(sink.communicate(timeout=120)[0])
        except subprocess.TimeoutExpired:
            sink.kill()
            raise RuntimeError(f"{p.name}: not all of {letters} letters came out")
        say(name, accepted_per_s=r["rate"], relayed_per_s=letters / (s["last"] - t0), connections=s["sessions"],
            server_cpu_ms_a_letter=(p.cpu_ms() - c0) / letters, server_mib=p.memory_kib() / 1024)
        p.stop()


def fill(p, user, letters):
    load("append", port=p.port("imap"), first=user, boxes=1, count=1, per=letters, size=6000)


def imap_prepare(p, letters=2000):
    p.call("setup")
    p.start()
    fill(p, BIG, letters)
    p.stop()


def imap(p, say, scale, letters=2000):
    box = dict(port=p.port("imap"), first=BIG, boxes=1)

    def command(name, text, shown):
        c0 = p.cpu_ms()
        step = load("imap", text, **box)["steps"][3]
        say(name, secs=step["secs"], server_cpu_ms=p.cpu_ms() - c0, **shown(step))

    p.call("dropindex")
    p.start()
    command("fetch meta, first", META, lambda s: {"per_s": letters / s["secs"]})
    command("fetch meta", META, lambda s: {"per_s": letters / s["secs"]})
    command("fetch bodies", "FETCH 1:* BODY.PEEK[]", lambda s: {"mb_per_s": s["bytes"] / s["secs"] / 1e6})
    command("store", "STORE 1:* +FLAGS (\\Seen)", lambda s: {"per_s": letters / s["secs"]})
    command("store back", "STORE 1:* -FLAGS.SILENT (\\Seen)", lambda s: {"per_s": letters / s["secs"]})
    command("search text", "SEARCH TEXT zebrafinch", lambda s: {"per_s": letters / s["secs"]})
    for name, mode, options in (
            ("login select logout c20", "imap", dict(count=int(600 * scale), conc=20)),
            ("append c1", "append", dict(count=1, per=int(300 * scale), first=300)),
            ("append c20", "append", dict(count=20, conc=20, per=int(50 * scale), first=310))):
        c0 = p.cpu_ms()
        r = load(mode, port=p.port("imap"), **options)
        say(name, per_s=r["rate"], p50_ms=r["p50_ms"], server_cpu_ms_each=(p.cpu_ms() - c0) / r["rounds"])
    p.stop()


def pop3_prepare(p):
    p.call("setup")
    p.start()
    for user in range(10):
        fill(p, user, 300)
    p.stop()


def pop3(p, say, scale):
    p.start()
    for name, count in (("retr c1", 1), ("retr c10", 10)):
        load("pop3", port=p.port("pop3"), count=count, conc=count, per=300)
        c0 = p.cpu_ms()
        r = load("pop3", port=p.port("pop3"), count=count, conc=count, per=300)
        say(name, per_s=r["rate"], p50_ms=r["p50_ms"], server_cpu_ms_each=(p.cpu_ms() - c0) / r["rounds"])
    p.stop()


def idle(p, say, scale):
    n = int(1000 * scale)
    t0 = time.monotonic()
    p.start()
    load("hello", port=p.port("smtp"))
    ready = time.monotonic() - t0
    load("imap", port=p.port("imap"), count=100, conc=4)
    time.sleep(12)      # what leaves when idle has left
    empty = p.memory_kib()
    h = subprocess.Popen([LOAD, "idle", f"port={p.port('imap')}", f"count={n}", f"conc={n}"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    r = json.loads(h.stdout.readline())
    time.sleep(20)
    full, c0 = p.memory_kib(), p.cpu_ms()
    time.sleep(2)
    say(f"{n} in IDLE", held=r["held"], kib_each=(full - empty) / n, set_up_per_s=r["rate"],
        cpu_percent=(p.cpu_ms() - c0) / 20, server_mib_without=empty / 1024, start_to_greeting_ms=ready * 1000)
    h.communicate("")
    r = load("hello", port=p.port("imap"), count=int(2000 * scale), conc=20)
    say("connect and greeting c20", per_s=r["rate"], p50_ms=r["p50_ms"])
    p.stop()


def clients(what, port, seconds, n=6):
    """How many rounds n programs of counter.py did together."""
    words = [sys.executable, os.path.join(HERE, "counter.py"), what, str(port), str(seconds)]
    all_ = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(n)]
    return sum(int(c.communicate(timeout=120)[0]) for c in all_)


def counter(p, say, scale):
    p.call("reset")
    p.start()
    for name, what, port in (("submission c6", "submit", "submissions"), ("login c6", "login", "imaps")):
        clients(what, p.port(port), 2)
        c0, t0 = p.cpu_ms(), time.monotonic()
        n = clients(what, p.port(port), 6 * scale)
        say(name, per_s=n / (time.monotonic() - t0), server_cpu_ms_each=(p.cpu_ms() - c0) / n)
    p.stop()


WORKLOADS = {  # what the peer must offer, prepare, measure
    "inbound": ("smtp", inbound_prepare, inbound),
    "relay": ("relay", inbound_prepare, relay),
    "imap": ("imap", imap_prepare, imap),
    "pop3": ("pop3", pop3_prepare, pop3),
    "idle": ("imap", inbound_prepare, idle),
    "counter": ("submissions", inbound_prepare, counter),
}


def number(x):
    return f"{x:.0f}" if abs(x) >= 100 else f"{x:.1f}" if abs(x) >= 10 else f"{x:.3g}"


def table(rows):
    """Medians (least-most) and [ratio to the first peer]."""
    peers = list(dict.fromkeys(r["peer"] for r in rows))
    found = {}
    for r in rows:
        found.setdefault((r["cell"], r["figure"]), {}).setdefault(r["peer"], []).append(r["value"])
    print("| workload | figure | " + " | ".join(peers) + " |")
    print("|---|---|" + "---|" * len(peers))
    for (cell, figure), values in found.items():
        line, first = [], None
        for peer in peers:
            if peer not in values:
                line.append("-")
                continue
            v = values[peer]
            mid = statistics.median(v)
            ratio = f" [{mid / first:.2f}x]" if first else ""
            first = mid if first is None else first
            line.append(f"{number(mid)} ({number(min(v))}-{number(max(v))}){ratio}")
        print(f"| {cell} | {figure} | " + " | ".join(line) + " |")


def measure(name, peers, rounds, scale, out):
    service, prepare, run = WORKLOADS[name]
    rows = []
    able = [p for p in peers if service in p.info]
    for p in able:
        prepare(p)
    for i in range(rounds):
        for p in able:
            def say(cell, **figures):
                for figure, value in figures.items():
                    rows.append(dict(workload=name, cell=cell, peer=p.name, round=i, figure=figure, value=value))
            try:
                run(p, say, scale)
            except (RuntimeError, subprocess.SubprocessError) as e:
                print(f"FAILED: {p.name}, {name}: {e}", file=sys.stderr)
                p.stop()
    if out:
        with open(out, "a") as f:
            f.writelines(json.dumps(r) + "\n" for r in rows)
    print(f"\n### {name}\n")
    table(rows)
    sys.stdout.flush()


def main():
    words, peers = sys.argv[1:], ["waxwing", "postfix-dovecot"]
    if "--" in words:
        at = words.index("--")
        words, peers = words[:at], words[at + 1:]
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--quick", action="store_true", help="a third of the work")
    ap.add_argument("--out", help="append each figure to this file, one JSON line each")
    ap.add_argument("workloads", nargs="*", metavar="WORKLOAD")
    a = ap.parse_args(words)
    if set(a.workloads) - set(WORKLOADS):
        ap.error("workloads are " + " ".join(WORKLOADS))
    if os.geteuid() != 0:
        sys.exit("run.py: must be root, to give each server a control group of its own")
    build()
    servers = [Peer(name) for name in peers]
    for p in servers:
        print(f"{p.name}: {p.info.get('version', 'left out, not installed: ' + p.info.get('missing', '?'))}")
    for name in a.workloads or WORKLOADS:
        measure(name, [p for p in servers if "version" in p.info], a.rounds, 0.34 if a.quick else 1.0, a.out)


if __name__ == "__main__":
    main()
