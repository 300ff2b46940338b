"""Every listener that speaks TLS, probed as testssl.sh does: by hellos made by hand, since no library of today would say them."""
import os
import signal
import socket
import ssl
import struct
import subprocess
import time

import pytest

from test_tls import context

ALERT, HANDSHAKE = 21, 22
SSL3, TLS10, TLS11, TLS12 = 0x0300, 0x0301, 0x0302, 0x0303
GOOD = [0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8]     # ECDHE with AEAD
WEAK = {
    "null": [0x0001, 0x0002, 0x003b, 0xc006, 0xc010], "export": [0x0003, 0x0006, 0x0008, 0x000b, 0x0014],
    "rc4": [0x0004, 0x0005, 0xc007, 0xc011], "3des": [0x000a, 0x0016, 0xc008, 0xc012], "des": [0x0009, 0x0015],
    "cbc": [0x002f, 0x0035, 0x003c, 0xc009, 0xc00a, 0xc013, 0xc014, 0xc023, 0xc027, 0xc024, 0xc028],
    "rsa key exchange": [0x009c, 0x009d, 0xc09c, 0xc0a0], "dhe": [0x009e, 0x009f, 0x0033, 0x0039, 0xccaa],
    "anonymous": [0x0018, 0x0034, 0x00a6, 0x00a7, 0xc018, 0xc019], "psk": [0x00a8, 0x008c, 0xccab],
    "static ecdh": [0xc02d, 0xc031, 0xc004],
}
STARTS = {"smtp": [b"EHLO a.example\r\n", b"STARTTLS\r\n"], "submission": [b"EHLO a.example\r\n", b"STARTTLS\r\n"],
          "imap": [b"a STARTTLS\r\n"], "pop3": [b"STLS\r\n"]}
LISTENERS = ["smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "https"]
# What each is called by ALPN, and a name of another service.
NAMES = {"smtp": "smtp", "submission": "smtp", "submissions": "smtp", "imap": "imap", "imaps": "imap", "pop3": "pop3",
         "pop3s": "pop3", "https": "http/1.1"}
S_CLIENT = {"smtp": ["-starttls", "smtp"], "submission": ["-starttls", "smtp"], "imap": ["-starttls", "imap"],
            "pop3": ["-starttls", "pop3"]}


def extension(kind, body):
    return struct.pack(">HH", kind, len(body)) + body


def hello(version, suites, compression=b"\0"):
    """A ClientHello in one record."""
    extensions = b"".join([
        extension(10, struct.pack(">HHH", 4, 29, 23)),                      # groups: X25519, P-256
        extension(11, b"\1\0"),
        extension(13, struct.pack(">H6H", 12, 0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501)),
        extension(0xff01, b"\0"),
    ])
    body = (struct.pack(">H", version) + os.urandom(32) + b"\0" + struct.pack(">H", 2 * len(suites)) +
            b"".join(struct.pack(">H", s) for s in suites) + bytes([len(compression)]) + compression +
            struct.pack(">H", len(extensions)) + extensions)
    message = b"\1" + struct.pack(">I", len(body))[1:] + body
    return struct.pack(">BHH", HANDSHAKE, min(version, TLS10), len(message)) + message


def connected(w, service):
    s = socket.create_connection(("127.0.0.1", w.ports[service]), 60)
    f = s.makefile("rb")
    if service in STARTS:
        f.readline()
    for line in STARTS.get(service, []):
        s.sendall(line)
        while True:
            got = f.readline()
            if got[3:4] != b"-" or not got[:3].isdigit():
                break
    return s, f


def answer(w, service, data):
    """(type of the record, its body), or (None, b"") where the connection ends."""
    s, f = connected(w, service)
    with s, f:
        s.sendall(data)
        try:
            head = f.read(5)
            if len(head) < 5:
                return None, b""
            return head[0], f.read(struct.unpack(">H", head[3:])[0])
        except ConnectionResetError:
            return None, b""


def is_server_hello(reply):
    return reply[0] == HANDSHAKE and reply[1][:1] == b"\2"


@pytest.fixture(scope="module")
def served(request):
    """One instance for all probes; they leave nothing behind."""
    import shutil
    from conftest import Instance, temporary
    top = temporary("test")
    w = Instance(os.path.join(top, "w0"), {"smtp.errors": "1000"})
    # Keys of both kinds, so that no suite is refused for want of a certificate.
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost", "-keyout", w.dir + "/rsa.key", "-out", w.dir + "/rsa.pem"], check=True,
                   capture_output=True)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", w.dir + "/ec.key", "-out",
                    w.dir + "/ec.pem"], check=True, capture_output=True)
    os.makedirs(w.dir + "/keys/tls", exist_ok=True)
    for name in "rsa.pem", "rsa.key":
        os.rename(f"{w.dir}/{name}", f"{w.dir}/keys/tls/{name}")
    w.configure(**{"tls.certificate": "ec.pem", "tls.key": "ec.key"})
    w.start()
    for service in LISTENERS:
        w.wait_port(w.ports[service])
    yield w
    w.stop()
    shutil.rmtree(top, ignore_errors=True)


