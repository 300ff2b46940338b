"""The operator's commands: what they say, what they refuse, what they keep."""
import json
import os
import pty
import re
import shutil
import smtplib
import socket
import sqlite3
import subprocess

import pytest

from conftest import WAXWING, temporary


def waxwing(*args, stdin="", env=None):
    return subprocess.run([WAXWING, *args], input=stdin, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, env={**os.environ, **(env or {})})


def pages():
    lines = waxwing("--manual", "list").stdout.split("\n")
    return [tuple(line.split()) for line in lines if line]


# ---- the command line ----

def libraries(program):
    path = os.path.join(os.path.dirname(WAXWING), program)
    if not os.path.exists(path):
        path = os.path.join(os.path.dirname(WAXWING), "../libexec/waxwing", program)
    said = subprocess.check_output(["readelf", "-d", path], text=True)
    return {re.sub(r"\.so.*", "", x) for x in re.findall(r"NEEDED.*\[(.*?)\]", said)}


@pytest.mark.parametrize("program, least, most", [
    ("waxwing", {"libc"}, {"libc"}),
    ("waxwing-letter", {"libc", "libcrypto"}, {"libc", "libcrypto", "libz", "libjansson", "libidn2", "libunistring"}),
])
def test_programs_start_with_few_libraries(program, least, most):
    """Each library costs every start of a command some tenths of a millisecond."""
    has = libraries(program) - {"libasan", "libubsan", "ld-linux-x86-64"}
    assert least <= has <= most


def test_the_command_line_reaches_the_program_as_it_came(tmp_path):
    """Options before, between and behind the words; a word behind `--`; empty ones."""
    for words in (["domain", "add", "--dir", str(tmp_path), "--", ""], ["--dir", str(tmp_path), "domain", "add", ""],
                  ["domain", "--dir", str(tmp_path), "add", ""]):
        p = waxwing(*words)
        assert p.returncode == 1 and "no instance here" in p.stderr and str(tmp_path) in p.stderr, p



@pytest.mark.parametrize("args, said", [
    (["acount"], "did you mean `account add`"),
    (["domain", "lst"], "did you mean `domain list`"),
    (["account"], "account what?  `waxwing help account` lists it"),
    (["domain", "list", "--jsn"], "unknown option --jsn; did you mean --json?"),
    (["domain", "add", "x.org", "--quota", "1g"], "`waxwing domain add` has no option --quota"),
    (["domain", "list", "--json=1"], "--json takes no value"),
    (["domain", "list", "--dir"], "--dir wants a value: --dir DIR"),
    (["domain", "add"], "something is missing; usage: waxwing domain add DOMAIN [--dir DIR]"),
    (["domain", "add", "a", "b"], "too many arguments; usage:"),
])
def test_wrong_use_is_answered_with_what_would_be_right(args, said):
    p = waxwing(*args)
    assert p.returncode == 2 and p.stdout == ""
    assert said in p.stderr, p.stderr


def test_help_fits_the_terminal():
    for args in (["help"], ["help", "all"], ["help", "account", "protect"], ["help", "smime", "encrypt"], *(["help", n[len("waxwing-"):]] for n, s in pages() if n.startswith("waxwing-") and s == "8")):
        for line in waxwing(*args).stdout.split("\n"):
            assert len(line) <= 80 or args[1:] and len(args) == 2 and line.startswith("waxwing "), line


