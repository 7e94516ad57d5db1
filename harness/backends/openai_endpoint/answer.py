"""Answer: the tokens of one request, out of the body of its response, as a stream of events or whole.

What a server leaves out or gets wrong is a Wrong with a sentence; nothing is guessed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from harness.backends.openai_endpoint.interface import Interface
from harness.llm.request import Tokens
from harness.llm.tokenizer import open_tokenizer

Encode = Callable[[str], Tokens]
"""Text to token ids, without special tokens."""

_DONE = b"[DONE]"
_NO_IDS = "sent token ids that are no whole numbers from 0 to 2147483647"
_FAILED = ("abort", "error", "content_filter")
_decode = json.JSONDecoder().raw_decode


def encoder(tokenizer: Path) -> Encode:
    """What makes token ids of answers that come as text.

    Raises:
        NotReady: when the file is damaged, or the library that reads it is not installed.
    """
    opened = open_tokenizer(tokenizer)
    return lambda text: opened.encode([text], special=False)[0]


class Wrong(Exception):
    """What is wrong with an answer: the end of a sentence that begins with the server."""


class Answer:
    """The answer to one request, put together."""

    __slots__ = (
        "_body",
        "_done",
        "_encode",
        "_finish_reason",
        "_interface",
        "_rest",
        "_streams",
        "_text",
        "ids",
        "made",
        "usage",
    )

    def __init__(self, interface: Interface, encode: Encode | None) -> None:
        self._interface = interface
        self._encode = encode
        self._streams = interface.streams
        self._body: list[bytes] = []
        self._rest = b""
        self._done = False
        self._text: list[str] = []
        self._finish_reason: str | None = None
        self.usage: int | None = None
        """Tokens that the server says it made, once it has."""
        self.ids: list[int] = []
        """Token ids so far, where the server sends them."""
        self.made = 0
        """Tokens so far; pieces of text so far, where it sends text."""

    def take(self, body: bytes) -> None:
        """Take what has come of the body.

        Raises:
            Wrong: when it is no event of the API, or tells of an error.
        """
        if not self._streams:
            self._body.append(body)
            return
        if self._rest:
            body = self._rest + body
        # Every server writes one line of data an event, so that its end is the event's.
        *lines, self._rest = body.split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                data = line[5:].strip()
                if data == _DONE:
                    self._done = True
                else:
                    self._take_object(data)

    def first(self) -> Tokens:
        """The tokens that have come so far; asked once, when there are any."""
        if self._encode is None:
            return _int32(self.ids)
        return self._encode("".join(self._text))[:1]

    def finish(self) -> Tokens:
        """All tokens, once the response is complete.

        Raises:
            Wrong: when the answer is cut off, empty, or not as long as it says or as was asked for.
        """
        if not self._streams:
            self._take_object(b"".join(self._body).strip())
        else:
            if self._rest.startswith(b"data:"):  # a last line without its end
                self.take(b"\n")
            if not self._done and not self.made and self._rest.startswith(b"{"):
                raise Wrong(f"sent no stream: {error_message(self._rest)}")
            if not self._done:
                raise Wrong(f"ended a stream before its end, after {self.made} tokens")
        if self._finish_reason in _FAILED:
            raise Wrong(f"ended an answer with the reason {self._finish_reason!r}")
        return self._checked() if self._encode is None else self._encoded(self._encode)

    def _take_object(self, data: bytes) -> None:
        found: Any
        try:
            # As json.loads, less its search for blanks and encodings, which takes a tenth of a token's time.
            text = data.decode()
            found, end = _decode(text)
            if end != len(text):
                raise ValueError
            choices = found.get("choices")
            if choices:
                if len(choices) > 1 or choices[0].get("index"):
                    raise Wrong("answered with several choices, where one was asked for")
                self._take_choice(choices[0])
            elif "error" in found:
                raise Wrong(f"answered with an error: {error_message(data)}")
            elif choices is None:
                raise Wrong(f"answered without choices: {_shown(data)}")
            usage = found.get("usage")
            if usage is not None:
                self.usage = int(usage["completion_tokens"])
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Wrong(f"sent what is no object of this API: {_shown(data)}") from error

    def _take_choice(self, choice: dict[str, Any]) -> None:
        reason = choice.get("finish_reason")
        if reason is not None:
            self._finish_reason = reason
        if self._encode is None:
            ids = choice.get("token_ids")
            if ids:
                if type(ids) is not list:
                    raise Wrong(_NO_IDS)
                self.ids += ids
                self.made += len(ids)
            elif ids is None and _text(choice):
                raise Wrong(
                    "sent text without token ids, which it sent before the run: several servers behind one address?"
                )
            return
        text = _text(choice)
        if text:
            self._text.append(text)
            self.made += 1

    def _checked(self) -> Tokens:
        wanted, count = self._interface.generation, len(self.ids)
        if count == 0:
            raise Wrong("sent an empty answer")
        if self.usage is not None and self.usage != count:
            raise Wrong(f"says that it made {self.usage} tokens, and sent {count}")
        low = wanted.max_tokens if wanted.ignore_eos else wanted.min_tokens
        if not low <= count <= wanted.max_tokens:
            asked = f"{low}" if low == wanted.max_tokens else f"{low} to {wanted.max_tokens}"
            raise Wrong(f"sent {count} tokens where {asked} were asked for")
        self._check_end(count)
        return _int32(self.ids)

    def _encoded(self, encode: Encode) -> Tokens:
        tokens = encode("".join(self._text))
        count = len(tokens)
        if count == 0:
            raise Wrong("sent an empty answer")
        # Text is not always cut into tokens as it was made of them, and end tokens have none: about the same is right.
        if self.usage is not None and abs(self.usage - count) > 4 + self.usage / 4:
            raise Wrong(
                f"says that it made {self.usage} tokens, and model.tokenizer_path makes {count} of its text: the "
                "tokeniser is not the model's"
            )
        self._check_end(4 + count * 5 // 4 if self.usage is None else self.usage)
        return tokens

    def _check_end(self, count: int) -> None:
        # A gateway that loses its server may close what it has sent of an answer in good order.
        if self._finish_reason is None:
            raise Wrong("sent an answer and not why it ended (finish_reason): the rest of it may be missing")
        most = self._interface.generation.max_tokens
        if self._finish_reason == "length" and count < most:
            raise Wrong(f"ended an answer for its length after {count} of {most} tokens: can it hold no longer ones?")


def _int32(ids: list[int]) -> Tokens:
    # NumPy takes fractions and truth values for integers.
    if set(map(type, ids)) != {int}:
        raise Wrong(_NO_IDS)
    try:
        tokens = np.array(ids, np.int32)
    except OverflowError:
        raise Wrong(_NO_IDS) from None
    if tokens.min() < 0:
        raise Wrong(_NO_IDS)
    return tokens


def error_message(body: bytes) -> str:
    """What a body says is wrong: its message where it is an error of the API, else its beginning."""
    try:
        found = json.loads(body)
        error = found.get("error", found)
        message = error if isinstance(error, str) else error.get("message") or error.get("detail")
    except (ValueError, AttributeError):
        message = None
    return " ".join(str(message).split())[:300] if message else _shown(body)


def _text(choice: dict[str, Any]) -> str:
    """Text of a choice: of completions, or of a chat's message or piece of one, thoughts included."""
    text = choice.get("text")
    if text is None:
        said = choice.get("delta") or choice.get("message") or {}
        text = f"{said.get('reasoning_content') or ''}{said.get('content') or ''}"
    return str(text)


def _shown(body: bytes) -> str:
    return repr(body[:120].decode("utf-8", "replace")) if body else "nothing"
