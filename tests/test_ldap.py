"""Certificates from an LDAP directory: Debian's slapd, on loopback."""
import os
import shutil
import socket
import subprocess
import time

import pytest

from conftest import WAXWING
from nameserver import Dns
from ports import free_ports
from smime_pki import Pki, openssl

CONF = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {dir}/pid
TLSCertificateFile {dir}/host.crt
TLSCertificateKeyFile {dir}/host.key
TLSCACertificateFile {dir}/ca.crt
database mdb
suffix "dc=foo,dc=com"
directory {dir}/db
maxsize 16777216
"""
LETTER = b"From: smith@bar.com\r\nTo: jones@foo.com\r\nSubject: The offer\r\n\r\nTen pounds.\r\n"


def entry(name, mail, **values):
    lines = [f"dn: cn={name},dc=foo,dc=com", "objectClass: inetOrgPerson", f"cn: {name}", f"sn: {name}", *(f"mail: {m}" for m in mail)]
    return "\n".join(lines + [f"{k}:< file://{v}" for k, v in values.items()]) + "\n\n"


class Directory:
    def __init__(self, path):
        self.pki = pki = Pki(path)
        # For "localhost" libldap wants the machine's own name in the certificate.
        names = ",".join(f"DNS:{n}" for n in {"localhost", socket.gethostname(), socket.getfqdn()})
        pki.leaf("host", "p256", names, extendedKeyUsage="serverAuth")
        pki.leaf("green", "rsa", "email:green@foo.com")
        pki.leaf("packed", "rsa", "email:packed@foo.com")
        pki.authority("other")
        pki.leaf("unknown", "rsa", "email:unknown@foo.com", by="other")
        for name in ("jones", "green", "unknown"):
            openssl("x509", "-in", pki(f"{name}.crt"), "-outform", "DER", "-out", pki(f"{name}.der"))
        openssl("crl2pkcs7", "-nocrl", "-certfile", pki("ca.crt"), "-certfile", pki("packed.crt"), "-outform", "DER", "-out", pki("packed.p7"))
        pki.write("junk", b"\x30\x84\xff\xff\xff\xff")
        ldif = "dn: dc=foo,dc=com\nobjectClass: dcObject\nobjectClass: organization\ndc: foo\no: foo\n\n"
        # Two entries say that they are Jones; of one the certificate is somebody else's.
        ldif += entry("Eve", ["jones@foo.com"], **{"userSMIMECertificate": pki("green.der")})
        ldif += entry("Jones", ["jones@foo.com", "j@foo.com"], **{"userCertificate;binary": pki("jones.der")})
        ldif += entry("Packed", ["packed@foo.com"], userSMIMECertificate=pki("packed.p7"))
        ldif += entry("Unknown", ["unknown@foo.com"], userSMIMECertificate=pki("unknown.der"))
        ldif += entry("Junk", ["junk@foo.com"], userSMIMECertificate=pki("junk"))
        pki.write("ldif", ldif.encode())
        pki.write("conf", CONF.format(dir=path).encode())
        (path / "db").mkdir()
        slapd = shutil.which("slapd", path="/usr/sbin:/usr/bin")
        subprocess.run([slapd, "-T", "add", "-f", pki("conf"), "-l", pki("ldif")], check=True, capture_output=True, timeout=60)
        self.clear, self.tls = free_ports(2)
        self.process = subprocess.Popen([slapd, "-d", "0", "-f", pki("conf"), "-h", f"ldap://localhost:{self.clear}/ ldaps://localhost:{self.tls}/"])
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("localhost", self.tls), 1).close()
                break
            except OSError:
                assert time.monotonic() < end and self.process.poll() is None, "slapd does not answer"
                time.sleep(0.05)


@pytest.fixture(scope="module")
def slapd(tmp_path_factory):
    dns = Dns(free_ports(1)[0])
    dns.zone("foo.com", '@ TXT "a"\n')
    one = Directory(tmp_path_factory.mktemp("slapd"))
    s = dns.settings()
    one.asked = "--resolver", s["testing.resolver"], "--trust-anchor", s["testing.trust_anchor"]
    yield one
    one.process.terminate()
    one.process.wait(60)
    dns.stop()


def encrypt(slapd, to, url=None, ca="ca.crt"):
    p = subprocess.run([WAXWING, "smime", "encrypt", "--to", to, "--ca", slapd.pki(ca), *slapd.asked,
                        "--ldap", url or f"ldaps://localhost:{slapd.tls}/dc=foo,dc=com"], input=LETTER, capture_output=True, timeout=60)
    return p.returncode, p.stdout, p.stderr.decode()


def opened(slapd, sealed, who):
    return subprocess.run([WAXWING, "smime", "decrypt", "--key", slapd.pki(f"{who}.pem")], input=sealed, capture_output=True).stdout


@pytest.mark.parametrize("form", ["ldaps://localhost:{tls}/dc=foo,dc=com", "ldap://localhost:{clear}/dc=foo,dc=com", "ldaps://localhost:{tls}/dc=foo%2Cdc=com"])
def test_found(slapd, form):
    """Jones's own, though another entry has his address, too."""
    status, sealed, said = encrypt(slapd, "jones@foo.com", form.format(tls=slapd.tls, clear=slapd.clear))
    assert status == 0 and "authority that is trusted vouches" in said, said
    assert b"Ten pounds" in opened(slapd, sealed, "jones") and b"Ten pounds" not in opened(slapd, sealed, "green")


