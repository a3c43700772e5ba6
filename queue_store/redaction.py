"""What may be shown or stored of a text that somebody else wrote: an exception, a traceback, an answer.

Secrets are recognised by their form, so this is the second line of defence: the first is not to put them
into texts.
"""

import re

READ_LIMIT = 200_000
HIDDEN = "***"
_CUT = " […] "

# Controls but newline and tab, and the marks that turn the direction of what follows.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_ESCAPE_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,512}(?:\x07|\x1b\\)|[@-_])"
)

# Repetitions are bounded: the time is linear, whatever the text.
_SECRETS = (
    (
        re.compile(
            r"-----BEGIN ([A-Z ]{0,40})PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}-----|\Z)", re.DOTALL
        ),
        HIDDEN,
    ),
    (re.compile(r"(://[^\s:/@]{0,256}:)\S{1,1024}@"), rf"\1{HIDDEN}@"),
    (re.compile(r"(://)[^\s:/@]{20,1024}@"), rf"\1{HIDDEN}@"),
    (re.compile(r"\b(bearer|basic)(\s{1,8})[\w.~+/=-]{6,8192}", re.IGNORECASE), rf"\1\2{HIDDEN}"),
    (re.compile(r"\beyJ[\w-]{8,8192}\.[\w-]{8,8192}(?:\.[\w-]{0,8192})?"), HIDDEN),
    (
        re.compile(r"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_\w{20,255}|xox[abprs]-[\w-]{10,255}|sk-[\w-]{20,255})"),
        HIDDEN,
    ),
    (
        re.compile(
            r"((?:password|passwd|pwd|passphrase|secret|api[_-]?key|access[_-]?key|private[_-]?key)[\w-]{0,40}"
            r"[\"']?\s{0,8}[:=]\s{0,8})(?:\"[^\"\n]{1,1024}\"?|'[^'\n]{1,1024}'?|[^\s\"',;&)}\]]{1,1024})",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    (
        re.compile(
            r"((?:token|authorization)(?:=|[\"']\s{0,8}[:=]\s{0,8})[\"']?)[^\s\"',;&)}\]]{1,8192}",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
)


def redact(text: str, length_limit: int = 4_000) -> str:
    """The text without secrets, terminal controls, NUL and lone surrogates, cut to `length_limit` characters.

    A text that is too long loses its middle: a message says most at its beginning, a traceback at its end.
    """
    cleaned = _printable(_without_cut_word(text))
    for pattern, replacement in _SECRETS:
        cleaned = pattern.sub(replacement, cleaned)
    return _shortened(cleaned, length_limit)


def _without_cut_word(text: str) -> str:
    """Cut at READ_LIMIT before the word that lies across it: half a secret has no recognisable form."""
    if len(text) <= READ_LIMIT:
        return text
    return text[:READ_LIMIT].rsplit(maxsplit=1)[0] + _CUT


def _printable(text: str) -> str:
    known = text.encode("utf-8", "replace").decode("utf-8")
    return _UNPRINTABLE.sub("", _ESCAPE_SEQUENCE.sub("", known))


def _shortened(text: str, length_limit: int) -> str:
    if len(text) <= length_limit:
        return text
    kept = max(0, length_limit - len(_CUT))
    head = kept // 2
    return (text[:head] + _CUT + text[len(text) - (kept - head) :])[:length_limit]
