"""`graphagg demo`: the main job on the bundled corpus."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from graphagg.cli.console import AsJson, Meter, out, print_json, progress_report
from graphagg.cli.rag import explain_hit


def demo(
    out_dir: Annotated[Path, typer.Option("--out", help="Where the index goes.")] = Path(
        "build/demo"
    ),
    as_json: AsJson = False,
) -> None:
    """Index the bundled passages and answer ten multi-hop questions, with the path of each hop."""
    from graphagg.rag import PassageIndex, read_passages
    from graphagg.rag.evaluation import GoldQuestion, read_questions

    meter = Meter()
    with as_file(files("graphagg.rag") / "demo") as folder, progress_report() as report:
        index = PassageIndex.build(
            read_passages(folder / "passages.jsonl"), out_dir / "passages", progress=report
        )
        questions = read_questions(folder / "questions.jsonl")
    answers = index.retrieve_batch([question.text for question in questions], 3)
    found = sum(
        len(question.gold & {hit.passage.id for hit in hits}) / len(question.gold)
        for question, hits in zip(questions, answers, strict=True)
    ) / len(questions)
    if as_json:
        pairs = [
            (q.text, [h.to_json() for h in hs]) for q, hs in zip(questions, answers, strict=True)
        ]
        print_json({"recall@3": found, "answers": [{"question": q, "hits": h} for q, h in pairs]})
        return

    def mark(question: GoldQuestion, identifier: str) -> str:
        return "[green]*[/green]" if identifier in question.gold else " "

    for question, hits in zip(questions, answers, strict=True):
        table = Table("", "passage", "why", title=question.text, title_justify="left", expand=True)
        for hit in hits:
            table.add_row(mark(question, hit.passage.id), hit.passage.title, explain_hit(hit))
        out.print(table)
    used = meter.read()
    out.print(
        f"\n[green]*[/green] needed for the answer: {100 * found:.0f} % of those are among the "
        f"first 3. {len(index)} passages, {len(questions)} questions, "
        f"{used['wall_seconds']} s. The index: {out_dir / 'passages'}"
    )
    out.print(f'Ask it: graphagg rag search {out_dir / "passages"} "your question" --explain')
