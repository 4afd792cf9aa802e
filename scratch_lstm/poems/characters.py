"""One rule for every character, the same for a corpus, a prompt and an acrostic.

| what | what becomes of it |
|---|---|
| CRLF, or CR alone in a text without LF | LF |
| a byte-order mark at the start | dropped |
| invisible format characters: zero-width, direction marks, soft hyphens, tags | dropped |
| variation selectors: another shape of the same character | dropped |
| compatibility forms: radicals, small, vertical, half-width marks, full-width letters, digits | NFKC |
| a letter with a combining mark, CJK compatibility ideographs | the composed character (NFC) |
| every kind of space: no-break, em, thin, ideographic, ... | one plain space for a run of them |
| spaces at the ends of a line, after or before Chinese punctuation | dropped |
| half-width ,.?!;: in Chinese text | full-width |
| controls, tabs, other line separators, lone surrogates, U+FFFD, what is no character | refused |

Each kind is counted, and the counts are printed. A space that is left separates words: in a form it is itself
and not 字.
"""

from __future__ import annotations

import re
import unicodedata

from ..errors import InputError

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
CHINESE_MARKS = "，。？！；：、…—“”‘’「」『』（）《》〈〉【】〔〕〖〗·"
FULL_WIDTH = dict(zip(",.?!;:", "，。？！；："))
# a half-width mark is Chinese where both neighbours may be, and one of them is, Chinese; or at the line's end
CHINESE = f"{HAN}{CHINESE_MARKS}"
HALF_WIDTH = re.compile(rf"(?<=[{CHINESE}])(?:[?!]{{2,3}}|[,.?!;:]) *(?=[{CHINESE}0-9]|$)"
                        rf"|(?<=[0-9])[,.?!;:] *(?=[{CHINESE}])", re.MULTILINE)
SPACES = "\t \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
EDGE_SPACES = re.compile(f"^[{SPACES}]+|[{SPACES}]+$", re.MULTILINE)
OTHER_SPACES = re.compile(f"[{SPACES.replace(chr(9), '')}]{{2,}}|[{SPACES[2:]}]")
BESIDE_MARKS = re.compile(f"(?<=[{CHINESE_MARKS}]) +| +(?=[{CHINESE_MARKS}])")
SELECTORS = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
FORMAT = re.compile("[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
                    "\u3164\ufeff\uffa0\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
                    "\U000e0000-\U000e007f]")
# also with something between them that the rule drops
CRLF = re.compile(f"(?:\r[{SPACES}{SELECTORS.pattern[1:-1]}{FORMAT.pattern[1:-1]}]*)+\n")
COMPATIBILITY = re.compile("[\u2e9f\u2ef3\u2f00-\u2fd5\ufe10-\ufe19\ufe30-\ufe4f\ufe50-\ufe6b"
                           "\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff61-\uff65]")
REFUSED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufffc-\uffff]")


def normalise(text: str) -> tuple[str, dict[str, int]]:
    """The text by the rule above, and how many there were of each kind. What is refused is still in it."""
    normalised: dict[str, int] = {}

    def count(what: str, result: tuple[str, int]) -> None:
        nonlocal text
        if result[1]:
            normalised[what] = result[1]
        text = result[0]

    count("byte-order mark", (text.removeprefix("\ufeff"), int(text.startswith("\ufeff"))))
    count("CRLF line ends", CRLF.subn("\n", text))
    if "\n" not in text:
        count("CR line ends", (text.replace("\r", "\n"), text.count("\r")))
    count("invisible format characters", FORMAT.subn("", text))
    count("variation selectors", SELECTORS.subn("", text))
    count("compatibility forms", COMPATIBILITY.subn(lambda m: unicodedata.normalize("NFKC", m[0]), text))
    if not unicodedata.is_normalized("NFC", text):
        changed = sum(unicodedata.combining(c) != 0 or unicodedata.normalize("NFC", c) != c for c in text)
        count("characters composed (NFC)", (unicodedata.normalize("NFC", text), changed))
    count("spaces at line ends", EDGE_SPACES.subn("", text))
    count("other or repeated spaces", OTHER_SPACES.subn(" ", text))
    count("spaces next to punctuation", BESIDE_MARKS.subn("", text))
    count("half-width punctuation", HALF_WIDTH.subn(to_full_width, text))
    return text, normalised


def to_full_width(match: re.Match[str]) -> str:
    """The half-width marks of a match, full-width; the spaces after them are dropped."""
    return "".join(FULL_WIDTH[mark] for mark in match[0].strip())


def refuse(text: str, where: str) -> None:
    """Raise InputError for a character that nobody sees and that has no normal form; `where` begins the
    message."""
    found = REFUSED.search(text)
    if found:
        what, table = ("a tab,", ", or give a table a header and --column NAME") if found[0] == "\t" \
            else ("the invisible character", "")
        raise InputError(f"{where}: has {what} U+{ord(found[0]):04X} at position {found.start() + 1}; "
                         f"delete it{table}")
