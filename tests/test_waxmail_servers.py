"""waxmail(1) and other servers: Debian's Dovecot and Postfix, servers found by
an address, and servers that say what no server should."""
import http.server
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import pytest

from certificates import Authority
from mail_peers import Peer, master_cf, wait_port
from ports import free_ports
from test_reader import Terminal
from test_waxmail import imap, letter
from waxmail import WAXMAIL, Person


@pytest.fixture
def person(tmp_path):
    return Person(tmp_path / "person")


@pytest.fixture
def authority(tmp_path):
    (tmp_path / "keys").mkdir()
    return Authority(tmp_path / "keys")


# ---- Dovecot, with Postfix before it ----

class DovecotPostfix(Peer):
    """Submission by Postfix, which asks Dovecot who it is, and hands over by LMTP."""

    def prepare(self):
        self.imaps, self.pop3s, self.submission = free_ports(3)
        cert, key = self.keys()
        for name in ("run", "state", "mail", "etc", "queue", "data"):
            os.mkdir(self.path(name))
        os.chmod(self.path("mail"), 0o777)
        shutil.chown(self.path("data"), "postfix")
        self.write("users", "jones@foo.com:{PLAIN}secret::::::\n")
        self.write("dovecot.conf", f"""
base_dir = {self.path("run")}
state_dir = {self.path("state")}
log_path = {self.path("dovecot.log")}
listen = 127.0.0.1
protocols = imap pop3 lmtp
auth_mechanisms = plain scram-sha-256
ssl = required
ssl_cert = <{cert}
ssl_key = <{key}
mail_location = maildir:~/Maildir
first_valid_uid = 1
mail_plugins =
passdb {{
  driver = passwd-file
  args = {self.path("users")}
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={self.path("mail")}/%u
}}
namespace inbox {{
  inbox = yes
  separator = .
  mailbox Gesendet {{
    special_use = \\Sent
    auto = create
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {self.imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = 0
  }}
  inet_listener pop3s {{
    address = 127.0.0.1
    port = {self.pop3s}
    ssl = yes
  }}
}}
service auth {{
  unix_listener {self.path("queue")}/auth {{
    mode = 0666
  }}
}}
service lmtp {{
  unix_listener {self.path("queue")}/lmtp {{
    mode = 0666
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
""")
        self.write("etc/main.cf", f"""
compatibility_level = 3.6
queue_directory = {self.path("queue")}
data_directory = {self.path("data")}
maillog_file = {self.path("log")}
maillog_file_prefixes = {self.folder}
myhostname = mx.peer.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
virtual_mailbox_domains = foo.com
virtual_mailbox_maps = inline:{{ Jones@foo.com=ok }}
virtual_transport = lmtp:unix:{self.path("queue")}/lmtp
smtpd_tls_cert_file = {cert}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = encrypt
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = auth
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
""")
        self.write("etc/master.cf", master_cf(self.submission))

    def script(self):
        return f'dovecot -F -c {self.path("dovecot.conf")} &\nexec postfix -c {self.path("etc")} start-fg\n'

    def logs(self):
        return [self.log_path, self.path("log"), self.path("dovecot.log")]


@pytest.fixture
def peer(authority):
    if os.geteuid() or not shutil.which("dovecot") or not shutil.which("postfix"):
        pytest.skip("needs root, dovecot and postfix")
    if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no mount namespace of its own is to be had here")
    home = tempfile.mkdtemp(prefix="waxwing-peer-")
    one = DovecotPostfix(home, 0, authority.make("localhost"), {})
    one.start()
    try:
        for one.port in (one.imaps, one.pop3s, one.submission):
            wait_port(one)
        yield one
    finally:
        one.stop()
        shutil.rmtree(home, ignore_errors=True)


def known(person, peer, authority, read="imaps", port=None):
    person.run("account", "add", "Jones@foo.com", "--read", f"{read}://localhost:{port or peer.imaps}", "--send",
               f"submission://localhost:{peer.submission}", "--authorities", authority.file, "--password-command", "echo secret")
    return person


