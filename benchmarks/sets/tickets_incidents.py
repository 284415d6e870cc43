"""What goes wrong in the ticket set: each line as a ticket says it, and as a question says it."""

from __future__ import annotations

# (a clause of a ticket, a noun phrase of a question), in different words
SYMPTOMS: tuple[tuple[str, str], ...] = (
    ("screens needed [forty seconds|most of a minute] to load", "[painfully slow|sluggish] pages"),
    (
        "nobody could sign in, the password was refused every time",
        "[being locked out|failed logins]",
    ),
    ("the totals at the foot of each sheet came out doubled", "sums that were twice too high"),
    (
        "letters were printed with the address of the previous customer",
        "mail meant for other people",
    ),
    (
        "the nightly export stopped half-way and left an empty file",
        "an extract without any content",
    ),
    ("umlauts and accents turned into question marks", "garbled special characters"),
    ("the same reminder went out five times", "[repeated|duplicate] notices"),
    ("appointments were shifted by exactly one hour", "meetings showing up sixty minutes off"),
    ("pictures in the catalogue were replaced by grey boxes", "missing product photographs"),
    ("the search box found nothing entered since Monday", "recent records nobody could look up"),
    ("handheld scanners beeped but booked nothing", "barcode guns that registered no item"),
    ("the display in the lobby froze on number 41", "a stuck waiting list board"),
    ("refunds stayed on pending for days", "money that was not paid back"),
    ("attachments above three megabytes vanished", "large files going astray"),
    ("the printer by the ramp spat out blank strips", "stickers with nothing on them"),
    ("badge readers kept the side door shut", "an entrance that rejected pass cards"),
    ("temperature readings jumped to minus forty", "absurdly cold sensor values"),
    ("a warning about an expired certificate greeted everyone", "a browser alert over security"),
    ("orders from the web shop arrived twice in picking", "purchases being packed two times"),
    ("calls dropped after thirty seconds", "telephone conversations that were cut short"),
    ("pay slips for part-timers were blank", "empty salary statements"),
    (
        "the map showed every van in the middle of the sea",
        "vehicles that seemed to be off the coast",
    ),
    ("invoices carried last year's tax rate", "bills with the wrong levy"),
    ("saved drafts were gone by the next morning", "unfinished work that disappeared"),
    ("the lift monitor reported a cabin that does not exist", "a phantom elevator alarm"),
    ("voice messages landed in the wrong mailbox", "recordings reaching the wrong people"),
    ("the stock level of some articles went below zero", "negative inventory figures"),
    ("the dashboards showed yesterday's numbers all day", "stale charts"),
    ("the mobile app closed itself on the start screen", "a phone program crashing at launch"),
    (
        "customers were greeted in Danish whatever their setting",
        "an interface in the wrong language",
    ),
    ("the fax gateway sent every sheet upside down", "inverted transmissions on paper"),
    ("holiday requests were granted before anyone had seen them", "leave approved all by itself"),
    ("the archive refused documents with a slash in their name", "papers that could not be filed"),
    ("single sign-on looped back to the start page", "a login that went round in circles"),
)

