"""Mechanisms: real clients and our own, on every protocol; certificates, tokens, app passwords, the log of logins."""
import base64
import hashlib
import hmac
import json
import os
import poplib
import re
import smtplib
import socket
import sqlite3
import ssl
import subprocess
import time

import pytest

ALL = "PLAIN LOGIN SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-512 EXTERNAL OAUTHBEARER XOAUTH2 CRAM-MD5 DIGEST-MD5 APOP"
CHEAP = {"login.argon2_memory": "64k", "login.argon2_passes": "1", "login.mechanisms": ALL}
NAME, SECRET = "Jones@foo.com", "secret"


def context(certificate=None, version=None):
    c = ssl.create_default_context()
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    if certificate:
        c.load_cert_chain(*certificate)
    if version:
        c.minimum_version = c.maximum_version = version
    return c


class Imap:
    """AUTHENTICATE by hand: a mechanism is a function from a challenge to an answer."""

    def __init__(self, w, tls=True, source="127.0.0.1", **more):
        sock = socket.create_connection(("127.0.0.1", w.ports["imaps" if tls else "imap"]), 60, (source, 0))
        self.sock = context(**more).wrap_socket(sock) if tls else sock
        self.file = self.sock.makefile("rwb")
        self.greeting = self.file.readline().decode()

    def say(self, line):
        self.file.write(line.encode() + b"\r\n")
        self.file.flush()
        return self.file.readline().decode().rstrip("\r\n")

    def authenticate(self, mechanism, answer, initial=None):
        heard = self.say(f"a AUTHENTICATE {mechanism}" + ("" if initial is None else " " + b64(initial)))
        while heard.startswith("+ "):
            heard = self.say(b64(answer(base64.b64decode(heard[2:]))))
        return heard

    def close(self):
        self.file.close()
        self.sock.close()


def b64(raw):
    return base64.b64encode(raw).decode()


class Scram:
    """A client of RFC 5802, by its text."""

    def __init__(self, digest, name, password, header=b"n,,", binding=b""):
        self.digest, self.password, self.header, self.binding = digest, password.encode(), header, binding
        self.bare = b"n=" + name.encode().replace(b"=", b"=3D").replace(b",", b"=2C") + b",r=fyko+d2lbb"
        self.signature = None

    def first(self):
        return self.header + self.bare

    def __call__(self, challenge):
        if challenge.startswith((b"v=", b"e=")):
            assert challenge == (b"v=" + base64.b64encode(self.signature)) or challenge.startswith(b"e="), challenge
            return b""
        if not challenge:
            return self.first()
        server = dict(x.split(b"=", 1) for x in challenge.split(b","))
        assert server[b"r"].startswith(b"fyko+d2lbb") and len(server[b"r"]) >= 28
        salted = hashlib.pbkdf2_hmac(self.digest, self.password, base64.b64decode(server[b"s"]), int(server[b"i"]))
        mac = lambda key, text: hmac.new(key, text, self.digest).digest()
        key = mac(salted, b"Client Key")
        last = b"c=" + base64.b64encode(self.header + self.binding) + b",r=" + server[b"r"]
        message = self.bare + b"," + challenge + b"," + last
        sign = mac(hashlib.new(self.digest, key).digest(), message)
        self.signature = mac(mac(salted, b"Server Key"), message)
        return last + b",p=" + base64.b64encode(bytes(a ^ b for a, b in zip(key, sign)))


@pytest.fixture(scope="module")
def gsasl_is_here():
    assert subprocess.run(["gsasl", "--version"], stdout=subprocess.DEVNULL).returncode == 0


@pytest.fixture
def server(instance):
    def make(settings=None, **more):
        w = instance(dict(CHEAP, **(settings or {})), **more)
        w.run("account", "secret", NAME, "--on", "--password-stdin", stdin=SECRET)
        w.wait_port(w.ports["imaps"])
        return w

    return make


def test_gsasl_client(server, gsasl_is_here):
    w = server()
    for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256",
                      "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"):
        p = subprocess.run(["gsasl", "--client", "--imap", "--connect", f"127.0.0.1:{w.ports['imap']}", "--starttls",
                            "-m", mechanism, "-a", NAME, "-p", SECRET, "--service", "imap", "--hostname", "foo.com",
                            "--x509-ca-file="] + ([] if mechanism.endswith("PLUS") else ["--no-cb"]),
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           timeout=60)
        assert p.returncode == 0, (mechanism, p.stdout)
        w.wait_log(rf"login sid=\S+ account=1 mechanism={mechanism} result=ok")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"])
