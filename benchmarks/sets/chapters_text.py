"""Hand-written sentences of the chronicle."""

from __future__ import annotations

BORN = (
    "{name} [came into the world|was born] in {year}, [{nth} child|the {nth}] of {father}.",
    "[Of the {nth} child|About the {nth}] of {father}, {name}, born in {year}, much is told.",
    "In the [hard|wet|mild] spring of {year} a {kind} was laid into the arms of {father}; they "
    "called {object} {name}.",
    "{father} had waited long for a {kind}, and in {year} came {name}.",
)
ARRIVED = (
    "{name}, born in {year}, came over the pass [with one trunk|on foot] and stayed.",
    "Nobody knows where {name} came from, only the year of birth is certain: {year}.",
    "{name} was born in {year}, [out of the valley|far from here], and never spoke of it.",
)
WORKED = (
    "For {n} years {pron} {trade}.",
    "{Pron} {trade} [until the eyes failed|and was content].",
    "In later life {pron} {trade}, [like nobody before|for little money].",
    "It is remembered that {pron} {trade}.",
)
LEARNED = (
    "{Pron} had learned it from {teacher}, [who was strict|in a single winter].",
    "{teacher} had shown {object} how, [against a barrel of herring|for nothing].",
    "What {pron} knew came from {teacher}.",
)
DIED = (
    "{Pron} died in {died}, [on a Sunday|in the hay|of a cold].",
    "The end came in {died}, [quietly|after a short illness].",
    "{Pron} was carried to the churchyard in {died}.",
)
OF_PERSON = (
    "{Pron} was known to walk barefoot [until November|in all weathers].",
    "{Pron} could not abide [geese|whistling|cold porridge].",
    "At table {pron} sat nearest to the door, in order to leave first.",
    "{Pron} owned {n} hats and wore the oldest.",
    "Children were a little afraid of {object}, [dogs never|cats followed].",
    "{Pron} laughed [seldom|twice a year], and then the windows shook.",
    "There is a drawing that shows {object} with a pipe.",
    "In church {pron} sang a bar behind the others.",
    "{Pron} lent money without ever asking for it back.",
    "It is said that {pron} once slept through an earthquake.",
    "{Pron} spoke to trees and, what is worse, waited for an answer.",
    "Whoever owed {object} a favour was reminded on Saint Lucy's day.",
    "{Pron} feared neither thunder nor the tax office.",
    "A scar over the left eye came from {object} falling out of a pear tree.",
)
MARRIED = (
    "In {year} {bride} [gave her hand to|was wed to] {groom}, at {place}.",
    "{groom} [led|took] {bride} to the altar in {year}; the feast was held at {place}.",
    "The bells rang in {year} for {bride} and {groom}, and {place} was full of guests.",
)
OF_WEDDING = (
    "As is the custom here, the wife kept her name and the children took his.",
    "{n} tables were set, and two broke.",
    "It rained on the bread, which means luck.",
    "The fiddlers had to be [carried home|woken twice].",
    "An uncle from the coast made a speech of {n} minutes.",
    "They had known each other since they were [six|ten] and quarrelled ever since.",
    "Her shoes were too small; she danced in stockings.",
    "The cake was eaten by a goat.",
)
BUILT = (
    "{House} was [raised|put up] by {builder} in {year}, {looks}.",
    "In {year} {builder} laid the first stone of {house}, {looks}.",
    "{builder} drew {house} on a cask lid and finished it in {year}: {looks}.",
)
PASSED = (
    "Later it fell to {heir}, [who kept hens in the hall|by a bet].",
    "After a lawsuit of {n} years it went to {heir}.",
    "{heir} bought it [cheaply|with borrowed money] when the roof leaked.",
    "Through a will that nobody had expected, {heir} got the keys.",
)
OF_HOUSE = (
    "Its cellar floods every March.",
    "[Swallows|Bats] have lived under its eaves ever since.",
    "There is a room in it that has no door.",
    "The stairs creak on the {n}th step.",
    "From its back window one sees the whole lake.",
    "The kitchen fire was not let out for {n} years.",
    "Strangers take it for a chapel.",
)
INVENTED = (
    "It was {maker} who in {year} thought of {thing}, which {does}.",
    "The year {year} saw {thing}, [a notion|the work] of {maker}; it {does}.",
    "{Thing} was {maker}'s doing. Since {year} it {does}, or tries to.",
)
ASSEMBLED = (
    "The first one was put together at {house}.",
    "Its parts were cast and fitted in the yard of {house}.",
    "It took {n} nights at {house} to make it go.",
)
OF_INVENTION = (
    "The neighbours laughed for a year and then ordered {n} of them.",
    "A patent was refused on account of the spelling.",
    "It broke at the first showing, and worked at the second.",
    "One is still in use, held by wire.",
    "The parson called it a temptation.",
    "A gentleman from the city offered {n} crowns and was shown the door.",
    "It smelled of hot oil and honey.",
)
LAUNCHED = (
    "{Boat}, {looks}, [slid into the lake|was launched] in {year}; {builder} had made her.",
    "In {year} {builder} finished {boat}, {looks}.",
    "Out of oak and debts {builder} built {boat} in {year}, {looks}.",
)
CAPTAINED = (
    "{captain} had the helm [for {few} summers|from the first day].",
    "Her master was {captain}, [who could not swim|a careful soul].",
    "For {few} years {captain} steered her.",
)
SANK = (
    "She went down in {end} [off the point|in a squall], with nobody on board.",
    "In {end} she was broken up for firewood.",
    "The ice crushed her in {end}.",
    "In {end} she was sold to the coast and seen no more.",
)
OF_BOAT = (
    "Children were allowed to ring her bell on their birthday.",
    "She carried {n} passengers, or eight cows.",
    "Her sails were red from the bark of alders.",
    "A cat lived in the bow and drew wages.",
    "The lake is deep there, {n} fathoms and more.",
    "She leaked on the left side, and only on Fridays.",
)
MADE = (
    "{maker} made {thing} in {year}, [out of spite|for a bet|in a week].",
    "From the hands of {maker} came, in {year}, {thing}.",
    "In {year} {maker} sat {n} evenings over {thing}.",
)
GIVEN = (
    "It was given to {owner}, who had asked for something else.",
    "On a birthday {owner} received it and wept.",
    "{owner} won it in a raffle.",
    "By and by it came to {owner}, in exchange for a calf.",
)
KEPT = (
    "Today it lies in a drawer at {house}.",
    "You can see it at {house}, behind glass.",
    "Since then {house} has kept it, [wrapped in felt|over the fireplace].",
)
OF_THING = (
    "A collector wanted it and was sent away.",
    "Twice it was stolen and twice brought back.",
    "It is worth nothing, and not for sale.",
    "Nobody may touch it with wet hands.",
    "It was lost for {few} years and found by a pig.",
)
TRAVELLED = (
    "In {year} {who} set out for {place} aboard {boat}.",
    "{who} boarded {boat} in {year} and did not stop before {place}.",
    "Without a word to anyone {who} left on {boat} in {year}, bound for {place}.",
)
OF_JOURNEY = (
    "The letters home arrived in the wrong order.",
    "{Pron} returned after {n} months, thinner and with a beard of salt on the collar.",
    "[A parrot|A fever] was all {pron} brought back.",
    "It was the year of the comet, and many were restless.",
    "The purse was empty on the second day.",
    "On the way {pron} learned to swear in three languages.",
    "{Pron} never told what had happened there.",
)
# (how the chronicle begins it, how a question calls it)
EVENTS = (
    ("a spark from the bread oven set fire to {house}", "the blaze that began while baking"),
    ("the brook rose at night and stood knee-deep in {house}", "the nightly flood"),
    ("thieves carried the lead off the roof of {house}", "the burglary of metal"),
    ("a bear climbed into the larder of {house}", "the visit of a wild animal"),
    ("an avalanche stopped a hand's breadth from {house}", "the snow slide"),
    ("hail of the size of eggs broke all panes of {house}", "the storm of ice lumps"),
    ("a bridal coach overturned before the gate of {house}", "the accident of a wedding carriage"),
    ("cholera came, and {house} was made a hospital", "the epidemic"),
    ("soldiers were quartered at {house} for a winter", "the stay of the troops"),
    ("an earthquake moved {house} by an inch", "the trembling of the ground"),
    ("a swarm of locusts settled upon {house}", "the plague of insects"),
    ("a balloon came down in the garden of {house}", "the landing from the sky"),
)
RESCUED = (
    "It was {hero} who kept a cool head and [saved what could be saved|gave the orders].",
    "Without {hero} it would have ended worse.",
    "{hero} alone had seen it coming and had [blankets|buckets] ready.",
)
OF_EVENT = (
    "For {n} days nobody slept.",
    "The parish gave {n} crowns towards the damage.",
    "Old people date things from it to this day.",
    "A song was made about it, with {n} verses.",
    "Two sheep and a clock were never found.",
)
INTERLUDES = (
    "Of the weather in those years one can say little good. [Snow lay until May|The lake froze "
    "twice], the larks came late, and the price of rye rose to {n} crowns. People mended their "
    "fences and told each other the old stories again, since there were no new ones, and the "
    "council met in the inn because it was warmer there.",
    "Let us stop here for a moment. The valley had by then {n} hundred souls, two bridges, one "
    "doctor who drank, and no prison. Quarrels were settled with apples or fists. A road to the"
    " coast had been promised {few} times, and surveyors with red poles were part of every "
    "summer like the wasps.",
    "There followed [a good year|some good years]. Barley stood as high as a man, the cows gave"
    " milk until Christmas, and {n} pairs of boots were ordered from the city. The chronicle "
    "has little to say about happiness. It notes a new weathercock, a dispute about a drain, "
    "and a lost umbrella.",
    "The old people say that the lake takes one thing each year and gives one back. In {year} "
    "it took a plough and gave a door with a brass knob. Nobody claimed it. It was hung in the "
    "school, where it led nowhere for {n} years and was opened on examination days only.",
    "Elsewhere there were wars, and their noise came over the pass like that of a feast to "
    "which one is not invited. [Three|Four] young men left, {few} letters arrived, one came "
    "home. He never ate at a table again but stood by the window with the plate in his hand.",
    "A word on the names. In this valley a man is called by his house, a woman by her mother's "
    "trade, and a child by whatever it broke last. The register knows other names, but the "
    "register was damp for {n} years, and the mice have their own opinion about what should be "
    "kept.",
)
