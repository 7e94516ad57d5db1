"""HTTP responses: the same body however the bytes are cut, and a fault named where there is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backends.openai_endpoint.response import Malformed, Response

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


def chunked(body, sizes, extension=b"", trailer=b""):
    wire, at = HEAD + b"Transfer-Encoding: chunked\r\n\r\n", 0
    for size in sizes:
        piece = body[at : at + size]
        if piece:
            wire += b"%x%s\r\n%s\r\n" % (len(piece), extension, piece)
        at += size
    rest = body[at:]
    wire += b"%X\r\n%s\r\n" % (len(rest), rest) if rest else b""
    return wire + b"0\r\n" + trailer + b"\r\n"


def read(wire, cuts):
    """The response, and its body, when the bytes come cut at ``cuts``."""
    response, body, at = Response(), b"", 0
    for cut in [*sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]:
        if cut > at:
            body += response.feed(wire[at:cut])
            at = cut
    return response, body


@given(
    body=st.binary(max_size=200),
    sizes=st.lists(st.integers(1, 40), max_size=8),
    extension=st.sampled_from([b"", b";name=value", b" "]),
    trailer=st.sampled_from([b"", b"Expires: never\r\n"]),
    cuts=st.lists(st.integers(0, 10_000), max_size=30),
)
def test_chunks_cut_anywhere(body, sizes, extension, trailer, cuts):
    response, found = read(chunked(body, sizes, extension, trailer), cuts)
    assert found == body
    assert response.complete and response.keep_alive and response.status == 200


@given(body=st.binary(max_size=100), cuts=st.lists(st.integers(0, 10_000), max_size=20))
def test_a_body_by_length_cut_anywhere(body, cuts):
    response, found = read(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body, cuts)
    assert found == body
    assert response.complete and response.keep_alive


@given(wire=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=10))
def test_noise_is_no_response(wire, cuts):
    try:
        response, _ = read(wire, cuts)
    except Malformed:
        return
    assert not response.complete


@given(st.integers(0, 200))
def test_a_cut_response_is_never_complete(cut):
    wire = chunked(b"some body of some length", [5, 7, 3])
    if cut < len(wire):
        response, _ = read(wire[:cut], [])
        assert not response.complete
        assert not response.end()


def test_a_body_to_the_end_of_the_connection():
    response = Response()
    assert response.feed(HEAD + b"\r\nall") == b"all"
    assert not response.complete
    assert response.end() and not response.keep_alive


@pytest.mark.parametrize(
    ("head", "keep_alive"),
    [
        (b"HTTP/1.1 204 None\r\n\r\n", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive, Close\r\n\r\n", False),
    ],
)
def test_no_body(head, keep_alive):
    response = Response()
    response.feed(head)
    assert response.complete
    assert response.keep_alive == keep_alive


def test_more_than_was_announced_ends_the_connection():
    response = Response()
    assert response.feed(HEAD + b"Content-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n") == b"ok"
    assert response.complete and not response.keep_alive


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        HEAD + b"no colon\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
    ],
)
def test_what_is_no_http(wire):
    with pytest.raises(Malformed):
        Response().feed(wire)
