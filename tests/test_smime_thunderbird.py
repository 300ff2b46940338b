"""Thunderbird's own S/MIME (NSS and libmime), asked without a window through its Marionette."""
import email.utils
import json
import os
import shutil
import socket
import subprocess
import time

import pytest

from ports import free_ports
from smime_pki import Pki, openssl
from test_smime import waxwing

pytestmark = pytest.mark.skipif(shutil.which("thunderbird") is None, reason="thunderbird is not installed")
SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "thunderbird.js")
HEAD = (f"From: Smith <smith@bar.com>\r\nTo: jones@foo.com\r\nSubject: The offer\r\nDate: {email.utils.formatdate()}\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n").encode()
TEXT = b"Hello Jones,\r\nten pounds.\r\n"
# nsICMSMessageErrors.SUCCESS
SUCCESS = 0


class Marionette:
    """Messages are LENGTH:JSON, both ways."""

    def __init__(self, port):
        self.port, self.f, self.n = port, None, 0

    def reached(self):
        try:
            self.f = socket.create_connection(("127.0.0.1", self.port), timeout=100).makefile("rwb")
        except OSError:
            return False
        self.take()
        return True

    def take(self):
        n = b""
        while not n.endswith(b":"):
            one = self.f.read(1)
            assert one, "Thunderbird is gone"
            n += one
        return json.loads(self.f.read(int(n[:-1])))

    def __call__(self, command, **parameters):
        self.n += 1
        text = json.dumps([0, self.n, command, parameters]).encode()
        self.f.write(b"%d:%s" % (len(text), text))
        self.f.flush()
        _, _, error, said = self.take()
        assert error is None, error
        return said


def letters_of(pki):
    w = ["smime", "sign", "--key"]
    return {
        "signed": waxwing(*w, pki("smith.pem"), "--opaque", stdin=HEAD + TEXT),
        "ecdsa": waxwing(*w, pki("curve.pem"), "--opaque", stdin=HEAD + TEXT),
        "sealed": waxwing("smime", "encrypt", "--cipher", "cbc", "--certificates", pki("jones.crt"), stdin=HEAD + TEXT),
        "both": waxwing("smime", "encrypt", "--cipher", "cbc", "--opaque", "--key", pki("smith.pem"), "--certificates", pki("jones.crt"),
                        stdin=HEAD + TEXT),
    }


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    pki = Pki(tmp_path_factory.mktemp("pki"))
    pki.leaf("curve", "p256", "email:smith@bar.com")
    openssl("pkcs12", "-export", "-in", pki("jones.pem"), "-name", "jones", "-out", pki("jones.p12"), "-passout", "pass:secret")
    for name, letter in letters_of(pki).items():
        pki.write(name, letter)
    home, (port,) = tmp_path_factory.mktemp("home"), free_ports(1)
    (home / "user.js").write_text(f'user_pref("marionette.port", {port});\nuser_pref("app.update.auto", false);\n')
    p = subprocess.Popen(["thunderbird", "--headless", "--marionette", "--remote-allow-system-access", "--no-remote", "--profile", str(home)],
                         env={**os.environ, "HOME": str(home), "MOZ_HEADLESS": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        m = Marionette(port)
        end = time.monotonic() + 90
        while not m.reached():
            assert p.poll() is None and time.monotonic() < end, "Thunderbird does not start"
            time.sleep(0.1)
        m("WebDriver:NewSession", capabilities={})
        m("Marionette:SetContext", value="chrome")
        m("WebDriver:SetTimeouts", script=120000)
        said = m("WebDriver:ExecuteAsyncScript", script=open(SCRIPT).read(), sandbox="system",
                 args=[pki.dir, ["jones.p12"], [["signed", True], ["ecdsa", True], ["sealed", False], ["both", True]]])["value"]
        assert isinstance(said, dict), said
        yield said
        m("Marionette:Quit", flags=["eForceQuit"])
        p.wait(timeout=60)
    finally:
        if p.poll() is None:
            p.kill()
            p.wait()


@pytest.mark.parametrize("name", ["signed", "ecdsa"])
def test_verifies_ours(seen, name):
    assert seen[name]["signed"] == SUCCESS and seen[name]["encrypted"] is None and "ten pounds" in seen[name]["text"]


@pytest.mark.parametrize("name", ["sealed", "both"])
def test_decrypts_ours(seen, name):
    """It knows nothing of header protection: the subject is seen in the text, and only there."""
    v = seen[name]
    assert v["encrypted"] == SUCCESS and "ten pounds" in v["text"] and v["signed"] == (SUCCESS if name == "both" else None), v
    assert v["text"].count("The offer") == 1 and "[...]" in v["text"]
