"""Codes are found as they are written, and their keys leave out case and separators."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.rag import PassageIndex
from graphagg.rag.documents.codes import code_key, codes
from graphagg.rag.documents.tokens import entity_key
from tests.unit.rag.corpora import ENCODER, EXTRACTOR

KEYS = {
    "The P300 takes IM-22.": ["p300", "im22"],
    "IM-22 | 418 EUR": ["im22"],
    "ABC-123, ORA-00942: and E17": ["abc123", "ora00942", "e17"],
    "CVE-2021-44228, RFC 2616, ISO/IEC 27001:2013.": [
        "cve202144228", "rfc2616", "isoiec270012013",
    ],
    "since v2.3, in 4.0.16-rc1 at 10.0.0.1": ["2.3", "4.0.16rc1", "10.0.0.1"],
    "from v2.8 to 2.9, Python 3.11, but 0.53535, 1.5GB and 1,500.00": ["2.8", "2.9", "3.11"],
    "with --dry-run, --force or -v": ["dryrun", "--force"],
    "`max_retries` of os.path.join in parseHTTPHeader": [
        "maxretries", "ospathjoin", "parsehttpheader",
    ],
    "see /etc/hosts, docs/guide.md and C:\\Windows\\win.ini": [
        "etchosts", "docsguidemd", "cwindowswinini",
    ],
    "0x80070005 closes #1234": ["0x80070005", "#1234"],
    "TP53, BRCA1 and H2O": ["tp53", "brca1", "h2o"],
    "on 12.05.2020, the 2nd, in the 1990s, 5GB in 10km, and/or km/h": [],
    "U.S.A., e.g. and i.e. Done.Next week": [],
    "https://example.org/a_b/c-1.html": [],
}  # fmt: skip


@pytest.mark.parametrize("text", KEYS)
def test_the_keys_of_a_text(text: str) -> None:
    assert [code.key for code in codes(text)] == KEYS[text]


def test_a_part_in_small_letters_and_a_decimal_define_no_name() -> None:
    assert {code.key: code.defines for code in codes("covid-19, im-22, IM22, 2.8, v2.9")} == {
        "covid19": False, "im22": True, "2.8": False, "2.9": True,
    }  # fmt: skip
    assert code_key("top-10") == "" and entity_key("top-10") == "top 10"


TEXTS = st.text(alphabet="aAzZ09 -_./\\#:|\n", max_size=60)


@settings(deadline=None)
@given(TEXTS)
def test_codes_ascend_and_hold_their_keys(text: str) -> None:
    end = 0
    for code in codes(text):
        written = text[code.start : code.end]
        assert end <= code.start < code.end <= len(text)
        assert re.sub(r"[\W_]", "", code.key) in re.sub(r"[\W_]", "", written.casefold())
        assert any(character.isalnum() for character in code.key)
        end = code.end


@settings(deadline=None)
@given(st.sampled_from(["IM-22", "CVE-2021-44228", "max_retries", "ORA-00942"]))
def test_case_and_hyphens_do_not_matter(code: str) -> None:
    plain = code.replace("-", "").replace("_", "")
    keys = {each.key for text in (code, code.upper(), code.lower(), plain) for each in codes(text)}
    assert keys <= {plain.lower()}


def test_a_code_leads_from_passage_to_passage(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """The manual names the part, the price list its price, in other spellings."""
    passages = [
        {"id": "manual", "text": "The pump P300 needs the impeller im-22 after a year."},
        {"id": "prices", "text": "IM22 | 418 EUR | in stock"},
        {"id": "parts", "text": "The part IM-22 is made of bronze."},
        {"id": "other", "text": "Nobody asks for what is written here."},
    ]
    with PassageIndex.build(
        passages, tmp_path / "index", encoder=ENCODER, extractor=EXTRACTOR
    ) as index:
        question = "What does the impeller of the P300 cost?"
        hits = {hit.passage.id: hit for hit in index.retrieve(question)}
        steps = [step.text for step in hits["prices"].path if step.kind == "entity"]
        assert [entity_key(step).replace(" ", "") for step in steps] == ["im22"]
        by_words = index.retrieve("IM22", mode="bm25", k=3)
        assert {hit.passage.id for hit in by_words} == {"manual", "prices", "parts"}
        index.delete(["parts", "prices"])
        assert all(  # "im-22" alone is no name any more
            step.kind != "entity" or entity_key(step.text) != "im22"
            for hit in index.retrieve(question)
            for step in hit.path
        )


def test_logins_tickets_and_addresses() -> None:
    row = "name: Kari Moe\nlogin: kmoe\nmail: Kari.Moe@x.org\nticket: 48213"
    log = "2025-03-06 INFO done by kmoe, ticket #48213, sent to kari.moe@x.org"
    keys = {"kmoe", "kari.moe@x.org", "#48213"}
    assert {code.key for code in codes(row) if code.defines} == keys
    assert {code.key for code in codes(log)} == keys
    assert {code.key for code in codes("We went there by train.")} == set()
    assert [
        code.key for code in codes("2025-03-06 12:00:00 closed by timeout") if code.defines
    ] == []
