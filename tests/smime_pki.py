"""Certificates of all kinds, made by the openssl command, for the tests of S/MIME."""
import os
import subprocess

WHO = {"smith": "smith@bar.com", "jones": "jones@foo.com", "brown": "brown@foo.com"}
LEAF = {"basicConstraints": "critical,CA:FALSE", "keyUsage": "digitalSignature,keyEncipherment,keyAgreement",
        "extendedKeyUsage": "emailProtection"}
KEYS = {"rsa": ["rsa:2048"], "short": ["rsa:1024"], "p256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
        "p384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"], "ed25519": ["ed25519"]}


def openssl(*args, stdin=None, check=True):
    p = subprocess.run(["openssl", *map(str, args)], input=stdin, capture_output=True, timeout=60)
    if check and p.returncode:
        raise AssertionError(f"openssl {' '.join(map(str, args))}: {p.stderr.decode()}")
    return p.stdout


class Pki:
    """A folder: NAME.key, NAME.crt, and both in NAME.pem."""

    def __init__(self, path):
        self.dir = str(path)
        self.authority("ca")
        self.leaf("smith", "rsa", "email:smith@bar.com")
        self.leaf("jones", "rsa", "email:jones@foo.com")
        self.leaf("brown", "p256", "email:brown@foo.com")

    def __call__(self, name):
        return os.path.join(self.dir, name)

    def read(self, name):
        return open(self(name), "rb").read()

    def write(self, name, data):
        open(self(name), "wb").write(data)
        return self(name)

    def authority(self, name, key="p256", by=None, **extensions):
        self.make(name, key, by, {"basicConstraints": "critical,CA:TRUE", "keyUsage": "keyCertSign,cRLSign",
                                  **extensions}, [])

    def leaf(self, name, key="p256", san=None, by="ca", dates=(), digest="sha256", **extensions):
        wanted = {**LEAF, **({"subjectAltName": san} if san else {}), **extensions}
        self.make(name, key, by, {k: v for k, v in wanted.items() if v}, dates, digest)

    def make(self, name, key, by, extensions, dates, digest="sha256"):
        """by None: self-signed.  dates: ("-startdate", ..., "-enddate", ...) of `openssl ca`."""
        openssl("req", "-new", "-newkey", *KEYS[key], "-nodes", "-keyout", self(f"{name}.key"), "-out",
                self(f"{name}.csr"), "-subj", f"/CN={name}")
        with open(self("conf"), "w") as f:
            f.write("[v]\n" + "".join(f"{k}={v}\n" for k, v in extensions.items()) +
                    f"[ca]\ndefault_ca=c\n[c]\ndatabase={self('index')}\nnew_certs_dir={self.dir}\n"
                    f"rand_serial=yes\ndefault_md={digest}\ndefault_days=365\npolicy=p\nunique_subject=no\n"
                    "default_crl_days=30\n[p]\ncommonName=supplied\n")
        open(self("index"), "a").close()
        signer = ["-selfsign", "-keyfile", self(f"{name}.key")] if by is None else \
                 ["-cert", self(f"{by}.crt"), "-keyfile", self(f"{by}.key")]
        openssl("ca", "-batch", "-notext", "-config", self("conf"), "-extensions", "v", "-in", self(f"{name}.csr"),
                "-out", self(f"{name}.crt"), *signer, *dates)
        self.write(f"{name}.pem", self.read(f"{name}.key") + self.read(f"{name}.crt"))

    def crl(self, *revoked, by="ca"):
        for name in revoked:
            openssl("ca", "-config", self("conf"), "-cert", self(f"{by}.crt"), "-keyfile", self(f"{by}.key"),
                    "-revoke", self(f"{name}.crt"))
        openssl("ca", "-config", self("conf"), "-cert", self(f"{by}.crt"), "-keyfile", self(f"{by}.key"), "-gencrl",
                "-out", self("crl"))
        return self("crl")
