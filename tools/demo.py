#!/usr/bin/python3
"""make demo: one letter through waxwing, shown as it happens.

Makes a throw-away instance with foo.com and bar.com on loopback, sends a
letter from Smith@bar.com to Jones@foo.com, Green (unknown) and Brown, reads
it back by IMAP and POP3, and stays up until Ctrl-C.

    WAXWING   the program (build/src/waxwing)
    ONCE=1    end after showing; status 0, or 1 with the reason
"""
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WAXWING = os.environ.get("WAXWING", os.path.join(ROOT, "build/src/waxwing"))
HOST = "mail.foo.com"
# Ports that one remembers; another is taken where one is in use.
PORTS = {"smtp": 2525, "submission": 2587, "submissions": 2465, "imap": 2143, "imaps": 2993,
         "pop3": 2110, "pop3s": 2995, "https": 2443}
PEOPLE = ("Jones@foo.com", "Brown@foo.com", "Smith@bar.com")

LETTER = """From: Smith <Smith@bar.com>
To: Jones <Jones@foo.com>, Green <Green@foo.com>, Brown <Brown@foo.com>
Subject: Blah
Date: {date}
Message-ID: <{id}@bar.com>

Blah blah blah...
...etc. etc. etc.
"""

COLOUR = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class Trouble(Exception):
    """What went wrong, for a person."""


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def heading(text):
    print("\n" + paint("1", text), flush=True)


class Dialog:
    """One connection, whose lines are shown as they are said."""

    def __init__(self, port, trust=None, implicit=False):
        self.sock = socket.create_connection(("127.0.0.1", port), 10)
        self.sock.settimeout(15)
        self.trust = trust
        if implicit:
            self.handshake()
        self.lines = self.sock.makefile("rb")

    def handshake(self):
        self.sock = ssl.create_default_context(cafile=self.trust).wrap_socket(self.sock, server_hostname=HOST)
        self.lines = self.sock.makefile("rb")
        print(paint("2", f"   ({self.sock.version()}, certificate of {HOST} checked)"))

    def say(self, line, shown=None):
        print(paint("32", "C: " + (shown or line)), flush=True)
        self.sock.sendall(line.encode() + b"\r\n")

    def hear(self):
        line = self.lines.readline()
        if not line:
            raise Trouble("the server closed the connection")
        line = line.decode(errors="replace").rstrip("\r\n")
        print(paint("36", "S: " + line), flush=True)
        return line


class Smtp(Dialog):
    def reply(self):
        lines = [self.hear()]
        while lines[-1][3:4] == "-":
            lines.append(self.hear())
        return int(lines[-1][:3]), lines

    def ask(self, line, want):
        self.say(line)
        code, lines = self.reply()
        if code != want:
            raise Trouble(f"SMTP: {line} was answered {code}, not {want}")
        return lines

    def letter(self, text):
        for line in text.split("\n")[:-1]:
            self.say("." + line if line.startswith(".") else line)
        return self.ask(".", 250)[-1]


class Imap(Dialog):
    tags = 0

    def ask(self, command, shown=None):
        """The untagged answers; NO and BAD are trouble."""
        self.tags += 1
        tag = f"a{self.tags}"
        self.say(f"{tag} {command}", f"{tag} {shown}" if shown else None)
        answers = []
        while True:
            line = self.hear()
            if line.startswith(tag + " "):
                if not line.startswith(tag + " OK"):
                    raise Trouble(f"IMAP: {shown or command}: {line}")
                return answers
            answers.append(line)
            if line.endswith("}"):
                size = int(line[line.rindex("{") + 1:-1].rstrip("+"))
                answers.append(self.literal(size))

    def literal(self, size):
        text = self.lines.read(size).decode(errors="replace")
        for line in text.rstrip("\r\n").split("\r\n"):
            print(paint("36", "S: " + line))
        return text


class Pop(Dialog):
    def ask(self, command, shown=None):
        self.say(command, shown)
        line = self.hear()
        if not line.startswith("+OK"):
            raise Trouble(f"POP3: {shown or command}: {line}")
        return line

    def many(self):
        lines = []
        while (line := self.hear()) != ".":
            lines.append(line)
        return lines


# ---- the instance ----

def free_port(wanted):
    for port in (wanted, 0):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                return s.getsockname()[1]
            except OSError:
                continue
    raise Trouble("no free port on loopback")


class Instance:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="waxwing-demo-")
        os.chmod(self.dir, 0o711)   # as root our processes have user ids of their own
        self.ports = {name: free_port(port) for name, port in PORTS.items()}
        self.passwords = {who: secrets.token_urlsafe(9) for who in PEOPLE}
        self.server = None

    def run(self, *args, stdin=None):
        p = subprocess.run([WAXWING, *args, "--dir", self.dir], input=stdin, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if p.returncode:
            raise Trouble(f"waxwing {' '.join(args)}: {p.stderr.strip()}")
        return p.stdout

    def configure(self):
        with open(os.path.join(self.dir, "waxwing.conf"), "w") as f:
            f.write(f'host = {{ name = "{HOST}"; }};\n')
            f.write("listen = {\n")
            for name, port in self.ports.items():
                f.write(f'\t{name} = "127.0.0.1:{port}";\n')
            f.write("};\n")

    def make(self):
        self.configure()    # before setup, which makes the certificate for host.name
        print(self.run("setup", "foo.com").split("\nNext:")[0])
        self.run("domain", "add", "bar.com")
        for who, password in self.passwords.items():
            self.run("account", "add", who, "--password-stdin", stdin=password)
        print(self.run("account", "list").rstrip())

    def start(self):
        began = time.monotonic()
        self.server = subprocess.Popen([WAXWING, "serve", "--dir", self.dir], stdin=subprocess.DEVNULL,
                                       start_new_session=True)
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.ports["smtp"]), 1) as s:
                    s.settimeout(5)
                    if s.recv(4).startswith(b"220"):
                        break
            except OSError:
                pass
            if self.server.poll() is not None or time.monotonic() - began > 10:
                raise Trouble("the server did not start:\n" + self.log())
            time.sleep(0.005)
        print(f"Serving {self.dir}: the first greeting came after {(time.monotonic() - began) * 1000:.0f} ms.")

    def log(self):
        path = os.path.join(self.dir, "log/waxwing.log")
        return open(path, errors="replace").read() if os.path.exists(path) else ""

    def trust(self):
        path = os.path.join(self.dir, "keys/tls.pem")
        return path if os.path.exists(path) else None

    def wait_log(self, text):
        end = time.monotonic() + 10
        while text not in self.log():
            if time.monotonic() > end:
                raise Trouble(f"the log does not say: {text}")
            time.sleep(0.01)

    def end(self):
        if self.server and self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
            try:
                self.server.wait(15)
            except subprocess.TimeoutExpired:
                self.server.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


