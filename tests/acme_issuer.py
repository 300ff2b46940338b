"""An issuer of S/MIME certificates (RFC 8555, RFC 8823) for the tests: HTTPS on loopback, letters by SMTP to
the server under test, answers from its relay.  It believes nothing: every JWS is checked by josepy, every
answer's DKIM signature by dkimpy, every request by python3-cryptography.

    issuer.faults[name] = how     what goes wrong, see where it is asked for
    issuer.log                    what was asked: (path, payload)
"""
import base64
import datetime
import hashlib
import http.server
import json
import re
import secrets
import smtplib
import threading
import time

import dkim
import josepy
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOST, SENDER = "issuer.example", "acme-challenge@issuer.example"
ERROR = "urn:ietf:params:acme:error:"
# RFC 8823 3.2 (9)
REPLY_FIELDS = {"from", "sender", "reply-to", "to", "cc", "subject", "date", "in-reply-to", "references", "message-id",
                "content-type", "content-transfer-encoding"}
CHALLENGE_FIELDS = REPLY_FIELDS | {"auto-submitted"}


def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Problem(Exception):
    def __init__(self, kind, detail, status=400, **fields):
        super().__init__(detail)
        self.body, self.status, self.fields = {"type": ERROR + kind, "detail": detail}, status, fields


class Papers:
    """A root, an authority below it, and what that signs."""

    def __init__(self):
        self.root_key, self.key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        self.root = self.authority("Root", self.root_key, "Root", self.root_key)
        self.between = self.authority("Between", self.key, "Root", self.root_key)

    @staticmethod
    def begin(name, issuer, key, since, until):
        return (x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
                .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)])).public_key(key)
                .serial_number(x509.random_serial_number()).not_valid_before(since).not_valid_after(until))

    def authority(self, name, key, issuer, issuer_key):
        now = datetime.datetime.utcnow()
        return (self.begin(name, issuer, key.public_key(), now - datetime.timedelta(days=9), now + datetime.timedelta(days=99))
                .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(issuer_key, hashes.SHA256()))

    def leaf(self, csr, days):
        """days: how many of its life are over, and left."""
        now = datetime.datetime.utcnow()
        one = self.begin("Somebody", "Between", csr.public_key(), now - datetime.timedelta(days=days[0]), now + datetime.timedelta(days=days[1]))
        one = one.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        one = one.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        for e in csr.extensions:
            one = one.add_extension(e.value, e.critical)
        return one.sign(self.key, hashes.SHA256())

    @staticmethod
    def pem(*certificates):
        return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates).decode()


