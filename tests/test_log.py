"""The log, and who would harm it: tests/taken_over.c in the place of a process of ours."""
import os
import re
import shutil
import signal
import smtplib
import subprocess
import time

import pytest

from conftest import WAXWING

HERE = os.path.dirname(WAXWING)
TAKEN_OVER = os.path.join(os.path.dirname(HERE), "tests/taken_over")
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (parent|warden|names|queue|relay|door\.\d+|room(\.\d+)?)\[\d+\] [ -~]+\n")

pytestmark = pytest.mark.skipif(not os.path.exists(TAKEN_OVER), reason="taken_over is not built")


@pytest.fixture
def attacked(instance, tmp_path):
    """A server whose process `names` is one that was taken over."""
    def make(what, settings=None):
        for name in ("waxwing", "waxwing-admin", "waxwing-sendmail"):
            shutil.copy(os.path.join(HERE, name), tmp_path)
        shutil.copy(TAKEN_OVER, tmp_path / "waxwing-names")
        tmp_path.chmod(0o755)
        w = instance(settings, start=False, program=str(tmp_path / "waxwing"))
        with open(os.path.join(w.dir, "attack"), "w") as f:
            f.write(what)
        w.start()
        return w
    return make


def send(w, n=1):
    with smtplib.SMTP("127.0.0.1", w.ports["smtp"]) as c:
        for _ in range(n):
            c.sendmail("Smith@bar.com", ["Jones@foo.com"], "Subject: hi\r\n\r\nBlah\r\n")


def all_lines(w):
    folder = os.path.join(w.dir, "log")
    names = sorted(os.listdir(folder), key=lambda n: -int(n.rsplit(".", 1)[1]) if n[-1].isdigit() else 1)
    return "".join(open(os.path.join(folder, n), newline="\n").read() for n in names)


def test_nobody_has_the_file(attacked):
    w = attacked("file")
    w.wait_log(r" names\[\d+\] tried cut=-1 over=-1 back=-1 read=-1 mapped=0 files=0 terminals=0\n")
    assert w.log().startswith("20") and " serving " in w.log()
    for role in ("door", "warden", "queue", "relay"):
        for pid in w.pids(role):
            log = os.path.realpath(os.path.join(w.dir, "log/waxwing.log"))
            held = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            assert log not in held and os.readlink(f"/proc/{pid}/fd/2").startswith("pipe:"), role


def test_nobody_speaks_for_another(attacked):
    w = attacked("forge")
    w.wait_log(r" names\[\d+\] half .* after")
    text = w.log()
    assert re.search(r"T10:31:05\.123Z names\[\d+\] parent\[1\] stopped forged=yes\n", text)
    assert re.search(r'names\[\d+\] warning stray text=".*rcpt forged=\\x1b\[2J\\x00\\x0d"\n', text)
    assert re.search(r'names\[\d+\] warning stray text="no line at all"\n', text)
    for line in text.splitlines(True):
        assert LINE.fullmatch(line), line


def test_who_floods_holds_up_nobody(attacked):
    rate = 400_000
    w = attacked("flood", {"log.rate": str(rate), "log.size": "1g"})
    began, before = time.monotonic(), os.path.getsize(os.path.join(w.dir, "log/waxwing.log"))
    send(w, 50)
    w.settle = lambda: None     # its pipe is never empty
    w.wait_until(lambda: w.log().count(" delivered id=") == 50, 30)
    w.wait_log(r" parent\[\d+\] warning log-held of=names\[\d+\] rate=400000\n")
    took = time.monotonic() - began
    # What it may, and what stood in its pipe; each of its lines is longer by its name.
    grown = os.path.getsize(os.path.join(w.dir, "log/waxwing.log")) - before
    assert 0 < grown < 3 * rate * (took + 1) + (1 << 20), (grown, took)
    began = time.monotonic()
    w.stop()
    assert time.monotonic() - began < 10
    for line in w.log().splitlines(True):
        assert LINE.fullmatch(line), line


