"""S/MIME both ways with gpgsm and with NSS (cmsutil), which Thunderbird uses."""
import base64
import shutil
import subprocess
import tempfile

import pytest

from smime_pki import Pki, openssl
from test_smime import BODY, HEAD, der_of, judged, opaque, waxwing

needs_gpgsm = pytest.mark.skipif(shutil.which("gpgsm") is None, reason="gpgsm is not installed")
needs_nss = pytest.mark.skipif(shutil.which("cmsutil") is None, reason="libnss3-tools is not installed")


def can_import(one):
    """gpgsm 2.2 fails to read the PKCS #12 file of about one key in a hundred."""
    home = tempfile.mkdtemp(prefix="gpgsm.", dir="/tmp")
    with open(f"{home}/passphrase", "w") as f:
        f.write("secret")
    try:
        Gpgsm(one, home)
    except AssertionError:
        return False
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)
        shutil.rmtree(home, ignore_errors=True)
    return True


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    """RSA keys alone, which each of them has."""
    for _ in range(5):
        one = make_pki(tmp_path_factory)
        if shutil.which("gpgsm") is None or can_import(one):
            return one
    raise AssertionError("gpgsm reads no key of five")


def make_pki(tmp_path_factory):
    one = Pki(tmp_path_factory.mktemp("pki"))
    for name in ("smith", "jones"):
        openssl("pkcs12", "-export", "-in", one(f"{name}.pem"), "-certfile", one("ca.crt"), "-name", name, "-out", one(f"{name}.p12"),
                "-passout", "pass:secret", "-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1")
    return one


def run(args, stdin=b"", pass_fds=()):
    p = subprocess.run([str(a) for a in args], input=stdin, capture_output=True, timeout=60, pass_fds=pass_fds)
    assert p.returncode == 0, f"{args}: {p.stderr.decode(errors='replace')}"
    return p.stdout


class Gpgsm:
    def __init__(self, pki, home):
        # Its agent's socket lies there, and the name of a socket is short.
        self.home = home
        with open(f"{home}/gpg-agent.conf", "w") as f:
            f.write("allow-loopback-pinentry\n")
        with open(f"{home}/gpgsm.conf", "w") as f:
            f.write("disable-crl-checks\ndisable-dirmngr\n")
        mark = openssl("x509", "-in", pki("ca.crt"), "-noout", "-fingerprint").decode().split("=")[1]
        with open(f"{home}/trustlist.txt", "w") as f:
            f.write(mark.strip() + " S relax\n")
        for name in ("smith", "jones"):
            self("--import", pki(f"{name}.p12"))

    def __call__(self, *args, stdin=b""):
        with open(f"{self.home}/passphrase") as f:
            return run(["gpgsm", "--homedir", self.home, "--batch", "--no-tty", "--pinentry-mode", "loopback", "--passphrase-fd",
                        f.fileno(), *args], stdin, (f.fileno(),))


@pytest.fixture(scope="module")
def gpgsm(pki):
    home = subprocess.check_output(["mktemp", "-d", "/tmp/gpgsm.XXXXXX"], text=True).strip()
    with open(f"{home}/passphrase", "w") as f:
        f.write("secret")
    try:
        yield Gpgsm(pki, home)
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)
        shutil.rmtree(home, ignore_errors=True)


def seal(pki, *args):
    return waxwing("smime", "encrypt", "--certificates", pki("jones.crt"), *args, stdin=HEAD + BODY)


@needs_gpgsm
def test_gpgsm_decrypts_ours(pki, gpgsm):
    """AES-GCM it cannot, in the version of Debian 12 (2.2.40)."""
    assert b"ten pounds" in gpgsm("--decrypt", stdin=der_of(seal(pki, "--cipher", "cbc")))


@needs_gpgsm
@pytest.mark.parametrize("pss", [(), ("--pss",)])
def test_gpgsm_verifies_ours(pki, gpgsm, pss):
    letter = waxwing("smime", "sign", "--key", pki("smith.pem"), "--opaque", *pss, stdin=HEAD + BODY)
    assert b"ten pounds" in gpgsm("--output", "-", "--verify", stdin=der_of(letter))


@needs_gpgsm
def test_gpgsm_signs(pki, gpgsm):
    v = judged(pki, opaque(gpgsm("--sign", "--local-user", "smith@bar.com", stdin=BODY), "signed-data"))
    assert v["verdict"] == "good", v
    signature = gpgsm("--detach-sign", "--local-user", "smith@bar.com", stdin=BODY)
    letter = (HEAD + b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256; boundary=x\r\n\r\n'
              b"--x\r\n" + BODY + b"\r\n--x\r\nContent-Type: application/pkcs7-signature\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
              base64.encodebytes(signature) + b"--x--\r\n")
    v = judged(pki, letter)
    assert v["verdict"] == "good", v


@needs_gpgsm
@pytest.mark.parametrize("cipher", ["AES256", "AES", "3DES"])
def test_gpgsm_encrypts(pki, gpgsm, cipher):
    der = gpgsm("--encrypt", "--cipher-algo", cipher, "--recipient", "jones@foo.com", stdin=BODY)
    v = judged(pki, opaque(der, "enveloped-data"), key="jones")
    assert v["verdict"] == "encrypted" and v["decryption"]["opened"], v


class Nss:
    def __init__(self, pki, path):
        self.db = f"sql:{path}"
        run(["certutil", "-N", "-d", self.db, "--empty-password"])
        for name in ("smith", "jones"):
            run(["pk12util", "-i", pki(f"{name}.p12"), "-d", self.db, "-W", "secret", "-K", ""])
        run(["certutil", "-A", "-d", self.db, "-n", "ca", "-t", "CT,CT,CT", "-i", pki("ca.crt")])

    def __call__(self, *args, stdin=b""):
        return run(["cmsutil", *args, "-d", self.db], stdin)


@pytest.fixture(scope="module")
def nss(pki, tmp_path_factory):
    return Nss(pki, tmp_path_factory.mktemp("nss"))


@needs_nss
def test_nss_decrypts_ours(pki, nss):
    assert b"ten pounds" in nss("-D", stdin=der_of(seal(pki, "--cipher", "cbc")))


@needs_nss
def test_nss_verifies_ours(pki, nss):
    letter = waxwing("smime", "sign", "--key", pki("smith.pem"), "--opaque", stdin=HEAD + BODY)
    assert b"ten pounds" in nss("-D", "-u", "4", stdin=der_of(letter))


@needs_nss
def test_nss_signs(pki, nss):
    v = judged(pki, opaque(nss("-S", "-N", "smith", "-H", "SHA256", "-G", "-P", stdin=BODY), "signed-data"))
    assert v["verdict"] == "good", v


@needs_nss
def test_nss_encrypts(pki, nss):
    v = judged(pki, opaque(nss("-E", "-r", "jones@foo.com", stdin=BODY), "enveloped-data"), key="jones")
    assert v["verdict"] == "encrypted" and v["decryption"]["opened"], v
