#!/usr/bin/env python3
"""A hostile sidecar: opens many streams to a control plane, each with a message that it never finishes.

Usage: unfinished_messages.py PORT TOKEN CONNECTIONS. It prints how many messages the control plane holds.
"""

import signal
import socket
import struct
import sys

# Just below the limit of one message, so that none is refused for its size.
MESSAGE_BYTES = 1_000_000
CHUNK_BYTES = 16_384
DATA, HEADERS, SETTINGS, WINDOW_UPDATE = 0, 1, 4, 8
END_STREAM = 1


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def field(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=2)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # What may be sent, of the connection (0) and of the stream (1).
        self.windows = {0: 65_535, 1: 65_535}

    def send(self, bytes):
        self.socket.sendall(bytes)

    def read_frame(self):
        head = self.exactly(9)
        payload = self.exactly(int.from_bytes(head[:3], "big"))
        kind, stream = head[3], int.from_bytes(head[5:9], "big")
        if kind == SETTINGS and not head[4] & 1:
            for at in range(0, len(payload), 6):
                if payload[at : at + 2] == b"\0\4":
                    self.windows[1] = int.from_bytes(payload[at + 2 : at + 6], "big")
            self.send(frame(SETTINGS, 1, 0))
        elif kind == WINDOW_UPDATE:
            self.windows[stream] += int.from_bytes(payload, "big")
        elif kind not in (SETTINGS, HEADERS) or kind == HEADERS and head[4] & END_STREAM:
            raise ConnectionError(f"frame {kind} ends the stream")

    def exactly(self, size):
        found = b""
        while len(found) < size:
            more = self.socket.recv(size - len(found))
            if not more:
                raise ConnectionError("closed")
            found += more
        return found

    def begin_message(self, token):
        self.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0))
        self.read_frame()
        fields = [
            (b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/sitio.mesh.v1.Mesh/Attach"), (b":authority", b"mesh"),
            (b"content-type", b"application/grpc"), (b"te", b"trailers"), (b"authorization", b"Bearer " + token),
        ]
        self.send(frame(HEADERS, 4, 1, b"".join(field(*pair) for pair in fields)))
        left = b"\0" + struct.pack(">I", MESSAGE_BYTES) + bytes(MESSAGE_BYTES - 1)
        while left:
            while min(self.windows.values()) <= 0:
                self.read_frame()
            size = min(CHUNK_BYTES, *self.windows.values())
            self.send(frame(DATA, 0, 1, left[:size]))
            self.windows = {stream: window - size for stream, window in self.windows.items()}
            left = left[size:]


port, token, connections = int(sys.argv[1]), sys.argv[2].encode(), int(sys.argv[3])
held = []
for _ in range(connections):
    try:
        connection = Connection(port)
        connection.begin_message(token)
        held.append(connection)
    except OSError:
        # Refused: the next one may find room.
        pass
print(f"holding {len(held)}", flush=True)
# Held until the test ends this process.
signal.pause()
