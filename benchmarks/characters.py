"""Characters that searches send to a language model over MCP, for each character of passages.

    python -m benchmarks.characters INDEX QUESTIONS [--questions 20]

QUESTIONS are JSON lines with `question` or `text`. The real client asks `graphagg mcp` over stdio;
everything in a result counts, text and structured content alike.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

HEAD = re.compile(r"(?:\A|\n\n)(?=\[\d+\] )")


def questions_of(path: Path, most: int) -> list[str]:
    """The first questions of a file."""
    reading = gzip.open if path.suffix == ".gz" else open
    with reading(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [row.get("question") or row["text"] for row in rows[:most]]


def counted(result: Any) -> tuple[int, int]:
    """Characters of a result, and those of them that are text of passages: all but the heads."""
    text = "".join(part.text for part in result.content)
    structured = result.structured_content
    sent = len(text) + (len(json.dumps(structured, ensure_ascii=False)) if structured else 0)
    bodies = (part.partition("\n")[2].strip() for part in HEAD.split(text))
    return sent, sum(map(len, bodies))


async def ask(index: Path, questions: list[str]) -> list[tuple[int, int]]:
    """Both numbers of each question."""
    command = ["-m", "graphagg", "mcp", "--passages", str(index)]
    server = StdioServerParameters(command=sys.executable, args=command, env=dict(os.environ))
    async with Client(stdio_client(server)) as client:
        return [
            counted(await client.call_tool("search_passages", {"question": question}))
            for question in questions
        ]


def main() -> None:
    """Print the sums."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path)
    parser.add_argument("questions_file", type=Path)
    parser.add_argument("--questions", type=int, default=20)
    options = parser.parse_args()
    questions = questions_of(options.questions_file, options.questions)
    counts = asyncio.run(ask(options.index, questions))
    sent, text = (sum(column) for column in zip(*counts, strict=True))
    print(f"{len(questions)} questions: {sent:,} characters sent, {text:,} of passages")
    print(f"{sent / text:.3f} characters sent for each character of text")


if __name__ == "__main__":
    main()
