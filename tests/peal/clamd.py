"""ClamAV's daemon with two signatures of our own and none of anybody else's: nothing is downloaded."""

import contextlib
import hashlib
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from stack import service_user

PROGRAM = pathlib.Path("/usr/sbin/clamd")
MARK = b"PEAL-TEST-THAT-A-SCANNER-FINDS-THIS"    # anywhere in a file, unpacked or not
KNOWN = b"the one file of this digest\n" * 40    # as a whole only


class Clamd:
    """At `address`, once it is started; `stream_mib` is the most that it takes of one upload."""

    def __init__(self, stream_mib=3, port=None):
        if not PROGRAM.exists():
            pytest.skip("clamd is not installed (apt-get install clamav-daemon): nothing scans")
        self.process = None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="peal-clamd-", dir="/tmp"))
        signatures = self.folder / "signatures"
        signatures.mkdir()
        (signatures / "peal.ndb").write_text(f"Peal.Test.Mark:0:*:{MARK.hex()}\n")
        (signatures / "peal.hdb").write_text(f"{hashlib.md5(KNOWN).hexdigest()}:{len(KNOWN)}:Peal.Test.Known\n")
        self.address = f"127.0.0.1:{port}" if port else str(self.folder / "clamd.ctl")
        listen = f"TCPSocket {port}\nTCPAddr 127.0.0.1" if port else f"LocalSocket {self.address}\nLocalSocketMode 666"
        self.conf, self.log = self.folder / "clamd.conf", self.folder / "log"
        self.conf.write_text(f"{listen}\nDatabaseDirectory {signatures}\nTemporaryDirectory {self.folder}\nForeground yes\nLogClean yes\n"
                             f"StreamMaxLength {stream_mib}M\nMaxFileSize 100M\nMaxScanSize 200M\nAlertExceedsMax yes\nSelfCheck 86400\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        subprocess.run(["rm", "-rf", str(self.folder)], check=True)

    def start(self):
        pathlib.Path(self.address).unlink(missing_ok=True)
        drop = []
        if os.geteuid() == 0:
            user = service_user()
            drop = ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, user.pw_uid, user.pw_gid)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(["/usr/bin/setpriv", *drop, "--pdeathsig", "TERM", "--", PROGRAM, "-c", self.conf], cwd=self.folder,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + 60
        while not self._answers():
            assert self.process.poll() is None and time.monotonic() < until, self.log.read_text(errors="replace")
            time.sleep(0.05)

    def _answers(self):
        host, _, port = self.address.partition(":")
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET if port else socket.AF_UNIX) as s:
            s.settimeout(1)
            s.connect((host, int(port)) if port else self.address)
            s.sendall(b"zPING\0")
            return s.recv(5) == b"PONG\0"
        return False

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        if self.process:
            self.signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
        self.process = None
