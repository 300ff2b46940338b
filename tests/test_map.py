"""The pages tell the truth about the tree, and arrows point one way."""
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SRC = os.path.join(ROOT, "src")

# Who may include whom: a folder may include itself and those before it in its
# row's list.  Hosts (door, room, admin, parent) include the roles they run.
LIBRARIES = ["base", "ipc", "sql", "conf", "directory", "msg", "wire", "trust", "smime", "acme", "report", "role"]
ALLOWED = {
    "base": [],
    "sql": ["base"],
    "ipc": ["base"],
    "conf": ["base", "ipc"],
    "directory": ["base", "ipc", "sql"],
    "cli": ["base"],
    "msg": ["base"],
    "wire": ["base", "ipc"],
    "trust": ["base", "msg", "wire"],
    "report": ["base", "msg", "trust"],
    "smime": ["base", "msg", "wire", "trust"],
    "acme": ["base", "msg", "trust", "smime"],
    "role": ["base", "ipc", "conf", "msg"],
    "mua/copy": ["base", "sql", "msg", "trust"],
    "mua/screen": ["base", "sql", "msg", "trust", "mua/copy"],
}
HOSTS = {
    "door": ["mta/in"],
    "room": ["mda", "ms"],
    "mda": ["ms"],
    "mua": ["cli", "mua/copy", "mua/screen", "names", "smime"],
    "admin": ["cli", "parent", "door", "warden", "names", "mta/queue", "mta/relay", "room", "ms", "mda", "sendmail", "mua"],
}


def folder_of(path):
    """mta/in/x.c -> mta/in, base/x.c -> base"""
    return os.path.dirname(path)


# Parts of mua that know less than the program around them.
INNER = ("mua/copy", "mua/screen")


def role_of(folder):
    return folder if folder.startswith("mta/") or folder in INNER else folder.split("/")[0]


def sources():
    for top, _, files in os.walk(SRC):
        for f in files:
            if f.endswith((".c", ".h", ".def")):
                yield os.path.relpath(os.path.join(top, f), SRC)


def test_map_names_every_folder():
    text = open(os.path.join(ROOT, "MAP.md")).read()
    folders = sorted({folder_of(p) for p in sources()})
    assert folders
    missing = [f for f in folders if f"`{f}/`" not in text]
    assert not missing, f"MAP.md has no line for {missing}"


def test_includes_point_one_way():
    wrong = []
    for path in sources():
        me = role_of(folder_of(path))
        for inc in re.findall(r'^#include "([^"]+)"', open(os.path.join(SRC, path)).read(), re.M):
            to = role_of(folder_of(inc))
            if to == me:
                continue
            if me in ALLOWED:
                good = to in ALLOWED[me]
            else:
                good = to in LIBRARIES or to in HOSTS.get(me, [])
            if not good:
                wrong.append(f"{path} includes {inc}")
    assert not wrong, "\n".join(wrong)


def test_readme_of_tests_names_every_file():
    text = open(os.path.join(ROOT, "tests/README.md")).read()
    here = {f for f in os.listdir(os.path.join(ROOT, "tests")) if f.endswith((".py", ".c", ".java", ".js"))}
    named = set(re.findall(r"`(\w+\.(?:py|c|java|js))`", text)) & here
    families = re.findall(r"`(\w+)\.py` and the others of that name", text)
    assert [f for f in here - named if not f.startswith(tuple(families))] == []
    assert [f for f in re.findall(r"`(test_\w+\.py)`", text) if f not in here] == []
    folders = {folder_of(p).split("/")[0] for p in sources()} - {"mta", "sql"} | {"mta/in", "mta/queue", "mta/relay"}
    assert [f for f in folders if f"`{f}/`" not in text] == []