def test_dovecot_and_postfix(person, peer, authority, tmp_path):
    known(person, peer, authority)
    for n in range(3):
        assert person.json("send", "--to", "Jones@foo.com", "--subject", f"letter {n}", "--dsn", "failure", input="Blah\n")["state"] == "sent", peer.log()
    rows = person.wait(lambda rows: len(rows) == 3)
    assert person.run("show", str(rows[0]["id"])).stdout.endswith("Blah\n")
    assert {f["name"]: f["use"] for f in person.json("folders")}["Gesendet"] == "sent"
    assert len(person.list("Gesendet")) == 3
    one, two, three = [str(x["id"]) for x in person.list("--oldest")]
    person.run("flag", one, "--add", "flagged", "--add", "work")
    person.run("move", two, "--folder", "Kept/Far away")
    person.run("remove", three)
    assert person.sync()["refused"] == 0
    other = known(Person(tmp_path / "other"), peer, authority)
    other.sync()
    assert [x["flags"] for x in other.list()] == [["flagged", "work"]]
    assert len(other.list("Kept/Far away")) == 1
    # QRESYNC: what one does the other hears of, and nothing else is spoken of.
    person.run("flag", one, "--remove", "flagged")
    person.run("remove", two)
    person.sync()
    got = other.sync()
    assert (got["headers"], got["letters"], got["gone"]) == (0, 0, 1)
    assert [x["flags"] for x in other.list()] == [["work"]] and other.list("Kept/Far away") == []


