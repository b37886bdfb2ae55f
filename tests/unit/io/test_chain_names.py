"""Chain names are distinct, in a fixed order, and go on beyond 62."""

from emodelx.io.chain_names import name_chains
from emodelx.records import Sequence


def test_given_names_come_first_and_are_not_given_again():
    sequences = [Sequence("p", "MK", (), 2), Sequence("q", "MV", ("B", "xy"), 3)]
    assert name_chains(sequences) == (("A", "C"), ("B", "xy", "D"))


def test_names_beyond_62_have_more_letters():
    (names,) = name_chains([Sequence("p", "MK", (), 5000)])
    assert names[:2] == ("A", "B")
    assert (names[25], names[26], names[51], names[52], names[61]) == ("Z", "a", "z", "0", "9")
    assert names[62:64] == ("AA", "AB")
    assert names[62 + 62 * 62] == "AAA"
    assert len(set(names)) == 5000


def test_no_sequences():
    assert name_chains([]) == ()