# (an adverbial of a ticket, an adverbial of a question)
CIRCUMSTANCES: tuple[tuple[str, str], ...] = (
    ("an hour after the fire drill", "following the evacuation exercise"),
    ("on the morning of the stocktake", "on the day all goods were counted"),
    ("while the auditors were in the building", "during the visit of the examiners"),
    ("in the night of the big thunderstorm", "when there was lightning"),
    ("just as the summer interns started", "when the students began their placement"),
    ("during the board meeting", "while the directors sat together"),
    ("right after the clocks went back", "at the beginning of winter time"),
    ("as the carpet in the corridor was being replaced", "while the floor covering was renewed"),
    ("on the last working day of the quarter", "at the end of a three-month period"),
    ("in the middle of a live demonstration", "as a prospective buyer was being shown the product"),
    ("after a forklift had brushed the cable tray", "once a vehicle had hit the wiring duct"),
    ("on the evening of the staff party", "on the night of the company celebration"),
    ("shortly before the ferry left", "not long before the ship sailed"),
    ("when the heating failed in the east wing", "in the cold days without radiators"),
    ("as soon as the lorry drivers came on shift", "when the truckers began their work"),
    ("in the middle of the flu wave", "when half the workforce was ill"),
    ("two days after the move to the new floor", "soon after the offices were relocated"),
    ("while a film crew was recording in the yard", "as a movie was being shot outside"),
    ("on the first day of the sale", "at the opening of the discount season"),
    ("after somebody had watered the plants above the rack", "following a gardening accident"),
    ("in the week without a receptionist", "while the front desk was unoccupied"),
    ("the moment the canteen ovens were switched on", "whenever the kitchen started to cook"),
    ("during the visit of the school class", "while pupils were being shown around"),
    ("before dawn on New Year's Day", "in the first hours of January"),
    ("while the generator was being tested", "during a trial of the emergency power"),
    ("after the cleaning crew had left", "once the janitors had gone home"),
)

# (who a ticket says was hit, who a question says was hit); all plural
AFFECTED: tuple[tuple[str, str], ...] = (
    ("the clerks in accounts payable", "the people who settle the bills"),
    ("the pickers in hall four", "those who collect goods from the shelves"),
    ("our sales reps on the road", "the travelling sellers"),
    ("the two nurses of the first-aid post", "the medical staff"),
    ("the apprentices on the third floor", "the trainees"),
    ("colleagues in the legal department", "the lawyers"),
    ("the guards at the north gate", "the security men"),
    ("half a dozen editors of the customer magazine", "the journalists of the house"),
    ("the buyers for frozen goods", "those who purchase icy food"),
    ("the dispatchers of the van fleet", "the planners of delivery tours"),
    ("agents in the call centre", "those who answer the hotline"),
    ("the payroll ladies", "the women who work out the wages"),
    ("the lab technicians", "the staff testing samples"),
    ("the recruiters", "the people who hire"),
    ("everyone on the night shift", "the employees working after dark"),
    ("the cooks", "the kitchen staff"),
    ("three translators working from home", "the remote language staff"),
    ("the bookkeepers of the Baltic branch", "the accountants of a foreign subsidiary"),
    ("our carpenters", "the woodworkers"),
    ("the secretaries of the directors", "the assistants of the management"),
)

# sentences that stand before or after the account of a ticket; no names
BEFORE: tuple[str, ...] = (
    "The phone did not stop ringing until [{hour}|lunch].",
    "[A long morning|Not a good start to the week].",
    "Priority was set to {level} and later [raised|lowered] by the shift leader.",
    "[Second|Third] time this [month|season] that we hear such a thing.",
    "The first mail came in at {hour}, the {n}th followed before [noon|ten].",
    "[Nothing in the monitoring hinted at this|All lights on the wall were green].",
    "Sorry for the late entry, the tracker itself was [down|read-only] for a while.",
    "[This one was passed on from the front line|Forwarded by the front line] without comment.",
    "There is a screenshot in the folder, taken at {hour}.",
    "We had been warned by a [nearly identical case|similar complaint] in [spring|autumn].",
)
AFTER: tuple[str, ...] = (
    "About {n} users were [hit|touched], none of them lost data.",
    "[Service|Normal work] was back by {hour}.",
    "A restart had helped [once|for an hour], then it came back.",
    "We left a [watch|probe] running overnight and it stayed quiet.",
    "The workaround with the spreadsheet is [no longer needed|to be deleted].",
    "[Cost of the outage|Damage] according to the branch: roughly {n} hundred crowns.",
    "[They|The callers] were told to wait and [took it with humour|were not amused].",
    "[Closed|Set to solved] after {n} minutes without a new complaint.",
    "Nobody had changed anything, or so [we were told|it was said].",
    "The knowledge article has been [rewritten|corrected] accordingly.",
    "We owe them [an apology|a cake].",
    "It took us {n} minutes to see the pattern.",
    "A permanent fix is planned, this was only a [plaster|stopgap].",
    "[Logs are attached|The logs went into the case folder], see the lines around {hour}.",
    "If it happens again, [do not|please do not] reboot before taking a dump.",
    "[Retest|A second look] on Thursday showed no trace of it.",
    "The customer service desk handed out [paper forms|handwritten slips] meanwhile.",
    "Afterwards [the queue|the backlog] took {n} minutes to drain.",
    "Lesson learned: [measure first|read the alarm text] before guessing.",
    "A duplicate of this entry was [merged|removed].",
    "[Half of it|Much of this] could have been seen in the graphs a day earlier.",
)

