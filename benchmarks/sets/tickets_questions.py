"""How the ticket set asks: noun phrases that nest, and the question around them."""

from __future__ import annotations

# relation: a noun phrase for the object, given one for the subject
NESTED: dict[str, str] = {
    "blames service": "the [program|software] [at the bottom of|that had caused|at fault in] {x}",
    "blames host": "the [machine|computer] [whose failure explained|at the bottom of|behind] {x}",
    "blames change": "the modification that [brought about|triggered|provoked] {x}",
    "owner": "the [group|crew] [responsible for|in charge of|maintaining] {x}",
    "runs on": "the [machine|computer|server] [hosting|that carries|executing] {x}",
    "room": "the [place where one finds|room that houses|space around] {x}",
    "model": "the [model|make|series] of {x}",
    "maker": "the [manufacturer|producer|company that builds the model] of {x}",
    "lead": "the [head|boss|leader] of {x}",
    "on call": "the person on [standby|night duty] for {x} in {week}",
    "keeper": "the [holder of the key to|person able to unlock] {x}",
    "approver": "the person who [authorised|approved|allowed] {x}",
}

# relation: the question for the object
ASK: dict[str, tuple[str, ...]] = {
    "owner": (
        "Which group is [responsible for|in charge of] {x}?",
        "Who [maintains|has to repair] {x}?",
        "With whom should one talk about [improving|mending] {x}?",
    ),
    "runs on": (
        "Which machine [hosts|carries] {x}?",
        "On what [computer|server] is {x} executed?",
    ),
    "room": (
        "Where does one find {x}?",
        "What is the location of {x}?",
        "Which room [houses|contains] {x}?",
    ),
    "bought": (
        "How old is {x}: in which year was it [acquired|put into operation]?",
        "When did the company get {x}?",
    ),
    "model": ("What [model|make] is {x}?", "Which series does {x} belong to?"),
    "maker": (
        "Who [manufactures|produces] {x}?",
        "Which [firm|company] stands behind {x}?",
    ),
    "flaw": (
        "What [defect|weakness] is known of {x}?",
        "Which fault has been [acknowledged|published] about {x}?",
    ),
    "lead": ("Who [heads|leads] {x}?", "Who is the [boss|head|manager] of {x}?"),
    "on call": (
        "Who has to get up at night for {x} in {week}?",
        "Whom does one [wake|reach] in an emergency of {x} in {week}?",
        "Who was on standby for {x} in {week}?",
    ),
    "keeper": ("Who can unlock the door to {x}?", "Who must be asked to open {x}?"),
    "approver": ("Who [authorised|approved] {x}?", "By whom was {x} permitted?"),
    "purpose": ("What did {x} alter?", "What was {x} meant to achieve?"),
    "extension": (
        "What is the telephone number of {x}?",
        "Under which number can one speak to {x}?",
    ),
    "before": (
        "Who was the former employer of {x}?",
        "Where did {x} work previously?",
    ),
    "deputy": ("Who is the stand-in for {x}?", "Who substitutes for {x} during holidays?"),
    "hobby": (
        "How does {x} spend the evenings?",
        "What is the pastime of {x}?",
    ),
    "contact": ("Whom do we speak to at {x}?", "Who represents {x} towards us?"),
    "until": ("How long does the deal with {x} last?", "When does the arrangement with {x} end?"),
}

# a ticket by its number, and by what happened
NUMBERED = ("[ticket|incident|case] {number}", "the [trouble|problem] of {number}")
DESCRIBED = (
    "the [case|incident] of {symptom} that hit {who} {when}",
    "the [trouble|bother] with {symptom} that {who} had {when}",
    "the [complaint|report] of {who} about {symptom} {when}",
    "{symptom} as met by {who} {when}",
)
# the same as a sentence before the question, which then says "that"
TOLD = (
    "{When} {who} had to [cope|struggle] with {symptom}.",
    "{Who} complained about {symptom}, and this {when}.",
    "{Who} reported {symptom} {when}.",
    "There was [once|at one time] a case of {symptom} {when} that troubled {who}.",
)
TOLD_NUMBERED = (
    "[Think of|Take|Consider] {number}.",
    "My question is about [ticket|case] {number}.",
)

OLDER = (
    "Which of the two was caused by the [older|longer-serving] machine: {x} or {y}?",
    "{X} and {y}: behind which of them was the computer acquired [earlier|first]?",
    "Was the machine that failed in {x} bought before the one in {y}?",
)
OLDER_HOME = (
    "Is {x} executed on a [newer|younger] machine than {y}?",
    "Which has the older hardware under it, {x} or {y}?",
    "Of {x} and {y}, which one is hosted by the computer that was acquired later?",
)
SAME_BOSS = (
    "Do the groups in charge of {x} and of {y} have the same [boss|head]?",
    "Is one person the head of both the crew maintaining {x} and the crew maintaining {y}?",
)
SAME_MAKER = (
    "Are the machines called {x} and {y} built by the same [firm|manufacturer]?",
    "Did one company manufacture both computers, {x} as well as {y}?",
)
