"""The service manager is told when the server is ready and when it stops."""
import socket


def test_notify(instance, tmp_path, monkeypatch):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(path)
        s.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        one = instance()
        assert s.recv(100) == b"READY=1"
        one.stop()
        assert s.recv(100) == b"STOPPING=1"
