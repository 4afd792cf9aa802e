from hypothesis import given
from hypothesis import strategies as st

from scratch_lstm.poems.near_duplicates import MAX_DIFFERENCES, near_duplicates, poem_groups

LINE = st.text("甲乙", min_size=5, max_size=5)   # two letters: many near-duplicates
UNITS = st.lists(st.tuples(LINE, LINE, LINE, LINE), unique=True, max_size=25)


def differences(one, other):
    return sum(a != b for a, b in zip("".join(one), "".join(other)))


def every_near_pair(units):
    return {(i, j) for j in range(len(units)) for i in range(j)
            if differences(units[i], units[j]) <= MAX_DIFFERENCES}


def changed(unit, count):
    """The unit with its last `count` letters replaced, one from each line first."""
    lines = [list(line) for line in unit]
    for n in range(count):
        lines[n % 4][n // 4] = "癸"
    return tuple(map("".join, lines))


UNIT = ("甲乙丙丁戊", "己庚辛壬子", "丑寅卯辰巳", "午未申酉戌")


def test_three_of_twenty_are_near_and_four_are_not():
    assert list(near_duplicates([UNIT, changed(UNIT, 4)])) == []
    assert set(near_duplicates([UNIT, changed(UNIT, 3)])) == {(0, 1)}


@given(units=UNITS)
def test_the_pigeonhole_finds_every_near_pair(units):
    assert set(near_duplicates(units)) == every_near_pair(units)


@given(units=UNITS, data=st.data())
def test_groups_are_the_connected_poems(units, data):
    poems = st.lists(st.integers(0, 12), min_size=1, max_size=3, unique=True)
    poems_with = {unit: data.draw(poems) for unit in units}
    kept = units[::2]   # the other units join poems all the same
    label = {poem: poem for poem in range(13)}

    def merge(one, other):
        old, new = label[one], label[other]
        label.update({poem: new for poem in label if label[poem] == old})

    for first, *others in poems_with.values():
        for other in others:
            merge(first, other)
    for i, j in every_near_pair(kept):
        merge(poems_with[kept[i]][0], poems_with[kept[j]][0])

    groups = poem_groups(kept, poems_with)
    expected = [label[poems_with[unit][0]] for unit in kept]
    assert [[a == b for b in groups] for a in groups] == [[a == b for b in expected] for a in expected]
    assert list(dict.fromkeys(groups)) == list(range(len(set(groups)))), "numbered by first appearance"
