"""How the set of the chronicle asks."""

from __future__ import annotations

# relation: (noun phrase for the object, given one for the subject; questions for it)
WAYS: dict[str, tuple[str, tuple[str, ...]]] = {
    "father": ("the father of {x}", ("Who was the father of {x}?", "Whose child was {x}?")),
    "daughter": ("the daughter of {x}", ("Who was the daughter of {x}?",)),
    "son": ("the son of {x}", ("Who was the son of {x}?",)),
    "born": ("", ("When did {x} first see the light?", "What is the year of birth of {x}?")),
    "died": ("", ("When did {x} pass away?", "In which year was {x} buried?")),
    "teacher": (
        "the [teacher|master] of {x}",
        ("Who [taught|trained] {x}?", "By whom was {x} instructed?"),
    ),
    "pupil": ("the [apprentice|pupil] of {x}", ("Who was the apprentice of {x}?",)),
    "spouse": (
        "the [spouse|partner in marriage] of {x}",
        ("To whom was {x} joined in marriage?", "Who was the spouse of {x}?"),
    ),
    "wedding place": ("", ("Where did the wedding party of {x} take place?",)),
    "builder": (
        "the person who [constructed|erected] {x}",
        ("Who [constructed|erected] {x}?", "Whose work was {x}?"),
    ),
    "built house": ("the house that {x} constructed", ("Which house did {x} construct?",)),
    "heir": (
        "the later [owner|proprietor] of {x}",
        ("Who was the second owner of {x}?", "Into whose possession did {x} pass?"),
    ),
    "inherited": ("the house that {x} acquired", ("Which house did {x} acquire from others?",)),
    "inventor": (
        "the inventor of {x}",
        ("Who invented {x}?", "From whose brain did {x} spring?"),
    ),
    "invented": ("the contraption devised by {x}", ("What did {x} invent?",)),
    "assembled at": (
        "the house where {x} was constructed",
        ("Where was {x} built?", "At which house did {x} take shape?"),
    ),
    "shipwright": ("the builder of {x}", ("Who constructed {x}?",)),
    "captain": (
        "the [captain|skipper] of {x}",
        ("Who commanded {x}?", "Who was the skipper of {x}?"),
    ),
    "commanded": ("the vessel commanded by {x}", ("Of which vessel was {x} the skipper?",)),
    "end": ("", ("In which year was {x} lost?", "Until which year did {x} exist?")),
    "maker": ("the [creator|craftsman or craftswoman] of {x}", ("Who crafted {x}?",)),
    "owner": ("the [recipient|owner] of {x}", ("To whom did {x} belong in the end?",)),
    "kept at": (
        "the house where {x} is on show",
        ("In which house can {x} be found nowadays?", "Where is {x} stored?"),
    ),
    "sailed on": (
        "the vessel on which {x} went away",
        ("Which vessel took {x} abroad?", "On what ship did {x} travel?"),
    ),
    "destination": ("", ("Where did {x} travel to?", "What was the destination of {x}?")),
    "struck": ("the house that suffered from {x}", ("Which house suffered from {x}?",)),
    "hero": (
        "the one who proved helpful in {x}",
        ("Who proved most helpful in {x}?", "Whom do people have to thank for the outcome of {x}?"),
    ),
    "befell": ("", ("Who was of great help in the mishap at {x}?",)),
}
# relations of a description to a name
NAMING = ("trade", "house", "invention")
