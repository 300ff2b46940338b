"""Other mail servers, each a throw-away instance on loopback: Postfix as it is
installed, Exim and OpenSMTPD (which Debian installs only in its place)
unpacked from their packages; and what others check letters with, OpenDKIM and
rspamd.

A peer takes letters for the domains of `ways` ({domain: port}) and carries them
to these ports of 127.0.0.1; it shows the certificate it is given.  What it
needs besides (user ids, folders with fixed names) it finds in a mount namespace
of its own: nothing of the machine changes.  Root is needed.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request

import pytest

from ports import free_ports

# Users that the packages would make.
USERS = {"Debian-exim": 5996, "opensmtpd": 5997, "opensmtpq": 5998}


def need(*programs):
    """Skips a test that cannot be run here."""
    missing = [p for p in programs if not shutil.which(p)]
    if os.geteuid() or missing:
        pytest.skip(f"needs root and {', '.join(missing or programs)}")
    if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no mount namespace of its own is to be had here")


def unpack(folder, *packages):
    """The packages' files below folder, by apt and dpkg."""
    root = os.path.join(folder, "root")
    if not os.path.isdir(root):
        p = subprocess.run(["apt-get", "download", *packages], cwd=folder, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
        if p.returncode:
            pytest.skip(f"{packages} cannot be had: {p.stdout[-200:]}")
        os.mkdir(root)
        for f in os.listdir(folder):
            if f.endswith(".deb"):
                subprocess.run(["dpkg", "-x", os.path.join(folder, f), root], check=True)
    return root


class Peer:
    tls = True                  # its server side works

    def __init__(self, folder, port, pair, ways):
        self.folder, self.port, self.ways = folder, port, ways
        self.pair = pair
        os.chmod(folder, 0o755)
        self.log_path = os.path.join(folder, "out")
        self.prepare()

    def path(self, *words):
        return os.path.join(self.folder, *words)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w") as f:
            f.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def keys(self, owner=0):
        """Copies of the certificate and its key that the peer can read."""
        for name, source in (("cert.pem", self.pair.file), ("key.pem", self.pair.key)):
            shutil.copy(source, self.path(name))
            os.chmod(self.path(name), 0o600)
            os.chown(self.path(name), owner, owner)
        return self.path("cert.pem"), self.path("key.pem")

    def start(self):
        script = self.path("start")
        with open(script, "w") as f:
            f.write("set -e\n" + self.script())
        self.process = subprocess.Popen(["unshare", "-m", "bash", script], stdin=subprocess.DEVNULL,
                                        stdout=open(self.log_path, "w"), stderr=subprocess.STDOUT,
                                        start_new_session=True)

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(60)

    def log(self):
        return "".join(open(p, errors="replace").read() for p in self.logs() if os.path.exists(p))

    def logs(self):
        return [self.log_path]

    def users(self):
        """Puts the packages' users where the peer finds them."""
        for name in ("passwd", "group"):
            lines = open("/etc/" + name).read()
            for user, number in USERS.items():
                lines += f"{user}:x:{number}:{number}::/nonexistent:/bin/false\n" if name == "passwd" else f"{user}:x:{number}:\n"
            self.write(name, lines)
        return "".join(f"mount --bind {self.path(n)} /etc/{n}\n" for n in ("passwd", "group"))


def master_cf(port):
    """Postfix' own, without chroots, and with its server at that port of loopback."""
    lines = []
    for line in open("/usr/share/postfix/master.cf.dist"):
        words = line.split()
        if line.startswith("smtp ") and words[1] == "inet":
            line = f"127.0.0.1:{port} inet n - n - - smtpd\n"
        elif line[:1].isalpha() and len(words) > 7:
            words[4] = "n"
            line = " ".join(words) + "\n"
        lines.append(line)
    return "".join(lines)


class Postfix(Peer):
    needs = "postfix"

    def __init__(self, folder, port, pair, ways, *milters):
        """milters: ports of those that see each letter, in this order, and without which none is taken."""
        self.milters = " ".join(f"inet:127.0.0.1:{m}" for m in milters)
        super().__init__(folder, port, pair, ways)

    def prepare(self):
        cert, key = self.keys()
        for name in ("etc", "queue", "data"):
            os.mkdir(self.path(name))
        shutil.chown(self.path("data"), "postfix")
        ways = ", ".join(f"{d}=smtp:[127.0.0.1]:{p}" for d, p in self.ways.items())
        self.write("etc/main.cf", f"""
compatibility_level = 3.6
queue_directory = {self.path("queue")}
data_directory = {self.path("data")}
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {self.path("log")}
maillog_file_prefixes = {self.folder}
myhostname = mx.peer.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
# To it we are strangers, whose letters are let alone.
local_header_rewrite_clients =
alias_maps =
local_recipient_maps =
relay_domains = {", ".join(self.ways)}
transport_maps = inline:{{ {ways} }}
smtpd_tls_cert_file = {cert}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = may
smtp_tls_security_level = may
smtputf8_enable = yes
""" + (f"smtpd_milters = {self.milters}\nmilter_default_action = tempfail\n" if self.milters else ""))
        self.write("etc/master.cf", master_cf(self.port))

    def script(self):
        return f'exec postfix -c {self.path("etc")} start-fg\n'

    def logs(self):
        return [self.log_path, self.path("log")]


class Exim(Peer):
    needs = "unshare"

    def prepare(self):
        self.root = unpack(self.folder, "exim4-base", "exim4-daemon-light")
        program = os.path.join(self.root, "usr/sbin/exim4")
        os.chmod(program, 0o755)        # no setuid in a temporary folder
        number = USERS["Debian-exim"]
        cert, key = self.keys(number)
        os.mkdir(self.path("spool"))
        os.chown(self.path("spool"), number, number)
        routers = "".join(f"""
r{i}:
  driver = manualroute
  domains = {domain}
  transport = t{i}
  route_list = * 127.0.0.1
  self = send
""" for i, domain in enumerate(self.ways))
        transports = "".join(f"""
t{i}:
  driver = smtp
  port = {port}
  allow_localhost
""" for i, port in enumerate(self.ways.values()))
        self.write("exim.conf", f"""
exim_path = {program}
primary_hostname = mx.peer.example
spool_directory = {self.path("spool")}
log_file_path = {self.path("spool")}/log-%s
pid_file_path = {self.path("spool")}/pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {self.port}
disable_ipv6 = true
deliver_drop_privilege = true
tls_advertise_hosts = *
tls_certificate = {cert}
tls_privatekey = {key}
smtputf8_advertise_hosts = *
chunking_advertise_hosts = *
dsn_advertise_hosts = *
acl_smtp_rcpt = check_rcpt
begin acl
check_rcpt:
  accept hosts = 127.0.0.1
begin routers
{routers}
begin transports
{transports}
begin retry
*  *  F,2h,1m
""")

    def script(self):
        program = os.path.join(self.root, "usr/sbin/exim4")
        return self.users() + f'exec {program} -C {self.path("exim.conf")} -bdf -q1m\n'

    def logs(self):
        return [self.log_path, self.path("spool", "log-main"), self.path("spool", "log-panic")]


class OpenSmtpd(Peer):
    needs = "unshare"
    tls = False                 # Debian's 6.8.0p2: each handshake ends in "SSL routines::EVP lib"

    def prepare(self):
        self.root = unpack(self.folder, "opensmtpd")
        cert, key = self.keys()
        rules = "".join(f'action "a{i}" relay host smtp://127.0.0.1:{port}\n' for i, port in enumerate(self.ways.values()))
        rules += "".join(f'match from any for domain "{d}" action "a{i}"\n' for i, d in enumerate(self.ways))
        self.write("smtpd.conf", f'pki p cert "{cert}"\npki p key "{key}"\n'
                   f"listen on 127.0.0.1 port {self.port} tls pki p hostname mx.peer.example\n" + rules)
        # It asks DNS for the name of 127.0.0.1 before it reads /etc/hosts.
        self.write("resolv.conf", "lookup file\n")

    def script(self):
        # Folders whose names are built in.
        return self.users() + f"""
mount --bind {self.path("resolv.conf")} /etc/resolv.conf
mount -t tmpfs -o mode=755 tmpfs /usr/libexec
cp -a {self.root}/usr/libexec/opensmtpd /usr/libexec/
mount -t tmpfs -o mode=755 tmpfs /var/lib
mkdir -p /var/lib/opensmtpd/empty
mount -t tmpfs -o mode=755 tmpfs /var/spool
mkdir -m 711 /var/spool/smtpd
cd /var/spool/smtpd
mkdir -m 700 queue corrupt incoming purge temporary
mkdir -m 770 offline
chown opensmtpq queue corrupt incoming purge temporary
chown root:opensmtpq offline
exec {self.root}/usr/sbin/smtpd -d -f {self.path("smtpd.conf")}
"""


class Checker(Peer):
    """No server of mail: says of a letter what it finds by the DNS of nameserver.py."""

    def __init__(self, folder, port, dns):
        self.dns = dns
        super().__init__(folder, port, None, {})


class OpenDkim(Checker):
    """A milter that verifies."""
    needs = "opendkim"

    def prepare(self):
        # Debian's asks by libunbound.
        unbound = self.write("unbound.conf", f"""
server:
    module-config: "iterator"
    do-not-query-localhost: no
    cache-max-ttl: 0
forward-zone:
    name: "."
    forward-addr: 127.0.0.1@{self.dns.port}
""")
        self.write("conf", f"""
Mode v
Socket inet:{self.port}@127.0.0.1
AuthservID mx.peer.example
AlwaysAddARHeader yes
ResolverConfiguration {unbound}
UserID opendkim
""")

    def script(self):
        return f'exec opendkim -f -x {self.path("conf")}\n'


class Port53(threading.Thread):
    """DNS at a port that every resolver finds: carries questions on to nameserver.py's."""
    address = "127.83.0.53"

    def __init__(self, dns):
        super().__init__(daemon=True)
        self.dns = dns
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((self.address, 53))

    def run(self):
        while True:
            try:
                question, asker = self.socket.recvfrom(65535)
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                    s.settimeout(5)
                    s.sendto(question, ("127.0.0.1", self.dns.port))
                    self.socket.sendto(s.recv(65535), asker)
            except TimeoutError:
                pass
            except OSError:
                return

    def close(self):
        self.socket.close()


class OpenDmarc(Checker):
    """A milter that refuses what fails, by the signatures that OpenDKIM has checked before."""
    needs = "opendmarc"

    def prepare(self):
        ignored = self.write("ignored", "192.0.2.1\n")      # by default it lets loopback alone
        self.write("resolv.conf", f"nameserver {Port53.address}\n")
        self.write("conf", f"""
Socket inet:{self.port}@127.0.0.1
AuthservID mx.peer.example
TrustedAuthservIDs mx.peer.example
IgnoreHosts {ignored}
RejectFailures true
UserID opendmarc
""")

    def script(self):
        return f'mount --bind {self.path("resolv.conf")} /etc/resolv.conf\nexec opendmarc -f -c {self.path("conf")}\n'


class Rspamd(Checker):
    """The modules that check who sent a letter, each as it is by itself."""
    needs = "rspamd"

    def prepare(self):
        modules = "".join(f'    path = "/usr/share/rspamd/plugins/{m}.lua";\n' for m in ("spf", "dmarc", "arc"))
        # The whole list of public suffixes takes it several seconds to compile.
        suffixes = self.write("suffixes", "com\nexample\n")
        os.mkdir(self.path("data"))
        shutil.chown(self.path("data"), "_rspamd")
        self.write("rspamd.conf", f"""
options {{
    filters = "dkim";
    pidfile = "{self.path("data/pid")}";
    cache_file = "{self.path("data/cache")}";
    history_file = "{self.path("data/history")}";
    control_socket = "{self.path("data/control")} mode=0600";
    hs_cache_dir = "{self.path("data")}";
    tempdir = "{self.path("data")}";
    url_tld = "{suffixes}";
    dns {{ nameserver = ["127.0.0.1:{self.dns.port}"]; timeout = 5s; }}
}}
logging {{ type = "console"; level = "info"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{self.port}"; count = 1; }}
modules {{
{modules}}}
dkim {{ }}
spf {{ }}
dmarc {{ }}
arc {{ }}
""")

    def script(self):
        return f'exec rspamd -f -u _rspamd -g _rspamd -c {self.path("rspamd.conf")}\n'

    def scan(self, letter, sender, ip):
        """{symbol: what it adds} for a letter that comes from ip."""
        ask = urllib.request.Request(f"http://127.0.0.1:{self.port}/checkv2", letter,
                                     {"IP": ip, "Helo": "mail.foo.com", "From": sender, "Rcpt": "a@peer.example"})
        with urllib.request.urlopen(ask, timeout=60) as reply:
            return {s["name"]: s.get("options", []) for s in json.load(reply)["symbols"].values()}


class WholeRspamd(Rspamd):
    """As Debian installs it, all modules: other are only its ports, DNS, folders, and a short list of public suffixes (see above)."""

    def prepare(self):
        other, = free_ports(1)
        suffixes = self.write("suffixes", "com\nexample\n")
        os.mkdir(self.path("local.d"))
        self.write("local.d/options.inc", f'dns {{ nameserver = ["127.0.0.1:{self.dns.port}"]; timeout = 5s; }}\nurl_tld = "{suffixes}";\n')
        self.write("local.d/logging.inc", 'type = "console"; level = "info";\n')
        self.write("local.d/worker-normal.inc", f'bind_socket = "127.0.0.1:{self.port}"; count = 1;\n')
        self.write("local.d/worker-controller.inc", f'bind_socket = "127.0.0.1:{other}"; count = 1;\n')
        self.write("local.d/worker-proxy.inc", "enabled = false;\n")

    def script(self):
        return f"""
mount --bind {self.path("local.d")} /etc/rspamd/local.d
for d in /var/lib/rspamd /run/rspamd /var/log/rspamd; do
    mkdir -p $d
    mount -t tmpfs -o mode=755 tmpfs $d
    chown _rspamd:_rspamd $d
done
exec rspamd -f -u _rspamd -g _rspamd -c /etc/rspamd/rspamd.conf
"""


def wait_port(peer, limit=60):
    end = time.monotonic() + limit
    while True:
        try:
            socket.create_connection(("127.0.0.1", peer.port), 1).close()
            return
        except OSError:
            assert time.monotonic() < end and peer.process.poll() is None, "the peer does not start:\n" + peer.log()
            time.sleep(0.05)
