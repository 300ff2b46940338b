"""make demo does what the README says."""
import os
import re
import signal
import subprocess
import sys

import pytest

from conftest import ROOT, WAXWING

DEMO = [sys.executable, os.path.join(ROOT, "tools/demo.py")]
needs_login = pytest.mark.skipif(not os.path.isdir(os.path.join(ROOT, "src/door/login")),
                                 reason="nobody can log in by IMAP and POP3 yet")


def environment(**more):
    return {**os.environ, "WAXWING": os.path.abspath(WAXWING), **more}


@needs_login
def test_once_shows_the_letter_and_ends():
    p = subprocess.run(DEMO, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
                       env=environment(ONCE="1"))
    assert p.returncode == 0, p.stdout[-2000:] + p.stderr
    out = p.stdout
    for line in ("C: MAIL FROM:<Smith@bar.com>", "C: RCPT TO:<Green@foo.com>", "S: 354 ",
                 "C: a1 LOGIN Jones@foo.com ********", "C: PASS ********"):
        assert f"\n{line}" in out, out
    assert re.search(r"C: RCPT TO:<Green@foo.com>\nS: 550 ", out)
    # In by SMTP, out by IMAP and by POP3; and its trace.
    assert out.count("S: Blah blah blah...") == 2
    assert re.search(r"delivered .* to=Brown@foo.com", out)
    assert "\033" not in out
    folder = re.search(r"Serving (\S+):", out).group(1)
    assert not os.path.exists(folder)


@needs_login
def test_stays_up_until_interrupted():
    p = subprocess.Popen(DEMO, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(ONCE=""))
    shown = ""
    while "Ctrl-C stops it" not in shown:
        line = p.stdout.readline()
        assert line, shown + p.stderr.read()
        shown += line
    folder = re.search(r"Serving (\S+):", shown).group(1)
    assert os.path.exists(folder) and re.search(r"Jones@foo.com +password \S+", shown)
    assert "swaks --server 127.0.0.1:" in shown and "neomutt" in shown
    p.send_signal(signal.SIGINT)
    assert p.wait(20) == 0
    assert not os.path.exists(folder)


def test_trouble_is_the_reason_it_ends_with(tmp_path):
    broken = tmp_path / "waxwing"
    broken.write_text("#!/bin/sh\necho 'waxwing: it is broken' >&2\nexit 1\n")
    broken.chmod(0o755)
    p = subprocess.run(DEMO, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                       env=environment(ONCE="1", WAXWING=str(broken)))
    assert p.returncode == 1 and "demo: waxwing setup foo.com: waxwing: it is broken" in p.stderr
