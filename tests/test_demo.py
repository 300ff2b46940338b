"""make demo does what the README says."""
import os
import re
import signal
import subprocess
import sys

from conftest import ROOT, WAXWING

DEMO = [sys.executable, os.path.join(ROOT, "tools/demo.py")]


def environment(**more):
    return {**os.environ, "WAXWING": os.path.abspath(WAXWING), **more}


def folder_of(shown):
    """Where the lab was, named by what it shows of itself."""
    return re.search(r"--dir (\S+/lab)$", shown, re.M).group(1)


def test_once_shows_the_letter_and_ends():
    p = subprocess.run(DEMO, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300,
                       env=environment(ONCE="1"))
    assert p.returncode == 0, p.stdout[-2000:] + p.stderr
    out = p.stdout
    for line in ("C: MAIL FROM:<Smith@bar.com>", "C: RCPT TO:<Jones@foo.com>", "S: 354 ",
                 "C: a1 LOGIN Jones@foo.com ********", "C: PASS ********", "$ waxwing lab break dane"):
        assert line in out, out
    # From host to host with all proofs, and not at all without.
    assert "foo.com MX: 10 mail.foo.com.   (proved by DNSSEC)" in out and "DANE-EE verified" in out
    assert "says: 5.1.1 No such user here" in out and "It waits at the host of its sender" in out
    # Out by IMAP and by POP3; and its traces.
    assert out.count("S: Blah blah blah...") == 2
    assert re.search(r"relayed .* to=Jones@foo.com", out) and re.search(r"delivered .* to=Jones@foo.com", out)
    assert "\033" not in out


def test_stays_up_until_interrupted():
    p = subprocess.Popen(DEMO, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(ONCE=""))
    shown = ""
    while "Ctrl-C stops it" not in shown:
        line = p.stdout.readline()
        assert line, shown + p.stderr.read()
        shown += line
    folder = folder_of(shown)
    assert os.path.exists(folder) and 'password "secret"' in shown
    assert re.search(r"swaks --server 127\.0\.\d+\.3:", shown) and "neomutt" in shown
    pids = [int(open(os.path.join(folder, f)).read()) for f in os.listdir(folder) if f.endswith(".pid")]
    began = {pid: start_of(pid) for pid in pids}
    p.send_signal(signal.SIGINT)
    assert p.wait(60) == 0
    assert not os.path.exists(folder)
    assert len(pids) == 3 and None not in began.values()
    assert not [pid for pid in pids if start_of(pid) == began[pid]]


def start_of(pid):
    """When the process of that number began, or None: a number that is free is soon somebody else's."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            state, *rest = f.read().rsplit(") ", 1)[1].split()
    except OSError:     # it went while we looked
        return None
    return None if state == "Z" else rest[18]


def test_trouble_is_the_reason_it_ends_with(tmp_path):
    broken = tmp_path / "waxwing"
    broken.write_text("#!/bin/sh\necho 'waxwing: it is broken' >&2\nexit 1\n")
    broken.chmod(0o755)
    p = subprocess.run(DEMO, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                       env=environment(ONCE="1", WAXWING=str(broken)))
    assert p.returncode == 1 and "demo: waxwing lab up: waxwing: it is broken" in p.stderr
