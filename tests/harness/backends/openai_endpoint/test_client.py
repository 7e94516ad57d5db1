"""The client against a real server: every sample ends once, whatever the server does; it is asked again where sound."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import threading
import time

import numpy as np
import pytest
from asking import requests
from scripted_server import ScriptedServer, answer, choice, sound, usage

NO_IDS = "sent token ids that are no whole numbers from 0 to 2147483647"

both_ways = pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "whole"])


def expected(count):
    return {request.id: answer(request.prompt.tolist()) for request in requests(count)}


@both_ways
def test_answers_are_the_servers_tokens(ask, streaming):
    with ScriptedServer() as server:
        heard, counts = ask(server, 200, streaming=streaming)
    assert heard.outputs == expected(200)
    assert not heard.failed
    assert (counts.requests, counts.answers, counts.failures, dict(counts.retries)) == (200, 200, 0, {})
    assert server.connections <= 16
    if streaming:
        assert heard.first.keys() == heard.outputs.keys()
        assert all(some and heard.outputs[id_][: len(some)] == some for id_, some in heard.first.items())
        assert heard.tokens == sum(map(len, heard.outputs.values()))
    else:
        assert not heard.first


def test_a_request_says_all_that_the_config_says(ask):
    limits = {"min_tokens": 2, "temperature": 0.5, "top_p": 0.9, "top_k": 3, "seed": 7, "stop_token_ids": (9,)}
    with ScriptedServer() as server:
        ask(server, limits=limits)
    (asked,) = server.asked
    wanted = {**limits, "stop_token_ids": [9], "max_tokens": 8, "prompt": [1000, 5, 7], "return_token_ids": True}
    assert asked.body.items() >= wanted.items()
    assert asked.path == "/v1/completions"
    assert "authorization" not in asked.headers


def test_the_token_api_of_vllm(ask):
    with ScriptedServer() as server:
        heard, _ = ask(server, 5, streaming=False, api="tokens")
    assert heard.outputs == expected(5)
    assert server.asked[0].path == "/inference/v1/generate"
    assert server.asked[0].body["sampling_params"]["detokenize"] is False


def once(status, **headers):
    """Refuse each request once."""

    def behave(asked, wire):
        if asked.earlier == 0:
            wire.error(status, "busy", **headers)
        else:
            sound(asked, wire)

    return behave


@both_ways
@pytest.mark.parametrize("status", [429, 502, 503])
def test_a_refused_request_is_sent_again_and_counted(ask, status, streaming):
    with ScriptedServer(once(status)) as server:
        heard, counts = ask(server, 5, streaming=streaming)
    assert heard.outputs == expected(5)
    assert len(server.asked) == 10
    assert sum(counts.retries.values()) == 5 and str(status) in next(iter(counts.retries))


def test_retry_after_is_waited_for(ask):
    with ScriptedServer(once(429, Retry_After=1)) as server:
        begun = time.monotonic()
        heard, _ = ask(server)
    assert heard.outputs == expected(1)
    assert time.monotonic() - begun >= 1


def test_retries_are_bounded(ask):
    with ScriptedServer(lambda asked, wire: wire.error(503, "come  back\nlater")) as server:
        heard, counts = ask(server, retries=2)
    assert heard.failed == {0: f"{server.url} answered 503: come back later, 3 times."}
    assert len(server.asked) == 3
    assert counts.failures == 1


def test_a_full_server_is_asked_for_as_long_as_it_takes_and_for_no_more_than_it_takes(ask):
    full_until, taken, most, lock = time.monotonic() + 1, [0], [0], threading.Lock()

    def behave(asked, wire):
        with lock:
            refuses = time.monotonic() < full_until or taken[0] >= 4
            taken[0] += not refuses
            most[0] = max(most[0], taken[0])
        if refuses:
            wire.error(429, "busy")
            return
        time.sleep(0.01)
        with lock:
            taken[0] -= 1
        sound(asked, wire)

    with ScriptedServer(behave) as server:
        heard, counts = ask(server, 50, retries=0)
        asked = len(server.asked)
    assert heard.outputs == expected(50)
    assert most == [4]
    # 16 connections would have been refused at every turn.
    assert counts.retries == {"429 too many requests": asked - 50} and asked < 110


def test_a_server_that_stays_full_has_failed(ask):
    with ScriptedServer(lambda asked, wire: wire.error(429, "busy")) as server:
        begun = time.monotonic()
        heard, _ = ask(server, 3, retries=0, silence_s=0.5)
    words = f"{server.url} answered 429: busy, and nothing else for 0.5 s (backend.options.timeout)."
    assert heard.failed == dict.fromkeys(range(3), words)
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("status", [400, 401, 404, 500, 504])
def test_other_statuses_fail_the_sample_at_once(ask, status):
    with ScriptedServer(lambda asked, wire: wire.error(status, "no such luck")) as server:
        heard, counts = ask(server)
        assert heard.failed == {0: f"{server.url} answered {status}: no such luck."}
    assert len(server.asked) == 1
    assert not counts.retries


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_connection_lost_before_an_answer_is_no_loss(ask, end):
    def behave(asked, wire):
        if asked.earlier == 0:
            getattr(wire, end)()
        sound(asked, wire)

    with ScriptedServer(behave) as server:
        heard, counts = ask(server, 20)
    assert heard.outputs == expected(20)
    assert counts.retries == {"connection lost": 20}


def half(asked, wire):
    wire.stream_head()
    wire.event({"choices": [choice([1])]})
    wire.event({"choices": [choice([2])]})


def half_and(end):
    def behave(asked, wire):
        half(asked, wire)
        getattr(wire, end)()

    return behave


def cut_chunk(asked, wire):
    half(asked, wire)
    wire.send(b"40\r\ndata: {")
    wire.close()


def nothing_more(asked, wire):
    half(asked, wire)
    wire.end()


def cut_body(asked, wire):
    wire.head(Content_Length=1000)
    wire.send(b'{"choices": [')
    wire.close()


def within(asked, wire):
    wire.stream_head()
    wire.event({"choices": [choice([1])]})
    wire.event({"error": {"message": "out of memory"}})
    wire.end()


def an_event(data):
    def behave(asked, wire):
        wire.stream_head()
        wire.event(data)
        wire.end()

    return behave


def raw(data):
    def behave(asked, wire):
        wire.send(data)
        wire.close()

    return behave


FAULTS = {
    "half a stream, closed": (half_and("close"), "ended the connection within an answer (closed by the server)"),
    "half a stream, reset": (half_and("reset"), "ended the connection within an answer"),
    "half a chunk": (cut_chunk, "ended the connection within an answer"),
    "a stream without its end": (nothing_more, "ended a stream before its end, after 2 tokens"),
    "an error in a stream": (within, "answered with an error: out of memory"),
    "no JSON": (an_event(b"{oops"), "sent what is no object of this API: '{oops'"),
    "other JSON": (an_event(b"[1, 2]"), "sent what is no object of this API"),
    "text only": (an_event({"choices": [{"text": "a"}]}), "sent text without token ids"),
    "two choices, one after the other": (
        an_event({"choices": [choice([1], "stop", index=1)]}),
        "answered with several choices, where one was asked for",
    ),
    "two choices at once": (
        an_event({"choices": [choice([1]), choice([1], index=1)]}),
        "answered with several choices",
    ),
    "an answer without its end": (
        lambda asked, wire: sound(asked, wire, ids=[1, 2], finish=None),
        "sent an answer and not why it ended (finish_reason)",
    ),
    "an answer cut for its length": (
        lambda asked, wire: sound(asked, wire, ids=[1, 2], finish="length"),
        "ended an answer for its length after 2 of 8 tokens: can it hold no longer ones?",
    ),
    "ids as a string": (an_event({"choices": [{"token_ids": "12"}]}), "sent token ids that are no whole numbers"),
    "no choices": (an_event({"object": "x"}), "answered without choices"),
    "no HTTP": (raw(b"SSH-2.0-OpenSSH_9.0\r\n"), "answered with what is no HTTP: 'SSH-2.0-OpenSSH_9.0"),
    "a bad chunk": (
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
        "answered with a chunk whose size is 'xyz'",
    ),
    "a redirection": (
        lambda asked, wire: wire.json({}, 307, Location="https://elsewhere/v1"),
        "answered 307, a redirection to https://elsewhere/v1: give that address",
    ),
}


@pytest.mark.parametrize(("behave", "reason"), FAULTS.values(), ids=FAULTS)
def test_a_broken_stream_fails_the_sample_and_is_not_asked_again(ask, behave, reason):
    def one_in_three(asked, wire):
        (behave if asked.prompt[0] % 3 == 0 else sound)(asked, wire)

    with ScriptedServer(one_in_three) as server:
        heard, counts = ask(server, 30)
        assert len(heard.failed) == 10
        assert all(said.startswith(f"{server.url} {reason}") for said in heard.failed.values()), heard.failed
    assert heard.outputs == {id_: ids for id_, ids in expected(30).items() if (1000 + id_) % 3}
    assert not counts.retries


def test_half_a_whole_answer(ask):
    with ScriptedServer(cut_body) as server:
        heard, _ = ask(server, streaming=False)
    assert "ended the connection within an answer" in heard.failed[0]


@both_ways
@pytest.mark.parametrize(
    ("ids", "claimed", "reason"),
    [
        ([1, 2], 3, "says that it made 3 tokens, and sent 2"),
        ([], 0, "sent an empty answer"),
        ([], 4, "sent an empty answer"),
        (list(range(9)), 9, "sent 9 tokens where 1 to 8 were asked for"),
        ([2**31], 1, NO_IDS),
        ([5, -1], 2, NO_IDS),
        ([1.0, 2], 2, NO_IDS),
        ([True, 2], 2, NO_IDS),
        ([[1], 2], 2, NO_IDS),
        (["1"], 1, NO_IDS),
    ],
)
def test_wrong_counts_fail_the_sample(ask, streaming, ids, claimed, reason):
    with ScriptedServer(lambda asked, wire: sound(asked, wire, ids=ids, claimed=claimed)) as server:
        heard, _ = ask(server, streaming=streaming)
    assert heard.failed == {0: f"{server.url} {reason}."}


def test_an_answer_that_is_shorter_than_asked_for(ask):
    with ScriptedServer(lambda asked, wire: sound(asked, wire, ids=[1, 2])) as server:
        heard, _ = ask(server, limits={"ignore_eos": True})
    assert "tokens where 8 were asked for" in heard.failed[0]


def test_a_server_that_says_nothing(ask):
    def behave(asked, wire):
        if asked.prompt[0] == 1000:
            time.sleep(3)
        sound(asked, wire)

    with ScriptedServer(behave) as server:
        heard, _ = ask(server, 3, silence_s=0.5)
    assert heard.failed == {0: f"{server.url} sent nothing for 0.5 s (backend.options.timeout)."}
    assert len(heard.outputs) == 2


def test_a_server_that_falls_silent_within_an_answer(ask):
    def behave(asked, wire):
        half(asked, wire)
        time.sleep(3)

    with ScriptedServer(behave) as server:
        heard, _ = ask(server, silence_s=0.5)
    assert "sent nothing for 0.5 s" in heard.failed[0]


@both_ways
def test_words_that_are_no_answer_keep_no_answer_alive(ask, streaming):
    def behave(asked, wire):
        wire.stream_head()
        for _ in range(20):
            wire.chunk(b": ping\n\n" if asked.streams else b"  \n")
            time.sleep(0.1)

    with ScriptedServer(behave) as server:
        heard, _ = ask(server, streaming=streaming, silence_s=0.4)
    assert "sent nothing for 0.4 s" in heard.failed[0]


def test_a_request_that_waits_for_its_turn_is_not_lost(ask):
    """A server with one slot: the last request is begun long after the time in which a silent server has failed."""
    slot = threading.Lock()

    def behave(asked, wire):
        with slot:
            time.sleep(0.15)
            sound(asked, wire)

    with ScriptedServer(behave) as server:
        heard, _ = ask(server, 8, silence_s=0.5)
    assert heard.outputs == expected(8)


def test_long_answers_come_as_streams_that_show_that_they_come(ask):
    def behave(asked, wire):
        assert asked.streams
        wire.stream_head()
        for first in range(0, 1000, 250):
            wire.event({"choices": [choice(list(range(first, first + 250)))]})
            time.sleep(0.2)
        wire.event({"choices": [choice([], "length")]})
        wire.event(b"[DONE]")
        wire.end()

    with ScriptedServer(behave) as server:
        heard, _ = ask(server, streaming=False, silence_s=0.5, limits={"max_tokens": 1000})
    assert heard.outputs == {0: list(range(1000))}
    assert heard.tokens == 1000
    assert not heard.first


def test_no_request_finds_the_cache_of_another(ask):
    def behave(asked, wire):
        once(503)(asked, wire)

    with ScriptedServer(behave) as server:
        for api in ("completions", "tokens"):
            ask(server, 5, api=api)
    salts = [asked.body["cache_salt"] for asked in server.asked]
    assert len(set(salts)) == len(salts) == 20


def test_nobody_listens(ask):
    server = ScriptedServer()
    server.close()
    heard, counts = ask(server, 3, retries=1)
    assert heard.failed == dict.fromkeys(range(3), f"{server.url} takes no connection (connection refused), 2 times.")
    assert counts.retries == {"no connection": 3}


def test_a_server_that_dies_and_comes_back(ask):
    first = ScriptedServer(lambda asked, wire: (first.close(), wire.reset()))
    restart = threading.Timer(0.3, lambda: restarted.append(ScriptedServer(port=first.port)))
    restarted = []
    restart.start()
    try:
        heard, counts = ask(first, 5, retries=6)
    finally:
        restart.join()
        restarted[0].close()
    assert heard.outputs == expected(5)
    assert counts.retries["no connection"] > 0


def test_servers_that_close_idle_connections(ask):
    def behave(asked, wire):
        sound(asked, wire)
        wire.close()

    with ScriptedServer(behave) as server:
        heard, _ = ask(server, 50, connections=4)
    assert heard.outputs == expected(50)


def test_bodies_by_length_or_to_the_end_of_the_connection(ask):
    def behave(asked, wire):
        ids = answer(asked.prompt)
        wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        wire.head(Connection="close")
        wire.send(
            b'data: {"choices": [{"token_ids": %s, "finish_reason": "stop"}]}\r\n\r\ndata: [DONE]\r\n\r\n'
            % str(ids).encode()
        )
        wire.close()

    with ScriptedServer(behave) as server:
        heard, _ = ask(server, 10)
    assert heard.outputs == expected(10)


def test_events_cut_anywhere(ask):
    def behave(asked, wire):
        ids = answer(asked.prompt)
        events = [{"choices": [choice([id_])]} for id_ in ids]
        wire.stream_head()
        for event in [*events, {"choices": [choice([], "stop")]}, {"choices": [], "usage": usage(len(ids))}]:
            wire.chunk(b": a comment\n\nevent: message\nid: 1\n")
            whole = b"data: " + json.dumps(event).encode() + b"\n\n"
            for first in range(0, len(whole), 7):
                wire.chunk(whole[first : first + 7])
        wire.chunk(b"data: [DO")
        wire.chunk(b"NE]\n\n")
        wire.send(b"0\r\nTrailer: x\r\n\r\n")

    with ScriptedServer(behave) as server:
        heard, _ = ask(server, 5)
    assert heard.outputs == expected(5)


def test_the_key_goes_to_the_server_and_nowhere_else(ask, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with ScriptedServer(key="sk-secret") as server:
        heard, _ = ask(server)
        assert heard.outputs == expected(1)
        server.key = "sk-another"
        heard, _ = ask(server)
    assert heard.failed == {0: f"{server.url} answered 401: Incorrect API key provided: Bearer $OPENAI_API_KEY."}


def test_text_is_made_tokens(ask):
    def encode(text):
        return np.array([int(word[1:]) for word in text.split()], np.int32)

    with ScriptedServer(lambda asked, wire: sound(asked, wire, text=True)) as server:
        heard, counts = ask(server, 5, encode=encode)
    assert heard.outputs == expected(5)
    assert counts.encoded_tokens == counts.claimed_tokens == sum(map(len, heard.outputs.values()))
    assert heard.first == {id_: output[:1] for id_, output in heard.outputs.items()}


def test_a_tokeniser_that_is_not_the_models(ask):
    def encode(text):
        return np.array(list(text.encode()), np.int32)

    with ScriptedServer(lambda asked, wire: sound(asked, wire, text=True)) as server:
        heard, _ = ask(server, encode=encode)
    assert "the tokeniser is not the model's" in heard.failed[0]


def test_a_host_with_an_address_on_which_nobody_listens(ask, monkeypatch):
    with ScriptedServer() as server:
        real = socket.getaddrinfo("127.0.0.1", server.port, type=socket.SOCK_STREAM)
        other = socket.getaddrinfo("127.0.0.2", 1, type=socket.SOCK_STREAM)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **more: other + real + other)
        heard, counts = ask(server, 20)
    assert heard.outputs == expected(20)
    assert not counts.retries


@pytest.fixture
def certificate(tmp_path, monkeypatch):
    """An SSLContext for localhost, which clients of this test trust."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("needs the program openssl, to make a certificate")
    key, made = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    subprocess.run(
        [program, *words.split(), "-keyout", key, "-out", made],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(made))
    return context


