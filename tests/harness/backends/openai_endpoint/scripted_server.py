"""A real HTTP server in this process whose every word a test may write: ``ScriptedServer(behave)``; or, as a program,
``scripted_server.py --port N [--model NAME] [--fail-after N]``, one that serves soundly.

Answers are a function of the prompt, so that a test knows them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import struct
import threading
import time

import attrs

MODEL = "vendor/Model-1B"


def answer(prompt):
    """Token ids of the right answer: two to seven of them."""
    return [prompt[0] + number for number in range(prompt[0] % 6 + 2)]


@attrs.frozen
class Asked:
    """A request, and how many came with the same body before."""

    method: str
    path: str
    headers: dict
    body: dict
    earlier: int

    @property
    def prompt(self):
        found = self.body.get("prompt") or self.body.get("token_ids") or self.body["messages"][0]["content"]
        return [len(found)] if isinstance(found, str) else found

    @property
    def streams(self):
        return bool(self.body.get("stream"))


class Wire:
    """The connection to a client, to be written to."""

    def __init__(self, connection):
        self._connection = connection

    def send(self, data):
        self._connection.sendall(data)

    def head(self, status=200, **headers):
        fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.send(f"HTTP/1.1 {status} Some Reason\r\n{fields}\r\n".encode())

    def json(self, found, status=200, **headers):
        body = json.dumps(found).encode()
        self.head(status, Content_Type="application/json", Content_Length=len(body), **headers)
        self.send(body)

    def error(self, status, message, **headers):
        self.json({"error": {"message": message, "type": "SomeError", "code": status}}, status, **headers)

    def chunk(self, data):
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def event(self, found):
        self.chunk(b"data: %s\n\n" % (found if isinstance(found, bytes) else json.dumps(found).encode()))

    def stream_head(self):
        self.head(Content_Type="text/event-stream", Transfer_Encoding="chunked")

    def end(self):
        self.send(b"0\r\n\r\n")

    def close(self):
        self._connection.shutdown(socket.SHUT_RDWR)
        raise _Closed

    def reset(self):
        """Have the client see a reset connection, as a server's crash does."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise _Closed


class _Closed(Exception):
    pass


def choice(ids, finish=None, *, text=False, index=0):
    """One choice: with token ids as vLLM sends them, or with text alone, a word for each."""
    words = "".join(f" w{id_}" for id_ in ids)
    return {"index": index, "text": words, "finish_reason": finish, **({} if text else {"token_ids": ids})}


def usage(count):
    return {"prompt_tokens": 3, "completion_tokens": count, "total_tokens": 3 + count}


def sound(asked, wire, *, ids=None, claimed=None, text=False, finish=...):
    """The right answer, or ``ids``, with the number of tokens that is ``claimed`` of it, and why it is said to end."""
    limits = asked.body.get("sampling_params", asked.body)
    if ids is None:
        ids = answer(asked.prompt)[: limits["max_tokens"]]
        ids += [2] * (limits["max_tokens"] - len(ids) if limits.get("ignore_eos") else 0)
    claimed = len(ids) if claimed is None else claimed
    if finish is ...:
        finish = "length" if len(ids) == limits["max_tokens"] else "stop"
    if not asked.streams:
        wire.json({"choices": [choice(ids, finish, text=text)], "usage": usage(claimed)})
        return
    wire.stream_head()
    for id_ in ids:
        wire.event({"choices": [choice([id_], text=text)], "usage": None})
    wire.event({"choices": [choice([], finish, text=text)], "usage": None})
    wire.event({"choices": [], "usage": usage(claimed)})
    wire.event(b"[DONE]")
    wire.end()


class ScriptedServer:
    """Listens on a port of this machine until it is closed.

    Args:
        behave: ``(asked, wire)``, what is done upon a POST.
        models: entries of its list of models.
        key: the API key that it asks for.
        tls: an SSLContext to serve https with.
    """

    def __init__(self, behave=sound, *, models=None, key=None, port=0, tls=None):
        self.behave = behave
        self.models = [{"id": MODEL, "owned_by": "vllm", "max_model_len": 4096}] if models is None else models
        self.key = key
        self.tls = tls
        self.asked = []
        self.connections = 0
        self._lock = threading.Lock()
        self._open = set()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}" if self.tls is None else f"https://localhost:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """Stop listening, and end what is open."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with self._lock:
                    self.connections += 1
                    self._open.add(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        if self.tls is not None:
            try:
                connection = self.tls.wrap_socket(connection, server_side=True)
            except OSError:
                return
        with connection, contextlib.suppress(OSError, _Closed), connection.makefile("rb") as lines:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while first := lines.readline():
                method, path, _ = first.decode().split()
                headers = {}
                while (line := lines.readline()) not in (b"\r\n", b""):
                    name, _, value = line.decode().partition(":")
                    headers[name.lower()] = value.strip()
                raw = lines.read(int(headers.get("content-length", 0)))
                self._answer(Wire(connection), method, path, headers, raw)
        with self._lock:
            self._open.discard(connection)

    def _answer(self, wire, method, path, headers, raw):
        if self.key is not None and headers.get("authorization") != f"Bearer {self.key}":
            wire.error(401, f"Incorrect API key provided: {headers.get('authorization')}")
        elif method == "GET":
            wire.json({"data": self.models} if path == "/v1/models" else {})
        else:
            with self._lock:
                body = json.loads(raw)
                earlier = sum(_unsalted(asked.body) == _unsalted(body) for asked in self.asked)
                asked = Asked(method, path, headers, body, earlier)
                self.asked.append(asked)
            self.behave(asked, wire)


def _unsalted(body):
    return {key: value for key, value in body.items() if key != "cache_salt"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--fail-after", type=int, help="die upon so many requests")
    parser.add_argument("--child", action="store_true", help="have a process of its own, as engines do")
    given = parser.parse_args()
    if given.child and os.fork() == 0:
        time.sleep(600)
    print("serving", os.getpid(), flush=True)

    def behave(asked, wire):
        if given.fail_after is not None and len(server.asked) > given.fail_after:
            print("out of memory", flush=True)
            os._exit(9)
        sound(asked, wire)

    server = ScriptedServer(behave, models=[{"id": given.model, "owned_by": "vllm"}], port=given.port)
    threading.Event().wait()


if __name__ == "__main__":
    main()
