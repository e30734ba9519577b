"""Secrets in arguments and results: shown as `••••` unless somebody asks to see them."""

from __future__ import annotations

import re
from typing import Any, Final

HIDDEN: Final = "••••••"

_KEY = re.compile(
    r"pass(word|wd|phrase)?$|passw|pwd|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|signing[-_]?key"
    r"|encryption[-_]?key|^key$|auth(orization|orisation)?$|auth[-_]|credential|cookie|session[-_]?id|dsn|bearer"
    r"|connection[-_]?string|otp$|^pin$|cvv|cvc",
    re.IGNORECASE,
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# Bounded everywhere: a hostile megabyte must not cost the square of its length.
_USERINFO = re.compile(
    r"((?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{0,30}://)([^/@\s:]{0,128}):([^/@\s]{1,512})@"
)
_BEARER = re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_KNOWN = re.compile(
    r"\b(?:sk|pk|rk)[-_](?:live|test|proj)?[-_]?[A-Za-z0-9_-]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}"
    r"|\bAKIA[0-9A-Z]{12,}|\bxox[abprs]-[A-Za-z0-9-]{10,}|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"
)
_ASSIGNED = re.compile(
    r"((?:pass(?:word|wd)?|secret|token|api[-_]?key)[\"']?\s*[=:]\s*[\"']?)([^\s\"',;&]{3,})", re.IGNORECASE
)
_DIGITS = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d.])")
_HINT = re.compile(r"://|bearer|basic|pass|secret|token|key|sk|pk|rk|gh|AKIA|xox|eyJ|\d{4}", re.IGNORECASE)


def secret_key(key: str) -> bool:
    """Whether a field of this name holds something that should not be seen over a shoulder."""
    return _KEY.search(_CAMEL.sub("_", key)) is not None


def redact_text(text: str) -> str:
    """`text` with what looks like a credential inside it hidden: in URLs, headers, known token forms, card numbers."""
    if not _HINT.search(text):
        return text
    text = _USERINFO.sub(rf"\1\2:{HIDDEN}@", text)
    text = _BEARER.sub(rf"\1 {HIDDEN}", text)
    text = _KNOWN.sub(HIDDEN, text)
    text = _ASSIGNED.sub(rf"\1{HIDDEN}", text)
    return _DIGITS.sub(_card, text)


def _card(found: re.Match[str]) -> str:
    digits = [int(char) for char in found.group() if char.isdigit()]
    odd, even = digits[-1::-2], digits[-2::-2]
    checksum = sum(odd) + sum(sum(divmod(2 * digit, 10)) for digit in even)
    return HIDDEN if checksum % 10 == 0 and any(digits) else found.group()


def redact(value: Any) -> Any:
    """A copy of a JSON value in which secrets are hidden: by the name of their field, or by what they look like."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, dict):
        return {
            key: HIDDEN if secret_key(str(key)) and _hides(item) else redact(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and value > 10**11:
        hidden = redact_text(str(value))
        return hidden if hidden == HIDDEN else value
    return value


def _hides(item: Any) -> bool:
    """Nothing is given away by showing that a field is empty."""
    return item is not None and not isinstance(item, bool) and item != "" and item != [] and item != {}
