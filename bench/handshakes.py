"""Processor time of a TLS handshake: ours, with the signature asked of warden, beside OpenSSL's own server with the
same kind of key in its own memory, and beside what the signature alone costs.

    WAXWING=build/src/waxwing python3 bench/handshakes.py [SECONDS]

Clients of full handshakes of TLS 1.3 are `openssl s_time`; those of resumed ones are Python's ssl, each with the ticket
of the connection before. What they cost is not counted: the times are those of the server's processes, from /proc, so
that a loaded machine changes them little.
"""
import multiprocessing
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests"))
import conftest  # noqa: E402

CLIENTS = 3
TICK = os.sysconf("SC_CLK_TCK")


def cpu(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def drive(port, seconds, pids):
    """Handshakes that the clients made, and what each process spent on one, in microseconds."""
    before = {name: cpu(pid) for name, pid in pids.items()}
    clients = [subprocess.Popen(["openssl", "s_time", "-connect", f"127.0.0.1:{port}", "-new", "-time", str(seconds)],
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for _ in range(CLIENTS)]
    n = sum(int(re.search(r"(\d+) connections in \d+ real", c.communicate()[0]).group(1)) for c in clients)
    return n, {name: (cpu(pid) - before[name]) / n * 1e6 for name, pid in pids.items()}


def resume(port, seconds, say, count):
    """Connections one after the other, each resuming the one before; what the server says first brings the tickets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    ticket, n, end = None, 0, time.monotonic() + seconds
    while time.monotonic() < end:
        with context.wrap_socket(socket.create_connection(("127.0.0.1", port), 5), session=ticket) as s:
            assert s.session_reused or ticket is None
            s.sendall(say)
            s.recv(4096)
            ticket, n = s.session, n + 1
    count.put(n)


def drive_resumed(port, seconds, pids, say):
    before = {name: cpu(pid) for name, pid in pids.items()}
    count = multiprocessing.Queue()
    clients = [multiprocessing.Process(target=resume, args=(port, seconds, say, count)) for _ in range(CLIENTS)]
    for c in clients:
        c.start()
    n = sum(count.get(timeout=seconds + 30) for _ in clients)
    for c in clients:
        c.join()
    return n, {name: (cpu(pid) - before[name]) / n * 1e6 for name, pid in pids.items()}


def report(what, n, spent, seconds):
    parts = ", ".join(f"{name} {us:.0f}" for name, us in spent.items())
    total = sum(spent.values())
    print(f"{what:28} {n / seconds:7.0f}/s here  {total:5.0f} us each ({parts}): {1e6 / total:.0f}/s of one processor")
    return total


def ours(top, seconds):
    w = conftest.Instance(os.path.join(top, "w"), {"host.doors": "1", "log.file": "",
                                                   "limits.connections_per_address": "100000"})
    w.start()
    w.wait_port(w.ports["imaps"])
    pids = {role: w.pids(role)[0] for role in ("door", "warden")}
    full = drive(w.ports["imaps"], seconds, pids)
    resumed = drive_resumed(w.ports["imaps"], seconds, pids, b"")
    w.stop()
    return w, full, resumed


def openssls(w, seconds):
    port = conftest.free_ports(1)[0]
    p = subprocess.Popen(["openssl", "s_server", "-accept", str(port), "-cert", f"{w.dir}/keys/tls.pem", "-key",
                          f"{w.dir}/keys/tls.key", "-quiet", "-num_tickets", "1", "-www"],
                         stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.05)
    full = drive(port, seconds, {"s_server": p.pid})
    resumed = drive_resumed(port, seconds, {"s_server": p.pid}, b"GET / HTTP/1.0\r\n\r\n")
    p.terminate()
    p.wait()
    return full, resumed


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    top = tempfile.mkdtemp(prefix="waxwing-test-")
    os.chmod(top, 0o711)
    try:
        w, full, resumed = ours(top, seconds)
        their_full, their_resumed = openssls(w, seconds)
        mine = report("waxwing, warden signs", *full, seconds)
        floor = report("openssl s_server, own key", *their_full, seconds)
        mine_again = report("waxwing, resumed", *resumed, seconds)
        floor_again = report("openssl s_server, resumed", *their_resumed, seconds)
        speed = subprocess.run(["openssl", "speed", "-seconds", "1", "ecdsap256", "ecdhx25519"], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True).stdout
        print("openssl speed: " + "; ".join(" ".join(x.split()) for x in speed.split("\n") if "nistp256" in x or "X25519" in x))
        print(f"ours to OpenSSL's own: {mine / floor:.2f}, resumed {mine_again / floor_again:.2f}")
    finally:
        shutil.rmtree(top, ignore_errors=True)


if __name__ == "__main__":
    main()
