"""What a telephone's camera reads from the terminal: TOTP secrets and the address of a profile."""
import base64
import hashlib
import hmac
import re
import shutil
import struct
import subprocess
import time
import urllib.parse

import pytest


def read(drawn, tmp_path):
    """The code that is drawn in half blocks, as a camera program reads it."""
    rows = []
    for line in drawn.split("\n"):
        if not line.startswith("\x1b[30;107m"):
            continue
        text = line[len("\x1b[30;107m"):-len("\x1b[0m")]
        rows.append([c in "\u2580\u2588" for c in text])
        rows.append([c in "\u2584\u2588" for c in text])
    side = len(rows[0])
    assert rows and all(len(r) == side for r in rows) and abs(len(rows) - side) <= 1
    image = tmp_path / "code.pgm"
    scale = 8
    with open(image, "wb") as f:
        f.write(f"P5 {side * scale} {len(rows) * scale} 255\n".encode())
        for r in rows:
            f.write(b"".join(bytes([0 if dark else 255]) * scale for dark in r) * scale)
    p = subprocess.run(["zbarimg", "--raw", "-q", str(image)], capture_output=True, text=True, timeout=60)
    assert p.returncode == 0, p.stderr
    return p.stdout.strip()


def code_of(secret, at):
    mac = hmac.new(base64.b32decode(secret), struct.pack(">Q", int(at) // 30), hashlib.sha1).digest()
    i = mac[19] & 15
    return f"{(struct.unpack('>I', mac[i:i + 4])[0] & 0x7fffffff) % 10 ** 6:06}"


def test_totp(instance, tmp_path):
    w = instance({"host.name": "mail.foo.com"}, start=False)
    assert "TOTP is off" in w.run("account", "totp", "Jones@foo.com").stdout
    assert "TOTP is off" in w.run("account", "totp", "Jones@foo.com", "--code", "123456", check=False).stderr
    plain = w.run("account", "totp", "Jones@foo.com", "--on").stdout
    # On no terminal nothing is drawn, but where it is asked for.
    secret = re.fullmatch(r"otpauth://totp/mail\.foo\.com:Jones@foo\.com\?secret=([A-Z2-7]{32})&issuer=mail\.foo\.com\n",
                          plain).group(1)
    assert w.run("account", "totp", "Jones@foo.com", "--code", code_of(secret, time.time())).stdout
    wrong = "%06d" % ((int(code_of(secret, time.time())) + 1) % 10 ** 6)
    near = {code_of(secret, time.time() + d) for d in (-60, -30, 0, 30, 60)}
    if wrong not in near:
        assert w.run("account", "totp", "Jones@foo.com", "--code", wrong, check=False).returncode == 1
    drawn = w.run("account", "totp", "Jones@foo.com", "--on", "--qr").stdout
    address = drawn.strip().split("\n")[-1]
    assert address.startswith("otpauth://") and secret not in address
    if shutil.which("zbarimg"):
        assert read(drawn, tmp_path) == address
    w.run("account", "totp", "Jones@foo.com", "--off")
    assert "TOTP is off" in w.run("account", "totp", "Jones@foo.com").stdout


def test_code_of_the_profile(instance, tmp_path):
    if not shutil.which("zbarimg"):
        pytest.skip("zbarimg is not there")
    w = instance({"host.name": "localhost"})
    w.account("O'Brien+x@foo.com")
    for address in "Jones@foo.com", "O'Brien+x@foo.com":
        url = read(w.run("account", "setup-code", address, "--qr").stdout, tmp_path)
        assert url == f"https://localhost:{w.ports['https']}/email.mobileconfig?email=" + urllib.parse.quote(address, safe="")
        p = subprocess.run(["curl", "-sk", url], capture_output=True, text=True, timeout=60)
        assert "com.apple.mail.managed" in p.stdout and address.replace("'", "&#39;") in p.stdout
    assert w.run("account", "setup-code", "Green@foo.com", check=False).returncode == 1
    w.configure(**{"listen.https": ""})
    assert "listen.https" in w.run("account", "setup-code", "Jones@foo.com", check=False).stderr