# how the account begins: who, what, when
ACCOUNTS: tuple[str, ...] = (
    "{Who} [rang|called] {when}: {what}.",
    "{When}, {what}, as {who} [told us by phone|wrote in a rather long mail].",
    "{What}. {Who} noticed it {when}.",
    "[Raised|Reported] by {reporter} for {who}: {what}. It began {when}.",
    "{Who} found, {when}, that {what}.",
    "{Reporter} came down in person. {When}, {what}, and {who} could not go on.",
    "[We were alerted by|The alarm came from] {who}. {What}, and all that {when}.",
    "{When} {who} had to stop because {what}.",
    "According to {reporter}, {what}. This hit {who} {when}.",
)
NUMBERS: tuple[str, ...] = (
    "[Filed as|Logged under|Entered as] {number}.",
    "[Reference|Case] {number}.",
    "The number for all [replies|further calls] is {number}.",
)

# how the culprit is named; `{other}` is a service that was suspected in vain
BLAMES_SERVICE: tuple[str, ...] = (
    "[Digging through the logs|After an hour of reading traces] we ended up with {service}, which "
    "had run out of worker threads.",
    "It turned out that {service} was to blame: a [stuck lock|full queue] held back every request.",
    "The trail led by way of the load balancer to {service}, whose cache had gone [stale|mad].",
    "{Reporter} suspected the network first, but once {service} had been restarted all was well.",
    "No fault of the desks themselves, the culprit was {service} with a [broken index|lost "
    "session].",
    "At first {other} came under suspicion and was cleared; in the end {service} had swallowed the "
    "messages.",
    "We lost time on {other}, wrongly. What had really failed was {service}, silently.",
    "Since {service} had answered with [half|truncated] replies, everything behind it stumbled.",
    "Only when somebody looked at {service} did the cause show: its scheduler had skipped a beat.",
    "Contrary to the first guess ({other}), a hanging job inside {service} brought this about.",
)
BLAMES_HOST: tuple[str, ...] = (
    "In the end a full disk on {host} explained it, {n} gigabytes of forgotten dumps.",
    "The memory of {host} had been reporting errors for days, and now it [gave up|froze].",
    "A fan had died and {host} throttled itself to a crawl.",
    "{Reporter} blamed {other}, but it was {host} that kept losing its network link.",
    "Clock drift on {host} of nearly {n} seconds upset the rest.",
    "What we saw was merely the echo of {host} rebooting in a loop.",
    "After ruling out {other} we found {host} with a [swollen battery|dead power supply].",
)
BLAMES_CHANGE: tuple[str, ...] = (
    "It had started within minutes of {change}, and undoing that cured it.",
    "The timeline leaves no doubt that {change} set it off; we rolled it back at {hour}.",
    "Nobody thought of {change} until {reporter} compared the hours.",
    "We cleared {other}. The side effect came in with {change}, which has been withdrawn for now.",
    "With {change} reverted the trouble was over.",
)

# (titles of the passages by kind)
TITLES: tuple[str, ...] = (
    "Printer offline again",
    "Re: slow login",
    "Strange behaviour since this morning",
    "Urgent",
    "Complaint from the floor",
    "Outage report",
    "Fwd: it does not work",
    "Post-incident note",
    "Help please",
    "Same as last week?",
    "Solved",
    "Night call",
)
