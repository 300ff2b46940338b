"""Was it revoked?  Fetched where the certificate says, and only when told to."""
import http.server
import json
import os
import subprocess
import threading

import pytest

from conftest import WAXWING
from smime_pki import Pki, openssl
from test_smime import signed


class Server(http.server.ThreadingHTTPServer):
    """A stub of what authorities run: lists and an OCSP responder, the latter by the openssl command."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.port, self.asked, self.files, self.responder = self.server_address[1], [], {}, None
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answer(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def say(self, status, body=b"", **fields):
        self.send_response(status)
        for k, v in fields.items():
            self.send_header(k, v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass

    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path == "/moved.crl":
            return self.say(302, Location=f"http://lists.foo.com:{self.server.port}/ca.crl")
        body = self.server.files.get(self.path)
        self.say(404 if body is None else 200, body or b"")

    def do_POST(self):
        self.server.asked.append((self.path, self.headers["Content-Type"]))
        self.say(200, self.server.responder(self.rfile.read(int(self.headers["Content-Length"]))))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    path = tmp_path_factory.mktemp("world")
    w, pki = Server(), Pki(path)
    w.pki, w.path = pki, path
    base = f"URI:http://lists.foo.com:{w.port}"
    for name, point in (("smith", "/ca.crl"), ("gone", "/ca.crl"), ("moved", "/moved.crl"), ("large", "/large.crl"), ("junk", "/junk.crl"),
                        ("none", "/none.crl")):
        pki.leaf(name, "p256", "email:smith@bar.com", crlDistributionPoints=base + point,
                 authorityInfoAccess=f"OCSP;{base}/ocsp")
    pki.authority("other")
    pki.leaf("eve", "p256", "email:smith@bar.com", by="other", crlDistributionPoints=f"{base}/ca.crl")
    w.files["/ca.crl"] = openssl("crl", "-in", pki.crl("gone"), "-outform", "DER")
    w.files["/large.crl"] = bytes(17 << 20)
    w.files["/junk.crl"] = b"junk"
    (path / "records").write_text("lists.foo.com A 127.0.0.1\n")

    def respond(request):
        (path / "request").write_bytes(request)
        openssl("ocsp", "-index", pki("index"), "-CA", pki("ca.crt"), "-rsigner", pki("ca.crt"), "-rkey", pki("ca.key"), "-reqin",
                path / "request", "-respout", path / "response", "-ndays", "1")
        return (path / "response").read_bytes()
    w.responder = respond
    yield w
    w.shutdown()
    w.server_close()


@pytest.fixture
def look(world, tmp_path):
    def run(who, *args, letter=None):
        world.asked.clear()
        p = subprocess.run([WAXWING, "inspect", "smime", "--ca", world.pki("ca.crt"), "--records", world.path / "records", *args],
                           input=letter or signed(world.pki, who), capture_output=True, timeout=60,
                           env=dict(os.environ, XDG_CACHE_HOME=str(tmp_path / "cache")))
        print(p.stderr.decode())        # shown where a test fails
        v = json.loads(p.stdout)
        return v["verdict"], v["signers"][0]["revocation"], p.stderr.decode()
    return run


def test_nothing_is_fetched_unasked(world, look):
    assert look("gone")[:2] == ("good", "not checked") and world.asked == []


def test_lists(world, look):
    assert look("smith", "--fetch", "crl,private")[:2] == ("good", "good") and world.asked == ["/ca.crl"]
    # Until it ends it is not asked for again.
    assert look("gone", "--fetch", "crl,private")[:2] == ("untrusted", "revoked") and world.asked == []


def test_ocsp(world, look):
    assert look("smith", "--fetch", "ocsp,private")[:2] == ("good", "good")
    assert world.asked == [("/ocsp", "application/ocsp-request")]
    assert look("gone", "--fetch", "ocsp,private")[:2] == ("untrusted", "revoked")


@pytest.mark.parametrize("who, why", [("moved", "answered with 302"), ("large", "too large"), ("junk", "no list of revoked"),
                                      ("none", "answered with 404")])
def test_what_is_no_list_says_nothing(world, look, who, why):
    verdict, revocation, said = look(who, "--fetch", "crl,private")
    assert (verdict, revocation) == ("good", "not checked") and why in said, said
    assert len(world.asked) == 1


def test_strangers_make_nobody_ask(world, look):
    """Neither who is not trusted, nor who names an address within our network."""
    assert look("eve", "--fetch", "crl,private")[1] == "not checked" and world.asked == []
    verdict, revocation, said = look("smith", "--fetch", "crl,ocsp")
    assert (verdict, revocation) == ("good", "not checked") and said.count("without --fetch private") == 2 and world.asked == []
    world.pki.leaf("inner", "p256", "email:smith@bar.com", crlDistributionPoints="URI:http://lists.foo.com/ca.crl")
    assert "not a public one" in look("inner", "--fetch", "crl")[2]
    world.pki.leaf("literal", "p256", "email:smith@bar.com", crlDistributionPoints=f"URI:http://2130706433:{world.port}/ca.crl")
    assert look("literal", "--fetch", "crl,private")[1] == "not checked" and world.asked == []


def test_words(look, world):
    p = subprocess.run([WAXWING, "inspect", "smime", "--fetch", "all"], input=b"", capture_output=True)
    assert p.returncode != 0 and b"--fetch: should be" in p.stderr
