"""Issuers of tokens on the network: their keys fetched from a real HTTPS server, found by its documents, rolled over
while the server runs; several issuers, each for its own domains; what clients are told (RFC 7628, 8414, 7517)."""
import http.server
import itertools
import json
import os
import re
import threading
import time

import pytest

from certificates import Authority
from test_sasl import CHEAP, NAME, Imap, integer, make_key, openssl, part

HOST = "id.issuer.example"
LIMIT = 40


class Keys:
    """One key of an issuer, and the tokens that it signs."""

    def __init__(self, folder, kid):
        self.kid, self.file = kid, f"{folder}/{kid}.key"
        make_key(self.file, "RSA")
        text = openssl("rsa", "-in", self.file, "-noout", "-modulus").decode()
        self.jwk = {"kty": "RSA", "kid": kid, "alg": "RS256", "use": "sig", "e": "AQAB",
                    "n": integer(int(text.split("=")[1], 16))}

    def token(self, issuer, **claims):
        head = {"alg": "RS256", "kid": self.kid, "typ": "JWT"}
        claims = dict({"iss": issuer, "aud": "mail", "exp": time.time() + 300, "email": NAME}, **claims)
        text = part(json.dumps(head).encode()) + b"." + part(json.dumps(claims).encode())
        return text + b"." + part(openssl("dgst", "-sha256", "-sign", self.file, stdin=text))


class Site:
    """https://id.issuer.example:PORT/, whose pages are in self.pages: path -> object, or bytes."""

    def __init__(self, context):
        outer, self.pages, self.asked, self.cache = self, {}, [], None

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                page = outer.pages.get(self.path)
                body = page if isinstance(page, bytes) else json.dumps(page).encode()
                self.send_response(200 if page is not None else 404)
                self.send_header("Content-Type", "application/json")
                if outer.cache:
                    self.send_header("Cache-Control", outer.cache)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.context, self.handler, self.server = context, Handler, None
        self.port = 0
        self.start()

    def start(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), self.handler)
        self.server.socket = self.context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
        self.server = None

    @property
    def url(self):
        return f"https://{HOST}:{self.port}"

    def publish(self, *keys, tenant="", where="openid"):
        issuer = self.url + tenant
        document = {"issuer": issuer, "jwks_uri": self.url + tenant + "/keys"}
        self.pages[tenant + "/keys"] = {"keys": [k.jwk for k in keys]}
        path = {"openid": tenant + "/.well-known/openid-configuration",
                "oauth": "/.well-known/oauth-authorization-server" + tenant}[where]
        self.pages[path] = document
        return issuer


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("issuers")
    return [Keys(folder, kid) for kid in ("one", "two", "three")]


@pytest.fixture
def world(instance, dns, tmp_path):
    ca = Authority(tmp_path)
    site = Site(ca.context(HOST))
    dns.zone("issuer.example", "id A 127.0.0.1\n", signed=False)

    def make(settings, start=True, **more):
        w = instance(dns.settings(**dict(CHEAP, **dict({
            "relay.authorities": ca.file, "oauth.audience": "mail", "login.failures": "1000",
            "oauth.again": "100ms"}, **settings))), start=False, **more)
        if start:
            w.start()
            w.wait_port(w.ports["imaps"])
        return w
    yield site, make
    site.stop()


places = itertools.count()


def ask(w, token, name=NAME, mechanism="OAUTHBEARER"):
    """The tagged answer, and the reason that came before it.  Each from a place of its own: refusals of one come later
    and later."""
    n = next(places)
    c = Imap(w, source=f"127.{77 + n // 250}.{n % 250}.1")
    if mechanism == "OAUTHBEARER":
        message = b"n,a=" + name.encode() + b",\1host=foo.com\1port=993\1auth=" + token + b"\1\1"
    else:
        message = b"user=" + name.encode() + b"\1auth=" + token + b"\1\1"
    said = []
    heard = c.authenticate(mechanism, lambda challenge: said.append(challenge) or b"\1", message)
    c.close()
    return heard, json.loads(said[0]) if said else None


def login(w, key, issuer, **claims):
    heard, _ = ask(w, b"Bearer " + key.token(issuer, **claims), claims.get("email", NAME))
    return heard