def test_reader_with_dovecot_and_postfix(person, peer, authority, tmp_path):
    """By keys alone: read, answer, sent on (Postfix takes it from whom it comes), thrown away."""
    known(person, peer, authority)
    person.run("send", "--to", "Jones@foo.com", "--subject", "one", input="Blah\n")
    person.wait(lambda rows: len(rows) == 1)
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\necho 'An answer.' >> \"$1\"\n")
    editor.chmod(0o755)
    env = [f"{k}={v}" for k, v in person.env.items() if k in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")]
    t = Terminal(tmp_path, [WAXMAIL], env=[*env, f"EDITOR={editor}"])
    try:
        t.until("one")
        t.keys("Enter")
        t.until("Blah")
        t.keys("r")
        t.send()
        t.keys("q", "b")
        t.until("Send it on as it is to:")
        t.text("Jones@foo.com")
        t.keys("Enter")
        t.until("It is sent.")
        end = time.monotonic() + 60
        while "3 messages" not in t.screen():
            assert time.monotonic() < end, t.screen()
            t.keys("$")
            time.sleep(0.3)
        t.keys("*", "d", "$")
        t.until("2 messages")
        t.keys("q")
        t.ended()
    finally:
        t.close()
    # It has no folder for what is thrown away, so that is gone.
    other = known(Person(tmp_path / "other"), peer, authority)
    other.sync()
    rows = other.list()
    assert len(rows) == 2 and len([x for x in other.json("folders") if x["use"] == "trash"]) == 0
    assert {x["subject"] for x in rows} <= {"one", "Re: one"}


def test_dovecot_pop3(person, peer, authority):
    known(person, peer, authority, "pop3s", peer.pop3s)
    person.run("send", "--to", "Jones@foo.com", "--subject", "x", input="Blah\n")
    rows = person.wait(lambda rows: len(rows) == 1)
    assert rows[0]["subject"] == "x" and person.sync()["letters"] == 0


# ---- found by the address ----

def test_found_by_dns(instance, person, dns, authority):
    w = instance()
    dns.zone("foo.com", f"_imaps._tcp SRV 0 1 {w.ports['imaps']} localhost.\n_submissions._tcp SRV 0 1 {w.ports['submissions']} localhost.\n"
             f"_imaps._tcp SRV 10 1 1 elsewhere.foo.com.\n_submission._tcp SRV 0 0 0 .\n")
    s = dns.settings()
    folder = os.path.join(person.env["XDG_CONFIG_HOME"], "waxmail")
    os.makedirs(folder)
    with open(os.path.join(folder, "config"), "w") as f:
        f.write(f'resolver = "{s["testing.resolver"]}";\ntrust_anchor = "{s["testing.trust_anchor"]}";\n')
    got = person.json("account", "add", "Jones@foo.com", "--authorities", os.path.join(w.dir, "keys/tls.pem"), "--password-command", "echo secret")
    assert got == {"address": "Jones@foo.com", "read": f"imaps://localhost:{w.ports['imaps']}", "read_by": "DNS with DNSSEC",
                   "send": f"submissions://localhost:{w.ports['submissions']}", "send_by": "DNS with DNSSEC"}
    person.run("sync")
    assert "known already" in person.run("account", "add", "jones@foo.com", "--no-check", "--read", "imaps://x", "--send", "submission://x", status=1).stderr
    assert person.json("account", "list")[0]["default"] is True


AUTOCONFIG = """<?xml version="1.0"?>
<clientConfig version="1.1"><emailProvider id="foo.com">
<incomingServer type="pop3"><hostname>localhost</hostname><port>1</port><socketType>SSL</socketType></incomingServer>
<incomingServer type="imap"><hostname>localhost</hostname><port>2</port><socketType>plain</socketType></incomingServer>
<incomingServer type="imap"><hostname>localhost</hostname><port>{imaps}</port><socketType>SSL</socketType><username>%EMAILADDRESS%</username></incomingServer>
<outgoingServer type="smtp"><hostname>localhost</hostname><port>{submission}</port><socketType>STARTTLS</socketType></outgoingServer>
</emailProvider></clientConfig>"""


AUTODISCOVER = """<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">
<Response xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"><Account>
<AccountType>email</AccountType><Action>{action}</Action>{more}
<Protocol><Type>EXCH</Type><Server>x.foo.com</Server></Protocol>
<Protocol><Type>POP3</Type><Server>localhost</Server><Port>1</Port><SSL>on</SSL></Protocol>
<Protocol><Type>IMAP</Type><Server>localhost</Server><Port>2</Port><SSL>off</SSL></Protocol>
<Protocol><Type>IMAP</Type><Server>localhost</Server><Port>{imaps}</Port><LoginName>Jones@foo.com</LoginName><SSL>on</SSL></Protocol>
<Protocol><Type>SMTP</Type><Server>localhost</Server><Port>{submission}</Port><Encryption>TLS</Encryption></Protocol>
</Account></Response></Autodiscover>"""
ELSEWHERE = "<Autodiscover><Response><Account><Action>redirectUrl</Action><RedirectUrl>{}</RedirectUrl></Account></Response></Autodiscover>"


@pytest.fixture
def pages(person, dns, authority, tmp_path):
    """An HTTPS server that hands out documents of settings: (it, what was asked, what it answers, add an account)."""
    asked, answers = [], {}

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            asked.append((self.command, self.path, body))
            text = answers.get(self.path)
            self.send_response(200 if text else 404)
            self.end_headers()
            self.wfile.write((text or "").encode())

        do_POST = do_GET

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
    server.socket = authority.context("localhost").wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    dns.zone("foo.com", "@ A 127.0.0.1")
    s = dns.settings()

    def add(w, setting):
        both = tmp_path / "both.pem"
        both.write_bytes(open(authority.file, "rb").read() + open(os.path.join(w.dir, "keys/tls.pem"), "rb").read())
        folder = os.path.join(person.env["XDG_CONFIG_HOME"], "waxmail")
        os.makedirs(folder)
        with open(os.path.join(folder, "config"), "w") as f:
            f.write(f'resolver = "{s["testing.resolver"]}";\ntrust_anchor = "{s["testing.trust_anchor"]}";\n{setting}\n')
        return person.json("account", "add", "Jones@foo.com", "--authorities", str(both), "--password-command", "echo secret")

    yield f"https://localhost:{server.server_port}", asked, answers, add
    server.shutdown()


def test_found_by_autoconfig(instance, person, pages):
    w = instance()
    url, asked, answers, add = pages
    answers["/foo.com?address=Jones@foo.com"] = AUTOCONFIG.format(**w.ports)
    got = add(w, f'autoconfig = "{url}/DOMAIN?address=ADDRESS";')
    assert [x[:2] for x in asked] == [("GET", "/foo.com?address=Jones@foo.com")]
    assert (got["read_by"], got["send_by"]) == ("autoconfig", "autoconfig")
    assert got["read"] == f"imaps://localhost:{w.ports['imaps']}" and got["send"] == f"submission://localhost:{w.ports['submission']}"
    person.run("sync")


def test_found_by_autodiscover(instance, person, pages):
    """Behind autoconfig, and by way of another URL; what is without TLS, or not for us, is passed over."""
    w = instance()
    url, asked, answers, add = pages
    answers["/autodiscover.xml"] = ELSEWHERE.format(url + "/there.xml")
    answers["/there.xml"] = AUTODISCOVER.format(action="settings", more="", **w.ports)
    got = add(w, f'autoconfig = "{url}/none";\nautodiscover = "{url}/autodiscover.xml";')
    assert [x[:2] for x in asked] == [("GET", "/none"), ("POST", "/autodiscover.xml"), ("POST", "/there.xml")]
    assert all("<EMailAddress>Jones@foo.com</EMailAddress>" in x[2] for x in asked[1:])
    assert (got["read_by"], got["send_by"]) == ("Autodiscover", "Autodiscover")
    assert got["read"] == f"imaps://localhost:{w.ports['imaps']}" and got["send"] == f"submission://localhost:{w.ports['submission']}"
    person.run("sync")


def test_not_found(person, dns, authority):
    dns.zone("foo.com", "@ A 127.0.0.1")
    s = dns.settings()
    folder = os.path.join(person.env["XDG_CONFIG_HOME"], "waxmail")
    os.makedirs(folder)
    with open(os.path.join(folder, "config"), "w") as f:
        f.write(f'resolver = "{s["testing.resolver"]}";\ntrust_anchor = "{s["testing.trust_anchor"]}";\n')
    p = person.run("account", "add", "Jones@foo.invalid", "--authorities", authority.file, status=1)
    assert "were not found" in p.stderr and "imap.foo.invalid" in p.stderr


# ---- who must not be believed ----

def test_other_certificates(instance, person, authority, tmp_path):
    w = instance()
    person.account("Jones@foo.com", w)
    config = os.path.join(person.env["XDG_CONFIG_HOME"], "waxmail/config")
    text = open(config).read()
    # Another authority; another name.
    open(config, "w").write(text.replace(os.path.join(w.dir, "keys/tls.pem"), authority.file))
    assert "TLS: " in person.run("sync", status=1).stderr
    open(config, "w").write(text.replace("localhost", "127.0.0.1"))
    assert "TLS: " in person.run("sync", status=1).stderr
    assert "TLS: " in person.run("send", "--to", "Jones@foo.com", input="x").stderr
    assert not [x for x in w.log().splitlines() if " login " in x and "result=ok" in x]


def test_records_of_dns(person, authority, dns, tmp_path):
    """TLSA counts where DNSSEC proves it: in place of authorities, or beside them."""
    (tmp_path / "other").mkdir()
    strange = Authority(tmp_path / "other")
    pair = authority.make("*.foo.com")
    stub = Stub(pair.context(), [b"* BYE busy\r\n"])
    at = f"_{stub.port}._tcp"

    def record(of, *kind):
        return f"{kind[0]} {kind[1]} {kind[2]} {of.tlsa(*kind)[3:].hex()}"
    zone = [f"{host} A 127.0.0.1" for host in ("none", "ee", "ta", "wrong", "beside", "odd", "real")]
    zone += [f"{at}.ee TLSA {record(pair, 3, 1, 1)}", f"{at}.ta TLSA {record(authority, 2, 0, 1)}",
             f"{at}.wrong TLSA 3 1 1 {'ab' * 32}", f"{at}.beside TLSA {record(pair, 1, 1, 1)}", f"{at}.odd TLSA 3 1 9 abcd",
             "alias CNAME real", f"{at}.real TLSA {record(pair, 3, 1, 1)}"]
    dns.zone("foo.com", "\n".join(zone))
    dns.zone("false.foo.com", "@ A 127.0.0.1")
    dns.zone("_tcp.false.foo.com", f"_{stub.port} TLSA {record(pair, 3, 1, 1)}", ds="broken")
    dns.zone("insecure.example", f"ee A 127.0.0.1\n{at}.ee TLSA {record(pair, 3, 1, 1)}", ds="none")
    s = dns.settings()
    folder = os.path.join(person.env["XDG_CONFIG_HOME"], "waxmail")
    os.makedirs(folder)

    def says(host, authorities, more=""):
        with open(os.path.join(folder, "config"), "w") as f:
            f.write(f'resolver = "{s["testing.resolver"]}"; trust_anchor = "{s["testing.trust_anchor"]}"; {more}\n'
                    f'authorities = "{authorities.file}";\naccounts = ( {{ address = "Jones@foo.com"; '
                    f'read = "imaps://{host}:{stub.port}"; password_command = "echo secret"; }} );\n')
        text = person.run("sync", status=1).stderr
        return "in" if "busy" in text else "false" if "says DNSSEC" in text else "refused" if "TLS: " in text else text

    by_known = {"none": "in", "wrong": "refused", "beside": "in", "odd": "in", "false": "false"}
    by_strange = {"none": "refused", "ee": "in", "ta": "in", "beside": "refused", "alias": "in"}
    assert {host: says(host + ".foo.com", authority) for host in by_known} == by_known
    assert {host: says(host + ".foo.com", strange) for host in by_strange} == by_strange
    assert says("ee.insecure.example", strange) == "refused"
    assert says("false.foo.com", authority, "dane = false;") == says("wrong.foo.com", authority, "dane = false;") == "in"
    assert says("ee.foo.com", strange, "dane = false;") == "refused"
    # Where DNS gave no answer it is not asked again for a while; what was a while ago counts no more.
    silent = os.path.join(person.env["XDG_DATA_HOME"], "waxmail/jones@foo.com/dns-silent")
    assert not os.path.exists(silent)
    open(silent, "w").close()
    assert says("ee.foo.com", strange) == "refused"
    os.utime(silent, (1, 1))
    assert says("ee.foo.com", strange) == "in" and not os.path.exists(silent)


class Stub:
    """A server that says one thing after another, whatever it is told; `words` is
    bytes, a number of seconds, or a function of what was heard."""

    def __init__(self, context, words, tls_first=True):
        self.context, self.words, self.tls_first = context, words, tls_first
        self.heard = b""
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                sock = self.server.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.talk, args=(sock,), daemon=True).start()

    def talk(self, sock):
        try:
            sock.settimeout(20)
            if self.tls_first:
                sock = self.context.wrap_socket(sock, server_side=True)
            for w in self.words:
                if w == "hear":
                    got = sock.recv(65536)
                    self.heard += got
                    self.tag = got.split(b" ")[0]
                elif w == "tls":
                    sock = self.context.wrap_socket(sock, server_side=True)
                else:
                    sock.sendall(w.replace(b"TAG", getattr(self, "tag", b"*")))
            sock.close()
        except OSError:
            pass