def test_swaks(server, mechanism):
    w = server()
    p = subprocess.run(["swaks", "--server", f"127.0.0.1:{w.ports['submission']}", "-tls", "--auth", mechanism,
                        "--auth-user", NAME, "--auth-password", SECRET, "--from", NAME, "--to", "Brown@foo.com",
                        "--helo", "foo.com"], stdout=subprocess.PIPE, text=True, timeout=60)
    assert p.returncode == 0, p.stdout
    w.wait_log(rf"mechanism={mechanism} result=ok")


def test_msmtp(server, tmp_path):
    w = server()
    for mechanism in ("plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256"):
        p = subprocess.run(["msmtp", "--host=127.0.0.1", f"--port={w.ports['submission']}", "--tls=on",
                            "--tls-starttls=on", "--tls-certcheck=off", f"--auth={mechanism}", f"--user={NAME}",
                            f"--passwordeval=echo {SECRET}", f"--from={NAME}", "Brown@foo.com"],
                           input="Subject: x\n\nx\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           timeout=60)
        assert p.returncode == 0, (mechanism, p.stdout)
        w.wait_log(rf"mechanism={mechanism.upper()} result=ok")


@pytest.mark.parametrize("mechanism,digest", [("SCRAM-SHA-1", "sha1"), ("SCRAM-SHA-256", "sha256"),
                                              ("SCRAM-SHA-512", "sha512")])
def test_scram(server, mechanism, digest):
    w = server()
    for initial in (True, False):
        client = Scram(digest, NAME, SECRET)
        c = Imap(w)
        heard = c.authenticate(mechanism, client, client.first() if initial else None)
        assert heard.startswith("a OK"), heard
        c.close()
    for name, password in ((NAME, "wrong"), ("Nobody@foo.com", SECRET)):
        client = Scram(digest, name, password)
        c = Imap(w)
        assert c.authenticate(mechanism, client).startswith("a NO [AUTHENTICATIONFAILED]")
        c.close()


def test_scram_binds_to_the_channel(server):
    w = server()
    for wrong in (False, True):
        c = Imap(w, version=ssl.TLSVersion.TLSv1_2)
        binding = b"x" * 12 if wrong else c.sock.get_channel_binding("tls-unique")
        heard = c.authenticate("SCRAM-SHA-256-PLUS", Scram("sha256", NAME, SECRET, b"p=tls-unique,,", binding))
        assert heard.startswith("a NO" if wrong else "a OK"), heard
        c.close()
    # "I could bind, but you cannot": somebody took the offer out.
    c = Imap(w)
    assert c.authenticate("SCRAM-SHA-256", Scram("sha256", NAME, SECRET, b"y,,")).startswith("a NO")
    c.close()


def server_first(w, name):
    c = Imap(w)
    heard = c.say("a AUTHENTICATE SCRAM-SHA-256 " + b64(Scram("sha256", name, "x").first()))
    c.close()
    return dict(x.split("=", 1) for x in base64.b64decode(heard[2:]).decode().split(","))


def test_unknown_people_have_salts_that_stay(server):
    w = server()
    nobody = server_first(w, "Nobody@foo.com")
    w.stop()
    w.start()
    w.wait_port(w.ports["imaps"])
    again, shout = server_first(w, "Nobody@foo.com"), server_first(w, "NOBODY@foo.com")
    known, other = server_first(w, NAME), server_first(w, "Else@foo.com")
    assert nobody["s"] == again["s"] == shout["s"] and nobody["r"] != again["r"]
    assert len({nobody["s"], known["s"], other["s"]}) == 3
    assert nobody["i"] == known["i"] and len(nobody["s"]) == len(known["s"])


def test_a_plain_login_makes_keys_for_scram(server):
    w = server()
    with sqlite3.connect(os.path.join(w.dir, "directory/directory.db")) as db:
        assert db.execute("DELETE FROM secret WHERE kind LIKE 'SCRAM%'").rowcount == 3 * 3
    db.close()
    c = Imap(w)
    assert c.authenticate("SCRAM-SHA-256", Scram("sha256", NAME, SECRET)).startswith("a NO")
    assert c.say(f"b LOGIN {NAME} {SECRET}").startswith("b OK")
    c.close()
    c = Imap(w)
    assert c.authenticate("SCRAM-SHA-256", Scram("sha256", NAME, SECRET)).startswith("a OK")
    c.close()


def test_mechanisms_that_need_the_password_are_off_by_default(instance):
    w = instance(dict(CHEAP, **{"login.mechanisms": "PLAIN CRAM-MD5 APOP"}))
    w.wait_port(w.ports["imaps"])
    digest = lambda challenge: f"{NAME} {hmac.new(SECRET.encode(), challenge, 'md5').hexdigest()}".encode()
    c = Imap(w)
    assert c.authenticate("CRAM-MD5", digest).startswith("a NO [AUTHENTICATIONFAILED]")
    assert w.run("account", "secret", NAME, "--on", "--password-stdin", stdin="wrong", check=False).returncode == 1
    assert "not stored" in w.run("account", "secret", NAME).stdout
    said = w.run("account", "secret", NAME, "--on", "--password-stdin", stdin=SECRET).stdout
    assert "whoever reads" in said
    assert c.authenticate("CRAM-MD5", digest).startswith("a OK")
    c.close()
    p = poplib.POP3_SSL("127.0.0.1", w.ports["pop3s"], context=context())
    assert p.apop(NAME, SECRET).startswith(b"+OK")
    p.quit()
    p = poplib.POP3_SSL("127.0.0.1", w.ports["pop3s"], context=context())
    with pytest.raises(poplib.error_proto):
        p.apop(NAME, "wrong")
    p.close()
    # A changed password takes its place.
    w.run("account", "passwd", NAME, "--password-stdin", stdin="fresh")
    c = Imap(w)
    assert c.authenticate("CRAM-MD5", digest).startswith("a NO")
    assert "is stored" in w.run("account", "secret", NAME).stdout
    w.run("account", "secret", NAME, "--off")
    assert "not stored" in w.run("account", "secret", NAME).stdout
    c.close()


def test_too_many_failures_close_the_session(server):
    w = server({"login.errors": "3", "login.failures": "100"})
    s = smtplib.SMTP_SSL("127.0.0.1", w.ports["submissions"], context=context())
    s.ehlo()
    codes = [s.docmd("AUTH PLAIN", b64(b"\0" + NAME.encode() + b"\0wrong" + str(i).encode()))[0] for i in range(3)]
    assert codes == [535, 535, 535] and s.getreply()[0] == 421
    with pytest.raises((smtplib.SMTPServerDisconnected, OSError)):
        s.docmd("NOOP")
    s.close()


# ---- certificates ----

def openssl(*args, stdin=None):
    p = subprocess.run(["openssl", *args], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert p.returncode == 0, p.stderr.decode()
    return p.stdout


def make_key(path, kind="EC"):
    option = ["-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "EC" else ["-pkeyopt", "rsa_keygen_bits:2048"]
    openssl("genpkey", "-algorithm", kind, *option, "-out", path)


def authority(folder, name):
    key, pem = f"{folder}/{name}.key", f"{folder}/{name}.pem"
    make_key(key)
    openssl("req", "-x509", "-new", "-key", key, "-subj", f"/CN={name}", "-days", "30", "-out", pem)
    return pem, key


def client_certificate(folder, ca, name, mail):
    key, pem, request, more = (f"{folder}/{name}.{x}" for x in ("key", "pem", "csr", "ext"))
    make_key(key)
    openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
    open(more, "w").write(f"subjectAltName=email:{mail}\nextendedKeyUsage=clientAuth\n")
    openssl("x509", "-req", "-in", request, "-CA", ca[0], "-CAkey", ca[1], "-CAcreateserial", "-days", "30",
            "-extfile", more, "-out", pem)
    return pem, key


def test_external(server, tmp_path):
    ca, stranger = authority(tmp_path, "ca"), authority(tmp_path, "stranger")
    mine = client_certificate(tmp_path, ca, "jones", NAME)
    forged = client_certificate(tmp_path, stranger, "forged", NAME)
    w = server({"tls.client_authorities": ca[0]})
    w.wait_log("keys n=1")
    for certificate, initial, good in ((mine, b"", True), (mine, NAME.encode(), True), (mine, b"Brown@foo.com", False)):
        c = Imap(w, certificate=certificate)
        assert "AUTH=EXTERNAL" in c.greeting
        heard = c.say("a AUTHENTICATE EXTERNAL " + (b64(initial) or "="))
        assert heard.startswith("a OK" if good else "a NO"), heard
        c.close()
    for certificate in (None, forged):
        c = Imap(w, certificate=certificate)
        assert "AUTH=EXTERNAL" not in c.greeting and "AUTH=PLAIN" in c.greeting
        assert c.say("a AUTHENTICATE EXTERNAL =").startswith("a NO No such")
        c.close()


def test_a_level_of_tls_is_demanded(server, tmp_path):
    ca = authority(tmp_path, "ca")
    mine = client_certificate(tmp_path, ca, "jones", NAME)
    w = server({"tls.client_authorities": ca[0], "tls.least_version": "1.3", "tls.client_certificate": "yes"})
    w.wait_log("keys n=1")
    s = smtplib.SMTP("127.0.0.1", w.ports["submission"])
    for command, code in (("EHLO x", 250), ("NOOP", 250), ("MAIL FROM:<a@b.c>", 554), ("AUTH PLAIN", 554),
                          ("RSET", 554), ("HELP", 554)):
        assert s.docmd(command)[0] == code, command
    assert s.docmd("RSET") == (554, b"5.7.0 TLS is demanded here")
    s.starttls(context=context(version=ssl.TLSVersion.TLSv1_2))
    assert s.ehlo()[0] == 250
    assert s.docmd("RSET") == (554, b"5.7.0 TLS 1.3 is demanded here")
    assert s.docmd("QUIT")[0] == 221
    c = Imap(w)
    assert c.say("a LOGIN x y").startswith("a NO [PRIVACYREQUIRED] A certificate of the client")
    assert c.say("b NOOP").startswith("b OK")
    c.close()
    c = Imap(w, certificate=mine)
    assert c.authenticate("SCRAM-SHA-256", Scram("sha256", NAME, SECRET)).startswith("a OK")
    c.close()
    p = poplib.POP3("127.0.0.1", w.ports["pop3"])
    with pytest.raises(poplib.error_proto, match="TLS is demanded"):
        p.user(NAME)
    p.close()
    # Port 25 is not among the services of tls.demand_of.
    s = smtplib.SMTP("127.0.0.1", w.ports["smtp"])
    s.ehlo("x")
    assert s.docmd("MAIL FROM:<a@b.c>")[0] == 250
    s.close()


def test_a_certificate_for_each_name(server, tmp_path):
    w = server()
    folder = os.path.join(w.dir, "keys/tls")
    os.mkdir(folder)
    for name, host, kind in (("a", "mail.one.org", "EC"), ("b", "mail.one.org", "RSA"), ("c", "mail.two.org", "EC")):
        make_key(f"{folder}/{name}.key", kind)
        openssl("req", "-x509", "-new", "-key", f"{folder}/{name}.key", "-subj", f"/CN={host}", "-addext",
                f"subjectAltName=DNS:{host}", "-days", "30", "-out", f"{folder}/{name}.pem")
    open(f"{folder}/without.pem", "w").write("no key beside it")
    before = Imap(w)
    w.process.send_signal(1)
    w.wait_log("keys n=4")
    assert before.say("x NOOP").startswith("x OK")
    before.close()

    def shown(host, *more):
        p = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{w.ports['imaps']}", "-servername", host,
                            *more], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return re.search(r"subject=CN = (\S+)", p.stdout).group(1), re.search(r"Peer signature type: (\S+)", p.stdout).group(1)

    # Of several doors one may be later than another.
    w.wait_until(lambda: all(shown("mail.two.org")[0] == "mail.two.org" for _ in range(10)))
    assert shown("mail.one.org", "-sigalgs", "ECDSA+SHA256") == ("mail.one.org", "ECDSA")
    assert shown("mail.one.org", "-sigalgs", "RSA-PSS+SHA256")[0] == "mail.one.org"
    assert shown("mail.one.org", "-sigalgs", "RSA-PSS+SHA256")[1].startswith("RSA")
    assert shown("unknown.org")[0] == "mail.foo.com"


# ---- tokens ----

def part(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def integer(n):
    return part(n.to_bytes((n.bit_length() + 7) // 8, "big")).decode()


class Issuer:
    def __init__(self, folder):
        self.key = f"{folder}/issuer.key"
        make_key(self.key, "RSA")
        text = openssl("rsa", "-in", self.key, "-noout", "-modulus").decode()
        self.jwk = {"kty": "RSA", "kid": "one", "alg": "RS256", "use": "sig", "e": "AQAB",
                    "n": integer(int(text.split("=")[1], 16))}
        self.file = f"{folder}/jwks.json"
        open(self.file, "w").write(json.dumps({"keys": [self.jwk]}))

    def token(self, head=None, key=None, **claims):
        head = dict({"alg": "RS256", "kid": "one", "typ": "JWT"}, **(head or {}))
        claims = dict({"iss": "https://id.foo.com", "aud": "mail", "exp": time.time() + 300, "email": NAME,
                       "scope": "openid mail"}, **claims)
        claims = {k: v for k, v in claims.items() if v is not None}
        text = part(json.dumps(head).encode()) + b"." + part(json.dumps(claims).encode())
        if head["alg"] == "none":
            return text + b"."
        if head["alg"] == "HS256":
            return text + b"." + part(hmac.new(key, text, "sha256").digest())
        return text + b"." + part(openssl("dgst", "-sha256", "-sign", key or self.key, stdin=text))


def bearer(w, token, name=NAME, mechanism="OAUTHBEARER", **more):
    c = Imap(w, **more)
    if mechanism == "OAUTHBEARER":
        message = b"n,a=" + name.encode() + b",\1host=foo.com\1port=993\1auth=Bearer " + token + b"\1\1"
    else:
        message = b"user=" + name.encode() + b"\1auth=Bearer " + token + b"\1\1"
    said = []
    heard = c.authenticate(mechanism, lambda challenge: said.append(challenge) or b"\1", message)
    c.close()
    assert heard.startswith("a OK") or b"invalid_token" in said[0]
    return heard


def test_tokens(server, tmp_path):
    issuer = Issuer(tmp_path)
    other = f"{tmp_path}/other.key"
    make_key(other, "RSA")
    w = server({"oauth.keys": issuer.file, "oauth.issuer": "https://id.foo.com", "oauth.audience": "mail",
                "oauth.scope": "mail", "login.failures": "1000"})
    w.wait_log("keys n=1")
    assert "AUTH=OAUTHBEARER AUTH=XOAUTH2" in Imap(w).greeting
    assert bearer(w, issuer.token()).startswith("a OK")
    assert bearer(w, issuer.token(aud=["web", "mail"]), mechanism="XOAUTH2").startswith("a OK")
    public = openssl("rsa", "-in", issuer.key, "-pubout")
    cases = {
        "another key": issuer.token(key=other),
        "no signature": issuer.token(head={"alg": "none"}),
        "the public key taken for a secret": issuer.token(head={"alg": "HS256"}, key=public),
        "expired": issuer.token(exp=time.time() - 300),
        "never ends": issuer.token(exp=None),
        "not yet": issuer.token(nbf=time.time() + 300),
        "another issuer": issuer.token(iss="https://id.bar.com"),
        "for another": issuer.token(aud="web"),
        "without the scope": issuer.token(scope="openid mailx"),
        "not verified": issuer.token(email_verified=False),
        "nobody's": issuer.token(email="Nobody@foo.com"),
        "somebody else's": issuer.token(email="Brown@foo.com"),
        "critical": issuer.token(head={"crit": ["b64"], "b64": False}),
        "nothing": b"x.y.z",
    }
    # Each from a place of its own: refusals of one come later and later.
    for i, (why, token) in enumerate(cases.items()):
        assert bearer(w, token, source=f"127.{i + 1}.0.1").startswith("a NO [AUTHENTICATIONFAILED]"), why


# ---- app passwords, identities, the log ----

def test_app_passwords(server):
    w = server()
    password = w.run("account", "app", "add", NAME, "Phone", "--scope", "imap").stdout.strip()
    ended = w.run("account", "app", "add", NAME, "Old", "--expires", "2020-01-01T00:00:00Z").stdout.strip()
    assert re.fullmatch(r"([a-z2-9]{5}-){4}[a-z2-9]{5}", password)
    c = Imap(w)
    assert c.say(f'a LOGIN {NAME} "{password.upper().replace("-", " ")}"').startswith("a OK")
    c.close()
    c = Imap(w)
    assert c.say(f"a LOGIN {NAME} {ended}").startswith("a NO")
    assert c.say(f"a LOGIN Brown@foo.com {password}").startswith("a NO")
    c.close()
    s = smtplib.SMTP_SSL("127.0.0.1", w.ports["submissions"], context=context())
    with pytest.raises(smtplib.SMTPAuthenticationError):
        s.login(NAME, password)
    s.close()
    rows = json.loads(w.run("account", "app", "list", NAME, "--json").stdout)
    assert [(r["name"], r["scope"], r["used"] != "-") for r in rows] == [("Old", "smtp,imap,pop3", False),
                                                                         ("Phone", "imap", True)]
    w.run("account", "app", "remove", NAME, "Phone")
    c = Imap(w)
    assert c.say(f"a LOGIN {NAME} {password}").startswith("a NO")
    c.close()
    assert w.run("account", "app", "remove", NAME, "Phone", check=False).returncode == 1


def test_the_log_of_logins(server):
    w = server({"login.log": "3"})
    c = Imap(w)
    for i in range(5):
        assert c.say(f"a{i} LOGIN {NAME} wrong{i}").startswith(f"a{i} NO")
        time.sleep(0.01)
    assert c.say(f"b LOGIN {NAME} {SECRET}").startswith("b OK")
    c.close()
    rows = lambda: json.loads(w.run("account", "log", NAME, "--json").stdout)
    w.wait_until(lambda: rows() and rows()[0]["result"] == "ok")
    good = rows()[0]
    assert (good["service"], good["mechanism"], good["address"]) == ("imaps", "LOGIN", "127.0.0.1")
    assert good["tls"].startswith("TLSv1.3 ") and good["times"] == 1
    assert sum(r["times"] for r in rows() if r["result"] == "no") >= 3 and len(rows()) <= 6
    assert json.loads(w.run("account", "log", "Brown@foo.com", "--json").stdout) == []


def test_identities(server):
    w = server()
    s = smtplib.SMTP_SSL("127.0.0.1", w.ports["submissions"], context=context())
    s.login(NAME, SECRET)
    assert s.docmd("MAIL FROM:<press@elsewhere.org>")[0] == 553
    w.run("account", "identity", "add", NAME, "press@elsewhere.org")
    w.run("account", "identity", "add", NAME, "@club.org")
    for sender, code in (("press@elsewhere.org", 250), ("PRESS@elsewhere.org", 250), ("any@club.org", 250),
                         ("any@sub.club.org", 553), ("other@elsewhere.org", 553), ("Brown@foo.com", 553),
                         ("press@elsewhere.org@club.org", 501)):
        assert s.docmd(f"MAIL FROM:<{sender}>")[0] == code, sender
        s.docmd("RSET")
    w.run("account", "identity", "remove", NAME, "@club.org")
    assert s.docmd("MAIL FROM:<any@club.org>")[0] == 553
    s.quit()


@pytest.mark.parametrize("hide", ["no", "yes"])
def test_where_somebody_sits_can_be_hidden(server, hide):
    w = server({"smtp.hide_client": hide})
    s = smtplib.SMTP_SSL("127.0.0.1", w.ports["submissions"], context=context(), local_hostname="desk.example.org")
    s.login(NAME, SECRET)
    s.sendmail(NAME, [NAME], b"Subject: x\r\n\r\nx\r\n")
    s.quit()
    w.wait_until(lambda: poll(w) == 1)
    text = b"\n".join(fetch(w))
    assert b"Received: " in text and b"with ESMTPSA id " in text
    assert (b"desk.example.org" in text) == (b"127.0.0.1" in text) == (hide == "no")


def mailbox(w):
    p = poplib.POP3_SSL("127.0.0.1", w.ports["pop3s"], context=context())
    p.user(NAME)
    p.pass_(SECRET)
    return p


def poll(w):
    p = mailbox(w)
    try:
        return p.stat()[0]
    finally:
        p.quit()


def fetch(w):
    p = mailbox(w)
    try:
        return p.retr(1)[1]
    finally:
        p.quit()


@pytest.mark.parametrize("to", ["a%elsewhere.org@foo.com", "elsewhere.org!a@foo.com", "@foo.com:a@elsewhere.org",
                                '"a@elsewhere.org"@foo.com', "a@elsewhere.org", '"a@elsewhere.org"',
                                "a@elsewhere.org@foo.com", "a@[127.0.0.1]", "foo.com!a%elsewhere.org"])
@pytest.mark.parametrize("sender", ["", "Jones@foo.com", "a@elsewhere.org"])
def test_no_stranger_relays(relay_probe, sender, to):
    code, text = relay_probe(sender, to)
    assert 500 <= code < 600, (code, text)


@pytest.fixture(scope="module")
def relay_probe(request):
    import conftest
    import shutil
    top = conftest.temporary("test")
    w = conftest.Instance(os.path.join(top, "w"), CHEAP)
    w.account(NAME)
    w.start()

    def probe(sender, to):
        s = smtplib.SMTP("127.0.0.1", w.ports["smtp"])
        s.ehlo("probe.example.org")
        assert s.docmd(f"MAIL FROM:<{sender}>")[0] == 250
        try:
            return s.docmd(f"RCPT TO:<{to}>")
        finally:
            s.close()

    yield probe
    w.stop()
    shutil.rmtree(top, ignore_errors=True)
