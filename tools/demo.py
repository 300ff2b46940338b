#!/usr/bin/python3
"""make demo: a letter through the lab, shown as it happens.

Starts an internet of three mail domains on loopback (waxwing lab), sends a
letter from Smith@bar.com to Jones@foo.com over TLS that DANE has verified, one
to Green, whom nobody knows, and one to Brown; breaks a mechanism and mends it;
reads the letters by IMAP and POP3, and stays up until Ctrl-C.

    WAXWING   the program (build/src/waxwing)
    ONCE=1    end after showing; status 0, or 1 with the reason
"""
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WAXWING = os.environ.get("WAXWING", os.path.join(ROOT, "build/src/waxwing"))
HOST = "mail.foo.com"
PASSWORD = "secret"

COLOUR = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class Trouble(Exception):
    """What went wrong, for a person."""


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def heading(text):
    print("\n" + paint("1", text), flush=True)


class Dialog:
    """One connection over TLS, whose lines are shown as they are said."""

    def __init__(self, address, port, trust):
        sock = socket.create_connection((address, port), 10)
        sock.settimeout(15)
        self.sock = ssl.create_default_context(cafile=trust).wrap_socket(sock, server_hostname=HOST)
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


# ---- the lab ----

class Lab:
    def __init__(self):
        self.top = tempfile.mkdtemp(prefix="waxwing-demo-")
        os.chmod(self.top, 0o711)   # as root our processes have user ids of their own
        self.dir = os.path.join(self.top, "lab")
        self.rows = {}

    def run(self, *args, dir=None, may_fail=False):
        p = subprocess.run([WAXWING, *args, "--dir", dir or self.dir], text=True, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if p.returncode and not may_fail:
            raise Trouble(f"waxwing {' '.join(args)}: {(p.stderr or p.stdout).strip()}")
        return p.stdout

    def show(self, *args, **more):
        print(paint("1", "$ waxwing " + " ".join(args)))
        said = self.run(*args, **more)
        print(said.rstrip() + "\n", flush=True)
        return said

    def start(self):
        self.show("lab", "up")
        self.rows = {r["domain"]: r for r in json.loads(self.run("lab", "status", "--json"))}

    def address(self, domain):
        return self.rows[domain]["address"]

    def place(self, domain):
        return os.path.join(self.dir, domain)

    def trust(self):
        return os.path.join(self.dir, "authority.pem")

    def end(self):
        subprocess.run([WAXWING, "lab", "down", "--dir", self.dir], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.top, ignore_errors=True)


# ---- what is shown ----

def send(lab, ends, *options):
    """Shows what becomes of a letter, which must end with that sentence."""
    said = lab.show("lab", "send", *options, may_fail=True)
    if ends not in said:
        raise Trouble(f"that should have ended with: {ends}")
    return said


def send_letters(lab):
    heading("A letter from Smith@bar.com to Jones@foo.com, and what each line of the dialog means")
    said = send(lab, "DNSSEC and DANE had proved who the other host was", "--explain")
    if "DANE-EE verified" not in said or said.count("proved by DNSSEC") != 3:
        raise Trouble("DNSSEC and DANE have not verified it")
    heading("To Green, whom nobody knows, and to Brown")
    send(lab, "It comes back to its sender", "--to", "Green@foo.com")
    send(lab, "Delivered.", "--to", "Brown@foo.com")
    return re.search(r"Letter (\S+) from", said).group(1), re.search(r"OK id=(\S+)", said).group(1)


def break_something(lab):
    heading("Somebody puts himself between the two: the key is not the one that DNS has")
    lab.show("lab", "break", "dane")
    send(lab, "It waits at the host of its sender")
    lab.show("lab", "mend")


def read_imap(lab):
    heading("Jones reads it, by IMAP over TLS")
    d = Imap(lab.address("foo.com"), 2993, lab.trust())
    d.hear()
    d.ask(f"LOGIN Jones@foo.com {PASSWORD}", "LOGIN Jones@foo.com ********")
    d.ask("SELECT INBOX")
    text = "".join(d.ask("FETCH 1 (FLAGS ENVELOPE BODY.PEEK[])"))
    d.ask("LOGOUT")
    check(text, "IMAP")


def read_pop(lab):
    heading("Brown reads it, by POP3 over TLS")
    d = Pop(lab.address("foo.com"), 2995, lab.trust())
    d.hear()
    d.ask("USER Brown@foo.com")
    d.ask(f"PASS {PASSWORD}", "PASS ********")
    d.ask("STAT")
    d.ask("RETR 1")
    text = "\n".join(d.many())
    d.ask("QUIT")
    check(text, "POP3")


def check(text, how):
    for line in ("Blah blah blah...", "...etc. etc. etc."):
        if line not in text:
            raise Trouble(f"{how}: the letter came back without {line!r}")


def show_traces(lab, here, there):
    heading("What the two hosts have logged of the first one")
    lab.show("trace", here, dir=lab.place("bar.com"))
    lab.show("trace", there, dir=lab.place("foo.com"))


def go_on(lab):
    heading("Go on yourself")
    foo, bar = lab.address("foo.com"), lab.address("bar.com")
    program = os.path.relpath(WAXWING)
    print(f"""  {program} lab watch --explain --dir {lab.dir}
  {program} lab break starttls --dir {lab.dir}
  {program} lab send --dir {lab.dir}
  {program} lookup foo.com MX --dir {lab.place("bar.com")}
  swaks --server {bar}:2587 --tls --auth PLAIN --auth-user Smith@bar.com --auth-password {PASSWORD} \\
        --from Smith@bar.com --to Jones@foo.com
  curl -k --url imaps://{foo}:2993/INBOX -u Jones@foo.com:{PASSWORD} -X 'FETCH 1:* (FLAGS ENVELOPE)'
  curl -k --url pop3s://{foo}:2995/1 -u Jones@foo.com:{PASSWORD}
  neomutt -n -F /dev/null -f imaps://Jones%40foo.com:{PASSWORD}@{foo}:2993/INBOX
  {program} status --dir {lab.place("foo.com")}

Ctrl-C stops it and removes {lab.dir}.""", flush=True)


def until_interrupted(lab):
    """From here on Ctrl-C is the right end.  It may come at once: held back, it
    cannot fall between the last look at it and the wait."""
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    go_on(lab)
    got = signal.sigwait(ends)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ends)
    if got == signal.SIGTERM:
        sys.exit(1)
    print()


def main():
    lab = Lab()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        heading("An internet of three mail domains, on this machine")
        lab.start()
        here, there = send_letters(lab)
        read_imap(lab)
        read_pop(lab)
        break_something(lab)
        show_traces(lab, here, there)
        if not os.environ.get("ONCE"):
            until_interrupted(lab)
        return 0
    except (Trouble, OSError, ssl.SSLError, ValueError) as e:
        print(f"\ndemo: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        lab.end()


sys.exit(main())
