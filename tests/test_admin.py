"""The operator's commands: what they say, what they refuse, what they keep."""
import json
import os
import re
import subprocess

import pytest

from conftest import WAXWING


def waxwing(*args, stdin="", env=None):
    return subprocess.run([WAXWING, *args], input=stdin, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, env={**os.environ, **(env or {})})


def pages():
    lines = waxwing("--manual", "list").stdout.split("\n")
    return [tuple(line.split()) for line in lines if line]


# ---- the command line ----

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


def test_help_lists_every_command_and_each_group_has_help():
    text = waxwing("help").stdout
    assert "account add ADDRESS" in text and "serve" in text
    for name, _ in pages():
        if name.startswith("waxwing-"):
            p = waxwing("help", name[len("waxwing-"):])
            assert p.returncode == 0 and "--dir DIR" in p.stdout


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

@pytest.fixture
def folder(tmp_path):
    d = str(tmp_path / "w")
    assert waxwing("setup", "foo.com", "--dir", d).returncode == 0
    return d


def test_setup_again_keeps_what_is_there(folder):
    conf = os.path.join(folder, "waxwing.conf")
    with open(conf, "a") as f:
        f.write("# mine\n")
    p = waxwing("setup", "foo.com", "--dir", folder)
    assert p.returncode == 0
    assert "made" not in p.stdout and p.stdout.count("kept") >= 4
    assert open(conf).read().endswith("# mine\n")


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
    ("Jones@foo.com", "x" * 1025 + "\n", "the password is too long"),
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
