"""Quick checks that say whether stored JSON must be checked in full before a handler receives it."""

MAXIMUM_DEPTH = 100

# Turns digits and minus signs into 0, and everything else into a blank. So a long number becomes a row of zeros, which
# `bytes.find` finds quickly. An integer of more than 64 bits has at least 20 characters.
_DIGITS = bytes(0x30 if byte in b"0123456789-" else 0x20 for byte in range(256))
_LONG_NUMBER = b"0" * 20
_DEEP_BYTES = 2 * MAXIMUM_DEPTH
_NO_BRACKETS = bytes(set(range(256)).difference(b'[]{}"'))
# `may_be_deep` removes these pairs, one after the other. Each removal takes away at most one level of nesting.
_INNERMOST = (b"{}", b"[]", b"{}", b"[]")


def may_be_refused(encoded: bytes) -> bool:
    """Whether a stored value must be checked in full, because it may hold a long number or be nested too deeply. Digits
    inside texts count too."""
    return has_long_number(encoded) or may_be_deep(encoded)


def has_long_number(encoded: bytes) -> bool:
    if len(encoded) < len(_LONG_NUMBER):
        return False
    return encoded.translate(_DIGITS).find(_LONG_NUMBER) >= 0  # `find` takes half as long as `in`


def may_be_deep(encoded: bytes) -> bool:
    """Returns False only if the value is certainly not nested too deeply. That is certain for a short value, and for a
    value with few brackets. Otherwise removes the texts, and counts the brackets that are left. A text that holds a
    bracket cannot be removed, and a text with a backslash is not examined. If the value holds such a text, the answer
    is True."""
    if len(encoded) <= _DEEP_BYTES or encoded.count(b"[") + encoded.count(b"{") <= MAXIMUM_DEPTH:
        return False
    if b"\\" in encoded:
        return True
    brackets = encoded.translate(None, _NO_BRACKETS).replace(b'""', b"")
    for pair in _INNERMOST:
        brackets = brackets.replace(pair, b"")
    return b'"' in brackets or len(brackets) > 2 * (MAXIMUM_DEPTH - len(_INNERMOST))
