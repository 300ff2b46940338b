"""Certificates for tests, by openssl(1): an authority, and hosts that it signs."""
import hashlib
import itertools
import os
import ssl
import subprocess


def openssl(*args, stdin=b""):
    return subprocess.run(["openssl", *args], input=stdin, check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE).stdout


class Pair:
    def __init__(self, folder, name, signed_by=None):
        self.file, self.key = os.path.join(folder, name + ".pem"), os.path.join(folder, name + ".key")
        host = name.rsplit("-", 1)[0]
        words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                 "-keyout", self.key, "-out", self.file]
        if signed_by:
            openssl(*words, "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}",
                    "-addext", "basicConstraints=critical,CA:FALSE", "-CA", signed_by.file, "-CAkey", signed_by.key)
            with open(self.file, "ab") as f:
                f.write(open(signed_by.file, "rb").read())
        else:
            openssl(*words, "-subj", "/CN=Test Authority", "-addext", "basicConstraints=critical,CA:TRUE")

    def tlsa(self, usage, selector, matching):
        data = openssl("x509", "-in", self.file, "-outform", "DER")
        if selector == 1:
            data = openssl("pkey", "-pubin", "-outform", "DER",
                           stdin=openssl("x509", "-in", self.file, "-noout", "-pubkey"))
        data = [lambda x: x, lambda x: hashlib.sha256(x).digest(), lambda x: hashlib.sha512(x).digest()][matching](data)
        return bytes([usage, selector, matching]) + data

    def context(self, newest=None):
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ctx.load_cert_chain(self.file, self.key)
        if newest:
            ctx.maximum_version = newest
        return ctx


class Authority(Pair):
    def __init__(self, folder):
        self.folder, self.numbers = str(folder), itertools.count(1)
        super().__init__(self.folder, "authority")

    def make(self, host):
        return Pair(self.folder, f"{host}-{next(self.numbers)}", self)

    def context(self, host, **more):
        return self.make(host).context(**more)