@pytest.mark.parametrize("service", LISTENERS)
def test_versions(served, service):
    assert is_server_hello(answer(served, service, hello(TLS12, GOOD)))
    for version in SSL3, TLS10, TLS11:
        reply = answer(served, service, hello(version, GOOD + WEAK["cbc"] + WEAK["rc4"]))
        assert reply[0] in (ALERT, None), (version, reply)
        assert reply[0] is None or reply[1][1] in (70, 40), reply       # protocol_version, handshake_failure
    # SSL 2: another framing altogether.
    v2 = b"\x80\x1f\x01\x00\x02\x00\x06\x00\x00\x00\x10" + b"\x07\x00\xc0\x05\x00\x80" + os.urandom(16)
    assert answer(served, service, v2)[0] in (ALERT, None)
    # A client that fell back although it can do better (RFC 7507) is told; so nobody on the way can make it fall.
    assert answer(served, service, hello(TLS12, GOOD + [0x5600])) [1][1:2] == bytes([86])


@pytest.mark.parametrize("service", LISTENERS)
def test_ciphers(served, service):
    for suite in GOOD:
        assert is_server_hello(answer(served, service, hello(TLS12, [suite]))), hex(suite)
    for name, suites in WEAK.items():
        reply = answer(served, service, hello(TLS12, suites))
        assert reply == (ALERT, b"\2\x28"), (name, reply)               # handshake_failure
    # Ours are taken though weak ones come first, and nothing is compressed (CRIME).
    kind, body = answer(served, service, hello(TLS12, WEAK["cbc"] + WEAK["rc4"] + GOOD, b"\1\0"))
    assert is_server_hello((kind, body))
    sid = body[38]
    suite, compression = struct.unpack(">HB", body[39 + sid:42 + sid])
    assert suite in GOOD and compression == 0


@pytest.mark.parametrize("service", LISTENERS)
def test_names_by_alpn(served, service):
    for offered, good in ([NAMES[service]], True), (["h2", "ftp", NAMES[service]], True), (["ftp"], False), ([
            "smtp" if NAMES[service] != "smtp" else "imap"], False):
        c = context()
        c.set_alpn_protocols(offered)
        s, f = connected(served, service)
        with s, f:
            if good:
                with c.wrap_socket(s) as t:
                    assert t.selected_alpn_protocol() == NAMES[service]
            else:
                with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
                    c.wrap_socket(s)


@pytest.mark.parametrize("service", LISTENERS)
def test_no_renegotiation_and_no_early_data(served, service):
    words = ["openssl", "s_client", "-connect", f"127.0.0.1:{served.ports[service]}", *S_CLIENT.get(service, [])]
    p = subprocess.Popen([*words, "-tls1_2", "-legacy_renegotiation"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT)
    p.stdin.write(b"R\n")
    p.stdin.flush()
    try:
        out, _ = p.communicate(timeout=5)
    except subprocess.TimeoutExpired:
        p.kill()
        out, _ = p.communicate()
    assert b"RENEGOTIATING" in out and b"Secure Renegotiation IS supported" in out
    assert out.count(b"verify return") <= 2 and (b"no renegotiation" in out or b"handshake failure" in out or b"errno=" in out), out
    out = subprocess.run([*words, "-tls1_3"], input=b"Q\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60).stdout
    assert b"Early data was not sent" in out and b"Max Early Data: 1" not in out


# ---- tickets ----


def resumed(w, session):
    """Was it, and the session that comes of it."""
    c = resumed.context
    with socket.create_connection(("127.0.0.1", w.ports["submissions"]), 60) as s, c.wrap_socket(s, session=session) as t:
        t.recv(100)
        return t.session_reused, t.session


def reload(w):
    before = w.log().count(" keys n=")
    w.process.send_signal(signal.SIGHUP)
    w.wait_until(lambda: w.log().count(" keys n=") > before)


def test_tickets_end_with_the_keys(instance):
    """What was sealed while another key was shown is not resumed: whoever took the old key's place has to prove it."""
    w = instance({"host.doors": "1"})
    w.wait_port(w.ports["submissions"])
    resumed.context = context()
    _, session = resumed(w, None)
    assert resumed(w, session)[0]
    # A reload that changes no key changes nothing.
    reload(w)
    again, session = resumed(w, session)
    assert again
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-keyout", w.dir + "/n.key", "-out", w.dir + "/n.pem"], check=True,
                   capture_output=True)
    w.configure(**{"tls.certificate": "n.pem", "tls.key": "n.key"})
    old = ssl.get_server_certificate(("127.0.0.1", w.ports["submissions"]))
    reload(w)
    end = time.monotonic() + 60
    while ssl.get_server_certificate(("127.0.0.1", w.ports["submissions"])) == old:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert not resumed(w, session)[0]
    _, session = resumed(w, None)
    assert resumed(w, session)[0]
