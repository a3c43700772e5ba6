"""Prepares texts from outside for display or storage, such as exceptions, tracebacks and the broker's replies.

Secrets are recognised by their form, so some may be missed. It is safer to keep secrets out of texts.
"""

import re

READ_LIMIT = 200_000
LONGEST_SECRET = 10_000
HIDDEN = "***"
_CUT = " […] "

# All control characters but newline and tab. Also invisible marks, such as those that change the direction of text.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_ESCAPE_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,512}(?:\x07|\x1b\\)|[@-_])"
)

# The prefixes of the keys of well-known services, taken from the services' secret scanners (autumn 2026).
_TOKENS_BY_PREFIX = re.compile(
    r"\b(?:(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_\w{20,255}|github_pat_\w{20,255}|glpat-[\w-]{16,255}"
    r"|xox[abeprs]-[\w-]{10,255}|xapp-[\w-]{10,255}|sk-[\w-]{20,255}|[sr]k_(?:live|test)_\w{10,255}|whsec_[\w+/=]{16,255}"
    r"|AIza[\w-]{35}|ya29\.[\w-]{20,1024}|GOCSPX-[\w-]{20,64}|SG\.[\w-]{16,64}\.[\w-]{16,255}|hf_\w{20,255}"
    r"|npm_\w{30,255}|pypi-[\w-]{20,1024}|dop_v1_\w{30,255}|shp(?:at|ca|pa|ss)_\w{20,255}|dapi[0-9a-f]{32}"
    r"|NRAK-\w{20,64}|hvs\.[\w-]{20,512}|AGE-SECRET-KEY-1\w{20,128}|key-[0-9a-f]{32}|SK[0-9a-f]{32})"
)

# Repetitions are bounded, so that the time is linear for any text.
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
    (_TOKENS_BY_PREFIX, HIDDEN),
    (re.compile(r"\b\d{8,10}:AA[\w-]{33}"), HIDDEN),  # the token of a Telegram bot
    # Webhooks whose address is the secret: Slack, Mattermost, Rocket.Chat, Teams, Discord, Telegram, n8n and Zapier.
    (
        re.compile(
            r"(://[^\s/]{1,256}/(?:[\w.-]{1,64}/){0,3}(?:services|hooks?|webhooks?|webhookb2|IncomingWebhook|catch)/)"
            r"[^\s\"'<>?#]{6,2048}",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    (
        re.compile(
            r"([?&;](?:sig|signature|key|code|hmac|x-amz-\w{1,40})=)[^\s&\"'<>]{6,2048}", re.IGNORECASE
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"\b((?:set-)?cookie:\s{0,8})[^\r\n\"']{1,8192}", re.IGNORECASE), rf"\1{HIDDEN}"),
    (
        re.compile(r"\b(\w{0,40}basic_?auth[\"']?\s{0,8}[:=]\s{0,8})[^\s,;]{1,1024}", re.IGNORECASE),
        rf"\1{HIDDEN}",
    ),
    (
        re.compile(
            r"((?:password|passwd|pwd|passphrase|secret|api[_-]?key|access[_-]?key|account[_-]?key|private[_-]?key"
            r"|\w{1,40}_pass|\bpass)[\w-]{0,40}"
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
    """Cuts the text before the word that crosses READ_LIMIT, because half a secret has no recognisable form. If the
    part up to READ_LIMIT is a single word, this part loses its last LONGEST_SECRET characters."""
    if len(text) <= READ_LIMIT:
        return text
    read = text[:READ_LIMIT]
    kept = read.rsplit(maxsplit=1)
    return (kept[0] if len(kept) == 2 else read[:-LONGEST_SECRET]) + _CUT


def _printable(text: str) -> str:
    known = text.encode("utf-8", "replace").decode("utf-8")
    return _UNPRINTABLE.sub("", _ESCAPE_SEQUENCE.sub("", known))


def _shortened(text: str, length_limit: int) -> str:
    if len(text) <= length_limit:
        return text
    kept = max(0, length_limit - len(_CUT))
    head = kept // 2
    return (text[:head] + _CUT + text[len(text) - (kept - head) :])[:length_limit]