@both_ways
def test_https(ask, certificate, streaming):
    with ScriptedServer(tls=certificate) as server:
        heard, counts = ask(server, 100, streaming=streaming)
    assert heard.outputs == expected(100)
    assert not counts.retries


def test_https_with_a_certificate_that_nobody_signed(ask, certificate, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with ScriptedServer(tls=certificate) as server:
        heard, _ = ask(server, retries=1)
    assert "takes no connection" in heard.failed[0] and "certificate verify failed" in heard.failed[0]


@both_ways
@pytest.mark.parametrize("seed", range(3))
def test_whatever_a_server_does_each_request_ends_once_and_no_answer_is_wrong(ask, seed, streaming):
    """Each time a request comes, one of all faults, or none, as the seed has it."""
    faults = [behave for behave, _ in FAULTS.values()]
    refusals = [lambda asked, wire, status=status: wire.error(status, "no") for status in (429, 500, 502, 503)]
    ends = [lambda asked, wire: wire.close(), lambda asked, wire: wire.reset()]
    last = [lambda asked, wire: (sound(asked, wire), wire.close()), lambda asked, wire: sound(asked, wire, claimed=99)]
    behaviours = [*faults, *refusals, *ends, *last, *[sound] * 20]

    def behave(asked, wire):
        rng = np.random.default_rng([seed, asked.prompt[0], asked.earlier])
        behaviours[rng.integers(len(behaviours))](asked, wire)

    with ScriptedServer(behave) as server:
        heard, counts = ask(server, 300, streaming=streaming, silence_s=2.0)
    assert all(heard.outputs[id_] == ids for id_, ids in expected(300).items() if id_ in heard.outputs)
    assert heard.outputs.keys() | heard.failed.keys() == set(range(300))
    assert (counts.answers, counts.failures) == (len(heard.outputs), len(heard.failed))
    assert min(len(heard.outputs), len(heard.failed), counts.retries.total()) > 20
