"""Hand-written sentences of the ticket set: pages about services, machines, people and firms."""

from __future__ import annotations

# kind: (titles, groups of core sentences of which one each is taken, sentences after)
# A slot in a core sentence carries a fact; sentences after refer back by pronoun and carry none.
Page = tuple[tuple[str, ...], tuple[tuple[str, ...], ...], tuple[str, ...]]

SERVICE: Page = (
    ("What is this?", "Service description", "Read me first", "About", "Overview", "Fact sheet"),
    (
        (
            "[For {n} years now|Since the merger] the job of {service} has been a simple one: it "
            "{does}.",
            "Among our [older|smaller] programs, {service} {does}[, day and night|, mostly "
            "unseen].",
            "This page is about {service}. It {does}[ and nothing else|].",
            "Newcomers often ask what {service} is good for. It {does}.",
            "A quiet worker: {service} {does}.",
        ),
        (
            "[Its source code|The repository] belongs to {team}.",
            "Bugs and wishes go to {team}, [please not by phone|preferably in writing].",
            "When it was rewritten, {team} inherited it from a contractor.",
            "Upkeep lies with {team} [since {month}|for good].",
            "If you want a feature, convince {team} first.",
            "In the last reshuffle it landed at {team}.",
        ),
    ),
    (
        "It is written in [Go|Java|Python|Kotlin] and starts in {n} seconds.",
        "[Roughly|About] {n} thousand requests a day pass through it.",
        "Restarting it is harmless, restarting it twice is not.",
        "Its manual has {n} pages, [half of them outdated|and a glossary].",
        "It keeps no state of its own and [forgives|survives] power cuts.",
        "The test copy is refreshed on [Fridays|Sundays].",
        "Expect a short pause at {hour} when it rotates its keys.",
        "Its predecessor was a spreadsheet with {n} tabs.",
        "An audit in {year} had [no|two minor] objections.",
        "It waits for {other} before it [starts|answers] in the morning.",
        "Not to be confused with {other}, [a different matter|which some of us still do].",
        "{colleague} once drew a picture of its insides, it hangs in the corridor.",
    ),
)
DEPLOYMENT: Page = (
    ("Moved", "Where things run", "New home", "Deployment note", "FYI", "After the migration"),
    (
        (
            "After the {month} clean-up {service} was moved to {host}[ without a hitch|].",
            "We have given {service} a new home, {host}, [because the old one leaked|at last].",
            "As of [last Sunday|the {day}], requests to {service} end up on {host}.",
            "The virtual box is gone; {host} now bears {service}[ and a few cron jobs|].",
            "For the records: from {month} on {host} is where {service} lives.",
            "Nobody should look for {service} in the cloud any more, it came back to {host}.",
        ),
    ),
    (
        "The address stays the same, so [clients need not be touched|nothing else changes].",
        "Copying the data took {n} minutes.",
        "Firewall rules were [adapted|copied] and checked by a second pair of eyes.",
        "Should it feel slow, look at the swap file first.",
        "A standby copy can be started by hand within {n} minutes.",
        "The old instance will be wiped on the {day}.",
        "We measured [a third|a fifth] less latency than before.",
        "Log files are now kept for {n} days only.",
        "Rollback is possible until [the weekend|payday].",
        "Remember to update your bookmarks and [your notes|the wall chart].",
        "{other} is to follow in {month}.",
        "{colleague} [watched the counters|held the torch] during the night.",
        "Clients of {other} saw a short flicker.",
    ),
)
INVENTORY: Page = (
    ("Inventory card", "Asset record", "Sticker renewed", "Checked", "Hardware", "Stock list"),
    (
        (
            "You will find {host} in {room}, [behind the second door|third slot from the top].",
            "Our {host} sits in {room}[, next to the window|, at knee height|].",
            "During the walk-through {host} was seen in {room}, where it has a shelf of its own.",
            "Go to {room} if you need to touch {host}.",
        ),
        (
            "It was delivered in {month} {year}.",
            "Its first boot dates from {year}.",
            "The unit came out of its box in {year} and has been running since.",
            "According to the delivery slip it arrived in {year}.",
        ),
        (
            "The plate on the front says {product}.",
            "Inside the case there is a {product} with {n} gigabytes of memory.",
            "By type it is a {product}[, grey|, black|].",
            "On the lid one reads {product}, half scratched off.",
        ),
    ),
    (
        "One of its two power supplies is [new|borrowed].",
        "It draws {n}0 watts when idle.",
        "Dust was removed, the [fans|bearings] sound healthy.",
        "The sticker has been replaced as the old one was illegible.",
        "Two of its disks are spares from another unit.",
        "Its serial number ends in {n}.",
        "[No dents|A dent on the left side], otherwise as new.",
        "Next inspection is due in {month}.",
        "{colleague} counted it on the {day}.",
        "It came to replace {otherhost}.",
        "The cable to {otherhost} is a little short.",
    ),
)
TEAM: Page = (
    ("Who we are", "Team page", "Say hello", "Organisation", "People", "Ways of working"),
    (
        (
            "For {team} the last word lies with {lead}.",
            "It is {lead} who chairs {team} [since {year}|with a light hand].",
            "Since the spring {team} report to {lead}[, whose door is open|].",
            "Budget and holidays of {team} are settled by {lead}.",
        ),
        (
            "[Also at the table|With us]: {a} and {b}[, both part-time|, our newest colleague|].",
            "Daily business is shared by {a} and {b}.",
            "You will mostly meet {a} or {b} at the counter.",
        ),
    ),
    (
        "We [meet|gather] at {hour} in front of the board, for {n} minutes at most.",
        "Our tea kitchen is the one with the [yellow|broken] kettle.",
        "Half of us work from home on [Mondays|Wednesdays].",
        "Tickets are sorted by age and not by [volume|loudness].",
        "We have a chat channel, a shared calendar and {n} plants.",
        "Cake is served for every hundredth closed case.",
        "Please do not come by between {hour} and lunch, that is our quiet time.",
        "We share a corridor with {otherteam}.",
        "{colleague} was with us for two years and moved on.",
        "In {month} we will help {otherteam} with their backlog.",
    ),
)
HANDOVER: Page = (
    ("Weekly handover", "Handover", "Pager", "Rota", "Who wakes up", "Notes for the next one"),
    (
        (
            "In week {week} the pager of {team} goes to {person}.",
            "{person} carries the phone of {team} through week {week}[, from Monday at nine|].",
            "Week {week} at {team}: alarms ring with {person}[, as agreed on Friday|].",
            "The bell of {team} rests with {person} during week {week}.",
            "Swapped at short notice: {person} covers {team} in week {week}.",
        ),
        (
            "{previous} had {n} calls in the seven days before, [most of them harmless|too many].",
            "The last shift of {previous} was [calm|stormy], with {n} pages.",
            "Thanks to {previous}, who handed over {n} open items.",
        ),
    ),
    (
        "Keep an eye on the disk alerts, they [flap|come and go].",
        "The spare charger is in the left drawer.",
        "Escalate after {n} minutes without an answer.",
        "One known false alarm at {hour} may be ignored.",
        "The runbook was extended by a page on [certificates|queues].",
        "Two changes are planned, both after {hour}.",
        "Please write down every call, even the [silly|short] ones.",
        "Nothing is burning at the moment.",
        "{other} will be restarted on the {day}.",
        "If in doubt, ring {otherteam} as well.",
        "Some noise is to be expected from {otherhost}.",
    ),
)
PERSON: Page = (
    ("Staff news", "Introducing", "Phone list update", "Portrait", "Five questions", "Welcome"),
    (
        (
            "[Dial|Ring] {extension} and you get {person} on the line.",
            "The desk of {person} now answers to {extension}.",
            "New on the list: {person}, {extension}.",
        ),
        (
            "Earlier {pron} spent {few} years with {before}.",
            "{Pron} came to us from {before}.",
            "{Pron} had learned the trade at {before}.",
        ),
        (
            "On days off {pron} is replaced by {deputy}.",
            "While {pron} is away, {deputy} minds the shop.",
            "{deputy} takes over whenever {pron} [travels|is ill].",
        ),
        (
            "After hours {pron} {hobby}.",
            "What few know: {pron} {hobby}.",
        ),
    ),
    (
        "{Pron} prefers a short mail to a long meeting.",
        "{Pron} likes [strong coffee|green tea] and short lists.",
        "You will meet {object} at the [north|south] stairs around {hour}.",
        "Ask {object} about [the old mainframe|label printers], nobody knows more.",
        "{Pron} is one of {n} fire wardens.",
        "{Pron} shares an office with {colleague}.",
        "Last year {pron} helped to tame {other}.",
        "{Pron} has lunch with people from {otherteam}.",
    ),
)
ROOM: Page = (
    ("Access", "Keys", "Room notes", "Please knock", "Facilities", "Door plan"),
    (
        (
            "Only {keeper} can let you into {room}.",
            "To get into {room}, ask {keeper} [a day ahead|in good time].",
            "The lock of {room} was changed and {keeper} has the one copy of the new key.",
        ),
    ),
    (
        "The temperature should stay below {n} degrees.",
        "Wear a jacket, the air conditioning is [fierce|set to {n} degrees].",
        "Nothing may be stored on top of the cabinets.",
        "Its floor carries {n} hundred kilos a square metre.",
        "The light switch is behind the [door|pillar].",
        "A leak in {month} was repaired, the stain remained.",
        "Drinks stay outside, [even closed bottles|without exception].",
        "The smoke detector is tested on the first [Monday|Tuesday].",
        "Chairs of {otherteam} are stored here for the time being.",
        "{colleague} lost a glove there in {month}.",
        "A second rack next to {otherhost} is planned.",
    ),
)
PRODUCT: Page = (
    ("Recall", "Notice from a supplier", "Advisory", "Important product information", "Warranty"),
    (
        (
            "In a circular {vendor} [admits|concedes] that its {product} has {flaw}.",
            "The {product} suffers from {flaw}, as its maker {vendor} wrote to all customers.",
            "Bad news from {vendor}: every {product} sold so far comes with {flaw}.",
        ),
    ),
    (
        "Replacements are free of charge until {month}.",
        "We own a few of them and should [act|look] soon.",
        "The letter came on the {day} and is {n} pages long.",
        "Units in storage are [also affected|exempt].",
        "A technician can be booked for {hour} on any weekday.",
        "Take a picture before you open the lid.",
        "Nobody has been hurt so far.",
        "{colleague} has a list of the units concerned.",
        "It reminds {colleague} of the trouble three years ago.",
    ),
)
VENDOR: Page = (
    ("Contract summary", "Supplier file", "Renewal", "Purchasing memo", "Terms"),
    (
        (
            "[The agreement|Our contract] with {vendor} expires in {month} {year}.",
            "We are bound to {vendor} until {month} {year}[, like it or not|].",
            "Until the end of {month} {year} {vendor} grants us a rebate of {n} percent.",
        ),
        (
            "Our calls there are taken by {contact}, who [knows our halls|speaks four languages].",
            "{contact} visits us every quarter on their behalf.",
            "Complaints reach {contact} [fastest by fax|at any hour].",
        ),
    ),
    (
        "Invoices are payable within {n} days.",
        "Delivery takes {n} days, [longer in winter|sometimes less].",
        "Spare parts are stocked [abroad|two hours away].",
        "Last year we spent {n} thousand crowns with them.",
        "They have been with us [since the early days|for {n} years].",
        "A second offer should be obtained before signing again.",
        "{colleague} negotiated for {few} weeks.",
        "Without them {other} would [lack parts|have no home].",
    ),
)
CHANGE: Page = (
    ("Change approved", "Change record", "Planned work", "Done", "Window tonight", "CAB minutes"),
    (
        (
            "With {change} we {purpose} in {service}.",
            "The aim of {change} was to {purpose} in {service}.",
            "On the {day}, under {change}, somebody had to {purpose} in {service}.",
        ),
        (
            "{approver} signed it on [Tuesday|Friday].",
            "It went ahead after a nod from {approver}.",
            "{approver} gave consent [by mail|over lunch].",
            "The form carries the initials of {approver}.",
        ),
    ),
    (
        "It took {n} minutes, {n} fewer than planned.",
        "Testing was limited to [the happy path|a dry run].",
        "Users were informed by a banner at {hour}.",
        "The window opened at {hour} and closed on time.",
        "A rollback script was at hand.",
        "Risk was rated {level}.",
        "Nobody noticed, which is the best that can be said.",
        "Two reviewers had read it before.",
        "{other} was not touched.",
        "{colleague} did the typing, {few} lines in all.",
        "Neighbours such as {other} had to be paused.",
    ),
)
# sentences of any page, alone or before the others
GENERAL = (
    "[Thanks to all|Thank you] for reading to the end.",
    "Written in haste, please correct what is wrong.",
    "This text replaces the one of [last year|{month}].",
    "A printed copy hangs [by the coffee machine|next to the stairs].",
    "Questions can be left on a slip of paper [at the counter|in the box].",
    "The list will be gone through again in {month}.",
    "Number of pages in the folder: {n}.",
    "Nothing in here is secret, but [do not forward it|keep it in the house].",
    "[As decided|As we all heard] at the {month} meeting.",
    "Older entries were dropped on the {day}.",
    "The wording is not final.",
    "Entered at {hour} and checked {few} hours later.",
    "[Copy to|With copies to] the front desk and the works council.",
    "There was {few} minutes of discussion about this.",
    "For once, no form is needed.",
    "A photograph is in the shared folder.",
)
# (as a change record says it, as the answer to a question would)
PURPOSES = (
    "double the length of every timeout", "switch off the old text protocol",
    "replace the search index", "raise the log level to debug", "cut the size of the cache by half",
    "turn on compression", "rename forty database columns", "allow nine-digit article codes",
    "update the time zone tables", "swap the mail relay", "drop support for guest accounts",
    "encrypt the message queue", "add a third worker", "shorten session cookies to an hour",
    "move the scheduler to daylight time", "import the new postal codes", "merge two price tables",
    "limit uploads to three megabytes", "retire the second load balancer", "patch the font library",
)  # fmt: skip
BEFORE_US = (
    "a shipyard", "an insurance broker", "the river police", "a travelling circus", "a dairy",
    "the national library", "a toy factory", "the lighthouse authority", "a brewery",
    "an opera house",
    "a newspaper", "the land registry", "a bicycle courier", "a chain of cinemas", "the salt works",
    "an observatory", "a tram company", "a hospital laundry",
)  # fmt: skip
HOBBIES = (
    "conducts a brass band", "keeps bees on a roof", "restores church organs", "coaches rowers",
    "writes crime stories", "breeds pigeons", "carves chess pieces", "teaches evening Latin",
    "referees ice hockey", "paints tin soldiers", "maps caves", "bakes wedding cakes",
    "repairs pocket watches", "sings in a barbershop quartet", "grows giant pumpkins",
    "collects tram tickets",
)  # fmt: skip
NOISE = (
    "The lift to the third floor is out of order until {month}. Please use the stairs near "
    "{room}, and help {person}, who is on crutches, with the mail trolley. A technician has "
    "been here {n} times already and shook his head each time. Deliveries go to the ramp "
    "meanwhile.",
    "Thirty paper cups a day are too many, writes {person} of the green group. From {month} on "
    "there will be mugs instead, {n} dozen of them, and a dishwasher near {room}. Bring your "
    "own if you wish. The old stock will be given to the nursery.",
    "Last night the alarm in {room} went off again. It was the mouse. {person} has set up a "
    "trap with chocolate, which is said to work better than cheese. The fire brigade was kind "
    "enough not to charge us for its {day} visit of the year.",
    "The running group met at {hour} and did {n} kilometres along the canal. {person} was "
    "first, as ever. Anyone may join, slow people in particular. Showers are next to {room}; "
    "bring a towel and a padlock, since two pairs of shoes have gone missing.",
    "We tried to sell {host} to a museum. They were polite. It is now to be scrapped or kept "
    "for parts, a decision that {person} will bring to the next round. If you still have data "
    "there, copy them before the {day}, and do not ask for more time.",
    "Minutes of the seating committee: {n} desks too few, {n} wishes for a window. {person} "
    "proposed a lottery and was outvoted. The area outside {room} stays free as an escape "
    "route. Next meeting in {month}, with biscuits this time.",
)
NOISE_TITLES = ("Notice", "House news", "Reminder", "For everyone", "Odds and ends")
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
