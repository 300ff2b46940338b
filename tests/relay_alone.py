"""The relay process alone: the test is its parent, its queue and its names.

Records are packed as src/base/ipc.h says, from the table src/ipc/records.def.
"""
import ipaddress
import itertools
import os
import re
import select
import socket
import struct
import subprocess
import tempfile
import threading
import time

from conftest import ROOT, WAXWING

ROLES = ["parent", "door", "warden", "queue", "room", "names", "relay", "admin"]
TYPES = {"A": 1, "CNAME": 5, "MX": 15, "TXT": 16, "AAAA": 28, "TLSA": 52}
FOUND, NO_DATA, NO_NAME, FAILED, BOGUS = range(5)
VERDICTS = {0: "ok", 1: "no", 2: "later"}
FORMS = {"U8": "<B", "U16": "<H", "U32": "<I", "U64": "<Q"}


def table():
    text = open(os.path.join(ROOT, "src/ipc/records.def")).read()
    rows = re.findall(r"^R\((\w+),[^,]+,[^,]+, \w+,\n((?:.*\n)*?)  \"", text, re.M)
    return {name: (i + 1, re.findall(r"(U8|U16|U32|U64|VIEW)\((\w+)\)", fields))
            for i, (name, fields) in enumerate(rows)}


RECORDS = table()
NAMES = {number: name for name, (number, _) in RECORDS.items()}


def pack(record, /, call=0, sid=0, **values):
    number, fields = RECORDS[record]
    out = struct.pack("<HHIQ", number, 0, call, sid)
    for form, field in fields:
        v = values[field]
        if form == "VIEW":
            v = v.encode() if isinstance(v, str) else v
            out += struct.pack("<I", len(v)) + v
        else:
            out += struct.pack(FORMS[form], v)
    return out


def take(data, form):
    if form == "VIEW":
        n = struct.unpack_from("<I", data)[0]
        return data[4:4 + n], data[4 + n:]
    size = struct.calcsize(FORMS[form])
    return struct.unpack_from(FORMS[form], data)[0], data[size:]


def unpack(data):
    number, _, call, sid = struct.unpack_from("<HHIQ", data)
    name, data, values = NAMES[number], data[16:], {}
    for form, field in RECORDS[name][1]:
        values[field], data = take(data, form)
    return name, call, values


def view(v):
    v = v.encode() if isinstance(v, str) else v
    return struct.pack("<I", len(v)) + v


def envelope(sender, recipients, body=0, utf8=False, requiretls=False, ret=b"", envid="", letter_id="1f.1"):
    out = struct.pack("<B", 3) + view(letter_id) + struct.pack("<QQ", 0x1f, 0) + view(sender) + view(envid)
    out += struct.pack("<BBBQbI", body, int(utf8) | int(requiretls) << 1, ord(ret) if ret else 0, 0, 0, len(recipients))
    for r in recipients:
        r = {"address": r} if isinstance(r, str) else r
        out += view(r["address"]) + view(r.get("original", "")) + view(r.get("orcpt", ""))
        out += struct.pack("<QBB", 0, r.get("notify", 0), r.get("via_kind", 0))
        out += view(r.get("via", "")) + view(r.get("sender", "")) + view(r.get("detail", ""))
    return out


def name_wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def mx(preference, name):
    return struct.pack(">H", preference) + name_wire(name)


def address(text):
    return ipaddress.ip_address(text).packed


def defaults():
    text = open(os.path.join(ROOT, "src/conf/settings.def")).read()
    return dict(re.findall(r'^S\("([^"]+)", [^"]*, "([^"]*)"', text, re.M))