class Issuer:
    def __init__(self, context, selector_key, smtp_port, sink, known):
        """context: of its TLS; selector_key: PEM of the key of sel._domainkey; known(): {name: record}, our DKIM keys."""
        self.papers, self.sink, self.known = Papers(), sink, known
        self.selector_key, self.smtp_port = selector_key, smtp_port
        self.lock = threading.RLock()
        self.clear()
        self.nonces, self.accounts, self.orders, self.certificates = set(), {}, {}, {}
        self.n = 0
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                issuer.serve(self, None)

            def do_POST(self):
                issuer.serve(self, self.rfile.read(int(self.headers["Content-Length"])))

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.base = f"https://{HOST}:{self.port}"
        self.directory = self.base + "/directory"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def clear(self):
        self.faults, self.log, self.wrong, self.replies = {}, [], [], []
        self.meta, self.days, self.letters = {}, (1, 90), [self.challenge]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    # ---- HTTP ----

    def answer(self, handler, status, body, fields):
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        handler.send_response(status)
        fields.setdefault("Content-Type", "application/json")
        for k, v in fields.items():
            handler.send_header(k, v)
        nonce = secrets.token_urlsafe(16)
        self.nonces.add(nonce)
        handler.send_header("Replay-Nonce", nonce)
        handler.send_header("Content-Length", str(len(raw)))
        handler.end_headers()
        handler.wfile.write(raw)

    def serve(self, handler, data):
        with self.lock:
            try:
                path, fields = handler.path, {}
                if data is None:
                    status, body = self.get(path)
                else:
                    status, body = self.post(path, data, handler.headers, fields)
            except Problem as p:
                status, body, fields = p.status, p.body, {"Content-Type": "application/problem+json", **p.fields}
            except Exception as e:
                self.wrong.append(repr(e))
                status, body = 500, "the issuer of the tests has failed"
            self.answer(handler, status, body, fields)

    def get(self, path):
        if path == "/nonce":
            return 204, ""
        assert path == "/directory", path
        d = {"newNonce": self.base + "/nonce", "newAccount": self.base + "/account", "newOrder": self.base + "/order", "meta": self.meta}
        return self.faults.get("directory", lambda d: (200, d))(d)

    # ---- who it is (RFC 8555 6.2) ----

    def check(self, path, data, headers):
        assert headers["Content-Type"] == "application/jose+json", headers["Content-Type"]
        jws = josepy.JWS.json_loads(data.decode())
        head = json.loads(jws.signature.protected)
        assert head["alg"] == "ES256" and head["url"] == self.base + path, head
        assert ("jwk" in head) != ("kid" in head), head
        key = josepy.JWK.from_json(head["jwk"]) if "jwk" in head else self.accounts[head["kid"]]
        assert jws.verify(key), "the signature is wrong"
        if self.faults.pop("nonce", None) or head["nonce"] not in self.nonces:
            raise Problem("badNonce", "that nonce was never given")
        self.nonces.remove(head["nonce"])
        payload = json.loads(jws.payload) if jws.payload else None
        self.log.append((path, payload))
        return head, key, payload

    def post(self, path, data, headers, fields):
        head, key, payload = self.check(path, data, headers)
        kind, _, number = path[1:].partition("/")
        if kind in self.faults:
            raise self.faults[kind]
        assert kind == "account" or "kid" in head
        return getattr(self, "at_" + kind)(number, head, key, payload, fields)

    def at_account(self, number, head, key, payload, fields):
        found = [url for url, k in self.accounts.items() if k == key]
        if not found and payload.get("onlyReturnExisting"):
            raise Problem("accountDoesNotExist", "nobody has this key")
        if not found:
            if self.meta.get("termsOfService"):
                assert payload["termsOfServiceAgreed"] is True
            if self.meta.get("externalAccountRequired"):
                self.check_binding(payload["externalAccountBinding"], head)
            found = [f"{self.base}/account/{len(self.accounts) + 1}"]
            self.accounts[found[0]] = key
        fields["Location"] = found[0]
        return 200, {"status": "valid"}

    def check_binding(self, bound, head):
        protected = json.loads(unb64(bound["protected"]))
        assert protected == {"alg": "HS256", "kid": "kid-1", "url": head["url"]}, protected
        jws = josepy.JWS.from_json(bound)
        assert jws.verify(josepy.JWKOct(key=b"the secret of kid-1")) and json.loads(jws.payload) == head["jwk"]

    # ---- orders ----

    def order_body(self, o):
        body = {"status": o["status"], "identifiers": [{"type": "email", "value": o["address"]}],
                "authorizations": [f"{self.base}/proof/{o['n']}"], "finalize": f"{self.base}/finalize/{o['n']}"}
        if o["status"] == "valid":
            body["certificate"] = f"{self.base}/certificate/{o['n']}"
        return body

    def at_order(self, number, head, key, payload, fields):
        if payload is None:
            o = self.orders[number]
            o["asked"].append(time.monotonic())
            if o["status"] == "processing" and not self.faults.pop("slow", None):
                o["status"] = "valid"
            elif o["status"] == "processing":
                fields["Retry-After"] = "1"
            return 200, self.order_body(o)
        self.n += 1
        (who,) = payload["identifiers"]
        assert who["type"] == "email"
        o = {"n": str(self.n), "address": who["value"], "status": "pending", "key": key, "part1": secrets.token_urlsafe(16),
             "part2": secrets.token_urlsafe(16), "sent": False, "proof": "pending", "asked": []}
        if self.faults.pop("proved", None):
            o["proof"], o["status"] = "valid", "ready"
        self.orders[o["n"]] = o
        fields["Location"] = f"{self.base}/order/{o['n']}"
        return 201, self.order_body(o)

    def challenge_body(self, o):
        c = {"type": "email-reply-00", "status": o["proof"], "url": f"{self.base}/challenge/{o['n']}", "from": SENDER, "token": o["part2"]}
        if o["proof"] == "invalid":
            c["error"] = {"type": ERROR + "unauthorized", "detail": o["why"]}
        return c

    def at_proof(self, number, head, key, payload, fields):
        assert payload is None
        o = self.orders[number]
        if o["proof"] == "pending" and not o["sent"]:
            o["sent"] = True
            for letter in self.letters:
                letter(o)
        other = {"type": "email-carrier-pigeon-01", "status": "pending", "url": self.base + "/coop", "token": "x"}
        return 200, {"status": o["proof"], "identifier": {"type": "email", "value": o["address"]},
                     "challenges": [other, self.challenge_body(o)]}

    def at_challenge(self, number, head, key, payload, fields):
        assert payload == {}
        o = self.orders[number]
        threading.Thread(target=self.judge, args=(o,), daemon=True).start()
        return 200, self.challenge_body(o)

    def at_finalize(self, number, head, key, payload, fields):
        o = self.orders[number]
        assert o["status"] == "ready", o["status"]
        csr = x509.load_der_x509_csr(unb64(payload["csr"]))
        assert csr.is_signature_valid
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert list(names) == [x509.RFC822Name(o["address"])], names
        self.certificates[number] = self.papers.leaf(csr, self.days)
        o["status"], o["csr"] = "processing", csr
        return 200, self.order_body(o)

    def at_certificate(self, number, head, key, payload, fields):
        fields["Content-Type"] = "application/pem-certificate-chain"
        return 200, self.papers.pem(self.certificates[number], self.papers.between)

    # ---- letters (RFC 8823 3.1, 3.2) ----

    def challenge(self, o, sender=SENDER, signed=CHALLENGE_FIELDS, token=None, to=None, more="", name="Message-ID"):
        """Signed by the issuer's key, with d= of its own domain, whoever it is from."""
        o.setdefault("id", f"<{secrets.token_hex(8)}@{HOST}>")
        to = to or o["address"]
        now = f"{datetime.datetime.utcnow():%a, %d %b %Y %T} +0000"
        text = (f"From: Certificates <{sender}>\r\nTo: {to}\r\nSubject: ACME: {token or o['part1']}\r\nDate: {now}\r\n{name}: {o['id']}\r\n"
                f"Auto-Submitted: auto-generated; type=acme\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n{more}\r\nAnswer this.\r\n").encode()
        if signed:
            text = dkim.sign(text, b"sel", HOST.encode(), self.selector_key, include_headers=[s.encode() for s in sorted(signed)]) + text
        with smtplib.SMTP("127.0.0.1", self.smtp_port, local_hostname="mail." + HOST, timeout=60) as c:
            c.sendmail("bounces@" + HOST, [to], text)

    def judge(self, o):
        try:
            letter = self.await_reply(o)
            with self.lock:
                self.check_reply(o, letter)
                o["proof"], o["status"] = "valid", "ready"
        except Exception as e:
            with self.lock:
                self.wrong.append(repr(e))
                o["proof"], o["status"], o["why"] = "invalid", "invalid", repr(e)

    def await_reply(self, o):
        def found():
            return [x for x in self.sink.letters if o["part1"].encode() in x["data"]]
        with self.sink.changed:
            assert self.sink.changed.wait_for(found, 150), "no answer came"
        return found()[0]

    def check_reply(self, o, letter):
        data = letter["data"]
        head, body = data.split(b"\r\n\r\n", 1)
        fields = re.findall(r"^([!-9;-~]+):[ \t]*(.*)$", re.sub(r"\r\n(?=[ \t])", "", head.decode()).replace("\r", ""), re.M)
        one = {k.lower(): v for k, v in fields}
        assert one["subject"] == f"Re: ACME: {o['part1']}" and one["in-reply-to"] == o["id"], one
        assert one["from"] == f"<{o['address']}>" and one["to"] == f"<{o.get('reply_to', SENDER)}>", one
        assert not [k for k in one if k.startswith("list-")] and one["content-type"].startswith("text/plain")
        block = re.search(rb"-----BEGIN ACME RESPONSE-----\r\n(.*?)-----END ACME RESPONSE-----\r\n", body, re.S).group(1)
        thumbprint = b64(o["key"].thumbprint())
        wanted = b64(hashlib.sha256(f"{o['part1']}{o['part2']}.{thumbprint}".encode()).digest())
        assert re.sub(rb"\s", b"", block).decode() == wanted
        self.check_dkim(data, o["address"].split("@")[1], [v for k, v in fields if k.lower() == "dkim-signature"])
        self.replies.append((letter["mail"], data))

    def check_dkim(self, data, domain, signatures):
        known = self.known()

        def ask(name, timeout=5):
            return known.get(name.decode().rstrip("."), "").encode() or None
        assert signatures, "it is not signed"
        for i, s in enumerate(signatures):
            tags = dict(re.findall(r"(\w+)=([^;]*)", re.sub(r"\s", "", s)))
            assert tags["d"] == domain.lower() and REPLY_FIELDS <= set(tags["h"].split(":")), tags
            assert dkim.DKIM(data).verify(idx=i, dnsfunc=ask), "the signature does not hold"
