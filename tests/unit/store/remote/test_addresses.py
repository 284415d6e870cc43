"""Addresses: one table of schemes, for Python and for Hadoop."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import InvalidParameter
from graphagg.store.addresses import (
    SCHEMES,
    Address,
    address,
    hadoop_settings,
    parse_location,
    spark_path,
)

NAMES = st.text("abz09-_. %", min_size=1).filter(lambda name: name not in (".", ".."))
BUCKETS = st.from_regex(r"[a-z0-9][a-z0-9.-]{2,20}", fullmatch=True)


@settings(max_examples=50)
@given(
    st.sampled_from([scheme for scheme in SCHEMES if scheme.name != "memory"]),
    BUCKETS,
    st.lists(NAMES, max_size=3),
)
def test_every_spelling_is_one_place(scheme, bucket, parts) -> None:
    path = "/".join(parts)
    spellings = [f"{name}://{bucket}/{path}" for name in (scheme.name, *scheme.aliases)]
    places = {parse_location(spelling + end) for spelling in spellings for end in ("", "/")}
    assert len(places) == 1
    place = places.pop()
    assert isinstance(place, Address)
    assert parse_location(str(place)) == place
    assert (place.host, place.path) == (bucket, path)
    if scheme.hadoop is not None:
        assert parse_location(place.hadoop) == place
    assert (place / "x").parent == place


@pytest.mark.parametrize(
    ("said", "python", "hadoop"),
    [
        ("s3n://b/x/", "s3://b/x", "s3a://b/x"),
        ("s3:/b/x", "s3://b/x", "s3a://b/x"),  # through a Path
        ("abfs://c/x//y", "abfs://c/x/y", "abfs://c/x/y"),
        ("abfss://c@a.dfs.core.windows.net/x", *["abfss://c@a.dfs.core.windows.net/x"] * 2),
    ],
)
def test_both_sides_spell_it(said: str, python: str, hadoop: str) -> None:
    place = address(said)
    assert (str(place), place.hadoop, spark_path(said)) == (python, hadoop, hadoop)


def test_local_places() -> None:
    assert spark_path("file:/a/b") == "file:///a/b"
    assert spark_path("a/b") == "a/b"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("ftp://h/x", "ftp:// is not supported.*s3://"),
        ("s3:///x", "has no bucket"),
        ("s3://b/x/../y", "'..'"),
        ("hdfs://h/x", "hdfs:// is not supported"),
        ("https://h/x?signature=1", "query"),
        ("dbfs:/x", "dbfs:// is not supported"),
    ],
)
def test_what_is_refused(said: str, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        parse_location(said)


def test_settings_are_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    place = address(
        "s3://b/x", endpoint="http://127.0.0.1:7070", access_key_id="k", secret_access_key="hidden"
    )
    assert hadoop_settings(place) == {
        "fs.s3a.endpoint": "http://127.0.0.1:7070",
        "fs.s3a.access.key": "k",
        "fs.s3a.secret.key": "hidden",
        "fs.s3a.path.style.access": "true",
        "fs.s3a.connection.ssl.enabled": "false",
    }
    assert "hidden" not in repr(place) and "hidden" not in str(place)
    assert pickle.loads(pickle.dumps(place)).options == place.options
    assert hadoop_settings(address("s3://b/x")) == {}
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://store.example")
    assert hadoop_settings(address("s3://b/x"))["fs.s3a.endpoint"] == "https://store.example"
    azure = address("abfss://c@acc.dfs.core.windows.net/x", account_key="k")
    assert hadoop_settings(azure) == {"fs.azure.account.key.acc.dfs.core.windows.net": "k"}