class Relay:
    """dns: {(name, "MX"): ([rdata ...], secure)}, or an outcome; a third member
    is the last name of the aliases."""

    def __init__(self, settings=None, dns=None, program=WAXWING):
        self.top = tempfile.TemporaryDirectory(prefix="waxwing-relay-")
        os.chmod(self.top.name, 0o711)
        os.mkdir(os.path.join(self.top.name, "relay"))
        self.dns = dns or {}
        self.asked = []
        self.numbers = itertools.count(1)
        self.answers, self.changed = {}, threading.Condition()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.log_path = os.path.join(self.top.name, "log")
        with open(self.log_path, "w") as log, tempfile.TemporaryFile() as walls:
            subprocess.run([program, "--filter", "relay"], stdout=walls, check=True)
            self.process = subprocess.Popen(
                ["bash", "-c", f'exec "$0" --role relay 3<&{theirs.fileno()} 4<&{walls.fileno()}', program],
                pass_fds=[theirs.fileno(), walls.fileno()], stdin=subprocess.DEVNULL, stderr=log,
                # Behind its walls a sanitized one cannot look for leaks.
                env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0:detect_stack_use_after_return=0"))
        theirs.close()
        self.parent = ours
        values = defaults() | {"host.name": "us.example", "relay.command_timeout": "5s", "relay.data_timeout": "5s",
                               "relay.greeting_timeout": "5s", "relay.end_timeout": "5s", "relay.block_timeout": "5s",
                               "relay.ipv6": "no", "relay.connect_timeout": "5s", "listen.smtp": "127.0.0.1:1",
                               "host.uid_base": "0"} | (settings or {})
        text = self.top.name + "\n" + "".join(f"{k}={v}\n" for k, v in values.items())
        ours.send(pack("settings", index=0, account=0, text=text))
        assert unpack(self.receive(ours))[0] == "ready"
        self.queue = self.join("queue")
        self.names = self.join("names")
        threading.Thread(target=self.serve, daemon=True).start()

    def receive(self, sock):
        assert select.select([sock], [], [], 60)[0], "relay says nothing:\n" + self.log()
        data = sock.recv(1 << 17)
        assert data, "relay is gone:\n" + self.log()
        return data

    def join(self, role):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        socket.send_fds(self.parent, [pack("channel_to", role=ROLES.index(role), index=0, account=0)],
                        [theirs.fileno()])
        theirs.close()
        return ours

    def answer_dns(self, call, kind, name):
        name = name.decode()
        kind = {v: k for k, v in TYPES.items()}[kind]
        found = self.dns.get((name, kind), NO_DATA)
        self.asked.append((name, kind))
        if call == 0:
            return
        outcome, records, secure, last = found, [], False, name
        if not isinstance(found, int):
            records, secure, last = (*found, name)[:3]
            outcome = FOUND if records else NO_DATA
        self.names.send(pack("dns_answer", call=call, outcome=outcome, secure=int(secure), ttl=60, name=last,
                             rdata=b"".join(view(r) for r in records), why="the test says so"))

    def serve(self):
        while True:
            try:
                ready = select.select([self.queue, self.names], [], [])[0]
            except (OSError, ValueError):       # closed: the test is over
                return
            for sock in ready:
                try:
                    data = sock.recv(1 << 17)
                except OSError:
                    return
                if not data:
                    return
                name, call, v = unpack(data)
                if name == "dns_ask":
                    self.answer_dns(call, v["type"], v["name"])
                elif name == "attempted":
                    with self.changed:
                        self.answers[v["attempt"]] = v
                        self.changed.notify_all()

    def begin(self, letter, recipients, sender="Smith@bar.com", site=None, route="", wanted=None, **more):
        """Starts an attempt and answers its number."""
        number = next(self.numbers)
        first = recipients[0] if isinstance(recipients[0], str) else recipients[0]["address"]
        wanted = range(len(recipients)) if wanted is None else wanted
        record = dict(attempt=number, queue_id=0x77, unprotected=0, site=site or first.rsplit("@", 1)[1], route=route,
                      envelope=envelope(sender, recipients, **more), size=len(letter),
                      recipients=b"".join(struct.pack("<I", i) for i in wanted))
        if len(letter) <= 48 * 1024:
            self.queue.send(pack("attempt", body=letter, **record))
            return number
        fd = os.memfd_create("letter", os.MFD_ALLOW_SEALING)
        os.write(fd, letter)
        import fcntl
        fcntl.fcntl(fd, 1033, 0xf)      # F_ADD_SEALS: all of them
        socket.send_fds(self.queue, [pack("attempt", body=b"", **record)], [fd])
        os.close(fd)
        return number

    def wait(self, number, limit=60):
        with self.changed:
            assert self.changed.wait_for(lambda: number in self.answers, limit), "no answer:\n" + self.log()
        v, results = self.answers[number], []
        data = v["results"]
        while data:
            r = {}
            for key, form in (("recipient", "U32"), ("verdict", "U8"), ("dsn", "U8"), ("by", "U8"), ("site", "U8"),
                              ("code", "U16"), ("status", "VIEW"), ("text", "VIEW"), ("host", "VIEW")):
                r[key], data = take(data, form)
                r[key] = r[key].decode() if isinstance(r[key], bytes) else r[key]
            r["verdict"] = VERDICTS[r["verdict"]]
            results.append(r)
        return results, v["how"].decode()

    def send(self, letter, recipients, **more):
        return self.wait(self.begin(letter, recipients, **more))

    def log(self):
        return open(self.log_path, errors="replace").read()

    def wait_log(self, pattern, limit=60):
        end = time.monotonic() + limit
        while not re.search(pattern, self.log()):
            assert time.monotonic() < end, f"no line like {pattern!r} in the log:\n{self.log()}"
            time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *why):
        if self.process.poll() is None:
            self.parent.send(pack("stop", reason=0))
        code = self.process.wait(60)
        for s in (self.parent, self.queue, self.names):
            s.close()
        log = self.log()
        self.top.cleanup()
        if why[0] is None:
            assert code == 0, f"relay ended with {code}:\n{log}"
            assert "ERROR: AddressSanitizer" not in log and "runtime error" not in log, log
