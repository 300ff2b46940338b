"""A running instance under its operator's hands: users, signals, reload, log."""
import glob
import json
import os
import pwd
import re
import signal
import smtplib
import socket
import subprocess
import time

import pytest

from conftest import WAXWING
from ports import free_ports
from test_admin import send
from test_kill import alive

ROOT_ONLY = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


def status_of(pid):
    return dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().split("\n") if ":\t" in line)


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as s:
            s.settimeout(5)
            return s.recv(4) == b"220 "
    except OSError:
        return False


def until(condition, limit=60):
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "it did not come to be so"
        time.sleep(0.02)


# ---- who runs as whom ----

def is_room_of(pid):
    words = open(f"/proc/{pid}/cmdline").read().split("\0")
    return words[0].rstrip() if words[1:3] == ["--role", "room"] else None


def open_files(pid):
    """What it holds besides the standard three; while it is being linked libraries come and go."""
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            found += [os.readlink(f"/proc/{pid}/fd/{fd}")] if int(fd) > 2 else []
        except FileNotFoundError:
            pass
    return found


def test_spare_rooms_become_rooms_and_are_replaced(instance):
    w = instance(settings={"store.spare_rooms": 2})
    until(lambda: len(w.pids("spare")) == 2)
    first = w.pids("spare")
    for pid in first:
        # Nothing but the way to the parent and the sealed filter: no other file, no other process.
        until(lambda: sorted(l.split(":")[0] for l in open_files(pid)) in (["/memfd", "anon_inode", "socket"], ["/memfd", "socket"]))
    id = send(w, "Jones@foo.com", "Brown@foo.com")
    for name in ("Jones", "Brown"):
        w.wait_log(f"delivered id={id} to={name}")
    assert sorted(is_room_of(p) for p in first) == ["waxwing: room 1", "waxwing: room 2"]
    assert sorted(w.pids("room")) == sorted(first)
    until(lambda: len(w.pids("spare")) == 2)
    # One that was killed is never given to anybody.
    for pid in w.pids("spare"):
        os.kill(pid, signal.SIGKILL)
    id = send(w, "Smith@bar.com")
    w.wait_log(f"delivered id={id} to=Smith")
    w.process.kill()
    w.process.wait()
    until(lambda: not any(alive(p) for p in first))


@ROOT_ONLY
def test_as_root_each_process_is_another_user_and_locked_in(instance):
    w = instance()
    id = send(w, "Jones@foo.com", "Brown@foo.com")
    w.wait_log(f"delivered id={id} to=Brown")
    uids = {}
    for role, pids in w.pids().items():
        for pid in pids if role != "spare" else []:
            st = status_of(pid)
            real, effective, saved, fs = st["Uid"].split()
            assert real == effective == saved == fs != "0", role
            assert st["Gid"].split() == [real] * 4 and st["Groups"].strip() in ("", real)
            assert (st["Seccomp"], st["NoNewPrivs"], int(st["CapEff"], 16), int(st["CapPrm"], 16)) == ("2", "1", 0, 0)
            uids.setdefault(role, set()).add(real)
    assert set(uids) == {"door", "warden", "queue", "names", "relay", "room"}
    # Every account's room has its own; all doors share one, and all relays.
    assert [len(uids[r]) for r in ("door", "warden", "queue", "names", "relay", "room")] == [1, 1, 1, 1, 1, 2]
    assert len(set.union(*uids.values())) == 7
    for account in os.listdir(os.path.join(w.dir, "mail")):
        st = os.stat(os.path.join(w.dir, "mail", account))
        assert str(st.st_uid) in uids["room"] and st.st_mode & 0o077 == 0