def test_last_words_are_written(attacked):
    w = attacked("die")
    w.wait_log(r" died role=names")
    text = w.log()
    said = text[:text.index(" died role=names")]
    pid = re.search(r"names\[(\d+)\] last n=0\n", said).group(1)
    assert [int(n) for n in re.findall(rf"names\[{pid}\] last n=(\d+)\n", said)] == list(range(2000))
    assert f'names[{pid}] warning stray text="and a half"\n' in said


def test_a_parent_that_is_busy_holds_up_nobody(instance):
    """Lines wait in the pipes meanwhile: none is lost, and the mail goes on."""
    w = instance()
    send(w)
    w.wait_log(" delivered id=")
    os.kill(w.process.pid, signal.SIGSTOP)
    try:
        send(w, 100)
    finally:
        os.kill(w.process.pid, signal.SIGCONT)
    w.wait_until(lambda: w.log().count(" delivered id=") == 101)
    assert w.log().count(" queued id=") == 101 and "log-lost" not in w.log()


def test_who_finds_no_room_counts_what_he_leaves_out(instance):
    w = instance({"log.dialog": "yes", "host.doors": "1"})
    send(w)
    w.wait_log(" delivered id=")
    os.kill(w.process.pid, signal.SIGSTOP)
    try:
        # More than the pipe holds, and what is gathered: each NOOP is a line of the log, and so is the answer.
        for _ in range(150):
            with smtplib.SMTP("127.0.0.1", w.ports["smtp"]) as c:
                c.sock.sendall(("NOOP " + "x" * 490 + "\r\n").encode() * 20)
                for _ in range(20):
                    assert c.getreply()[0] == 250
    finally:
        os.kill(w.process.pid, signal.SIGCONT)
    w.wait_log(r" door\.\d+\[\d+\] warning log-lost lines=\d+\n")
    said = sum(len(re.findall(r" \S*NOOP x", line)) for line in w.log().splitlines())
    assert 0 < said < 3000
    for line in w.log().splitlines(True):
        assert LINE.fullmatch(line), line


def test_rotation_loses_no_line(instance):
    w = instance({"log.size": "20000", "log.keep": "50"})
    send(w, 300)
    w.wait_until(lambda: all_lines(w).count(" delivered id=") == 300)
    w.wait_until(lambda: os.path.exists(os.path.join(w.dir, "log/waxwing.log.1")))
    send(w, 300)
    w.process.send_signal(signal.SIGHUP)
    send(w, 10)
    w.wait_until(lambda: all_lines(w).count(" delivered id=") == 610)
    w.stop()
    lines = all_lines(w).splitlines(True)
    assert sum(" queued id=" in line for line in lines) == 610
    for line in lines:
        assert LINE.fullmatch(line), line


def test_to_a_terminal(instance, tmp_path):
    """log.file = stderr: one process writes there, and in lines."""
    w = instance({"log.file": "stderr"}, start=False)
    with open(tmp_path / "err", "wb") as err:
        w.process = subprocess.Popen([w.program, "serve", "--dir", w.dir], stdin=subprocess.DEVNULL, stderr=err)
    read = lambda: open(tmp_path / "err").read()
    w.wait_until(lambda: " serving " in read())
    send(w, 20)
    w.wait_until(lambda: read().count(" delivered id=") == 20)
    for role in ("door", "warden", "queue", "names", "relay"):
        for pid in w.pids(role):
            assert not any(os.readlink(f"/proc/{pid}/fd/{fd}") == str(tmp_path / "err") for fd in (0, 1, 2))
    w.stop()
    for line in read().splitlines(True):
        assert LINE.fullmatch(line), line


def test_a_full_disk_is_told_of_when_it_is_over(instance):
    """Nothing stops but the lines; they are counted."""
    w = instance({"log.file": "/dev/full"}, start=False)
    w.process = subprocess.Popen([w.program, "serve", "--dir", w.dir], stdin=subprocess.DEVNULL)
    w.wait_port(w.ports["smtp"])
    send(w, 20)
    w.settle()
    w.configure(**{"log.file": os.path.join(w.dir, "log/waxwing.log")})
    w.process.send_signal(signal.SIGHUP)
    w.wait_log(r" parent\[\d+\] warning log-lost lines=\d\d+\n")
    w.wait_log(" reloaded")
