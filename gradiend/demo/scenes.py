"""The scenes of the demo corpus.

A scene ties places, actions and states together, so that a masked word can be told from the rest of its sentence:
this is what the language model has to learn besides the pronouns. Nothing here says a gender, and no third person
pronoun stands anywhere.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scene:
    """What can be said of one setting.

    Attributes:
        places: Where, with its preposition ("in the kitchen").
        objects: Things of the scene, with their article ("the dough").
        actions: What somebody did, in the past tense ("kneaded the dough").
        states: Whole clauses about the scene ("the oven was warm").
    """

    places: tuple[str, ...]
    objects: tuple[str, ...]
    actions: tuple[str, ...]
    states: tuple[str, ...]


def phrases(text: str) -> tuple[str, ...]:
    """The phrases of a text, separated by `|` or by the end of a line."""
    return tuple(phrase.strip() for line in text.strip().split("\n") for phrase in line.split("|"))


def _scene(places: str, verbs: str, states: str) -> Scene:
    """A scene from its lists; each line of `verbs` is a verb, a colon and the objects it takes."""
    pairs = [line.split(":") for line in verbs.strip().split("\n")]
    taken = [(verb.strip(), thing) for verb, things in pairs for thing in phrases(things)]
    objects = tuple(dict.fromkeys(thing for _, thing in taken))
    return Scene(phrases(places), objects, tuple(f"{verb} {thing}" for verb, thing in taken), phrases(states))


SCENES: tuple[Scene, ...] = (
    _scene(
        "in the kitchen|at the bakery|beside the oven|behind the counter",
        """baked: the bread|a plum cake|twelve rolls|an apple pie
        kneaded: the dough
        mixed: the flour and the butter|eggs and sugar|the dough
        tasted: the soup|the plum cake|the jam
        washed: the plates|the copper pan|the spoons
        stirred: the soup|the jam|the thick sauce""",
        """the oven was still warm|the bread smelled wonderful|the soup tasted of salt|the sugar had run out
        the plates were stacked neatly|the dough rose slowly""",
    ),
    _scene(
        "in the garden|near the old fence|under the apple tree|behind the greenhouse",
        """planted: the tulips|a row of beans|the young tree
        watered: the tulips|the tomatoes|the dry lawn
        picked: the ripe pears|a basket of cherries|the tomatoes
        raked: the dry leaves|the gravel path
        trimmed: the hedge|the roses|the branches""",
        """the roses were in bloom|the soil was too dry|the leaves had fallen|birds sang on the fence
        the pears were almost ripe|the hedge grew quickly""",
    ),
    _scene(
        "in the classroom|at the village school|in front of the blackboard|in the lecture hall",
        """explained: the difficult lesson|the new rule|the exam
        solved: the last problem|a hard equation|the riddle
        corrected: the homework|an old essay|the spelling
        wrote: a short essay|the answer|a letter
        passed: the exam|the geography test""",
        """the lesson was nearly over|the bell rang loudly|the blackboard was full of numbers
        the exam was very hard|the chairs were too small|the answer was surprisingly simple""",
    ),
    _scene(
        "at the harbour|on the wooden pier|near the lighthouse|on the ferry",
        """repaired: the fishing net|the leaking boat|the torn sail
        painted: the leaking boat|the wooden mast
        caught: three large fish|a small crab
        tied: the rope|a tight knot
        watched: the tide|the waves|the cargo ships
        steered: the ferry|the sailing boat""",
        """the waves were high|the fog hid the lighthouse|the tide was coming in|the boat leaked badly
        seagulls circled above the pier|the anchor was stuck""",
    ),
    _scene(
        "in the barn|on the farm|in the muddy field|beside the stable",
        """fed: the chickens|the brown horse|two hungry goats
        milked: the cows|two hungry goats
        harvested: the wheat|the potatoes|the barley
        drove: the tractor|the hay cart
        mended: the broken gate|the hay cart|the plough
        brushed: the brown horse|the pony""",
        """the wheat stood tall|the cows were restless|the barn needed a new roof|the harvest was poor
        the tractor refused to start|the field was covered with mud""",
    ),
    _scene(
        "at the station|on the platform|in the dining car|near the ticket office",
        """missed: the early train|the connection
        bought: a return ticket|a newspaper|a cup of coffee
        carried: the heavy suitcase|two bags|a large trunk
        waited for: the night train|the conductor
        studied: the timetable|the railway map
        boarded: the night train|the early train|the crowded carriage""",
        """the train was late|the platform was crowded|the tickets were expensive|the signal turned green
        the carriage was almost empty|the timetable had changed""",
    ),
    _scene(
        "in the library|in the reading room|between the dusty shelves|at the archive",
        """read: an old novel|the first chapter|a book about stars|the faded diary
        borrowed: three books|a thick dictionary|an old novel
        copied: the manuscript|a long poem|the ancient map
        returned: the thick dictionary|the borrowed atlas
        translated: a long poem|the manuscript|the faded diary""",
        """the shelves were full of dust|the last page was missing|the library closed early
        the manuscript was priceless|the novel had a sad ending|the reading room was silent""",
    ),
    _scene(
        "in the workshop|at the carpenter's bench|in the garage|beside the toolbox",
        """built: a wooden chair|a strong table|a bird house
        sharpened: the saw|the chisel|the axe
        fixed: the engine|the flat tyre|the rusty lock
        polished: a wooden chair|the brass handle
        measured: the oak board|the door frame
        sawed: the oak board|the thick plank""",
        """the hammer was missing|the engine made a strange noise|the paint was still wet|the saw was blunt
        the oak board was too short|sawdust covered the floor""",
    ),
    _scene(
        "at the hospital|in the waiting room|at the clinic|in the emergency ward",
        """treated: the deep wound|the fever|a broken arm
        examined: the patient|the swollen knee|the blood sample
        changed: the bandage|the dosage
        ordered: the medicine|an ambulance|more blankets
        visited: the patient|the specialist
        cleaned: the deep wound|the instruments""",
        """the fever had gone down|the waiting room was full|the medicine worked slowly
        the wound healed well|the ambulance arrived in time|the patient was asleep""",
    ),
    _scene(
        "at the market|in the main square|at the fruit stall|under the striped awning",
        """sold: fresh vegetables|six lemons|a pound of cheese|honey in jars
        weighed: the oranges|a pound of cheese|the grapes
        counted: the coins|the empty crates
        haggled over: the price|an antique clock
        tried: the grapes|the smoked ham
        unloaded: the empty crates|the van""",
        """the stalls were crowded|the oranges were sweet|the price was too high|the cheese sold quickly
        the coins were old|the square was decorated with flags""",
    ),
    _scene(
        "in the mountains|at the summit|in the narrow valley|on the steep trail",
        """climbed: the north face|the steep ridge|the rocky peak
        crossed: the glacier|the icy stream|the hanging bridge
        pitched: the green tent
        packed: the rucksack|the climbing rope|the sleeping bags
        lit: the camp fire|a lantern
        followed: the marked trail|the icy stream""",
        """the snow was deep|the trail was slippery|the summit was hidden by clouds|the wind blew hard
        the tent was soaked|the hut was already locked""",
    ),
    _scene(
        "in the concert hall|on the stage|at the theatre|in the rehearsal room",
        """played: the violin|a slow waltz|the grand piano|the flute
        sang: a quiet song|the second verse|an opera
        tuned: the violin|the guitar|the grand piano
        practised: the final scene|a slow waltz|the difficult solo
        conducted: the orchestra|the choir
        applauded: the orchestra|the dancers""",
        """the orchestra played softly|the curtain fell|the audience cheered|the piano was out of tune
        the tickets were sold out|the spotlight went out""",
    ),
    _scene(
        "at the office|in the meeting room|at the desk|in the archive downstairs",
        """signed: the contract|the lease|an official form
        typed: the report|a short memo|the invoice
        called: the supplier|the bank|the lawyer
        filed: the invoice|the report|the receipts
        answered: every question|the telephone|the angry email
        checked: the budget|the figures|the contract""",
        """the printer was broken|the meeting took hours|the telephone kept ringing|the budget was small
        the report contained mistakes|the contract had expired""",
    ),
    _scene(
        "in the laboratory|at the observatory|behind the telescope|at the institute",
        """tested: the new sensor|a bold theory|the alloy
        observed: a distant comet|the moons of Jupiter|the reaction
        recorded: the temperature|the results|a weak signal
        published: the results|a bold theory
        adjusted: the telescope|the microscope|the lens
        heated: the liquid|the alloy|a glass tube""",
        """the experiment failed twice|the results were promising|the lens was scratched|the sky was clear
        the liquid turned blue|the signal was very weak""",
    ),
    _scene(
        "at the stadium|on the running track|in the swimming pool|at the tennis club",
        """won: the final match|a silver medal|the relay
        lost: the final match|the semifinal
        trained for: the marathon|the relay
        threw: the ball|the javelin
        kicked: the ball|the penalty
        broke: the national record|a racket""",
        """the match ended in a draw|the crowd shouted|the race was cancelled|the referee blew the whistle
        the water was cold|the score was even""",
    ),
    _scene(
        "in the living room|in the attic|by the fireplace|on the balcony",
        """lit: the candles|the fire
        hung: the curtains|a framed picture|the mirror
        swept: the floor|the stairs
        folded: the laundry|the blankets|clean towels
        knitted: a woollen scarf|a pair of socks
        moved: the sofa|the mirror|the bookcase""",
        """the fire crackled|the curtains were drawn|the roof leaked again|the rooms smelled of paint
        the stairs creaked|the candles had burned down""",
    ),
)
