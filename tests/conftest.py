"""The harness: throw-away instances of waxwing on free loopback ports."""
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import termios
import time

import pytest

from nameserver import Dns
from ports import free_ports

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WAXWING = os.environ.get("WAXWING", os.path.join(ROOT, "build/src/waxwing"))
SERVICES = ("smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "http", "https")


def unread(pid):
    """Does anything lie in pipes that this process reads from?"""
    folder = f"/proc/{pid}/fd"
    for name in os.listdir(folder) if os.path.exists(folder) else ():
        try:
            if int(name) > 2 and os.readlink(f"{folder}/{name}").startswith("pipe:"):
                fd = os.open(f"{folder}/{name}", os.O_RDONLY | os.O_NONBLOCK)
                n = fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4)
                os.close(fd)
                if any(n):
                    return True
        except OSError:
            pass    # who has the other end has ended
    return False


def state(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""


class Instance:
    """One directory, one server.  Settings are given as {"section.key": value}.
    kept: the directory of one that was set up before, to begin with a copy of."""

    def __init__(self, path, settings=None, program=WAXWING, env=None, kept=None):
        self.dir = str(path)
        self.program = program
        self.env = dict(os.environ, **(env or {}))
        self.ports = dict(zip(SERVICES, free_ports(len(SERVICES))))
        self.settings = {f"listen.{s}": f"127.0.0.1:{p}" for s, p in self.ports.items()}
        # Some rooms from those kept ready, some from the program.
        self.settings["store.spare_rooms"] = "2"
        # Keys of RSA take a while; tests/test_cert.py asks for them.
        self.settings["smime.issue"] = "no"
        self.settings.update(settings or {})
        self.process = None
        if kept:
            subprocess.run(["cp", "-a", kept, self.dir], check=True)
        else:
            self.run("setup", "foo.com")
            self.run("domain", "add", "bar.com")
        self.configure()

    def run(self, *args, stdin="", check=True):
        p = subprocess.run([self.program, *args, "--dir", self.dir], input=stdin, text=True, env=self.env,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
        if check and p.returncode:
            raise AssertionError(f"waxwing {' '.join(args)}: {p.returncode}: {p.stderr}")
        return p

    def configure(self, **more):
        self.settings.update(more)
        sections = {}
        for key, value in self.settings.items():
            section, name = key.split(".", 1)
            sections.setdefault(section, []).append(f'\t{name} = "{value}";\n')
        with open(os.path.join(self.dir, "waxwing.conf"), "w") as f:
            for section, lines in sections.items():
                f.write(section + " = {\n" + "".join(lines) + "};\n")

    def account(self, address, password="secret"):
        self.run("account", "add", address, "--password-stdin", stdin=password)

    def start(self, wait=True):
        before = len(self.log())
        self.process = subprocess.Popen([self.program, "serve", "--dir", self.dir], stdin=subprocess.DEVNULL,
                                        env=self.env)
        if wait:
            # Not only the port: an earlier server's doors may still be on it.
            self.wait_until(lambda: " serving " in self.log()[before:] or self.process.poll() is not None)
            self.wait_port(self.ports["smtp"])

    def wait_port(self, port, limit=60):
        end = time.monotonic() + limit
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise AssertionError("the server does not answer:\n" + self.log())
                time.sleep(0.02)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(60) == 0
        self.process = None

    def settle(self, limit=2):
        """What the processes have said lies in pipes until the parent has written it into the log."""
        end = time.monotonic() + limit
        while self.process and self.process.poll() is None and time.monotonic() < end:
            if not unread(self.process.pid) and state(self.process.pid) == "S":
                return
            time.sleep(0.001)

    def log(self):
        """Whatever was said before."""
        self.settle()
        path = os.path.join(self.dir, "log/waxwing.log")
        return open(path, errors="replace").read() if os.path.exists(path) else ""

    def complaints(self):
        """What the log says went wrong, however long ago."""
        return "".join(x for x in self.log().splitlines(True) if " died " in x or " why=" in x)[-6000:]

    def wait_log(self, pattern, limit=60):
        end = time.monotonic() + limit
        while not re.search(pattern, self.log()):
            assert time.monotonic() < end, f"no line like {pattern!r} in the log:\n{self.log()}"
            time.sleep(0.02)

    def wait_until(self, true, limit=60):
        end = time.monotonic() + limit
        while not true():
            assert time.monotonic() < end, f"waited {limit} s in vain:\n{self.complaints()}...\n{self.log()[-6000:]}"
            time.sleep(0.02)

    def pids(self, role=None):
        """Process ids of our own children, by role."""
        found = {}
        kids = open(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read().split()
        for pid in kids:
            try:
                words = open(f"/proc/{pid}/cmdline").read().split("\0")
            except OSError:
                continue
            if "--role" in words:
                found.setdefault(words[words.index("--role") + 1], []).append(int(pid))
        return found if role is None else found.get(role, [])


def temporary(kind):
    """Not pytest's own folder: as root our processes have user ids of their
    own, which must be able to reach theirs."""
    top = tempfile.mkdtemp(prefix=f"waxwing-{kind}-")
    os.chmod(top, 0o711)
    return top


class Kept:
    """Instances that were set up and never ran.  Keys and verifiers cost much,
    and most tests begin with the same: they are made once and copied."""

    def __init__(self):
        self.top, self.dirs = temporary("kept"), {}

    def __call__(self, accounts, program=WAXWING, env=None):
        key = (tuple(accounts), program, tuple(sorted((env or {}).items())))
        if key not in self.dirs:
            one = Instance(os.path.join(self.top, f"w{len(self.dirs)}"), program=program, env=env)
            for a in accounts:
                one.account(a)
            self.dirs[key] = one.dir
        return self.dirs[key]


@pytest.fixture(scope="session")
def kept():
    one = Kept()
    yield one
    shutil.rmtree(one.top, ignore_errors=True)


# What `waxwing account add` goes by.
MAKES_ACCOUNTS = ("login.", "smime.")


@pytest.fixture
def instance(kept):
    top = temporary("test")
    made = []

    def make(settings=None, accounts=("Jones@foo.com", "Brown@foo.com", "Smith@bar.com"), start=True,
             **more):
        path = os.path.join(top, f"w{len(made)}")
        usual = not any(k.startswith(MAKES_ACCOUNTS) for k in settings or {})
        # A second one has keys of its own: they are strangers to each other.
        begin = None if made else kept(accounts if usual else (), **more)
        one = Instance(path, settings, kept=begin, **more)
        made.append(one)
        for a in () if usual and begin else accounts:
            one.account(a)
        if start:
            one.start()
        return one

    yield make
    for one in made:
        one.stop()
    shutil.rmtree(top, ignore_errors=True)


@pytest.fixture
def dns():
    """An internet of our own (nameserver.py): dns.zone(...), dns.settings()."""
    one = Dns(free_ports(1)[0])
    yield one
    one.stop()


# ---- several workers (pytest -n 2) ----

# Each test of these files is a program of its own; those of another stay together, with the servers they share.
APART = ("test_allocations.py", "test_programs.py")


def scope_of(nodeid):
    """What one worker does as a whole."""
    name = nodeid.split("::", 1)[0]
    return nodeid if os.path.basename(name) in APART else name


def pytest_collection_modifyitems(items):
    """The small ones last, so that no worker is left alone with a large one."""
    items.sort(key=lambda item: scope_of(item.nodeid) == item.nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            return scope_of(nodeid)

    return Scheduling(config, log)


def pytest_unconfigure(config):
    """The line that counts: N passed, N failed."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(config, "workerinput"):
        return
    n = {k: len(reporter.stats.get(k, [])) for k in ("passed", "failed", "error", "skipped")}
    tail = f", {n['skipped']} skipped" if n["skipped"] else ""
    print(f"\n{n['passed']} passed, {n['failed'] + n['error']} failed{tail}")