@pytest.mark.parametrize("words, has", [
    (["waxwing", ""], {"account", "serve", "help"}),
    (["waxwing", "acc"], {"account"}),
    (["waxwing", "account", "p"], {"passwd"}),
    (["waxwing", "account", "--q"], {"--quota"}),
])
def test_completion(words, has):
    script = (f"{waxwing('--completion').stdout}\nCOMP_WORDS=({' '.join(repr(w) for w in words)}); "
              f"COMP_CWORD={len(words) - 1}; _waxwing; echo ${{COMPREPLY[@]}}")
    p = subprocess.run(["bash", "-c", script], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    got = set(p.stdout.split())
    assert has <= got and p.stderr == "", p
    assert all(g.startswith(words[-1]) for g in got)


def test_help_lists_every_command_and_each_group_has_help():
    text, every = waxwing("help").stdout, waxwing("help", "all").stdout
    assert len(text.split("\n")) <= 40 and "account add ADDRESS" not in text
    assert "account add ADDRESS" in every
    for name, section in pages():
        if name.startswith("waxwing-") and section == "8":
            word = name[len("waxwing-"):]
            p = waxwing("help", word)
            assert p.returncode == 0 and "--dir DIR" in p.stdout
            assert re.search(rf"^  {word} ", text, re.M) and f"{word} - " in every


@pytest.mark.parametrize("args", [["help", "account", "add"], ["account", "add", "--help"], ["account", "add", "x@y.org", "--help"]])
def test_help_for_one_command_is_of_that_one(args):
    text = waxwing(*args).stdout
    assert text.startswith("waxwing account add ADDRESS ") and "Its domain must be one of ours" in text
    assert "--quota SIZE" in text and "--scope" not in text and "account list" not in text


def test_a_host_without_a_name_is_told_where_to_set_it(instance):
    w = instance(accounts=(), start=False)
    for command in ("dns", "check"):
        p = w.run(command, "foo.com", check=False)
        assert p.returncode == 1 and p.stderr.strip().endswith("set it in waxwing.conf to the one that this host has there")


# ---- the manual ----

@pytest.mark.parametrize("name, section", pages())
def test_manual_page_has_no_fault(name, section, tmp_path):
    page = waxwing("--manual", name).stdout
    f = tmp_path / f"{name}.{section}"
    f.write_text(page)
    p = subprocess.run(["mandoc", "-Tlint", str(f)], text=True, stdout=subprocess.PIPE)
    known = {f"Xr {n} {s}" for n, s in pages()}
    faults = [line for line in p.stdout.split("\n") if line and not
              ("referenced manual not found" in line and
               re.search(r"Xr \S+ \d", line).group(0) in known)]
    assert not faults, "\n".join(faults)


def test_every_manual_page_is_installed():
    text = open(os.path.join(os.path.dirname(__file__), "../doc/meson.build")).read()
    assert set(re.findall(r"\['([\w.-]+)', (\d)\]", text)) == set(pages())


def test_unit_file_is_right(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    unit = tmp_path / "waxwing.service"
    text = open(os.path.join(os.path.dirname(__file__), "../doc/waxwing.service.in")).read()
    unit.write_text(text.replace("@bindir@/waxwing", os.path.abspath(WAXWING)))
    p = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert "waxwing.service" not in p.stdout, p.stdout


def test_every_setting_is_in_the_manual():
    defs = open(os.path.join(os.path.dirname(__file__), "../src/conf/settings.def")).read()
    page = waxwing("--manual", "waxwing.conf").stdout
    keys = re.findall(r'^S\("([^"]+)"', defs, re.M)
    assert len(keys) > 30
    assert [k for k in keys if f".It Cm {k}\n" not in page] == []


def test_every_command_is_in_the_manual_and_the_completion():
    defs = open(os.path.join(os.path.dirname(__file__), "../src/admin/commands.def")).read()
    commands = re.findall(r'^C\(\w+, "([^"]+)"', defs, re.M)
    assert len(commands) > 5
    main = waxwing("--manual", "waxwing").stdout
    script = waxwing("--completion").stdout
    for c in commands:
        assert f".It Cm {c}" in main
        assert f".It Cm {c}" in waxwing("--manual", "waxwing-" + c.split()[0]).stdout
        assert f"\t{c.split()[0]}) words=" in script


# ---- setup ----

@pytest.fixture(scope="module")
def set_up():
    top = temporary("test")
    d = os.path.join(top, "w")
    p = waxwing("setup", "foo.com", "--dir", d)
    assert p.returncode == 0, p.stderr
    yield d
    shutil.rmtree(top)


@pytest.fixture
def folder(set_up):
    """What `waxwing setup` has made, for one test."""
    top = temporary("test")
    d = os.path.join(top, "w")
    subprocess.run(["cp", "-a", set_up, d], check=True)
    yield d
    shutil.rmtree(top)


def test_setup_again_keeps_what_is_there(folder):
    conf = os.path.join(folder, "waxwing.conf")
    with open(conf, "a") as f:
        f.write("# mine\n")
    p = waxwing("setup", "foo.com", "--dir", folder)
    assert p.returncode == 0
    assert "made" not in p.stdout and p.stdout.count("kept") >= 4
    assert open(conf).read().endswith("# mine\n")


def test_setup_names_the_host(folder):
    conf = open(os.path.join(folder, "waxwing.conf")).read()
    name = socket.gethostname() if "." in socket.gethostname() else "mail.foo.com"
    assert f'\n\tname = "{name}";\n' in conf


@pytest.mark.parametrize("domain", ["foo..com", "no good", ""])
def test_setup_wants_a_domain(tmp_path, domain):
    p = waxwing("setup", domain, "--dir", str(tmp_path / "w"))
    assert p.returncode == 1 and "is not the name of a domain" in p.stderr


def test_setup_wants_the_folder_above(tmp_path):
    p = waxwing("setup", "foo.com", "--dir", str(tmp_path / "a/b"))
    assert p.returncode == 1 and "the folder above it does not exist" in p.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="user ids of their own are for root")
def test_closed_folder_above_is_said(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    d = str(closed / "w")
    for command in (["setup", "foo.com"], ["serve"]):
        p = waxwing(*command, "--dir", d)
        # pytest's own folders are closed as well, and come first on the way.
        assert p.returncode == 1 and re.search(r"/\S+ is closed \(mode 0700\).*`chmod o\+x /", p.stderr), p.stderr


# ---- the configuration ----

@pytest.mark.parametrize("text, line, said", [
    ("smtp = {\n  recipients = many;\n};", 2, "syntax error; a setting reads NAME = VALUE;"),
    ("smtp = {\n  recipients = \"many\";\n};", 2,
     'smtp.recipients is "many", but should be a whole number (default 1000)'),
    ("smtp = {\n\n  recipients = 5;\n};", 3, "smtp.recipients is 5, but should be between 100 and 10000"),
    ("smtp = {\n  recipents = 500;\n};", 2, "unknown setting smtp.recipents; the nearest known one is smtp.recipients"),
    ("smtp = {\n  literal = \"1m\";\n};", 2, "the nearest known one is imap.literal"),
    ("recipients = 500;", 1, "stands outside of a section"),
    ("smtp = { timeout = \"soon\"; };", 1, "should be a time, as 500ms, 30s, 5min, 2h or 7d"),
    ("smtp = { message_size = \"big\"; };", 1, "should be a number of bytes, as 4096, 64k, 50m or 1g"),
    ("log = { debug = \"maybe\"; };", 1, "should be yes or no"),
    ("smtp = { line = 1.5; };", 1, "smtp.line cannot have such a value"),
    ("listen = {\n smtp = \"localhost:25\";\n};", 2, "listen.smtp has \"localhost:25\", but should have addresses with ports"),
    ("listen = { smtp = \"127.0.0.1\"; };", 1, "should have addresses with ports"),
    ("listen = { smtp = \"127.0.0.1:99999\"; };", 1, "should have addresses with ports"),
    ("listen = { smtp = \"[::1]\"; };", 1, "should have addresses with ports"),
    ("listen = { imap = \"192.0.2.1:143\"; };\nlogin = { clear_text = true; };", 2,
     "login.clear_text is yes, but listen."),
], ids=lambda v: str(v)[:20].split("\n")[0])
def test_wrong_setting_is_answered_with_the_right_one(folder, text, line, said):
    conf = os.path.join(folder, "waxwing.conf")
    open(conf, "w").write(text + "\n")
    for command in (["serve", "--check"], ["serve"]):
        p = waxwing(*command, "--dir", folder)
        assert p.returncode in (1, 2) and f"{conf}:{line}: " in p.stderr and said in p.stderr, p.stderr


def test_settings_that_no_record_holds(folder):
    """None of them is silently left out in the processes that are told them."""
    conf = os.path.join(folder, "waxwing.conf")
    with open(conf, "w") as f:
        for section, keys in (("tls", ["certificate", "key", "client_authorities"]), ("relay", ["credentials", "authorities"]),
                              ("dns", ["stubs", "trust_anchor", "forwarders"]), ("trust", ["arc_sealers"]), ("oauth", ["keys"]),
                              ("publish", ["spf"]), ("log", ["file"])):
            f.write(section + " = {" + "".join(f' {k} = "{"x" * 4090}";' for k in keys) + " };\n")
    for command in (["serve", "--check"], ["serve"]):
        p = waxwing(*command, "--dir", folder)
        assert p.returncode in (1, 2) and "all settings together are longer than 49152 bytes" in p.stderr, p.stderr


def test_clear_text_logins_on_loopback_are_allowed(folder):
    with open(os.path.join(folder, "waxwing.conf"), "w") as f:
        f.write('listen = { submission = "127.0.0.1:1587, [::1]:1587"; imap = "127.0.0.1:1143"; pop3 = ""; };\n'
                "login = { clear_text = true; };\n")
    assert waxwing("serve", "--check", "--dir", folder).returncode == 0


def test_the_example_is_right_and_names_every_setting(folder):
    p = waxwing("serve", "--check", "--dir", folder)
    assert p.returncode == 0 and "is right" in p.stdout
    conf = os.path.join(folder, "waxwing.conf")
    text = open(conf).read()
    open(conf, "w").write(re.sub(r"^\t#(\w+ = )", r"\t\1", text, flags=re.M))
    p = waxwing("serve", "--check", "--dir", folder)
    assert p.returncode == 0, p.stderr


# ---- accounts, domains ----

def test_account_add_and_list(folder):
    p = waxwing("account", "add", "Jones@foo.com", "--password-stdin", "--quota", "2g", "--dir", folder,
                stdin="secret\n")
    assert p.returncode == 0, p.stderr
    rows = json.loads(waxwing("account", "list", "--json", "--dir", folder).stdout)
    assert [(r["address"], r["account"], r["quota"]) for r in rows] == [("Jones@foo.com", 1, 2 << 30)]
    table = waxwing("account", "list", "--dir", folder).stdout.split("\n")
    assert table[0].split() == ["ACCOUNT", "QUOTA", "CREATED", "ADDRESS"]
    assert table[1].split()[::3] == ["1", "Jones@foo.com"] and "\033" not in "".join(table)


@pytest.mark.parametrize("address, stdin, said", [
    ("Jones@bar.com", "x\n", "its domain is not one of ours"),
    ("Jones", "x\n", "is not an address of the form NAME@DOMAIN"),
    ("Jones@foo.com", "\n", "the password is empty"),
    ("Jones@foo.com", "", "the password is empty"),
    pytest.param("Jones@foo.com", "x" * 1025 + "\n", "the password is too long", id="long"),
])
def test_account_add_refuses(folder, address, stdin, said):
    p = waxwing("account", "add", address, "--password-stdin", "--dir", folder, stdin=stdin)
    assert p.returncode == 1 and said in p.stderr, p.stderr
    assert json.loads(waxwing("account", "list", "--json", "--dir", folder).stdout) == []


def test_an_account_stands_once_in_any_case(folder):
    for address, status in (("Jones@foo.com", 0), ("jones@FOO.com", 1)):
        p = waxwing("account", "add", address, "--password-stdin", "--dir", folder, stdin="x")
        assert p.returncode == status
    assert "there is such an account already" in p.stderr


def test_no_instance_is_said(tmp_path):
    p = waxwing("account", "list", "--dir", str(tmp_path / "none"))
    assert p.returncode == 1 and "no instance here; `waxwing setup DOMAIN --dir DIR` makes one" in p.stderr


def test_dir_from_the_environment(folder):
    assert waxwing("domain", "list", env={"WAXWING_DIR": folder}).stdout.split() == ["DOMAIN", "foo.com"]


def test_status_without_a_server(folder):
    p = waxwing("status", "--dir", folder)
    assert p.returncode == 1 and "no waxwing serves this folder now" in p.stderr


def test_account_passwd_changes_the_verifier(folder):
    db = os.path.join(folder, "directory/directory.db")
    waxwing("account", "add", "Jones@foo.com", "--password-stdin", "--dir", folder, stdin="one")
    before = verifiers(db)
    assert waxwing("account", "passwd", "jones@foo.com", "--password-stdin", "--dir", folder,
                   stdin="two").returncode == 0
    after = verifiers(db)
    assert before != after and "argon2id" in str(after) and "two" not in str(after)
    p = waxwing("account", "passwd", "Green@foo.com", "--password-stdin", "--dir", folder, stdin="x")
    assert p.returncode == 1 and "there is no such account" in p.stderr


def verifiers(db):
    with sqlite3.connect(db) as c:
        return c.execute("select address, verifier from account order by id").fetchall()


def test_ids_are_never_given_twice(folder):
    for n in range(3):
        waxwing("account", "add", "Jones@foo.com", "--password-stdin", "--dir", folder, stdin="x")
        rows = json.loads(waxwing("account", "list", "--json", "--dir", folder).stdout)
        assert [r["account"] for r in rows] == [n + 1]
        p = waxwing("account", "remove", "Jones@foo.com", "--yes", "--dir", folder)
        assert p.returncode == 0 and f"mail/{n + 1}" in p.stdout


def test_account_remove_asks(folder):
    waxwing("account", "add", "Jones@foo.com", "--password-stdin", "--dir", folder, stdin="x")
    p = subprocess.run(["setsid", WAXWING, "account", "remove", "Jones@foo.com", "--dir", folder],
                       stdin=subprocess.DEVNULL, text=True, stderr=subprocess.PIPE)
    assert p.returncode == 1 and "--yes" in p.stderr
    assert len(json.loads(waxwing("account", "list", "--json", "--dir", folder).stdout)) == 1


def on_terminal(args, answers):
    """Runs a command on a terminal of its own and types the answers."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(WAXWING, [WAXWING, *args])
    shown = b""
    for wait_for, line in answers:
        while wait_for not in shown:
            shown += os.read(fd, 1000)
        shown = shown.split(wait_for, 1)[1]
        os.write(fd, line + b"\n")
    rest = b""
    try:
        while True:
            more = os.read(fd, 1000)
            if not more:
                break
            rest += more
    except OSError:
        pass
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), (shown + rest).decode()


def test_password_from_the_terminal_is_not_shown(folder):
    add = ["account", "add", "Jones@foo.com", "--dir", folder]
    status, shown = on_terminal(add, [(b"New password for Jones@foo.com: ", b"sesame"),
                                      (b"The same again: ", b"sesam")])
    assert status == 1 and "not the same" in shown and "sesam" not in shown
    status, shown = on_terminal(add, [(b"New password for Jones@foo.com: ", b"sesame"),
                                      (b"The same again: ", b"sesame")])
    assert status == 0 and "sesame" not in shown
    assert "argon2id" in str(verifiers(os.path.join(folder, "directory/directory.db")))


def test_terminal_yes_and_no(folder):
    waxwing("account", "add", "Jones@foo.com", "--password-stdin", "--dir", folder, stdin="x")
    remove = ["account", "remove", "Jones@foo.com", "--dir", folder]
    assert on_terminal(remove, [(b"[y/N] ", b"n")])[0] == 1
    assert on_terminal(remove, [(b"[y/N] ", b"y")])[0] == 0


def test_account_import(folder, tmp_path):
    f = tmp_path / "accounts"
    f.write_text("# ours\n\nJones@foo.com {PLAIN}secret 2g\nBrown@foo.com\tpassword\n")
    p = waxwing("account", "import", str(f), "--dir", folder)
    assert p.returncode == 0 and p.stdout == "2 accounts made.\n", p.stderr
    got = verifiers(os.path.join(folder, "directory/directory.db"))
    assert got[0] == ("jones@foo.com", "{PLAIN}secret") and got[1][1].startswith("$argon2id$")


@pytest.mark.parametrize("line, said", [
    ("Green@foo.com", "a line reads ADDRESS SECRET [QUOTA]"),
    ("Green@foo.com a b c", "a line reads ADDRESS SECRET [QUOTA]"),
    ("Green@foo.com {PLAIN}x many", "the quota should be"),
    ("Green@bar.com {PLAIN}x", "its domain is not one of ours"),
    ("jones@foo.com {PLAIN}x", "there is such an account already"),
    ("green {PLAIN}x", "not an address"),
    pytest.param("Green@foo.com " + "x" * 5000, "the line is too long", id="long"),
])
def test_account_import_is_all_or_nothing(folder, line, said):
    p = waxwing("account", "import", "-", "--dir", folder, stdin=f"Jones@foo.com {{PLAIN}}x\n{line}\n")
    assert p.returncode == 1 and "-:2: " in p.stderr and said in p.stderr, p.stderr
    assert verifiers(os.path.join(folder, "directory/directory.db")) == []


@pytest.mark.parametrize("domain", ["", ".", "foo..com", "-foo.com", "foo-.com", "foo_bar.com", "a b.com",
                                    pytest.param("x" * 300, id="long")])
def test_domain_must_be_one(folder, domain):
    p = waxwing("domain", "add", "--dir", folder, "--", domain)
    assert p.returncode == 1 and "is not the name of a domain" in p.stderr


def test_domain_with_accounts_stays(folder):
    waxwing("account", "add", "Jones@foo.com", "--password-stdin", "--dir", folder, stdin="x")
    p = waxwing("domain", "remove", "foo.com", "--dir", folder)
    assert p.returncode == 1 and "has accounts or aliases; remove those first" in p.stderr
    waxwing("account", "remove", "Jones@foo.com", "--yes", "--dir", folder)
    waxwing("alias", "add", "all@foo.com", "Jones@bar.com", "--dir", folder)
    assert waxwing("domain", "remove", "foo.com", "--dir", folder).returncode == 1
    assert waxwing("alias", "remove", "all@foo.com", "--dir", folder).returncode == 0
    assert waxwing("domain", "remove", "foo.com", "--dir", folder).returncode == 0
    assert waxwing("domain", "remove", "foo.com", "--dir", folder).returncode == 1


def test_aliases(folder):
    for target in ("Jones@foo.com", "Brown@foo.com"):
        assert waxwing("alias", "add", "all@foo.com", target, "--dir", folder).returncode == 0
    p = waxwing("alias", "add", "all@foo.com", "Brown@foo.com", "--dir", folder)
    assert p.returncode == 1 and "leads there already" in p.stderr
    p = waxwing("alias", "add", "all@bar.com", "Brown@foo.com", "--dir", folder)
    assert p.returncode == 1 and "its domain is not one of ours" in p.stderr
    p = waxwing("alias", "add", "all@foo.com", "Brown", "--dir", folder)
    assert p.returncode == 1 and "NAME@DOMAIN" in p.stderr
    rows = json.loads(waxwing("alias", "list", "--json", "--dir", folder).stdout)
    assert [r["target"] for r in rows] == ["Brown@foo.com", "Jones@foo.com"]
    assert waxwing("alias", "remove", "all@foo.com", "Jones@foo.com", "--dir", folder).returncode == 0
    assert len(json.loads(waxwing("alias", "list", "--json", "--dir", folder).stdout)) == 1
    p = waxwing("alias", "remove", "none@foo.com", "--dir", folder)
    assert p.returncode == 1 and "there is no such alias" in p.stderr


@pytest.mark.parametrize("end", ["\r\nBcc: eve@evil.example", "\n", "\x01", "\x1b[2J"], ids=repr)
def test_no_line_is_smuggled_in(folder, end):
    """What is stored goes into headers, commands of SMTP and zones: no word of a command line ends a line there."""
    assert waxwing("account", "add", "Jones@foo.com", "--password-stdin", "--dir", folder, stdin="secret").returncode == 0
    assert waxwing("group", "add", "all@foo.com", "Jones@foo.com", "--dir", folder).returncode == 0
    for words in (["account", "add", f"Brown@foo.com{end}", "--password-stdin"], ["account", "add", f"Brown{end}@foo.com", "--password-stdin"],
                  ["account", "forward", "Jones@foo.com", f"Smith@bar.com{end}"], ["account", "identity", "add", "Jones@foo.com", f"jj@foo.com{end}"],
                  ["alias", "add", f"info@foo.com{end}", "Jones@foo.com"], ["alias", "add", "info@foo.com", f"Smith@bar.com{end}"],
                  ["group", "add", f"some@foo.com{end}", "Jones@foo.com"], ["group", "member", "add", "all@foo.com", f"Smith@bar.com{end}"],
                  ["domain", "add", f"bar.com{end}"]):
        p = waxwing(*words, "--dir", folder, stdin="secret")
        assert p.returncode == 1 and p.stderr, words
    for what in ("account", "alias", "domain"):
        assert len(json.loads(waxwing(what, "list", "--json", "--dir", folder).stdout)) == {"account": 1, "alias": 0, "domain": 1}[what]


# ---- with a running server ----

def send(w, *to, sender="Smith@bar.com"):
    with smtplib.SMTP("127.0.0.1", w.ports["smtp"]) as c:
        c.ehlo()
        assert c.docmd("MAIL", f"FROM:<{sender}>")[0] == 250
        for t in to:
            c.rcpt(t)
        code, said = c.data(b"Subject: hi\r\n\r\nBlah\r\n")
    assert code == 250
    return re.search(rb"id=(\S+)", said).group(1).decode()


def test_status_names_every_process(instance):
    w = instance()
    w.wait_log("serving")
    rows = json.loads(w.run("status", "--json").stdout)
    by = [r["process"] for r in rows]
    assert by.count("parent") == by.count("warden") == by.count("queue") == 1 and "door" in by
    assert all(r["ready"] and r["pid"] > 1 and r["memory"] > 0 for r in rows)
    with smtplib.SMTP("127.0.0.1", w.ports["smtp"]):
        rows = json.loads(w.run("status", "--json").stdout)
        assert sum(r.get("connections", 0) for r in rows) == 1
    assert "PROCESS" in w.run("status").stdout


def test_changes_are_seen_by_the_running_server(instance):
    w = instance()

    def rcpt(address):
        with smtplib.SMTP("127.0.0.1", w.ports["smtp"]) as c:
            c.ehlo()
            c.mail("Smith@bar.com")
            return c.rcpt(address)[0]

    assert rcpt("Green@foo.com") == 550
    w.account("Green@foo.com")
    assert rcpt("Green@foo.com") == 250
    w.run("alias", "add", "info@foo.com", "Green@foo.com")
    assert rcpt("info@foo.com") == 250
    w.run("account", "remove", "Green@foo.com", "--yes")
    assert rcpt("Green@foo.com") == 550 and rcpt("info@foo.com") == 550
    assert rcpt("Green@example.net") == 550
    w.run("domain", "add", "example.net")
    w.account("Green@example.net")
    assert rcpt("Green@example.net") == 250


def test_trace_tells_the_story_of_one_letter(instance):
    w = instance()
    first = send(w, "Jones@foo.com", "Green@foo.com")
    # A stranger cannot write himself into another's story.
    other = send(w, "Brown@foo.com", sender=f'"x id={first} "@bar.com')
    w.wait_log(f"delivered id={first} to=Jones")
    w.wait_log(f"delivered id={other} to=Brown")
    rows = json.loads(w.run("trace", first, "--json").stdout)
    events = [r["event"] for r in rows]
    assert events[0] == "connect" and "delivered" in events and events.count("rcpt") == 2
    assert not any("Brown" in r["says"] for r in rows)
    assert [r["at"] for r in rows] == sorted(r["at"] for r in rows)
    queue = re.search(r"queue=(\S+)", [r["says"] for r in rows if r["event"] == "accepted"][0]).group(1)
    assert w.run("trace", queue).stdout == w.run("trace", first).stdout
    assert w.run("trace", first.split(".")[0]).stdout.count("rcpt") == 2
    # Also when the log has been rotated since.
    log = os.path.join(w.dir, "log/waxwing.log")
    lines = open(log).read().split("\n")
    cut = next(i for i, line in enumerate(lines) if f"id={first}" in line)
    w.stop()
    open(log + ".1", "w").write("\n".join(lines[:cut]) + "\n")
    open(log, "w").write("\n".join(lines[cut:]))
    assert w.run("trace", first).stdout.count("\n") == len(rows) + 1
    p = w.run("trace", "nothing", check=False)
    assert p.returncode == 1 and "the log knows no nothing" in p.stderr


def test_queue_shows_and_forgets(instance):
    w = instance(settings={"queue.flush_interval": "10min"})
    id = send(w, "Jones@foo.com", "Brown@foo.com")
    w.wait_log(f"delivered id={id} to=Brown")
    rows = json.loads(w.run("queue", "list", "--json").stdout)
    assert [(r["id"], r["from"], r["recipients"]) for r in rows] == [(id, "Smith@bar.com", 2)]
    shown = json.loads(w.run("queue", "show", id, "--json").stdout)
    assert sorted(t["to"] for t in shown[0]["to"]) == ["Brown@foo.com", "Jones@foo.com"]
    assert w.run("queue", "show", id).stdout.count(id) == 2
    for verb in (["show"], ["remove", "--yes"]):
        p = w.run("queue", *verb, "none", check=False)
        assert p.returncode == 1 and "there is no such letter in the queue" in p.stderr
    p = w.run("queue", "remove", id, "--yes", check=False)
    assert p.returncode == 1 and "being handed over" in p.stderr


def test_purge_deletes_the_mail_and_follows_no_link(instance, tmp_path):
    w = instance()
    id = send(w, "Jones@foo.com", "Brown@foo.com")
    w.wait_log(f"delivered id={id} to=Jones")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("mine")
    os.symlink(outside, os.path.join(w.dir, "mail/1/link"))
    p = w.run("account", "remove", "Jones@foo.com", "--yes", "--purge")
    assert "Its mail is deleted." in p.stdout
    assert not os.path.exists(os.path.join(w.dir, "mail/1")) and (outside / "file").exists()
    with smtplib.SMTP("127.0.0.1", w.ports["smtp"]) as c:
        c.ehlo()
        c.mail("Smith@bar.com")
        assert c.rcpt("Jones@foo.com")[0] == 550 and c.rcpt("Brown@foo.com")[0] == 250


def test_no_stranger_writes_to_the_terminal(instance):
    w = instance(settings={"queue.flush_interval": "10min"})
    with smtplib.SMTP("127.0.0.1", w.ports["smtp"]) as c:
        c.ehlo()
        c.docmd("MAIL", 'FROM:<"a\\\x1b[2J"@bar.com>')
        c.command_encoding = "utf-8"
        c.docmd("MAIL", "FROM:<\u009b31m@bar.com> SMTPUTF8")
        c.docmd("RCPT", "TO:<Jones@foo.com>")
        c.data(b"Subject: hi\r\n\r\nBlah\r\n")
    for text in (w.run("status").stdout, w.run("queue", "list").stdout, w.log()):
        assert "\x1b" not in text and "\u009b" not in text
