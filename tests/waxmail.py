"""A person with waxmail(1): throw-away folders for his configuration and letters."""
import json
import os
import subprocess

from conftest import WAXWING

WAXMAIL = os.environ.get("WAXMAIL", os.path.join(os.path.dirname(WAXWING), "waxmail"))
LIMIT = 120


class Person:
    def __init__(self, folder):
        self.folder = str(folder)
        os.makedirs(self.folder, exist_ok=True)
        self.env = dict(os.environ, HOME=self.folder, XDG_CONFIG_HOME=os.path.join(self.folder, "config"),
                        XDG_DATA_HOME=os.path.join(self.folder, "data"), TZ="UTC", LC_ALL="C.UTF-8")
        self.env.pop("EDITOR", None)
        self.env.pop("VISUAL", None)

    def run(self, *args, input="", status=0, **more):
        p = subprocess.run([WAXMAIL, *args], input=input, text=isinstance(input, str), stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=LIMIT, env=dict(self.env, **more))
        assert p.returncode == status, f"waxmail {' '.join(args)}: {p.returncode}\n{p.stdout}\n{p.stderr}"
        return p

    def json(self, *args, **more):
        return json.loads(self.run(*args, "--json", **more).stdout)

    def account(self, address, server, *more, command="echo secret"):
        """An account on one of our instances."""
        self.run("account", "add", address, "--read", f"imaps://localhost:{server.ports['imaps']}",
                 "--send", f"submissions://localhost:{server.ports['submissions']}",
                 "--authorities", os.path.join(server.dir, "keys/tls.pem"), "--password-command", command, *more)
        return self

    def sync(self, *more):
        return self.json("sync", *more)

    def list(self, *more):
        return self.json("list", *more)

    def wait(self, true, limit=60):
        """Syncs until it is true of the list of INBOX; that list."""
        import time
        end = time.monotonic() + limit
        while True:
            self.sync()
            rows = self.list()
            if true(rows):
                return rows
            assert time.monotonic() < end, rows
            time.sleep(0.05)
