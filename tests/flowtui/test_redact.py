"""What is hidden, and what must not be."""

from __future__ import annotations

import pytest

from flowtui.redact import HIDDEN, redact, redact_text, secret_key

CANARY = "hunter2-canary"


@pytest.mark.parametrize(
    "key",
    [
        "password", "PASSWORD", "db_password", "dbPassword", "passwd", "pwd", "passphrase", "secret", "clientSecret",
        "client_secret", "token", "access_token", "accessToken", "refresh-token", "api_key", "apiKey", "API-KEY",
        "apikey", "access_key", "private_key", "authorization", "Authorization", "auth", "auth_header", "cookie",
        "Set-Cookie", "session_id", "dsn", "SENTRY_DSN", "connection_string", "credentials", "bearer", "otp", "pin",
        "cvv", "key", "signing_key", "encryption-key", "aws_secret_access_key", "smtp_pass",
    ],
)  # fmt: skip
def test_values_under_such_keys_are_hidden_however_deep(key: str) -> None:
    value = {"a": [{"b": {key: CANARY, "other": 1}}]}
    shown = repr(redact(value))
    assert CANARY not in shown
    assert "'other': 1" in shown
    assert repr(value).count(CANARY) == 1  # the job itself is untouched


@pytest.mark.parametrize(
    "key", ["name", "monkey", "keyboard", "passenger", "author", "authority", "pinned", "rows"]
)
def test_harmless_keys_are_not(key: str) -> None:
    assert not secret_key(key)
    assert redact({key: "value"}) == {key: "value"}


@pytest.mark.parametrize(
    "text",
    [
        f"postgres://user:{CANARY}@db.example/x",
        f"redis://:{CANARY}@localhost:6379/0",
        f"Authorization: Bearer {CANARY}",
        f"could not connect: password={CANARY} host=db",
        f'{{"api_key": "{CANARY}"}}',
        f"token: {CANARY}",
    ],
)
def test_credentials_inside_of_text_are_hidden(text: str) -> None:
    assert CANARY not in redact_text(text)
    assert HIDDEN in redact_text(text)


def test_card_numbers_are_hidden_and_other_numbers_are_not() -> None:
    assert redact_text("card 4111 1111 1111 1111 ok") == f"card {HIDDEN} ok"
    assert redact_text("order 1234567890123456") == "order 1234567890123456"
    assert redact_text("at 1767225600.123 in 10115") == "at 1767225600.123 in 10115"


def test_an_empty_secret_is_shown_to_be_empty() -> None:
    assert redact({"password": None, "token": ""}) == {"password": None, "token": ""}


def test_hiding_is_fast_in_a_megabyte_of_anything() -> None:
    from time import process_time

    begun = process_time()
    for text in ("a" * 1_000_000, "1" * 300_000, "key=" * 250_000, "://" * 300_000, "eyJ" * 300_000):
        redact_text(text)
    assert process_time() - begun < 5
