"""Sends test requests with Python's http.client on one connection: client.py PORT. Prints each step, its status and its body."""

import http.client
import json
import sys

connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30)
LONG = bytes(range(256)) * 4096


def ask(step, method, path, **how):
    connection.request(method, path, **how)
    response = connection.getresponse()
    body = response.read()
    came = "the same" if body == LONG else body.decode()
    print(json.dumps([step, response.status, came]), flush=True)


ask("get", "GET", "/hello")
first = connection.sock
ask("head", "HEAD", "/hello")
ask("missing", "GET", "/missing")
ask("stream", "GET", "/stream")
ask("post", "POST", "/echo", body=b"posted")
ask("chunks", "POST", "/echo", body=iter([b"in ", b"three ", b"pieces"]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
ask("long", "POST", "/echo", body=LONG)
ask("delete", "DELETE", "/nothing")
ask("again", "GET", "/hello")
print(json.dumps(["one connection", 0, str(connection.sock is first).lower()]))