GOOD, BAD, LATER = "a OK", "a NO [AUTHENTICATIONFAILED]", "a NO [UNAVAILABLE]"


def test_keys_are_found_and_rolled_over(world, keys):
    """By the issuer's document; a key that nobody had seen brings a fetch, not each token does, and one that is taken
    away counts no more."""
    site, make = world
    issuer = site.publish(keys[0])
    w = make({"oauth.issuer": issuer, "oauth.again": "1s"})
    assert "AUTH=OAUTHBEARER AUTH=XOAUTH2" in Imap(w).greeting
    assert login(w, keys[0], issuer).startswith(GOOD)
    w.wait_log(r"issuer-keys issuer=\S+ url=\S+/keys")
    assert site.asked == ["/.well-known/openid-configuration", "/keys"]
    site.publish(keys[0], keys[1])
    time.sleep(1)   # not so soon after the fetch before
    assert login(w, keys[1], issuer).startswith(GOOD), "the login waited for the new keys"
    assert site.asked.count("/keys") == 2
    begin = time.monotonic()
    for _ in range(5):
        assert login(w, keys[2], issuer).startswith(BAD)
    assert site.asked.count("/keys") <= 3 + time.monotonic() - begin, "not one fetch for each"
    site.publish(keys[1])
    w.wait_until(lambda: login(w, keys[2], issuer).startswith(BAD) and login(w, keys[0], issuer).startswith(BAD), LIMIT)
    assert login(w, keys[1], issuer).startswith(GOOD)


def test_an_issuer_that_is_away(world, keys):
    """What was fetched is kept over a restart, and counts; what was never had is a trouble of ours, not a refusal."""
    site, make = world
    issuer = site.publish(keys[0])
    w = make({"oauth.issuer": issuer, "oauth.refresh": "1s"})
    assert login(w, keys[0], issuer).startswith(GOOD)
    kept = os.path.join(w.dir, "keys", "issuers")
    w.wait_until(lambda: [f for f in os.listdir(kept) if f.endswith(".json")], LIMIT)
    site.stop()
    w.stop()
    w.start()
    w.wait_port(w.ports["imaps"])
    assert login(w, keys[0], issuer).startswith(GOOD)
    w.wait_log(r"issuer-failed issuer=\S+", LIMIT)
    assert login(w, keys[0], issuer).startswith(GOOD)
    w.stop()
    for f in os.listdir(kept):
        os.unlink(os.path.join(kept, f))
    w.start()
    w.wait_port(w.ports["imaps"])
    assert login(w, keys[0], issuer).startswith(LATER)
    site.start()
    w.wait_until(lambda: login(w, keys[0], issuer).startswith(GOOD), LIMIT)


def test_old_keys_end(world, keys):
    site, make = world
    issuer = site.publish(keys[0])
    w = make({"oauth.issuer": issuer, "oauth.refresh": "1s", "oauth.stale": "1s"})
    assert login(w, keys[0], issuer).startswith(GOOD)
    site.stop()
    w.wait_log("issuer-stale issuer=", LIMIT)
    assert login(w, keys[0], issuer).startswith(LATER)


def test_max_age(world, keys):
    """The issuer says how long its keys are good; at most as long as we want."""
    site, make = world
    site.cache = "public, max-age=1"
    issuer = site.publish(keys[0])
    w = make({"oauth.issuer": issuer})
    w.wait_until(lambda: site.asked.count("/keys") >= 2, LIMIT)
    assert login(w, keys[0], issuer).startswith(GOOD)


def test_documents_that_are_no_good(world, keys):
    """Nothing of them is used, and what is behind is told in the log."""
    site, make = world
    issuer = site.publish(keys[0])
    document, good = "/.well-known/openid-configuration", dict(site.pages)
    faults = [
        (document, dict(good[document], issuer="https://id.other.example"), "about another issuer"),
        (document, dict(good[document], jwks_uri="http://" + HOST + "/keys"), "no URL of https"),
        (document, b"<html>no such page</html>", "about another issuer"),
        ("/keys", {"keys": []}, "no key of use"),
        ("/keys", b'{"keys":' + b"[" * 20000, "no key of use"),
        ("/keys", {"keys": [{"kty": "oct", "alg": "HS256", "kid": "one", "k": "AAAA"}]}, "no key of use"),
        ("/keys", b" " * 70000 + json.dumps(good["/keys"]).encode(), "too large"),
    ]
    w = None
    for path, page, why in faults:
        site.pages = dict(good, **{path: page})
        w = w or make({"oauth.issuer": issuer})
        seen = len(w.log())
        w.wait_until(lambda: re.search(f'issuer-failed issuer=\\S+ .*why="[^"]*({why})', w.log()[seen:]), LIMIT)
        assert login(w, keys[0], issuer).startswith(LATER), why
    site.pages = good
    w.wait_until(lambda: login(w, keys[0], issuer).startswith(GOOD), LIMIT)


