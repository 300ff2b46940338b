"""Transcripts: both ends of a dialog in one short text file, in the notation of the notes.

    # a comment
    @ set smtp.recipients 100     a setting of the instance (host.name is foo.com)
    @ service submission          which port; smtp where nothing is said
    @ tls                         the client begins a handshake now
    @ connect                     a new connection; the one before stays, unread
    @ as NAME                     go on with the connection of that name, or a new one
    @ delivered TEXT              wait until a mailbox has a letter with this text, and remember it
    @ nothing delivered           the spool and the mailboxes have seen no letter so far
    S: 250 OK                     the server says exactly this line
    S: ~250 .*id=.*               ... a line that this expression matches as a whole
    S* 250                        ... a whole reply of that code, of however many lines
    S: <end>                      the server closes the connection
    C: NOOP                       the client says this line
    C= a\\x00b\\n                   ... these bytes, with Python's escapes, and no line end added

Lines of the client are sent in one go until the server has to say something: that is pipelining.
"""
import ast
import os
import re
import socket
import ssl

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "transcripts")


def files(kind):
    top = os.path.join(HERE, kind)
    return sorted(f for f in os.listdir(top) if f.endswith(".txt"))


def parse(path):
    for n, line in enumerate(open(path, encoding="utf-8"), 1):
        line = line.rstrip("\n")
        if line.strip() and not line.startswith("#"):
            assert line[:2] in ("S:", "S*", "C:", "C=") or line[0] == "@", f"{path}:{n}: {line!r}"
            yield n, line[:2] if line[0] != "@" else "@", line[2:].lstrip() if line[0] == "@" else line[3:]


def settings_of(path):
    found = {"host.name": "foo.com"}
    for _, kind, rest in parse(path):
        if kind == "@" and rest.startswith("set "):
            _, key, value = rest.split(None, 2)
            found[key] = value
    return found


class Dialog:
    def __init__(self, instance, path):
        self.w, self.path, self.sock, self.out, self.got = instance, path, None, b"", b""
        self.service, self.name, self.held = "smtp", "", {}

    def connect(self):
        self.w.wait_port(self.w.ports[self.service])
        self.sock = socket.create_connection(("127.0.0.1", self.w.ports[self.service]), 60)
        self.out = self.got = b""

    def flush(self):
        if self.out:
            try:
                self.sock.sendall(self.out)
            except (BrokenPipeError, ConnectionResetError):
                pass
            self.out = b""

    def line(self):
        while b"\n" not in self.got:
            try:
                more = self.sock.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                rest, self.got = self.got, b""
                return rest.decode("latin-1") if rest else None
            self.got += more
        line, self.got = self.got.split(b"\n", 1)
        assert line.endswith(b"\r"), f"a line of the server without CR: {line!r}"
        return line[:-1].decode("utf-8", "surrogateescape")

    def tls(self):
        self.flush()
        c = ssl.create_default_context()
        c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
        self.sock = c.wrap_socket(self.sock)

    def command(self, rest, where):
        word, _, arg = rest.partition(" ")
        if word == "service":
            self.service = arg
        elif word == "tls":
            if self.sock is None:
                self.connect()
            self.tls()
        elif word == "connect":
            self.connect()
        elif word == "as":
            self.flush()
            self.held[self.name] = self.sock, self.got
            self.name = arg
            self.sock, self.got = self.held.pop(arg, (None, b""))
        elif word == "delivered":
            self.flush()
            self.w.wait_log(arg)
        elif rest == "nothing delivered":
            assert "accepted" not in self.w.log() and "delivered" not in self.w.log(), where
        else:
            assert word == "set", where

    def server_says(self, want, where):
        if self.sock is None:
            self.connect()
        self.flush()
        said = self.line()
        if want == "<end>":
            assert said is None, f"{where}: the server should have closed, but said {said!r}"
            return
        assert said is not None, f"{where}: the server closed, but should have said {want!r}"
        self.last = said
        good = re.fullmatch(want[1:], said) if want.startswith("~") else said == want
        assert good, f"{where}\n  wanted {want!r}\n  got    {said!r}"

    def run(self):
        for n, kind, rest in parse(self.path):
            where = f"{self.path}:{n}"
            if kind == "@":
                self.command(rest, where)
            elif kind == "S:":
                self.server_says(rest, where)
            elif kind == "S*":
                self.server_says(f"~{rest}[ -].*", where)
                while self.last[3:4] == "-":
                    self.server_says(f"~{rest}[ -].*", where)
            elif kind == "C:":
                self.out += rest.encode("utf-8") + b"\r\n"
            else:
                self.out += ast.literal_eval('b"' + rest.replace('"', '\\"') + '"')
        self.flush()
        self.sock.close()


def run(instance, kind, name, **how):
    path = os.path.join(HERE, kind, name)
    w = instance(settings_of(path), **how)
    Dialog(w, path).run()
    return w
