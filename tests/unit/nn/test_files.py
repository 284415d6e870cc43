"""Files are written whole or not at all, and read with named errors."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Barrier, Thread

import pytest

from graphagg.errors import UnreadableFile, WriteFailed
from graphagg.nn.files import read_json, write_json, write_whole


def test_what_was_there_stays_until_the_new_file_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "file"
    write_whole(path, lambda partial: partial.write_bytes(b"old"))

    def half(partial: Path) -> None:
        assert path.read_bytes() == b"old"
        partial.write_bytes(b"ne")
        raise OSError(28, "No space left on device")

    with pytest.raises(WriteFailed, match=r"file cannot be written \(No space left"):
        write_whole(path, half)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, lambda partial: (_ for _ in ()).throw(KeyboardInterrupt))
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == ["file"]


def test_two_writers_at_once_leave_the_file_of_one_of_them(tmp_path: Path) -> None:
    path, both = tmp_path / "file", Barrier(2)

    def write(text: bytes) -> None:
        def slowly(partial: Path) -> None:
            with partial.open("wb") as file:
                file.write(text[:1])
                both.wait(900)  # both files are open now
                file.write(text[1:])

        write_whole(path, slowly)

    threads = [Thread(target=write, args=(text,)) for text in (b"aaaa", b"bbbb")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in (b"aaaa", b"bbbb")
    assert os.listdir(tmp_path) == ["file"]


def test_plain_values_come_back_and_all_else_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"name": "π", "list": [1, None]})
    assert read_json(path, "write it again") == {"name": "π", "list": [1, None]}
    for data, said in ((b"{", "is no JSON"), (b"\xff", "is no JSON"), (b"[]", "holds a list")):
        path.write_bytes(data)
        with pytest.raises(UnreadableFile, match=rf"a\.json {said}.*; write it again"):
            read_json(path, "write it again")
    with pytest.raises(UnreadableFile, match=r"none\.json does not exist; write it again"):
        read_json(tmp_path / "none.json", "write it again")
