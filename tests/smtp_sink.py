"""An SMTP server that does what a test tells it to: any reply, late, broken or
none, at any point.

    with Sink(mail="451 4.3.0 not now") as sink: ...

What it does at a stage is given by that stage's name: connect, ehlo, helo,
starttls, auth, mail, rcpt, data, text (the reply to the final dot), bdat,
rset, quit.  A reply is a str (lines without CRLF) or bytes (as they are); or
DROP (close at once), SILENCE (say nothing more), a number of seconds to wait
before the usual reply, a list (one for each time, then the usual), or a
function of (session, line) that answers one of these.
"""
import re
import socket
import ssl
import threading
import time

DROP, SILENCE = object(), object()
USUAL = {"connect": "220 sink ESMTP", "helo": "250 sink", "starttls": "220 go", "mail": "250 2.1.0 ok",
         "rcpt": "250 2.1.5 ok", "data": "354 go", "text": "250 2.0.0 taken", "bdat": "250 2.0.0 taken",
         "rset": "250 2.0.0 ok", "quit": "221 2.0.0 bye", "auth": "235 2.7.0 in"}


class Ended(Exception):
    pass


class Session:
    def __init__(self, sink, sock):
        self.sink, self.sock = sink, sock
        self.lines, self.tls = [], None
        self.buffer = b""
        self.mail = self.rcpts = None
        self.chunks = b""

    def send(self, data):
        self.sock.sendall(data)

    def more(self):
        data = self.sock.recv(65536)
        if not data:
            raise Ended
        self.buffer += data

    def line(self):
        while b"\n" not in self.buffer:
            self.more()
        line, self.buffer = self.buffer.split(b"\n", 1)
        assert line.endswith(b"\r"), f"a line that does not end in CRLF: {line[-80:]!r}"
        return line[:-1].decode("utf-8", "surrogateescape")

    def octets(self, n):
        while len(self.buffer) < n:
            self.more()
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def text(self):
        """Up to the final dot; a CR or LF alone in it is our sender's mistake."""
        while not (self.buffer.startswith(b".\r\n") or b"\r\n.\r\n" in self.buffer):
            self.more()
        if self.buffer.startswith(b".\r\n"):
            data, self.buffer = b"", self.buffer[3:]
        else:
            data, self.buffer = self.buffer.split(b"\r\n.\r\n", 1)
            data += b"\r\n"
        assert not re.search(rb"\r(?!\n)|(?<!\r)\n", data), "a CR or LF that stands alone was sent"
        return re.sub(rb"(?m)^\.", b"", data)

    def act(self, action, usual, before=None):
        """True where the reply was a positive one; before it is sent, before() is called."""
        if isinstance(action, list):
            action = action.pop(0) if action else None
        if callable(action):
            action = action(self, self.lines[-1] if self.lines else "")
            if isinstance(action, list):
                action = action.pop(0) if action else None
        if isinstance(action, (int, float)):
            time.sleep(action)
            action = None
        if action is None:
            action = usual
        if action is DROP:
            raise Ended
        if action is SILENCE:
            self.sink.enough.wait(60)
            raise Ended
        raw = action if isinstance(action, bytes) else "".join(one + "\r\n" for one in action.split("\n")).encode()
        good = raw[:1] in (b"2", b"3")
        if good and before:
            before()
        self.send(raw)
        return good

    def at(self, stage, before=None):
        return self.act(self.sink.on.get(stage), USUAL[stage], before)

    def start_tls(self):
        self.sock = self.sink.tls.wrap_socket(self.sock, server_side=True)
        self.tls, self.reused = self.sock.version(), self.sock.session_reused
        self.buffer = b""

    def offers(self):
        names = [o for o in self.sink.offers if not (self.tls and o == "STARTTLS")]
        lines = ["sink"] + names
        return "\n".join(f"250{' ' if i == len(lines) - 1 else '-'}{one}" for i, one in enumerate(lines))

    def keep(self, data):
        self.sink.keep({"mail": self.mail, "rcpts": self.rcpts, "data": data, "tls": self.tls, "session": self})

    def command(self, line):
        verb = line.split(" ")[0].split(":")[0].upper()
        if verb == "EHLO":
            self.act(self.sink.on.get("ehlo"), self.offers())
        elif verb == "STARTTLS":
            if self.at("starttls") and self.sink.tls:
                self.start_tls()
        elif verb == "MAIL":
            self.mail, self.rcpts, self.chunks = (line, [], b"") if self.at("mail") else (None, None, b"")
        elif verb == "RCPT":
            if self.at("rcpt") and self.rcpts is not None:
                self.rcpts.append(line)
        elif verb == "DATA":
            if self.sink.on.get("data") is None and not self.rcpts:
                self.send(b"503 5.5.1 nobody\r\n")
            elif self.at("data"):
                data = self.text()
                self.sink.texts.append(data)
                self.at("text", lambda: self.rcpts and self.keep(data))
        elif verb == "BDAT":
            self.chunks += self.octets(int(line.split()[1]))
            self.at("bdat", lambda: line.upper().endswith(" LAST") and self.keep(self.chunks))
        elif verb in ("HELO", "RSET", "QUIT", "AUTH"):
            self.at(verb.lower())
            if verb == "QUIT":
                raise Ended
        else:
            self.send(b"500 5.5.2 what?\r\n")

    def run(self):
        try:
            if self.sink.implicit:
                self.start_tls()
            self.at("connect")
            while True:
                line = self.line()
                self.lines.append(line)
                self.sink.lines.append(line)
                self.command(line)
        except (Ended, OSError, ssl.SSLError) as e:
            self.end = e
        except AssertionError as e:
            self.sink.wrong.append(str(e))
        self.sock.close()


class Sink:
    def __init__(self, host="127.0.0.1", port=0, tls=None, implicit=False,
                 offers=("PIPELINING", "8BITMIME", "SIZE 10000000"), **on):
        self.on, self.tls, self.implicit = on, tls, implicit
        self.offers = list(offers) + (["STARTTLS"] if tls and not implicit and "STARTTLS" not in offers else [])
        self.sessions, self.letters, self.lines, self.texts, self.wrong = [], [], [], [], []
        self.changed, self.enough = threading.Condition(), threading.Event()
        self.server = socket.create_server((host, port), backlog=1000, family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.host, self.port = self.server.getsockname()[:2]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock = self.server.accept()[0]
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = Session(self, sock)
            self.sessions.append(session)
            threading.Thread(target=session.run, daemon=True).start()

    def keep(self, letter):
        with self.changed:
            self.letters.append(letter)
            self.changed.notify_all()

    def wait(self, n, limit=60):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.letters) >= n, limit), f"{len(self.letters)} of {n} letters"
        return self.letters

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.enough.set()
        try:
            self.server.shutdown(socket.SHUT_RDWR)      # wakes accept()
        except OSError:
            pass
        self.server.close()
        for s in self.sessions:
            try:
                s.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        if why[0] is None:
            assert not self.wrong, self.wrong
