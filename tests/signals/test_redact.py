"""Secrets: what is one by its name or form is not in the text any more, and what is none still is."""

from __future__ import annotations

import json
import string
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_monitor.signals import redact
from tests.signals.recorder import Recorder

SECRET = "hunter2"
NAMES = [
    "password", "PASSWORD", "db_password", "passwd", "userPwd", "secret", "client_secret", "SECRET_KEY", "token",
    "access_token", "X-Auth-Token", "api_key", "apikey", "X-Api-Key", "aws_secret_access_key", "Authorization",
    "private_key", "credentials", "sessionid", "session_id", "csrftoken", "jwt", "card_number", "cvv",
]  # fmt: skip
FORMS = [
    "{name}={secret}", "{name}: {secret}", "{name} = '{secret}'", '"{name}": "{secret}"', "'{name}': b'{secret}'",
    "?{name}={secret}&page=2", "{{'user': 'anna', '{name}': '{secret}'}}", '{{\\"{name}\\": \\"{secret}\\"}}',
    "login(user='anna', {name}='{secret}')", "headers['{name}'] = '{secret}'", "{name}=['{secret}', '{secret}']",
    "{name} => {secret};", "--{name}={secret} --verbose", "{name}='it\\'s {secret}', page=2", "{name}='{secret}",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", FORMS)
def test_a_named_secret_is_taken_out_in_every_notation(name: str, form: str) -> None:
    text = "before " + form.format(name=name, secret=SECRET) + " after"
    clean = redact.text(text)
    assert SECRET not in clean
    assert clean.startswith("before ")
    assert clean.endswith(" after") or form.endswith(("='{secret}", ";"))


AWS = "AKIA" + "IOSFODNN7EXAMPLE"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nabc=\n-----END RSA PRIVATE KEY-----"
CARDS = ["4111111111111111", "4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005", "6011111111111117"]


@pytest.mark.parametrize(
    "secret",
    [
        AWS, JWT, PEM, PEM.replace("\n", "\\n"), PEM[:60], *CARDS, "ghp_" + "a1" * 18, "sk-proj-" + "a1" * 12,
        "xoxb-" + "1234567890-abc", "sk_live_" + "a1" * 12, "AIza" + "a1" * 18,
    ],
)  # fmt: skip
def test_a_secret_is_known_by_its_form(secret: str) -> None:
    clean = redact.text(f"before {secret}")
    assert clean.startswith("before [redacted]")
    assert not any(part in clean for part in secret.split() if len(part) > 3 and part not in {"RSA", "PRIVATE"})


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Authorization: Bearer abc.def.ghi!", "Authorization: [redacted]"),
        ("sent bearer abcdefgh12", "sent bearer [redacted]"),
        ("header Basic dXNlcjpwYXNz ok", "header Basic [redacted] ok"),
        ("Cookie: a=1; sid=x\nHost: shop", "Cookie: [redacted]\nHost: shop"),
        ("{'Set-Cookie': 'sid=x; Path=/'}", "{'Set-Cookie': '[redacted]'}"),
        ("redis://:pw@cache:6379/0", "redis://[redacted]@cache:6379/0"),
        ("amqp://anna:p/w@mq//", "amqp://[redacted]@mq//"),
        ("https://abc123@github.com/a/b", "https://[redacted]@github.com/a/b"),
    ],
)
def test_headers_and_urls_lose_their_secrets_and_nothing_else(text: str, clean: str) -> None:
    assert redact.text(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "order 17 was charged in 0.3 s",
        "used 512 tokens, prompt_tokens=512, max_tokens: 100",
        "Basic authentication failed",
        "see https://medium.com/@anna and http://shop:8000/a?b=c",
        "secretary=anna, author: ben, tokenizer=bert",
        "at 1700000000000000 us, id 0b9e2f6c-1111-4222-8333-444455556666",
        "4111111111111112 is no card",
        "0.4111111111111111 is a share",
        "KeyError('password')",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact.text(text) == text


VALUES = st.text(string.ascii_letters + string.digits + "_-!$%*+/^~.", min_size=6, max_size=40).map(lambda s: f"zq{s}")


@given(st.sampled_from(NAMES), VALUES, st.text(max_size=200), st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_a_secret_in_json_is_taken_out_whatever_stands_around_it(name: str, secret: str, pre: str, post: str) -> None:
    text = json.dumps({"pre": pre, name: secret, "post": post})
    assert secret not in redact.text(text)
    assert secret not in redact.text(repr({"pre": "x", name: secret, "post": "y"}))
    assert secret not in redact.text(f"GET /?{name}={quote(secret)}&x=1")


@given(st.text(max_size=3000))
@settings(max_examples=300, deadline=None)
def test_any_text_is_taken_and_a_clean_one_stays_clean(text: str) -> None:
    once = redact.text(text)
    assert isinstance(once, str)
    assert len(redact.text(text, 50)) <= 50
    assert len(redact.end_of(text, 50)) <= 50


@given(st.integers(10**11, 10**18 - 1), st.sampled_from(["", " ", "-"]))
@settings(deadline=None)
def test_a_number_with_a_right_check_digit_is_taken_for_a_card(number: int, gap: str) -> None:
    body = "4" + str(number)[1:]
    card = next(body + str(digit) for digit in range(10) if redact.luhn(body + str(digit)))
    wrong = card[:-1] + str((int(card[-1]) + 1) % 10)
    spaced = gap.join(card[at : at + 4] for at in range(0, len(card), 4))
    if len(card) >= 13:
        assert redact.text(f"card {spaced}.") == "card [redacted]."
        assert redact.text(f"card no. {wrong}") == f"card no. {wrong}"


def test_long_texts_of_one_form_take_no_more_than_linear_work() -> None:
    for unit in ("eyJ-", "://", "a://b:", "password", "password=", "'token': \"", "\\", "-----BEGIN PRIVATE KEY", "4 "):
        for text in (unit * 4000, unit * 4000 + "\n"):
            redact.text(text)  # the suite's time limit ends a pattern that tries every pair of places


def test_the_cut_leaves_no_half_of_a_secret() -> None:
    text = "x" * 1000 + " password=" + "s3cret" * 100
    assert "s3c" not in redact.text(text, 1020)
    assert "s3c" not in redact.end_of("password=" + "s3cret" * 5000 + "\nlast line", 4096)
    assert redact.end_of("password=" + "s3cret" * 5000 + "\nlast line", 4096) == "last line"


def test_own_names_and_patterns_are_added(recorder: Recorder) -> None:
    redact.use(keys=["steuer.id", "ssn"], patterns=[r"EMP-\d{6}"])
    assert redact.text("ssn=123, steuer.id: 9, steuerXid: 9, EMP-123456, password=x") == (
        "ssn=[redacted], steuer.id: [redacted], steuerXid: 9, [redacted], password=[redacted]"
    )
    assert redact.secret("user_ssn")


def test_a_text_that_cannot_be_looked_at_is_not_shown(recorder: Recorder) -> None:
    class Torn(str):
        __slots__ = ()

        def lower(self) -> str:
            raise RuntimeError

    assert redact.text(Torn("hunter2")) == redact.MARK
    assert recorder.caught == {"redaction: RuntimeError": 1}
