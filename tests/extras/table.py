"""`python -m tests.extras.table`: what commands came to, after `make test-extras`."""

from __future__ import annotations

import json

from tests.extras.cases import CASES
from tests.extras.environments import OUTCOMES, environments
from tests.extras.test_extras import Outcome


def main() -> None:
    """Print a row per command, a column per environment, and the number of imports."""
    names = [name for name in environments() if (OUTCOMES / f"{name}.json").exists()]
    found = {}
    for name in names:
        outcomes = [Outcome(*row) for row in json.loads((OUTCOMES / f"{name}.json").read_text())]
        found |= {(name, each.kind, each.name): each.word for each in outcomes}
    print("| command | works with | else it names |\n| --- | --- | --- |")
    for command in CASES:
        words = {name: found[name, "run", command] for name in names}
        works = ", ".join(name for name, word in words.items() if word == "works")
        others = sorted({word for word in words.values() if word != "works"})
        print(f"| `{command}` | {'all' if not others else works or '-'} | {', '.join(others)} |")
    print("\n| environment | commands that work | name an extra | imports that work | name one |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in names:
        counts = []
        for kind in ("run", "import"):
            words = [word for (where, k, _), word in found.items() if (where, k) == (name, kind)]
            works = words.count("works")
            counts += [works, len(words) - works]
        print(f"| `{name}` | {' | '.join(map(str, counts))} |")


if __name__ == "__main__":
    main()
