"""DNS for the tests: an internet of our own, served by knot from loopback.

    dns.zone("foo.com", "@ MX 10 mail\\nmail A 127.0.0.2")
    dns.zone("insecure.example", "...", signed=False)
    server = instance(dns.settings())

Zones above (com, and the root) come by themselves, signed, with what they have
to say of those below; the root's key is the trust anchor of dns.settings().
Everything is served by one knotd, on a free port, which ends with the test.
Faults that knot cannot be taught are in FaultServer.
"""
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33,
         "DS": 43, "DNSKEY": 48, "TLSA": 52, "SMIMEA": 53, "CAA": 257}
LIMIT = 60

CONF = """\
server:
    rundir: {dir}
    listen: 127.0.0.1@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: {dir}/db
    journal-db-max-size: 16M
    kasp-db-max-size: 16M
    timer-db-max-size: 4M
log:
  - target: {dir}/log
    any: info
policy:
  - id: nsec
    algorithm: ecdsap256sha256
    single-type-signing: on
    manual: on
    rrsig-lifetime: 365d
    rrsig-refresh: 30d
  - id: nsec3
    algorithm: ecdsap256sha256
    single-type-signing: on
    manual: on
    nsec3: on
    nsec3-iterations: 0
    rrsig-lifetime: 365d
    rrsig-refresh: 30d
template:
  - id: default
    storage: {dir}
    file: "%s.zone"
    zonefile-sync: -1
    journal-content: none
    semantic-checks: off
zone:
"""


def absolute(name):
    return name.rstrip(".") + "."


def encode_name(name):
    labels = [x for x in name.rstrip(".").split(".") if x]
    return b"".join(bytes([len(x)]) + x.encode() for x in labels) + b"\0"


class Zone:
    def __init__(self, name, records, signed, ds, expired, nsec3, elsewhere):
        self.name, self.records = absolute(name), records
        self.signed, self.ds, self.expired, self.nsec3 = signed, ds, expired, nsec3
        self.elsewhere = elsewhere
        self.serial, self.key, self.written = 0, None, None

    @property
    def file(self):
        return (self.name.rstrip(".") or ".") + ".zone"


