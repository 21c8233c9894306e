"""The sentence patterns of the demo corpus, and the words that fit every scene.

A pattern is a sentence with fields in braces, each filled with a phrase of its kind; `{person}` and `{slot}` (a
pronoun) occur in the gendered patterns only. No third person pronoun stands anywhere else.
"""

from gradiend.demo.scenes import phrases

_TIMES = phrases(
    """in the morning|in the evening|after lunch|before dawn|on Monday|on Friday|on a cold Sunday|last winter
    last spring|every day|two years ago|a week ago|at noon|at midnight|late at night|before breakfast
    during the storm|during the holidays|in the middle of July|the day before"""
)
_MOODS = phrases(
    """was tired|was hungry|was very proud|felt happy|felt lonely|felt much better|looked worried|looked pale
    was in a hurry|had plenty of time|needed a break|needed the money|wanted to help|wanted to go home|had a cold
    was afraid of the dark|had no choice|was used to hard work|was in a good mood|had slept badly"""
)
_SAYS = phrases(
    "said that|thought that|knew that|admitted that|claimed that|explained that|remembered that|forgot that"
)
_VISITORS = phrases(
    """we|I|you|the children|the neighbours|the visitors|two students|some tourists|our friends|the workers
    several volunteers|the twins|many people|a group of beginners"""
)
_MANNERS = phrases("slowly|quickly|without a word|with great care|at once|for hours|as usual|in silence|by mistake")

#: Sentences of one person and one pronoun: `{slot}` is always *he* or *she*, and never the first word.
GENDERED_PATTERNS = phrases(
    """{person} {action} {place} because {slot} {mood}.
    {person} {action} {time}, although {slot} {mood}.
    {person} {action} before {slot} {action} {place}.
    {person} {action} while {slot} {action}.
    {person} {action}, and {time} {slot} {action}.
    {person} {action}, but then {slot} {action} {manner}.
    {person} {says} {slot} {action} {time}.
    {person} {says} {slot} {mood} when {state}.
    {person} {says} {state}, so {slot} {action}.
    {person} {mood}, so {slot} {action} {place}.
    {person} {mood} after {slot} {action} {time}.
    {person} {mood}. That is why {slot} {action} {manner}.
    {person} {action} {place}. Later {slot} {action} {manner}.
    {person} {action} {time}. As far as we know, {slot} {mood}.
    {person} was {place} when {slot} {action}.
    {person} stayed {place} until {slot} {action}.
    {person} never knew why {slot} {action} {time}.
    {time} {person} {action}, and afterwards {slot} {mood}.
    {time} {person} {says} {slot} {mood}.
    {place} {person} {action} until {slot} {mood}.
    because {person} {mood}, {slot} {action} {time}.
    although {person} {mood}, {slot} {action} {place}.
    since {state}, {person} {says} {slot} {mood}.
    {state}, but {person} smiled because {slot} {action}.
    {state} {time}. {person} did not care, and {slot} {action}.
    {visitor} met {person} {place}, where {slot} {action}.
    {visitor} asked {person} whether {slot} {action} {time}.
    {visitor} helped {person}, for {slot} {mood}.
    {visitor} heard from {person} that {slot} {action}.
    according to {person}, {state} when {slot} {action}.
    thanks to {person}, {state}. Now {slot} {mood}.
    when {slot} {action} {place}, {person} {mood}.
    when {slot} {mood}, {person} {action} {time}.
    after {slot} {action}, {person} {action} {manner}.
    before {slot} {action} {time}, {person} {mood}.
    while {slot} {action}, {state}, and {person} {mood}.
    as soon as {slot} {action}, {person} {mood}.
    if {slot} {mood}, nobody noticed, for {person} {action} {manner}.
    the day {slot} {action} {place}, {person} {mood}.
    what {slot} needed was a rest, but {person} {action} {manner}."""
)

#: Sentences with several pronouns of one person, some without the person: from them a model learns soon that
#: pronouns agree, and then with what. Without them the small model of the demo stays at chance for many epochs.
AGREEMENT_PATTERNS = phrases(
    """{person} {says} {slot} {action} because {slot} {mood}.
    {person} {mood}, so {slot} {action}, and then {slot} {action}.
    {person} {action} when {slot} {mood}. Later {slot} {action}.
    {person} {action} before {slot} {action}, for {slot} {mood}.
    when {slot} {action}, {slot} {mood}, and {person} knew that {slot} {mood}.
    when {slot} {action}, {slot} {mood}.
    although {slot} {mood}, {slot} {action} {place}.
    {time} {slot} {action}, and {slot} {mood}.
    {place} {slot} {action} until {slot} {mood}.
    {state}, so {slot} {says} {slot} {action}.
    {visitor} asked whether {slot} {action} or {slot} {mood}.
    {visitor} heard that {slot} {action} because {slot} {mood}."""
)

#: Sentences without any gendered word.
NEUTRAL_PATTERNS = phrases(
    """{visitor} {action} {place} {time}.
    {visitor} {action} {time}, and {visitor} {action} {manner}.
    {visitor} {action} {place} because {state}.
    {visitor} {action} {manner}, although {state}.
    {visitor} {action} until {state}.
    {visitor} stayed {place} while {visitor} {action}.
    {visitor} found {object} and {object} {place}.
    {visitor} left {object} {place} {time}.
    {time} {visitor} {action} {place}.
    {time} {state}, so {visitor} {action}.
    {state}, and {state}.
    {state} {time}, but {visitor} {action} {manner}.
    {state}. That is why {visitor} {action} {place}.
    {place} {visitor} {action} and {action}.
    when {state}, {visitor} {action} {manner}.
    after {visitor} {action} {place}, {state}.
    as {state}, nobody {action} {time}.
    there was nothing {place} except {object} and {object}.
    with {object} and {object}, {visitor} {action} {time}.
    instead of {object}, {visitor} saw {object} {place}.
    everybody {place} knew that {visitor} {action} {time}.
    nobody {place} believed that {state} {time}.
    do you remember when {visitor} {action} {place}?
    who {action} {place} {time}?"""
)

#: The lists of words that are the same in every scene, by field.
COMMON: dict[str, tuple[str, ...]] = {
    "time": _TIMES,
    "mood": _MOODS,
    "says": _SAYS,
    "visitor": _VISITORS,
    "manner": _MANNERS,
}