HELLO = b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hello\r\n"
IN = [HELLO, "hear", b"TAG OK [CAPABILITY IMAP4rev1] in\r\n", "hear"]
LIST = IN + [b'* LIST () "/" INBOX\r\nTAG OK done\r\n', "hear", b"* STATUS INBOX (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 1)\r\nTAG OK x\r\n", "hear"]
BOX = LIST + [b"* 1 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 2] x\r\nTAG OK [READ-WRITE] x\r\n", "hear"]


@pytest.mark.parametrize("words,says", [
    ([b"\0\1\2\3garbage\r\n"], "no IMAP"), ([b"* OK " + b"x" * 3000000], "too long"), ([b"* BYE busy\r\n"], "ended the session: busy"),
    ([b"* PREAUTH [CAPABILITY IMAP4rev1] you\r\n"], "did not greet"), ([b"220 ready\r\n"], "no IMAP"), ([], "closed the connection"),
    ([HELLO, "hear", b"TAG NO [AUTHENTICATIONFAILED] bad \x1b[31mpassword\r\n"], "says: bad ?[31mpassword"),
    ([HELLO, "hear", b"+ !!!\r\n"], "makes sense"), ([HELLO, "hear", b"+ \r\n" * 3, "hear", b"+ \r\n"], "makes sense"),
    ([HELLO, "hear", b"other OK done\r\n"], "another command"), ([b"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] x\r\n"], "no login that we know"),
    (IN + [b'* LIST () "/" {100}\r\nabc'], "closed the connection"), (IN + [b'* LIST () "/" {99999999999}\r\nabc'], "too long"),
    (IN + [b"* LIST " + b"(" * 100000 + b"\r\n"], "no IMAP"), (IN + [b"* LIST () \"/\" \"bad\n\"\r\n"], "no IMAP"),
    (BOX + [b"* 1 FETCH (UID 1 FLAGS () INTERNALDATE \"1-Jan-2020 00:00:00 +0000\" RFC822.SIZE 9 BODY[HEADER] {50}\r\nSubj"], "closed the connection"),
    (BOX + [b"* 1 FETCH (UID 1 FLAGS (\\Seen\r\n"], "no IMAP"),
    (LIST + [b"* 4294967295 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 4294967295] x\r\nTAG OK x\r\n", "hear", b"TAG NO no\r\n"], "says: no"),
], ids=range(18))
def test_bad_imap(person, authority, words, says):
    stub = Stub(authority.context("localhost"), words)
    person.run("account", "add", "Jones@foo.com", "--read", f"imaps://localhost:{stub.port}", "--send", "submission://localhost:1",
               "--authorities", authority.file, "--password-command", "echo secret")
    begun = time.monotonic()
    # One folder that cannot be read does not end the others' sync, and asked for alone it is an error.
    p = person.run("sync", *(["INBOX"] if "says: no" == says else []), status=1)
    assert says in p.stderr and time.monotonic() - begun < 60
    assert "\x1b" not in p.stderr
    # What is here stays readable.
    person.run("list")


