"""MTA-STS (RFC 8461) from the sender's side: policies fetched from a real HTTPS
server, letters to a real sink."""
import http.server
import json
import threading

import pytest

from certificates import Authority
from smtp_sink import Sink
from test_send import QUICK, hand_in, queue


@pytest.fixture
def ca(tmp_path):
    return Authority(tmp_path)


class Policies:
    """https://mta-sts.elsewhere.example/, on a port of loopback."""

    def __init__(self, context, text):
        outer, self.text, self.asked, self.status, self.kind = self, text, 0, 200, "text/plain"

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked += 1
                body = outer.text if self.path == "/.well-known/mta-sts.txt" else b"?"
                self.send_response(outer.status)
                self.send_header("Content-Type", outer.kind)
                if outer.status == 301:
                    self.send_header("Location", "https://mta-sts.elsewhere.example/.well-known/mta-sts.txt")
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def policy(mode="enforce", mx="mx.elsewhere.example", age=86400):
    return f"version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: {age}\n".encode()


ZONE = '@ MX 10 mx\nmx A 127.0.0.1\nmta-sts A 127.0.0.1\n'


@pytest.fixture
def world(instance, dns, ca):
    """make(sink, text): a sender and a site with that policy; the zone is not signed, so DANE has no say."""
    made = []

    def make(sink, text, host="mta-sts.elsewhere.example", record='_mta-sts TXT "v=STSv1; id=1"\n', **more):
        p = Policies(ca.context(host), text)
        made.append(p)
        dns.zone("elsewhere.example", ZONE + record, signed=False)
        w = instance(dns.settings(**dict(QUICK, **{
            "relay.port": str(sink.port), "relay.sts_port": str(p.port), "relay.authorities": ca.file}, **more)))
        return w, p
    yield make
    for p in made:
        p.stop()


def waits(w, why):
    w.wait_until(lambda: queue(w, "list") and why in json.dumps(queue(w, "show", queue(w, "list")[0]["id"])))


def test_enforced_and_proved(world, ca):
    with Sink(tls=ca.context("mx.elsewhere.example")) as sink:
        w, p = world(sink, policy())
        hand_in(w, "a@elsewhere.example", "one")
        assert sink.wait(1)[0]["tls"] == "TLSv1.3"
        w.wait_log(r'relayed .*how="TLSv1\.3 TLS_\w+, PKIX verified, mx\.elsewhere\.example"')
        hand_in(w, "b@elsewhere.example", "two")
        sink.wait(2)
        assert p.asked == 1, "the same id is not fetched again"


@pytest.mark.parametrize("what", ["another name", "another authority", "no TLS", "another host"])
def test_enforced_and_not_proved_waits(world, ca, tmp_path_factory, what):
    tls = {"another name": lambda: ca.context("mx.other.example"),
           "another authority": lambda: Authority(tmp_path_factory.mktemp("ca")).context("mx.elsewhere.example"),
           "no TLS": lambda: None, "another host": lambda: ca.context("mx.elsewhere.example")}[what]()
    text = policy(mx="*.hosts.example") if what == "another host" else policy()
    why = {"another name": "hostname mismatch", "another authority": "certificate", "no TLS": "does not offer STARTTLS",
           "another host": "does not name this host"}[what]
    with Sink(tls=tls) as sink:
        w, _ = world(sink, text)
        hand_in(w, "a@elsewhere.example", "one")
        waits(w, why)
        assert not sink.letters


def test_in_testing_nothing_is_refused(world, ca):
    with Sink(tls=ca.context("mx.other.example")) as sink:
        w, p = world(sink, policy("testing"))
        hand_in(w, "a@elsewhere.example", "one")
        assert sink.wait(1)[0]["tls"] == "TLSv1.3" and p.asked == 1
        w.wait_log(r'relayed .*how="[^"]*not verified')


@pytest.mark.parametrize("broken", ["redirect", "giant", "html", "type", "name", "status"])
def test_a_policy_that_cannot_be_had_is_none(world, ca, broken):
    """And the first letter goes as if there were none: nothing was known before."""
    text = {"giant": policy() + b"x: y\n" * 20000, "html": b"<html>no such page</html>"}.get(broken, policy())
    with Sink() as sink:
        w, p = world(sink, text, host="mta-sts.other.example" if broken == "name" else "mta-sts.elsewhere.example")
        p.status = {"redirect": 301, "status": 404}.get(broken, 200)
        p.kind = "text/html" if broken == "type" else "text/plain"
        hand_in(w, "a@elsewhere.example", "one")
        sink.wait(1)
        w.wait_log(r"sts-failed domain=elsewhere\.example why=")
        hand_in(w, "b@elsewhere.example", "two")
        sink.wait(2)
        assert p.asked == (0 if broken == "name" else 1), "not asked again at once"


def test_what_was_fetched_counts_though_all_else_is_gone(world, ca, dns):
    """A record or a web server taken away takes no policy away (10.2); a restart does not either."""
    with Sink(tls=ca.context("mx.elsewhere.example")) as sink:
        w, p = world(sink, policy())
        hand_in(w, "a@elsewhere.example", "one")
        sink.wait(1)
        p.stop()
        dns.zone("elsewhere.example", ZONE, signed=False)
        w.stop()
        w.run("lookup", "elsewhere.example", "--forget", check=False)
        w.start()
        sink.tls = None
        sink.offers.remove("STARTTLS")
        hand_in(w, "b@elsewhere.example", "two")
        waits(w, "MTA-STS asks for TLS")
        assert len(sink.letters) == 1


def test_a_new_id_brings_the_new_policy(world, ca, dns):
    with Sink(tls=ca.context("mx.elsewhere.example")) as sink:
        w, p = world(sink, policy(mx="mx.nowhere.example"))
        hand_in(w, "a@elsewhere.example", "one")
        waits(w, "does not name this host")
        p.text = policy()
        dns.zone("elsewhere.example", ZONE + '_mta-sts TXT "v=STSv1; id=2"\n', signed=False)
        sink.wait(1)
        assert p.asked == 2


@pytest.mark.parametrize("record", ['_mta-sts TXT "v=STSv1; id=1"\n_mta-sts TXT "v=STSv1; id=2"\n', '_mta-sts TXT "v=spf1 -all"\n', ""])
def test_without_one_record_nobody_is_asked(world, ca, record):
    with Sink() as sink:
        w, p = world(sink, policy(), record=record)
        hand_in(w, "a@elsewhere.example", "one")
        sink.wait(1)
        assert p.asked == 0