class Dns:
    """One internet.  ttl: of everything; short, so that changes are seen."""

    def __init__(self, port, ttl=1):
        self.port, self.ttl = port, ttl
        self.dir = tempfile.mkdtemp(prefix="waxwing-dns-")
        os.chmod(self.dir, 0o755)
        os.mkdir(os.path.join(self.dir, "db"))
        self.zones, self.process, self.stubs, self.servers = {}, None, [], []

    # ---- what there is ----

    def zone(self, name, records="", signed=True, ds="good", expired=False, nsec3=False, elsewhere=None):
        """A zone, or the same one with other records.  records: as in a zone
        file, relative to the zone.  ds: what the zone above says of the key:
        "good", "broken", or "none" (then the zone is insecure).  expired: its
        signatures are old.  elsewhere: served at that port of loopback, not by
        knot; only the delegation is ours, without DS unless ds="broken"."""
        name = absolute(name)
        old = self.zones.get(name)
        self.zones[name] = z = Zone(name, records, signed and not elsewhere, ds, expired, nsec3, elsewhere)
        if old:
            z.serial, z.key, z.written = old.serial, old.key, old.written
        if elsewhere:
            self.stubs.append(f"{name.rstrip('.')}=127.0.0.1:{elsewhere}")
        above = name
        while above != ".":
            above = absolute(above.split(".", 1)[1])
            if above not in self.zones:
                self.zones[above] = Zone(above, "", True, "good", False, False, None)
        if self.process:
            self.start(again=True)
        return self

    def fault(self, name, ds="none"):
        """A zone whose server misbehaves (FaultServer)."""
        server = FaultServer(absolute(name))
        self.servers.append(server)
        self.zone(name, ds=ds, elsewhere=server.port)
        return server

    def settings(self, **more):
        """For an instance; starts the server where it does not run."""
        if not self.process:
            self.start()
        s = {"testing.resolver": f"127.0.0.1:{self.port}", "testing.trust_anchor": self.anchor}
        if self.stubs:
            s["dns.stubs"] = ", ".join(self.stubs)
        s.update(more)
        return s

    # ---- the server ----

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def run(self, *words):
        return subprocess.run(words, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=60).stdout

    @property
    def anchor(self):
        return self.path("anchor")

    def ours(self):
        return [z for z in self.zones.values() if not z.elsewhere]

    def write_conf(self):
        text = CONF.format(dir=self.dir, port=self.port)
        for z in self.ours():
            text += f'  - domain: "{z.name}"\n    file: "{z.file}"\n'
            if z.signed and not z.expired:
                text += f"    dnssec-signing: on\n    dnssec-policy: {'nsec3' if z.nsec3 else 'nsec'}\n"
        with open(self.path("knot.conf"), "w") as f:
            f.write(text)

    def keymgr(self, zone, *words):
        return self.run("keymgr", "-c", self.path("knot.conf"), zone.name, *words)

    def make_key(self, z):
        if z.signed and not z.key:
            if not self.keymgr(z, "ds").strip():
                self.keymgr(z, "generate", "algorithm=ECDSAP256SHA256", "ksk=yes", "zsk=yes",
                            *(f"{t}=20200101000000" for t in ("created", "publish", "ready", "active")))
            z.key = [line for line in self.keymgr(z, "ds").splitlines() if line.split()[-2] == "2"][0]

    def below(self, z):
        """The zones that are cut out of this one."""
        def parent(name):
            while True:
                name = absolute(name.split(".", 1)[1])
                if name in self.zones:
                    return name
        return [c for c in self.zones.values() if c.name != "." and parent(c.name) == z.name]

    def delegation(self, c):
        lines = [f"{c.name} NS ns1.{c.name}", f"ns1.{c.name} A 127.0.0.1"]
        if c.elsewhere and c.ds == "broken":
            lines.append(f"{c.name} DS 4711 13 2 {'0' * 64}")
        if c.signed and c.ds != "none":
            words = c.key.split()
            if c.ds == "broken":
                words[-1] = "0" * len(words[-1])
            lines.append(f"{c.name} {' '.join(words[1:])}")
        return lines

    def write_zone(self, z):
        """Whether it is another than it was."""
        cut = [line for c in self.below(z) for line in self.delegation(c)]
        wanted = (z.records, cut, z.signed, z.expired, z.nsec3)
        if wanted == z.written:
            return False
        z.written = wanted
        z.serial += 1
        root = "" if z.name == "." else "." + z.name
        lines = [f"$ORIGIN {z.name}", f"$TTL {self.ttl}",
                 f"@ SOA ns1{root or '.'} hostmaster{root or '.'} {z.serial} 3600 600 864000 {self.ttl}",
                 f"@ NS ns1{root or '.'}", f"ns1{root or '.'} A 127.0.0.1", *cut]
        with open(self.path(z.file), "w") as f:
            f.write("\n".join(lines) + "\n" + z.records + "\n")
        if z.expired:
            self.sign_long_ago(z)
        return True

    def sign_long_ago(self, z):
        """By kzonesign, a year and a half before now; knot serves it as it is."""
        conf, out = self.path("old.conf"), self.path("old")
        os.makedirs(out, exist_ok=True)
        with open(self.path("knot.conf")) as f:
            text = f.read().split("zone:\n")[0]
        with open(conf, "w") as f:
            f.write(text + f'zone:\n  - domain: "{z.name}"\n    file: "{z.file}"\n'
                    "    dnssec-signing: on\n    dnssec-policy: nsec\n")
        self.run("kzonesign", "-c", conf, "-o", out, "-t", str(int(time.time()) - 550 * 86400), z.name)
        made = [f for f in os.listdir(out)]
        assert len(made) == 1, made
        os.replace(os.path.join(out, made[0]), self.path(z.file))

    def start(self, again=False):
        self.write_conf()
        for z in self.ours():
            self.make_key(z)
        changed = [z for z in self.ours() if self.write_zone(z)]
        if again:
            self.run("knotc", "-c", self.path("knot.conf"), "-b", "reload")
        else:
            with open(self.anchor, "w") as f:
                f.write(self.keymgr(self.zones["."], "dnskey"))
            self.process = subprocess.Popen(["knotd", "-c", self.path("knot.conf")], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for z in changed:
            self.wait_serving(z)

    def wait_serving(self, z):
        """Until this zone answers with what was written last, signed."""
        end = time.monotonic() + LIMIT
        while True:
            text = self.dig(z.name, "SOA")
            serials = [line.split()[6] for line in text.splitlines() if " SOA " in line]
            if serials and int(serials[0]) >= z.serial and (not z.signed or " RRSIG " in text):
                return
            assert self.process.poll() is None, open(self.path("log")).read()
            assert time.monotonic() < end, f"{z.name}: {text}\n" + open(self.path("log")).read()
            time.sleep(0.02)

    def dig(self, name, kind):
        """What the server itself says, in lines of a zone file with single blanks."""
        p = subprocess.run(["kdig", "@127.0.0.1", "-p", str(self.port), "+dnssec", "+noall", "+answer", "+time=1",
                            "+retry=1", name, kind], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return "\n".join(" ".join(line.split()) for line in p.stdout.splitlines())

    def pause(self):
        """The server is silent, and not gone."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        for s in self.servers:
            s.stop()
        if self.process and self.process.poll() is None:
            self.go_on()
            self.process.terminate()
            self.process.wait(LIMIT)
        shutil.rmtree(self.dir, ignore_errors=True)


# ---- a server that misbehaves ----

def record(name, kind, ttl, rdata):
    return encode_name(name) + struct.pack(">HHIH", TYPES[kind], 1, ttl, len(rdata)) + rdata


def txt(data):
    return b"".join(bytes([len(data[i:i + 255])]) + data[i:i + 255] for i in range(0, len(data), 255))


class Question:
    def __init__(self, packet):
        self.id = struct.unpack(">H", packet[:2])[0]
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1").lower())
            at += 1 + packet[at]
        self.name = ".".join(labels) + "."
        self.first = labels[0] if labels else ""
        self.type = struct.unpack(">H", packet[at + 1:at + 3])[0]
        self.raw = packet[12:at + 5]

    def reply(self, answers=(), rcode=0, flags=0x8400, question=None, authority=(), qid=None):
        return struct.pack(">HHHHHH", self.id if qid is None else qid, flags | rcode, 1, len(answers),
                           len(authority), 0) + (question or self.raw) + b"".join(answers) + b"".join(authority)


def bound_pair():
    """UDP and TCP on one free port."""
    while True:
        udp, tcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket()
        udp.bind(("127.0.0.1", 0))
        try:
            tcp.bind(udp.getsockname())
            return udp, tcp
        except OSError:
            udp.close()
            tcp.close()


class FaultServer:
    """Answers by the first label of what is asked; see the methods do_*.  Any
    other name has A 127.0.0.9.  self.asked has what came: (name, type, stream)."""

    def __init__(self, zone):
        self.zone, self.asked, self.late, self.stopping = zone, [], set(), False
        self.udp, self.tcp = bound_pair()
        self.port = self.udp.getsockname()[1]
        self.tcp.listen(64)
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self.serve_udp, self.serve_tcp)]
        for t in self.threads:
            t.start()

    def count(self, name, kind="A"):
        return len([1 for n, t, _ in self.asked if n == absolute(name) and t == TYPES[kind]])

    def stop(self):
        self.stopping = True
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", ("127.0.0.1", self.port))
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            pass
        for t in self.threads:
            t.join(5)
        self.udp.close()
        self.tcp.close()

    def serve_udp(self):
        while not self.stopping:
            packet, peer = self.udp.recvfrom(65535)
            if len(packet) > 12:
                threading.Thread(target=self.serve_packet, args=(packet, peer), daemon=True).start()

    def serve_packet(self, packet, peer):
        reply = self.answer(Question(packet), False)
        if reply is not None and not self.stopping:
            self.udp.sendto(reply, peer)

    def serve_tcp(self):
        while not self.stopping:
            conn, _ = self.tcp.accept()
            threading.Thread(target=self.serve_stream, args=(conn,), daemon=True).start()

    def serve_stream(self, conn):
        conn.settimeout(5)
        try:
            with conn:
                while True:
                    n = struct.unpack(">H", conn.recv(2, socket.MSG_WAITALL))[0]
                    reply = self.answer(Question(conn.recv(n, socket.MSG_WAITALL)), True)
                    if reply is None:
                        return
                    conn.sendall(struct.pack(">H", len(reply)) + reply)
        except (OSError, struct.error):
            pass

    def soa(self):
        names = encode_name("ns1." + self.zone) + encode_name("host." + self.zone)
        return record(self.zone, "SOA", 1, names + struct.pack(">IIIII", 1, 3600, 600, 86400, 1))

    def answer(self, q, stream):
        self.asked.append((q.name, q.type, stream))
        do = getattr(self, "do_" + q.first.split("-")[0], None)
        if do:
            return do(q, stream)
        if q.type == TYPES["A"]:
            return q.reply([record(q.name, "A", 1, bytes([127, 0, 0, 9]))])
        return q.reply(authority=[self.soa()])

    def do_silent(self, q, stream):
        return None

    def do_servfail(self, q, stream):
        return q.reply(rcode=2, flags=0x8000)

    def do_refused(self, q, stream):
        return q.reply(rcode=5, flags=0x8000)

    def do_lame(self, q, stream):
        """Knows nothing of the zone, and sends one back up (RFC 1912 2.8)."""
        return q.reply(flags=0x8000, authority=[record(".", "NS", 1, encode_name("ns1.root."))])

    def do_truncated(self, q, stream):
        """By UDP a piece; by TCP the door is shut."""
        return None if stream else q.reply(flags=0x8600)

    def do_garbage(self, q, stream):
        return bytes([q.id >> 8, q.id & 255]) + bytes(range(200))

    def do_wrongid(self, q, stream):
        return q.reply([record(q.name, "A", 1, bytes([127, 6, 6, 6]))], qid=q.id ^ 0x5555)

    def do_wrongquestion(self, q, stream):
        other = "other." + self.zone
        return q.reply([record(other, "A", 1, bytes([127, 6, 6, 6]))],
                       question=encode_name(other) + q.raw[-4:])

    def do_foreign(self, q, stream):
        """An answer of which half is about somebody else."""
        return q.reply([record(q.name, "A", 1, bytes([127, 0, 0, 9])),
                        record("victim.com.", "A", 600, bytes([127, 6, 6, 6]))])

    def do_loop(self, q, stream):
        """loop-1 is an alias of loop-2 and that one of loop-1."""
        other = "loop-2." if q.first == "loop-1" else "loop-1."
        return q.reply([record(q.name, "CNAME", 1, encode_name(other + self.zone))])

    def do_chain(self, q, stream):
        """chain-N is an alias of chain-(N-1), and chain-0 has an address."""
        n = int(q.first.split("-")[1])
        if n == 0:
            return q.reply([record(q.name, "A", 1, bytes([127, 0, 0, 9]))])
        return q.reply([record(q.name, "CNAME", 1, encode_name(f"chain-{n - 1}." + self.zone))])

    def do_huge(self, q, stream):
        """60 KiB of TXT, by TCP only."""
        if not stream:
            return q.reply(flags=0x8600)
        return q.reply([record(q.name, "TXT", 1, txt(b"%04d" % i + b"x" * 996)) for i in range(58)])

    def do_many(self, q, stream):
        """2,000 addresses."""
        if not stream:
            return q.reply(flags=0x8600)
        return q.reply([b"\xc0\x0c" + struct.pack(">HHIHI", 1, 1, 1, 4, 0x7f000000 + i) for i in range(2000)])

    def do_broken(self, q, stream):
        """RDATA that does not fit its type: an MX of one byte."""
        return q.reply([record(q.name, "MX", 1, b"\1")])

    def do_hugemx(self, q, stream):
        """400 MX whose names are long, but short where compressed."""
        if not stream:
            return q.reply(flags=0x8600)
        long = ".".join(["h" * 60] * 3 + [q.name])
        first = record(q.name, "MX", 1, b"\0\0" + encode_name(long))
        at = 12 + len(q.raw) + len(encode_name(q.name)) + 12
        rest = [record(q.name, "MX", 1, struct.pack(">HH", i, 0xc000 | at)) for i in range(1, 400)]
        return q.reply([first] + rest)

    def do_slow(self, q, stream):
        """Late.  A resolver that asks again since it is, as one does on a busy machine, has begun no other look-up."""
        if q.name in self.late:
            self.asked.remove((q.name, q.type, stream))
        else:
            self.late.add(q.name)
            time.sleep(0.2)
            self.late.discard(q.name)
        return q.reply([record(q.name, "A", 60, bytes([127, 0, 0, 9]))])

    def do_noname(self, q, stream):
        return q.reply(rcode=3, authority=[self.soa()])

    def do_ad(self, q, stream):
        """Says itself that it is authentic."""
        return q.reply([record(q.name, "A", 1, bytes([127, 0, 0, 9]))], flags=0x84a0)