def test_names_that_lead_out(person, authority):
    names = [b"../../../tmp/evil", b"..", b".", b"/etc/passwd", b"a/../../b", b"cur", b"tmp/new", b"INBOX/x", b"%00", b'a"b', b"&AGE-", b"x" * 3000]
    answer = b"".join(b'* LIST () "/" {%d}\r\n%s\r\n' % (len(n), n) for n in names)
    stub = Stub(authority.context("localhost"), IN + [answer + b"TAG OK done\r\n"] + ["hear", b"TAG NO no\r\n"] * 40)
    person.run("account", "add", "Jones@foo.com", "--read", f"imaps://localhost:{stub.port}", "--send", "submission://localhost:1",
               "--authorities", authority.file, "--password-command", "echo secret")
    person.run("sync")
    data = os.path.join(person.env["XDG_DATA_HOME"], "waxmail")
    assert os.listdir(data) == ["jones@foo.com"] and sorted(os.listdir(person.folder)) == ["config", "data"]
    assert not os.path.exists("/tmp/evil")
    for f in person.json("folders"):
        person.run("list", f["name"])


@pytest.mark.parametrize("words,says", [
    ([b"garbage\r\n"], "no SMTP reply"), ([b"220-" + b"x" * 100000], "without end"), ([b"220 hi\r\n", "hear", b"250 hi\r\n"], "no login that we know"),
    ([b"220 hi\r\n", "hear", b"250-hi\r\n250 AUTH PLAIN\r\n", "hear", b"535 5.7.8 no \x1b[0m\r\n"], "refuses the login: 535"),
    ([b"220 hi\r\n", "hear", b"250-hi\r\n250 AUTH PLAIN\r\n", "hear", b"235 in\r\n", "hear", b"250 ok\r\n250 more\r\n", "hear", b"250 rcpt\r\n"], "spoke before"),
    ([b"220 hi\r\n", "hear", b"250-hi\r\n250 AUTH PLAIN\r\n", "hear", b"235 in\r\n", "hear", b"451 later\r\n", "hear", b"250 reset\r\n"], "451 later"),
], ids=range(6))
def test_bad_submission(person, authority, words, says):
    stub = Stub(authority.context("localhost"), words)
    person.run("account", "add", "Jones@foo.com", "--read", "imaps://localhost:1", "--send", f"submissions://localhost:{stub.port}",
               "--authorities", authority.file, "--password-command", "echo secret")
    p = person.run("send", "--to", "Smith@bar.com", input="x\n")
    # Nothing was refused for good, so nothing is lost.
    assert says in p.stderr and "waits in the outbox" in p.stderr and "\x1b" not in p.stderr
    assert len(person.json("outbox", "list")) == 1


@pytest.mark.parametrize("protocol,words", [
    ("imap", [b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n", "hear"]),
    ("imap", [b"* OK [CAPABILITY IMAP4rev1 STARTTLS] hello\r\n", "hear", b"TAG OK go\r\n* OK injected\r\n", "hear"]),
    ("pop3", [b"+OK hi\r\n", "hear", b"+OK\r\nUSER\r\nUIDL\r\n.\r\n", "hear"]),
    ("pop3", [b"+OK hi\r\n", "hear", b"+OK\r\nSTLS\r\n.\r\n", "hear", b"+OK go\r\n+OK injected\r\n", "hear"]),
], ids=["imap", "imap-injected", "pop3", "pop3-injected"])
def test_no_word_in_clear(person, authority, protocol, words):
    stub = Stub(authority.context("localhost"), words, tls_first=False)
    person.run("account", "add", "Jones@foo.com", "--read", f"{protocol}://localhost:{stub.port}", "--send", "submission://localhost:1",
               "--authorities", authority.file, "--password-command", "echo secret")
    p = person.run("sync", status=1)
    assert "in clear" in p.stderr
    assert b"secret" not in stub.heard and b"Jones" not in stub.heard and b"AHN" not in stub.heard
