"""The walls of each role, tried from inside (tests/walls.c enters them as the roles do, by the same table)."""
import os
import signal
import subprocess
import tempfile

import pytest

from conftest import WAXWING

WALLS = os.path.join(os.path.dirname(os.path.dirname(WAXWING)), "tests/walls")
ROLES = {"door": [], "warden": ["directory", "keys"], "queue": ["spool"], "names": [], "relay": ["relay"], "room": ["mail/1"]}
FOLDERS = ["directory", "keys", "spool", "relay", "mail/1", "mail/2", "log", "run"]
NEEDS = {"door": ["accept", "memfd"], "warden": ["thread"], "queue": ["memfd"], "names": ["tcp", "udp"],
         "relay": ["tcp", "udp", "memfd"], "room": ["accept", "charset"]}
# What nobody may.  PID is a process of the same user, but for the walls.
NEVER = ["read /etc/passwd", "read /proc/PID/environ", "list /", "write /tmp/waxwing-walls", "write TOP/waxwing.conf", "exec",
         "fork", "ptrace PID", "kill PID", "tgkill PID", "owner PID", "limit PID", "root", "mount TOP/mail", "bpf", "link OWN/l", "datagrams",
         "map", "protect", "listen"]

pytestmark = pytest.mark.skipif(not os.path.exists(WALLS), reason="walls is not built")


@pytest.fixture
def top():
    with tempfile.TemporaryDirectory(prefix="waxwing-walls-") as path:
        os.chmod(path, 0o777)
        for name in FOLDERS:
            os.makedirs(os.path.join(path, name))
            # No mode is in the way: what refuses is the wall.
            os.chmod(os.path.join(path, name), 0o777)
            with open(os.path.join(path, name, "theirs"), "w") as f:
                os.fchmod(f.fileno(), 0o666)
        yield path


@pytest.fixture
def other():
    p = subprocess.Popen(["sleep", "600"])
    yield p
    assert p.poll() is None, "somebody killed it"
    p.kill()
    p.wait()


def attempt(top, role, what, uid=0, pid=0):
    own = os.path.join(top, (ROLES[role] or ["nowhere"])[0])
    words = [w.replace("TOP", top).replace("OWN", own).replace("PID", str(pid)) for w in what.split()]
    p = subprocess.run([WALLS, role, top, "1", str(uid), *words], capture_output=True, text=True, timeout=60)
    assert p.returncode in (0, 13, -signal.SIGSYS), (role, what, p.returncode, p.stderr)
    return p.returncode == 0


@pytest.mark.parametrize("role", ROLES)
def test_nobody_may(top, other, role):
    for what in NEVER:
        assert not attempt(top, role, what, pid=other.pid), f"{role} could: {what}"
    assert not os.path.exists("/tmp/waxwing-walls")


@pytest.mark.parametrize("role", ROLES)
def test_only_its_own_folders(top, role):
    for folder in FOLDERS:
        path = os.path.join(top, folder)
        mine = folder in ROLES[role]
        for what in (f"list {path}", f"read {path}/theirs", f"write {path}/new", f"files {path}", f"unlink {path}/theirs"):
            assert attempt(top, role, what) == mine, f"{role}: {what}"
        open(os.path.join(path, "theirs"), "a").close()


@pytest.mark.parametrize("role", ROLES)
def test_only_what_it_needs(top, role):
    assert attempt(top, role, "loop")
    for what in ("accept", "memfd", "thread", "tcp", "udp"):
        assert attempt(top, role, what) == (what in NEEDS[role]), f"{role}: {what}"
    for what in NEEDS[role]:
        assert attempt(top, role, what), f"{role} cannot: {what}"


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_the_user_id_is_gone_for_good(top, other):
    for role in ROLES:
        assert not attempt(top, role, "root", uid=300500)
        assert not attempt(top, role, "kill PID", uid=300500, pid=other.pid)
