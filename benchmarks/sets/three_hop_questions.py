"""How the three-hop set asks."""

from __future__ import annotations

# relation: noun phrases for its object, given one for its subject
NESTED: dict[str, str] = {
    "director": "the [director of|person who directed|one who directed] {x}",
    "writer": "the [writer|author of the screenplay] of {x}",
    "composer": "the composer of the music in {x}",
    "source": "the [earlier film|work] that {x} [follows on from|goes back to]",
    "father": "the father of {x}",
    "mother": "the mother of {x}",
    "parent": "the parent of {x}",
    "husband": "the [husband of|man married to] {x}",
    "wife": "the [wife of|woman married to] {x}",
    "spouse": "the [spouse of|person married to] {x}",
    "brother": "the brother of {x}",
    "sister": "the sister of {x}",
    "sibling": "the sibling of {x}",
    "son": "the son of {x}",
    "daughter": "the daughter of {x}",
    "child": "the [child|offspring] of {x}",
}

# two relations in one phrase; taken half of the time
KINSHIP: dict[tuple[str, str], str] = {
    ("father", "father"): "[the paternal grandfather|the grandfather on the father's side] of {x}",
    ("father", "mother"): "[the paternal grandmother|the grandmother on the father's side] of {x}",
    ("mother", "father"): "[the maternal grandfather|the grandfather on the mother's side] of {x}",
    ("mother", "mother"): "the maternal grandmother of {x}",
    ("husband", "father"): "the father-in-law of {x}",
    ("wife", "father"): "the father-in-law of {x}",
    ("husband", "mother"): "the mother-in-law of {x}",
    ("wife", "mother"): "the mother-in-law of {x}",
    ("spouse", "father"): "the father-in-law of {x}",
    ("spouse", "mother"): "the mother-in-law of {x}",
}
# relation: questions for its object
ASK: dict[str, tuple[str, ...]] = {
    "place of birth": (
        "Where was {x} born?",
        "In which place did the life of {x} begin?",
        "What is the birthplace of {x}?",
    ),
    "place of death": ("Where did {x} die?", "In which place did {x} pass away?"),
    "place of burial": ("Where was {x} laid to rest?", "Where is the grave of {x}?"),
    "date of birth": (
        "When was {x} born?",
        "On which date did {x} come into the world?",
        "What is the birthday of {x}?",
    ),
    "date of death": (
        "When did {x} die?",
        "On which date did {x} pass away?",
        "What was the last day in the life of {x}?",
    ),
    "father": ("Who was the father of {x}?", "Whose child was {x}?"),
    "mother": ("Who was the mother of {x}?", "Which woman gave birth to {x}?"),
    "country of citizenship": ("What nationality was {x}?", "Of which country was {x} a citizen?"),
    "parent": ("Whose child was {x}?", "Who were the parents of {x}?"),
    "spouse": ("Whom did {x} marry?", "Who was the wedded partner of {x}?"),
    "educated at": ("Where did {x} study?", "Which school did {x} go to?"),
    "employer": ("For whom did {x} work?",),
    "award received": ("Which prize did {x} win?",),
    "cause of death": ("What did {x} die of?",),
}
# questions of a comparison; `born` and `died` by what is compared
COMPARE: dict[str, tuple[str, ...]] = {
    "date of birth": (
        "Who was born earlier, {x} or {y}?",
        "Who is the younger one: {x} or {y}?",
        "Of {x} and {y}, who came into the world first?",
    ),
    "date of death": (
        "Who died first, {x} or {y}?",
        "Who passed away later: {x} or {y}?",
        "Was {x} already dead when {y} died?",
    ),
}