@ROOT_ONLY
def test_nothing_needs_root(tmp_path_factory):
    """A whole instance as nobody, from setup to trace."""
    nobody = pwd.getpwnam("nobody")
    top = subprocess.run(["mktemp", "-d", "/tmp/waxwing-test-XXXXXX"], text=True, stdout=subprocess.PIPE,
                         check=True).stdout.strip()
    os.chown(top, nobody.pw_uid, nobody.pw_gid)
    d = os.path.join(top, "w")
    # The build may lie where nobody cannot go.
    program = os.path.join(top, "waxwing")
    for name in ("waxwing", "waxwing-admin"):
        subprocess.run(["cp", os.path.join(os.path.dirname(WAXWING), name), top], check=True)
    port, other = free_ports(2)
    as_nobody = dict(user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[], cwd="/", text=True)

    def run(*args, stdin=""):
        p = subprocess.run([program, *args, "--dir", d], input=stdin, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=60, **as_nobody)
        assert p.returncode == 0, p.stderr
        return p.stdout

    run("setup", "foo.com")
    run("account", "add", "Jones@foo.com", "--password-stdin", stdin="secret")
    with open(os.path.join(d, "waxwing.conf"), "w") as f:
        f.write(f'listen = {{ smtp = "127.0.0.1:{port}"; ' +
                "".join(f'{s} = ""; ' for s in ("submission", "submissions", "imap", "imaps", "pop3", "pop3s", "https")) +
                "};\n")
    server = subprocess.Popen([program, "serve", "--dir", d], stdin=subprocess.DEVNULL, **as_nobody)
    try:
        until(lambda: answers(port))
        with smtplib.SMTP("127.0.0.1", port) as c:
            c.sendmail("Smith@bar.com", ["Jones@foo.com"], "Subject: hi\r\n\r\nBlah\r\n")
        log = os.path.join(d, "log/waxwing.log")
        until(lambda: "delivered id=" in open(log).read())
        id = re.search(r"delivered id=(\S+)", open(log).read()).group(1)
        assert "delivered" in run("trace", id)
        rows = json.loads(run("status", "--json"))
        assert {r["process"] for r in rows} == {"parent", "warden", "queue", "names", "door", "relay", "room"}
        for r in rows:
            assert status_of(r["pid"])["Uid"].split() == [str(nobody.pw_uid)] * 4
            if r["process"] != "parent":
                # One that was only just started is still on its way in.
                until(lambda: (status_of(r["pid"])["Seccomp"], status_of(r["pid"])["NoNewPrivs"]) == ("2", "1"))
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
        subprocess.run(["rm", "-rf", top], check=True)


# ---- starting, stopping, systemd ----

class Manager:
    """A fake systemd: the socket that sd_notify(3) writes to."""

    def __init__(self, path):
        self.path = str(path)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.sock.settimeout(60)

    def hear(self):
        return self.sock.recv(4096).decode().split("\n")


def test_systemd_is_told(instance, tmp_path):
    m = Manager(tmp_path / "notify")
    w = instance(start=False)
    w.env = {**(w.env or os.environ), "NOTIFY_SOCKET": m.path}
    w.start()
    assert m.hear() == ["READY=1"]
    w.process.send_signal(signal.SIGHUP)
    said = m.hear()
    assert said[0] == "RELOADING=1" and re.fullmatch(r"MONOTONIC_USEC=\d+", said[1])
    assert m.hear() == ["READY=1", "STATUS=reloaded"]
    w.configure(**{"smtp.recipients": "none"})
    w.process.send_signal(signal.SIGHUP)
    m.hear()
    said = m.hear()
    assert said[0] == "READY=1" and said[1].startswith("STATUS=reload refused: ") and "smtp.recipients" in said[1]
    w.stop()
    assert m.hear() == ["STOPPING=1"]


def time_to_stop(w):
    began = time.monotonic()
    w.stop()
    return time.monotonic() - began


def test_stops_within_a_second_with_sessions_open(instance):
    w = instance()
    # As long as it takes without any, which may be long on a busy machine, comes on top.
    without = time_to_stop(w)
    w.start()
    open_ones = [smtplib.SMTP("127.0.0.1", w.ports["smtp"]) for _ in range(5)]
    for i, c in enumerate(open_ones):
        c.ehlo()
        if i % 2:
            c.mail("Smith@bar.com")
            c.rcpt("Jones@foo.com")
            c.docmd("DATA")
    assert time_to_stop(w) < without + 1
    assert "stop-late" not in w.log() and "died" not in w.log()
    for c in open_ones:
        c.close()


def test_second_server_on_one_folder_is_refused(instance):
    w = instance()
    p = subprocess.run([WAXWING, "serve", "--dir", w.dir], text=True, stderr=subprocess.PIPE, timeout=60)
    assert p.returncode == 1 and f"another waxwing serves {w.dir} already" in p.stderr
    assert answers(w.ports["smtp"])


def test_taken_port_is_said(instance, tmp_path):
    w = instance()
    other = instance(start=False, settings={"listen.smtp": f"127.0.0.1:{w.ports['smtp']}"})
    p = subprocess.run([WAXWING, "serve", "--dir", other.dir], text=True, stderr=subprocess.PIPE, timeout=60)
    assert p.returncode == 1
    assert f"cannot listen on 127.0.0.1:{w.ports['smtp']} (smtp): Address already in use" in p.stderr


# ---- reload ----

def reload(w, expect="reloaded"):
    n = len(re.findall(r" (?:error )?(?:reloaded|reload-refused)", w.log()))
    w.process.send_signal(signal.SIGHUP)
    until(lambda: len(re.findall(r" (?:error )?(?:reloaded|reload-refused)", w.log())) > n)
    assert expect in w.log().rstrip().split("\n")[-1] or expect in w.log()


