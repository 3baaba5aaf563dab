"""A node of the exchange as a process, and the wire between a member and it, which can be cut."""

import json
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading


def show(binary, data, what):
    """`rialto admin show WHAT` of the node in directory `data`."""
    command = [binary, "admin", "--data", data, "show", what, "--json"]
    done = subprocess.run(command, capture_output=True, timeout=20, check=True)
    return json.loads(done.stdout)[what]


class Node:
    """One node: start it, kill it, ask it as its operator would."""

    def __init__(self, binary, config, folder):
        self.binary, self.config = binary, config
        self.data = folder / "data"
        # Shared memory must not reach a disk.
        self.shm = tempfile.mkdtemp(prefix="rialto-quickfix-", dir="/dev/shm")
        self.log = open(folder / "node.log", "ab")
        self.process = None

    def start(self):
        """Starts the node and waits until it accepts."""
        flags = ["--accept-volatile", "--idle", "park", "--pin", "off", "--json"]
        self.process = subprocess.Popen(
            [self.binary, "serve", "--config", self.config, "--data", self.data, "--shm-dir", self.shm] + flags,
            stdout=subprocess.PIPE,
            stderr=self.log,
        )
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the node ended before it was ready: {self.process.wait()}")
        ready = json.loads(line)
        assert ready["ready"], ready
        return ready

    def address(self):
        """Where it listens now."""
        host, port = json.loads((self.data / "endpoints.json").read_text())["fix"].rsplit(":", 1)
        return host, int(port)

    def kill(self):
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """Ends it as an operator does; it has five seconds."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            return self.process.wait(timeout=5)
        return None

    def clear(self):
        """Ends it if it still runs, and gives its shared memory back."""
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.shm)

    def show(self, what):
        """`rialto admin show WHAT`."""
        return show(self.binary, self.data, what)


class Wire:
    """A member's way to the node: a port of its own in front of the node's, so that connections can be lost.

    While it is `cut` no connection comes up. `swallow` lets both sides believe that what they send arrives; `split`
    hands on all bytes one at a time, for TCP's segments are nobody's messages."""

    def __init__(self, node):
        self.node = node
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.addresses = [self.listener.getsockname()]
        self.lock = threading.Lock()
        self.pairs = []
        self.cut_now = self.swallow = self.split = False
        self.swallowed = {"in": 0, "out": 0}
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            member, _ = self.listener.accept()
            with self.lock:
                refused = self.cut_now
            if refused:
                reset(member)
                continue
            try:
                exchange = socket.create_connection(self.node.address(), timeout=2)
            except (OSError, ValueError):
                reset(member)
                continue
            for end in (member, exchange):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                end.settimeout(None)
            with self.lock:
                self.pairs.append((member, exchange))
            threading.Thread(target=self._carry, args=(member, exchange), daemon=True).start()

    def _carry(self, member, exchange):
        other = {member: exchange, exchange: member}
        try:
            while True:
                for source in select.select(list(other), [], [])[0]:
                    got = source.recv(65536)
                    if not got:
                        return
                    way = "out" if source is member else "in"
                    if self.swallow:
                        self.swallowed[way] += len(got)
                        continue
                    pieces = [bytes([byte]) for byte in got] if self.split else [got]
                    for piece in pieces:
                        other[source].sendall(piece)
        except (OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.pairs = [pair for pair in self.pairs if pair[0] is not member]
            member.close()
            exchange.close()

    def cut(self):
        """Loses the connection, both ways at once, and lets none come up."""
        with self.lock:
            self.cut_now = True
            pairs = list(self.pairs)
        for pair in pairs:
            for end in pair:
                try:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.swallow = False

    def mend(self):
        """Lets connections come up again."""
        with self.lock:
            self.cut_now = False


def reset(end):
    """Ends a connection at once."""
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()