def test_packed(slapd):
    """userSMIMECertificate is a PKCS #7 package (RFC 2798 2.8)."""
    status, sealed, said = encrypt(slapd, "packed@foo.com")
    assert status == 0 and b"Ten pounds" in opened(slapd, sealed, "packed"), said


def test_who_vouches_is_told(slapd):
    status, _, said = encrypt(slapd, "unknown@foo.com")
    assert status == 0 and "nobody else vouches for it" in said, said


@pytest.mark.parametrize("who", ["nobody@foo.com", "*@foo.com", "jones@foo.com)(mail=*", "junk@foo.com", "j*@foo.com", "j\\2a@foo.com"])
def test_not_found(slapd, who):
    """What has a meaning in filters has none in an address (RFC 4515 3)."""
    status, sealed, said = encrypt(slapd, who)
    assert status == 1 and sealed == b"" and said


def test_only_over_tls_that_is_proved(slapd):
    status, sealed, said = encrypt(slapd, "jones@foo.com", ca="other.crt")
    assert status == 1 and sealed == b"" and "ldaps://" in said
    # Without ldaps STARTTLS is demanded; by its address the host is not named.
    for url in (f"ldap://127.0.0.1:{slapd.clear}/dc=foo,dc=com", f"ldaps://127.0.0.1:{slapd.tls}/dc=foo,dc=com"):
        status, sealed, said = encrypt(slapd, "jones@foo.com", url)
        assert status == 1 and sealed == b"", said
    for url in ("http://localhost/", "ldapi://%2frun%2fslapd/", "ldap:///dc=foo", "ldaps://localhost/dc=foo?mail", "x"):
        status, _, said = encrypt(slapd, "jones@foo.com", url)
        assert status == 2 and "--ldap: " in said, url


def test_waxmail_asks_it_at_last(slapd, tmp_path):
    (tmp_path / "waxmail").mkdir()
    (tmp_path / "waxmail/config").write_text(
        f'authorities = "{slapd.pki("ca.crt")}";\nresolver = "{slapd.asked[1]}";\ntrust_anchor = "{slapd.asked[3]}";\n'
        f'accounts = ( {{ address = "smith@bar.com"; ldap = "ldaps://localhost:{slapd.tls}/dc=foo,dc=com"; }} );\n')
    p = subprocess.run([os.path.join(os.path.dirname(WAXWING), "waxmail"), "cert", "find", "jones@foo.com", "nobody@foo.com"], capture_output=True,
                       text=True, timeout=60, env=dict(os.environ, XDG_CONFIG_HOME=str(tmp_path), XDG_DATA_HOME=str(tmp_path / "data")))
    assert "from the LDAP directory, which alone says that it is his" in p.stdout, p
    assert p.stdout.count("LDAP") == 1 and p.returncode == 1, p
