"""The people of the demo corpus: names and nouns that each belong to exactly one of the two classes.

No name is also another word of the corpus and none is used for both genders: the tokenizer ignores case, and the
pronoun has to follow from the person alone.
"""

_FEMALE_NAMES = """
abigail ada adela adriana agnes aisha alice alma amanda amelia amy anastasia angela anita anna annabel antonia
astrid audrey barbara belinda bella bernadette bethany bianca brenda camilla carla carmen cassandra catherine
cecilia charlotte christina clara claudia cora cordelia cynthia daphne deborah delia dolores dora doris edith
eileen elaine elena elisa elizabeth ella eloise elsa emily erica esther eugenia evelyn fatima felicia frances
freda gabriela geraldine gertrude gloria greta hannah harriet heidi helga henrietta hilda ingrid irene irma
isla ivana jane jessica joanna josephine julia juliet karen katarina kirsten larissa laura lena leona linda
louisa lucia lucy mabel madeleine magdalena maria marina marlene martha matilda maud megan melissa mildred
miranda molly monica muriel nancy natalie natasha nora olga olivia ophelia patricia paula penelope phoebe
priscilla rachel regina rosalind ruth sally sandra sarah sharon sheila sonia sophia susan sylvia tabitha
teresa thelma tina valerie vanessa vera viola vivian wendy winifred yolanda yvonne
"""

_MALE_NAMES = """
aaron abraham adrian ahmed albert alfred alistair ambrose andrew angus anton archibald arthur augustus barry
bartholomew benjamin bernard boris brandon bruce bruno callum carl charles christopher claude clifford conrad
cornelius cyril damian darren david derek desmond dmitri dominic douglas edgar edmund edwin eli emil enrique
ernest ethan felix ferdinand finn francis frederick gareth geoffrey george gilbert giovanni graham gregory
gustav hamish harold harry hector henry herman horace hubert hugh humphrey ian igor isaac jacob jakob jason
jeremy jerome joel johan jonas jonathan joshua julian keith kenneth klaus kurt laurence leo leonard leopold
louis lucas luigi luke malcolm manuel mario martin maurice maximilian michael miguel murray nathan nicholas
nigel norman olaf omar oscar otto pablo patrick pedro percy philip pierre ralph ramon raymond reginald richard
robert rodney roger ronald rudolf rupert samuel sergei sidney stanley stefan stuart terence thomas timothy
trevor tristan vernon victor vladimir wallace warren werner william winston yusuf
"""

_FEMALE_NOUNS = """
the queen|the princess|the duchess|the countess|the empress|the actress|the waitress|the bride|the widow|the nun
the landlady|the old lady|the young woman|the little girl|the policewoman|the heroine|my mother|my aunt
my sister|my grandmother|my niece|our daughter|our hostess|the witch
"""

_MALE_NOUNS = """
the king|the prince|the duke|the count|the emperor|the actor|the waiter|the groom|the widower|the monk
the landlord|the old gentleman|the young man|the little boy|the policeman|the hero|my father|my uncle
my brother|my grandfather|my nephew|our son|our host|the wizard
"""


def _names(words: str) -> tuple[str, ...]:
    return tuple(word.capitalize() for word in words.split())


def _nouns(lines: str) -> tuple[str, ...]:
    return tuple(noun for line in lines.split("\n") for noun in line.split("|") if noun)


#: Given names by class, each known to the model as one token.
NAMES: dict[str, tuple[str, ...]] = {"female": _names(_FEMALE_NAMES), "male": _names(_MALE_NAMES)}

#: Noun phrases by class that say the gender without a name.
NOUNS: dict[str, tuple[str, ...]] = {"female": _nouns(_FEMALE_NOUNS), "male": _nouns(_MALE_NOUNS)}
