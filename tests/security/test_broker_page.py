"""docs/broker.md says what the broker can do, and names a test for each sentence. This module also tests the sentences
that no other module tests."""

import base64
import bz2
import json
import lzma
import re
import zlib
from collections.abc import Callable

import pytest
import redis
from celery import Celery
from kombu import compression

from queue_store.enqueueing.hints import CeleryHintSender
from tasks.alerts import checking, update_alerts as module
from tasks.celery_hardening.message_rules import BODY_BYTES, bound_decompression, refuse_large_body
from tests.support.documents import ROOT, table_rows

PAGE = "docs/broker.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_each_sentence_names_its_test() -> None:
    rows = [
        row for row in table_rows(PAGE) if row[0] not in ("can still", "can", "cannot", "what breaks", "---")
    ]
    assert len(rows) >= 20
    for sentence, test in rows:
        named = NAMED.fullmatch(test)
        assert named, sentence
        assert f"def {named[2]}(" in (ROOT / named[1]).read_text(), sentence


def test_a_judgement_is_made_once_in_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[bool] = []
    monkeypatch.setattr(checking, "check_queue", lambda *_, **__: judged.append(True))
    monkeypatch.setattr(module, "database_named", lambda: None)
    monkeypatch.setattr(module, "_judged_at", float("-inf"))
    for _ in range(100):
        module.update_alerts.apply()
    assert len(judged) == 1
    assert module.JUDGE_AGAIN_SECONDS == 10


@pytest.fixture
def bounded() -> None:
    bound_decompression()


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize(
    ("name", "compress"), [("gzip", zlib.compress), ("bzip2", bz2.compress), ("lzma", lzma.compress)]
)
def test_a_large_body_is_dropped_and_a_compressed_one_is_not_expanded(
    name: str, compress: Callable[[bytes], bytes]
) -> None:
    assert compression.decompress(compress(b" " * 1000), name) == b" " * 1000
    with pytest.raises(ValueError, match=r"expands to \d+ bytes or more"):
        compression.decompress(compress(b" " * 10 * BODY_BYTES), name)
    with pytest.raises(ValueError, match="bytes"):
        refuse_large_body(b" " * (BODY_BYTES + 1))


def test_a_hint_holds_the_name_of_a_flow_and_no_more(redis_client: redis.Redis, redis_url: str) -> None:
    with Celery("shop", broker=redis_url, set_as_current=False) as app:
        assert CeleryHintSender(app).send("letters", "flows")
    [text] = redis_client.lrange("flows", 0, -1)
    arguments, keywords, _ = json.loads(base64.b64decode(json.loads(text)["body"]))
    assert (arguments, keywords) == (["letters"], {"slot": 0})
