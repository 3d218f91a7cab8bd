#!/usr/bin/env python3
"""Writes text_tables.h from Python's own data on Unicode and HTML: python3 make_text_tables.py > text_tables.h"""
import html.entities
import sys
import unicodedata


def ranges(category):
    out = []
    for c in range(sys.maxunicode + 1):
        if unicodedata.category(chr(c))[0] != category:
            continue
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def lower_runs():
    """[first, last, step, offset]: every step-th character of the run is lower-cased by adding the offset."""
    out = []
    for c in range(sys.maxunicode + 1):
        low = chr(c).lower()
        if len(low) != 1 or ord(low) == c:
            continue
        offset = ord(low) - c
        if out and out[-1][3] == offset:
            first, last, step, _ = out[-1]
            if (first == last and c - last in (1, 2)) or (first != last and c - last == step):
                out[-1][1], out[-1][2] = c, c - last
                continue
        out.append([c, c, 1, offset])
    return out


def entities():
    """The names of HTML 4, and the ones that HTML 5 takes without a semicolon."""
    names = set(html.entities.name2codepoint) | {n for n in html.entities.html5 if not n.endswith(";")}
    return [(f'"{n}"', ord(html.entities.html5[n + ";"]), "true" if n in html.entities.html5 else "false")
            for n in sorted(names)]


def table(name, comment, kind, rows):
    numbers = ["{" + ", ".join(map(str, row)) + "}" for row in rows]
    print(f"\n/// {comment}\ninline constexpr {kind} {name}[] = {{")
    line = "   "
    for i, number in enumerate(numbers):
        word = " " + number + ("," if i + 1 < len(numbers) else "};")
        if len(line) + len(word) > 120:
            print(line)
            line = "   "
        line += word
    print(line)


print(f"""// What CLIP's tokenizer asks of Unicode {unicodedata.unidata_version} and HTML. Made by make_text_tables.py.
#pragma once

#include <cstdint>

namespace {{

struct UnicodeRange {{
  uint32_t first, last;
}};

/// Every step-th character from first to last is lower-cased by adding the offset.
struct LowerRun {{
  uint32_t first, last, step;
  int32_t offset;
}};

/// "&name;" is the code point; `bare`: "&name" is, too.
struct Entity {{
  const char* name;
  uint32_t code_point;
  bool bare;
}};

// clang-format off""")
table("kLetters", "General category L, in order.", "UnicodeRange", ranges("L"))
table("kNumbers", "General category N, in order.", "UnicodeRange", ranges("N"))
table("kLowerRuns", "Characters whose lower case is another single character, in order of `first`.", "LowerRun",
      lower_runs())
table("kEntities", "In order of their names.", "Entity", entities())
print("""
// clang-format on

}  // namespace""")