# ---- what is shown ----

def send_letter(w):
    heading("A letter from Smith@bar.com, by SMTP")
    d = Smtp(w.ports["smtp"], w.trust())
    if d.reply()[0] != 220:
        raise Trouble("SMTP: no greeting")
    if any(line[4:].upper() == "STARTTLS" for line in d.ask("EHLO bar.com", 250)) and d.trust:
        d.ask("STARTTLS", 220)
        d.handshake()
        d.ask("EHLO bar.com", 250)
    d.ask("MAIL FROM:<Smith@bar.com>", 250)
    d.ask("RCPT TO:<Jones@foo.com>", 250)
    d.ask("RCPT TO:<Green@foo.com>", 550)
    d.ask("RCPT TO:<Brown@foo.com>", 250)
    d.ask("DATA", 354)
    date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())
    said = d.letter(LETTER.format(date=date, id=secrets.token_hex(8)))
    d.ask("QUIT", 221)
    letter = said.split("id=")[-1].split()[0]
    for who in ("Jones@foo.com", "Brown@foo.com"):
        w.wait_log(f"delivered id={letter} to={who}")
    return letter


def read_imap(w):
    heading("Jones reads it, by IMAP over TLS")
    d = Imap(w.ports["imaps"], w.trust(), implicit=True)
    d.hear()
    d.ask(f"LOGIN Jones@foo.com {w.passwords['Jones@foo.com']}", "LOGIN Jones@foo.com ********")
    d.ask("SELECT INBOX")
    text = "".join(d.ask("FETCH 1 (FLAGS ENVELOPE BODY.PEEK[])"))
    d.ask("LOGOUT")
    check(text, "IMAP")


def read_pop(w):
    heading("Brown reads it, by POP3 over TLS")
    d = Pop(w.ports["pop3s"], w.trust(), implicit=True)
    d.hear()
    d.ask("USER Brown@foo.com")
    d.ask(f"PASS {w.passwords['Brown@foo.com']}", "PASS ********")
    d.ask("STAT")
    d.ask("RETR 1")
    text = "\n".join(d.many())
    d.ask("QUIT")
    check(text, "POP3")


def check(text, how):
    for line in ("Blah blah blah...", "...etc. etc. etc."):
        if line not in text:
            raise Trouble(f"{how}: the letter came back without {line!r}")


def show_trace(w, letter):
    heading(f"waxwing trace {letter}")
    print(w.run("trace", letter).rstrip())


def go_on(w):
    p, jones = w.ports, w.passwords["Jones@foo.com"]
    heading("Go on yourself")
    print(f"  on 127.0.0.1:  SMTP {p['smtp']}   submission {p['submission']}, over TLS {p['submissions']}"
          f"   IMAP {p['imap']}, over TLS {p['imaps']}   POP3 {p['pop3']}, over TLS {p['pop3s']}")
    for who, password in w.passwords.items():
        print(f"  {who:<14} password {password}")
    print(f"""
  swaks --server 127.0.0.1:{p['smtp']} --from Smith@bar.com --to Jones@foo.com
  swaks --server 127.0.0.1:{p['submission']} --tls --auth PLAIN --auth-user Smith@bar.com \\
        --auth-password {w.passwords['Smith@bar.com']} --from Smith@bar.com --to Jones@foo.com
  curl -k --url imaps://127.0.0.1:{p['imaps']}/INBOX -u Jones@foo.com:{jones} -X 'FETCH 1:* (FLAGS ENVELOPE)'
  curl -k --url pop3s://127.0.0.1:{p['pop3s']}/1 -u Jones@foo.com:{jones}
  neomutt -n -F /dev/null -f imaps://Jones%40foo.com:{jones}@127.0.0.1:{p['imaps']}/INBOX
  {os.path.relpath(WAXWING)} status --dir {w.dir}
  tail -f {w.dir}/log/waxwing.log

Ctrl-C stops it and removes {w.dir}.""", flush=True)


def until_interrupted(w):
    """From here on Ctrl-C is the right end."""
    try:
        go_on(w)
        w.server.wait()
        raise Trouble("the server ended by itself:\n" + w.log())
    except KeyboardInterrupt:
        print()


def main():
    w = Instance()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        heading("A throw-away instance")
        w.make()
        w.start()
        letter = send_letter(w)
        read_imap(w)
        read_pop(w)
        show_trace(w, letter)
        if not os.environ.get("ONCE"):
            until_interrupted(w)
        return 0
    except (Trouble, OSError, ssl.SSLError) as e:
        print(f"\ndemo: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        w.end()


sys.exit(main())