def test_several_issuers(world, keys, tmp_path):
    """One by OpenID's document, one by RFC 8414's, one by an URL, one by a file; none of them may speak for the domains
    of another, and what a client is told is of the one that is his."""
    site, make = world
    site.pages["/plain"] = {"keys": [keys[2].jwk]}
    file = f"{tmp_path}/keys.json"
    with open(file, "w") as f:
        json.dump({"keys": [keys[0].jwk]}, f)
    first, second = site.publish(keys[0], tenant="/a"), site.publish(keys[1], tenant="/b", where="oauth")
    w = make({"oauth.issuers": f"{first} domains=foo.com scope=imap, {second} domains=bar.com+baz.com, "
                               f"urn:third keys={site.url}/plain domains=* claim=sub audience=third, "
                               f"urn:file keys={file} domains=bar.com algorithms=ES256+RS256",
              "oauth.scope": "mail"})
    smith = "Smith@bar.com"
    assert login(w, keys[0], first, scope="imap").startswith(GOOD)
    assert login(w, keys[1], second, scope="mail", email=smith).startswith(GOOD)
    heard, _ = ask(w, b"Bearer " + keys[2].token("urn:third", sub=NAME, aud="third", scope="mail"), mechanism="XOAUTH2")
    assert heard.startswith(GOOD)
    assert login(w, keys[0], "urn:file", email=smith, scope="mail").startswith(GOOD)
    cases = {
        "of another's domain": (keys[1], second, {"scope": "mail"}),
        "by another's key": (keys[0], second, {"scope": "mail", "email": smith}),
        "with another's scope": (keys[0], first, {"scope": "mail"}),
        "for another's audience": (keys[2], "urn:third", {"sub": NAME, "scope": "mail"}),
        "of nobody": (keys[0], "https://id.other.example", {"scope": "mail"}),
    }
    for why, (key, issuer, claims) in cases.items():
        assert login(w, key, issuer, **claims).startswith(BAD), why
    # RFC 7628 4.3: without a token, a client asks where to get one.
    heard, said = ask(w, b"", smith)
    assert heard.startswith(BAD)
    assert said == {"status": "invalid_token", "scope": "mail",
                    "openid-configuration": f"{site.url}/.well-known/oauth-authorization-server/b"}
    heard, said = ask(w, b"Bearer " + keys[0].token(first, scope="other"))
    assert said == {"status": "invalid_token", "scope": "imap",
                    "openid-configuration": f"{first}/.well-known/openid-configuration"}


@pytest.mark.parametrize("settings, why", [
    ({"oauth.issuer": "https://id.foo.com"}, "has no audience"),
    ({"oauth.issuer": "joe", "oauth.audience": "mail"}, "is no https URL"),
    ({"oauth.issuer": "joe", "oauth.audience": "mail", "oauth.keys": "http://id.foo.com/keys"}, "by http"),
    ({"oauth.keys": "keys.json", "oauth.audience": "mail"}, "says not whose"),
    ({"oauth.issuers": "https://a.example, https://b.example domains=foo.com", "oauth.audience": "m"}, "everybody of"),
    ({"oauth.issuers": "a keys=k domains=*, a keys=k domains=foo.com", "oauth.audience": "m"}, "stands there twice"),
    ({"oauth.issuers": "https://a.example domain=foo.com", "oauth.audience": "m"}, 'has "domain=foo.com"'),
])
def test_settings_that_are_not_safe(instance, settings, why):
    w = instance(settings, start=False)
    p = w.run("serve", check=False)
    assert p.returncode != 0 and why in p.stderr + p.stdout