def test_wrong_file_at_reload_keeps_the_old(instance):
    w = instance(settings={"smtp.hops": "10"})
    w.configure(**{"smtp.hops": "three"})
    reload(w, "reload-refused")
    line = [li for li in w.log().split("\n") if "reload-refused" in li][-1]
    assert "waxwing.conf:" in line and "smtp.hops is" in line and "should be a whole number" in line
    assert answers(w.ports["smtp"])


def test_reload_changes_settings_without_closing_a_connection(instance):
    w = instance()
    with smtplib.SMTP("127.0.0.1", w.ports["smtp"]) as c:
        c.ehlo()
        w.configure(**{"smtp.message_size": "1m"})
        reload(w)
        until(lambda: c.ehlo()[0] == 250 and c.esmtp_features["size"] == str(1 << 20))


def test_reload_binds_and_unbinds_listeners(instance):
    w = instance()
    old, (new,) = w.ports["smtp"], free_ports(1)
    with smtplib.SMTP("127.0.0.1", old) as c:
        c.ehlo()
        w.configure(**{"listen.smtp": f"127.0.0.1:{old}, 127.0.0.1:{new}"})
        reload(w)
        until(lambda: answers(new))
        assert answers(old)
        w.configure(**{"listen.smtp": f"127.0.0.1:{new}"})
        reload(w)
        until(lambda: not answers(old))
        assert answers(new)
        assert c.noop()[0] == 250    # who is connected stays
    # And back again: the place of a closed listener is used anew.
    w.configure(**{"listen.smtp": f"127.0.0.1:{old}"})
    reload(w)
    until(lambda: answers(old) and not answers(new))
    # A door that starts later has the listeners of now.
    for pid in w.pids("door"):
        os.kill(pid, signal.SIGKILL)
    until(lambda: answers(old))
    assert not answers(new)


def test_listener_that_cannot_be_bound_refuses_the_reload(instance):
    w = instance()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        w.configure(**{"listen.smtp": f"127.0.0.1:{port}", "smtp.message_size": "1m"})
        reload(w, "reload-refused")
    line = [li for li in w.log().split("\n") if "reload-refused" in li][-1]
    assert f"cannot listen on 127.0.0.1:{port}" in line
    assert answers(w.ports["smtp"])


# ---- the log ----

def test_log_is_opened_anew_on_sighup(instance):
    w = instance()
    log = os.path.join(w.dir, "log/waxwing.log")
    send(w, "Jones@foo.com")
    os.rename(log, log + ".away")
    w.process.send_signal(signal.SIGHUP)
    until(lambda: " reloaded" in w.log())
    id = send(w, "Jones@foo.com")
    # All processes write to the new one.
    for line in (f"rcpt sid={id.split('.')[0]}", f"queued id={id}", f"delivered id={id}"):
        w.wait_log(line)
    assert id not in open(log + ".away").read()
    # Also one that starts only now.
    for pid in w.pids("queue"):
        os.kill(pid, signal.SIGKILL)
    w.wait_log("died role=queue")


def all_of(log):
    """With those that were put away."""
    text = ""
    for path in glob.glob(log + "*"):
        try:
            text += open(path).read()
        except FileNotFoundError:       # put away just now
            pass
    return text


def test_log_is_rotated_by_size_and_trace_reads_all(instance):
    w = instance(settings={"log.size": "3000", "log.keep": "3"})
    log = os.path.join(w.dir, "log/waxwing.log")
    ids = []
    for n in (1, 2):
        for _ in range(8):
            ids.append(send(w, "Jones@foo.com"))
        # The line may be in one that was put away already.
        until(lambda: f"delivered id={ids[-1]}" in all_of(log))
        until(lambda: os.path.exists(f"{log}.{n}"))
    until(lambda: len(w.run("trace", ids[0]).stdout) > 0)
    for id in ids:
        assert "delivered" in w.run("trace", id).stdout
    assert not os.path.exists(f"{log}.4")


def test_stop_says_421_to_smtp_sessions(instance):
    """RFC 5321 3.8: to who is silent, and to who is in the middle of a text."""
    w = instance()
    with socket.create_connection(("127.0.0.1", w.ports["smtp"]), 60) as idle, \
            socket.create_connection(("127.0.0.1", w.ports["smtp"]), 60) as busy:
        lines, text = idle.makefile("rb"), busy.makefile("rb")
        assert lines.readline()[:3] == text.readline()[:3] == b"220"
        for line in (b"HELO localhost", b"MAIL FROM:<Smith@bar.com>", b"RCPT TO:<Jones@foo.com>", b"DATA"):
            busy.sendall(line + b"\r\n")
            assert text.readline()[:1] in b"23"
        busy.sendall(b"Subject: cut off\r\n\r\nBlah")
        w.process.send_signal(signal.SIGTERM)
        assert lines.read() == text.read() == b"421 Service not available, closing transmission channel\r\n"
        assert w.process.wait(60) == 0
