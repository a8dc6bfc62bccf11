#!/usr/bin/env python3
"""Makes the manual pages, in mdoc, from what says the same already.

    make.py main PROGRAM            kith(1), from `kith --help`
    make.py verb PROGRAM VERB       kith-VERB(1), from `kith VERB --help`
    make.py header HEADER           kith_OBJECT(3), from include/kith/OBJECT.h
    make.py layout MARKDOWN         kith-layout(5), from docs/internals/arena-format.md
    make.py list SOURCE             the verbs, and the headers, that have pages: "verb NAME" lines

The page goes to standard output.
"""

import glob
import os
import re
import subprocess
import sys

DATE = "November 26, 2026"
EXIT_STATUS = [("0", "done"), ("1", "the answer is no: no such key, nothing came"),
               ("2", "wrong usage"), ("3", "unreachable, or refused"),
               ("4", "corrupt"), ("130", "ended by Ctrl-C")]
COMMAND_STATUS = [("126", "the command cannot be run"), ("127", "there is no such command"),
                  ("128 + n", "signal n ended the command"),
                  ("any other", "the command's own, if it was run")]

# ---- mdoc -------------------------------------------------------------------------------


def escape(text):
    """Text that roff takes as it stands."""
    text = text.replace("\\", "\\e").replace("…", "...").replace("–", "\\(en")
    text = "".join(c if ord(c) < 128 else "\\[u%04X]" % ord(c) for c in text)
    return text


def start_of_line(text):
    return "\\&" + text if text[:1] in (".", "'") else text


def inline(text):
    """Prose: `code` in bold, links reduced to their words."""
    text = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)
    parts = re.split(r"`([^`]+)`", text)
    out = ""
    for i, part in enumerate(parts):
        part = escape(re.sub(r"\*\*([^*]+)\*\*", r"\1", part) if i % 2 == 0 else part)
        part = re.sub(r"(?<!\S)--(?!\S)", r"\\-\\-", part)
        out += part if i % 2 == 0 else "\\fB" + part.replace("-", "\\-") + "\\fP"
    return out


FUNCTION_WORD = re.compile(r"^(\(?)(\w+)\(\)((?:'s)?)([.,;:)]*)$")


def wrapped(text):
    """Lines of at most 78 columns; the name of a function on a line of its own, marked up."""
    line = ""
    for word in text.split(" "):
        function = FUNCTION_WORD.match(word)
        if function or len(line) + 1 + len(word) > 78:
            if line:
                yield start_of_line(line)
            line = ""
        if function:
            before, name, after, points = function.groups()
            yield ".%sFn %s%s%s" % ("No ( Ns " if before else "", name,
                                    " Ns " + after if after else "",
                                    "".join(" " + point for point in points))
        else:
            line = line + " " + word if line else word
    if line:
        yield start_of_line(line)


def sentences(text):
    """Lines in which each sentence begins anew, as mdoc wants them."""
    text = re.sub(r"`(\w+\(\))`", r"\1", " ".join(text.split()))
    for sentence in re.split(r"(?<=[a-z0-9_)`\"'A-Z][.!?])\s+(?=[A-Z`\"(*0-9])", text):
        if sentence:
            yield from wrapped(inline(sentence))


def literal(lines):
    yield ".Bd -literal -offset indent"
    for line in lines:
        yield start_of_line(escape(line.rstrip()).replace("-", "\\-")) or ""
    yield ".Ed"


def head(name, section, names, about):
    yield f".Dd {DATE}"
    yield f".Dt {name.upper()} {section}"
    yield ".Os"
    yield ".Sh NAME"
    for i, each in enumerate(names):
        yield f".Nm {each}" + (" ," if i + 1 < len(names) else "")
    yield ".Nd " + escape(about.rstrip("."))


def tags(items, width="Ds"):
    """A list of (tag, text or lines); a tag is mdoc already."""
    yield f".Bl -tag -width {width}"
    for tag, body in items:
        yield ".It " + tag
        if isinstance(body, str):
            yield from sentences(body)
        else:
            yield from body
    yield ".El"


# ---- the command ---------------------------------------------------------------------------


def say(program, *words):
    done = subprocess.run([program, *words], stdout=subprocess.PIPE, check=True)
    return done.stdout.decode("utf-8")


def verbs_of(program):
    """(heading, verb, summary) of each verb."""
    heading = ""
    for line in say(program, "--help").split("\noptions of every verb")[0].splitlines():
        match = re.match(r"^  ([a-z]+) +(\S.*)$", line)
        if match:
            yield heading, match.group(1), match.group(2)
        elif line and not line.startswith(" "):
            heading = line


def blocks(text):
    """Blocks of lines between blank lines."""
    for block in re.split(r"\n\n+", text.strip("\n")):
        yield block.split("\n")


def option_tag(words):
    """`-w, --wait SECONDS` as mdoc."""
    out = []
    for part in words.split(", "):
        name, _, value = part.replace("=", " ").partition(" ")
        if name.startswith("--"):
            one = "Fl Fl " + name[2:].replace("-", "\\-")
        elif name.startswith("-") and len(name) > 1:
            one = "Fl " + name[1:].replace("-", "\\-")
        else:
            one = "Ar " + escape(part)
            value = ""
        if value:
            one += " Ar " + escape(value).replace("|", " | ").lower()
        out.append(one)
    return " , ".join(out)


def listed(lines):
    """Lines as `  tag   text`, the text going on in deeper lines: (tag, text)."""
    items = []
    for line in lines:
        match = re.match(r"^  (\S.*?)(?:  +(\S.*))?$", line)
        if match and not line.startswith("   "):
            items.append([match.group(1), match.group(2) or ""])
        elif items:
            items[-1][1] += " " + line.strip()
    return items


def argument(word):
    """One word of a usage line, as a macro without its dot."""
    word = escape(word)
    if word == "--":
        return "No \\-\\-"
    if word.startswith("--"):
        return "Fl Fl " + word[2:].replace("-", "\\-")
    if word.startswith("-") and len(word) > 1:
        return "Fl " + word[1:].replace("-", "\\-")
    if word == "|" or re.match(r"^[A-Z.]+$", word):
        return "Ar " + word.lower() if word != "|" else "|"
    return "Cm " + word.replace("-", "\\-")


def arguments(text):
    """The words of a usage line, as mdoc lines; what is in brackets is one of them."""
    for word in re.findall(r"\[[^\]]*\]\S*|\S+", text):
        if word.startswith("["):
            inner, _, behind = word[1:].rpartition("]")
            words = (inner + behind).replace("|", " | ").split()
            yield ".Op " + " ".join(argument(one) for one in words)
        else:
            words = word.split("|")
            yield "." + " | ".join(argument(one) for one in words)


def prose_or_list(lines):
    if all(line.startswith("  ") for line in lines):
        yield from literal(line[2:] for line in lines)
    else:
        yield from sentences(" ".join(lines))


def verb_page(program, verb):
    summary = next(about for _, name, about in verbs_of(program) if name == verb)
    text = say(program, verb, "--help")
    usage, _, text = text.partition("\n")
    yield from head("kith-" + verb, 1, ["kith-" + verb], summary)
    yield ".Sh SYNOPSIS"
    yield ".Nm kith"
    yield ".Op Fl s Ar space"
    yield f".Cm {verb}"
    yield from arguments(usage.split("[-s SPACE] " + verb, 1)[1])
    yield ".Sh DESCRIPTION"
    first, options, examples = True, [], []
    for lines in blocks(text):
        section = len(lines) > 1 and not lines[0].startswith(" ") and lines[1].startswith("  ")
        if section and lines[0].startswith("options"):
            options += listed(lines[1:])
        elif section and lines[0].startswith("example"):
            examples += [line[2:] for line in lines[1:]]
        else:
            if not first:
                yield ".Pp"
            if section:
                yield from sentences(lines[0].rstrip(":").capitalize() + ":")
                yield from tags([(escape(tag), body) for tag, body in listed(lines[1:])])
            else:
                yield from prose_or_list(lines)
            first = False
    yield ".Pp"
    yield "The options are as follows:"
    yield from tags([(option_tag(tag), body) for tag, body in options])
    yield ".Sh EXIT STATUS"
    yield from tags(EXIT_STATUS + (COMMAND_STATUS if "-- C" in usage else []), "130")
    yield ".Sh EXAMPLES"
    yield from literal(examples)
    yield ".Sh SEE ALSO"
    yield ".Xr kith 1"


def main_page(program):
    yield from head("kith", 1, ["kith"], "objects that processes share, from the shell")
    yield ".Sh SYNOPSIS"
    yield ".Nm"
    yield ".Op Fl s Ar space"
    yield ".Op Fl Fl json"
    yield ".Ar verb"
    yield ".Op Ar argument ..."
    yield ".Sh DESCRIPTION"
    yield ".Nm"
    yield "looks at, changes and checks objects that processes share: dicts, queues, locks,"
    yield "events and more, in spaces of shared memory that survive the death of whoever"
    yield "uses them."
    yield "Data goes to standard output, sentences to standard error."
    yield ".Pp"
    yield "The verbs are as follows; each has a page of its own, as"
    yield ".Xr kith-get 1 ,"
    yield "and says more with"
    yield ".Fl Fl help ."
    heading = None
    for its_heading, verb, summary in verbs_of(program):
        if its_heading != heading:
            if heading is not None:
                yield ".El"
            yield f".Ss {its_heading.capitalize()}"
            yield ".Bl -tag -width Ds"
            heading = its_heading
        yield f".It Cm {verb}"
        yield from sentences(summary)
    yield ".El"
    yield ".Ss Options of every verb"
    options = say(program, "--help").split("options of every verb\n")[1].split("\n\n")[0]
    yield from tags([(option_tag(tag), body) for tag, body in listed(options.split("\n"))])
    yield ".Ss Addresses"
    yield "A space is one of"
    yield from tags([
        ("Ar name", "an arena of this user in shared memory, until it is removed or the machine "
                    "starts anew"),
        ("Li file:///path", "an arena in a file, which outlives every process"),
        ("Li mem://", "a new one without a name, which ends with the command"),
    ])
    yield ".Sh ENVIRONMENT"
    yield from tags([
        ("Ev KITH_URL", "The space, if none is given."),
        ("Ev KITH_DIR", "The folder of the named spaces; else it is /dev/shm."),
    ])
    yield ".Sh FILES"
    yield from tags([("Pa /dev/shm/kith.UID.NAME", "The space NAME of the user with that number.")])
    yield ".Sh EXIT STATUS"
    yield from tags(EXIT_STATUS, "130")
    yield "Verbs that run a command exit with its status."
    yield ".Sh EXAMPLES"
    yield from literal(["kith -s hits add by-host www.debian.org 1", "kith -s hits push jobs a.txt",
                        "kith -s hits pop jobs -w 5", "kith ls", "kith -s hits check"])
    yield ".Sh SEE ALSO"
    pages = [f"kith-{verb} 1" for _, verb, _ in verbs_of(program)] + ["kith 3", "kith-layout 5"]
    for i, page in enumerate(sorted(pages, key=lambda page: (page.split()[1], page))):
        yield f".Xr {page}" + (" ," if i + 1 < len(pages) else "")


# ---- headers -------------------------------------------------------------------------------

TAGGED = re.compile(r"^([A-Za-z_`][\w`*, .-]{0,60}?[\w`*])  +(\S.*)$")


def comment_text(comment):
    """The lines of a comment, without its stars."""
    lines = comment[2:-2].split("\n")
    return [re.sub(r"^ ?\* ?", "", line).rstrip() if i else line.strip()
            for i, line in enumerate(lines)]


def is_tag(line):
    match = TAGGED.match(line)
    return match and not match.group(1).endswith(".") and len(match.group(1)) <= 40 and \
        (match.group(1)[0].isupper() or "`" in match.group(1)) and ". " not in match.group(1)


def tag_macro(tag):
    return "Dv " + tag.replace(", ", " , Dv ") if tag.startswith("KITH_") else escape(tag)


def prose(lines):
    """A comment as mdoc: paragraphs, `TAG  text` lists, and indented lines as they stand."""
    first = True
    for block in re.split(r"\n\s*\n", "\n".join(lines).strip("\n")):
        block = block.split("\n")
        if not block or block == [""]:
            continue
        if not first:
            yield ".Pp"
        first = False
        plain, items, shown = [], [], []
        for line in block:
            if line.startswith("    ") and not items and (not plain or shown):
                shown.append(line[4:])
            elif line.startswith("    ") and not items:
                shown.append(line[4:])
            elif is_tag(line):
                match = TAGGED.match(line)
                items.append([match.group(1), match.group(2)])
            elif items and line.startswith("  "):
                items[-1][1] += " " + line.strip()
            else:
                plain.append(line.strip())
        if plain:
            yield from sentences(" ".join(plain))
        if shown:
            yield from literal(shown)
        if items:
            yield from tags([(tag_macro(tag), body) for tag, body in items])


def split_header(text):
    """(comment or None, code) pairs of what stands between KITH_C_BEGIN's."""
    body = re.search(r"^KITH_C_BEGIN$\n(.*)^KITH_C_END$", text, re.DOTALL | re.MULTILINE)
    text = body.group(1) if body else ""
    pieces = re.split(r"(/\*.*?\*/)", text, flags=re.DOTALL)
    pairs, comment, code = [], None, ""
    for piece in pieces:
        is_doc = piece.startswith("/*") and (code.endswith("\n\n") or not code.strip())
        if is_doc:
            if comment is not None or code.strip():
                pairs.append((comment, code))
            comment, code = piece, ""
        else:
            code += piece
    pairs.append((comment, code))
    return pairs


FUNCTION = re.compile(r"KITH_API\s+([^;(]*?)\b(kith_\w+)\(([^;]*)\)\s*;", re.DOTALL)


def split_arguments(text):
    depth, words, word = 0, [], ""
    for c in " ".join(text.split()):
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0:
            words.append(word.strip())
            word = ""
        else:
            word += c
    return words + [word.strip()]


def functions_in(code):
    return [(" ".join(kind.split()), name, split_arguments(arguments))
            for kind, name, arguments in FUNCTION.findall(code)]


def header_name(path):
    name = os.path.basename(path)[:-2]
    return "kith" if name == "kith" else "kith_" + name


def header_page(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    top = comment_text(re.match(r"/\*.*?\*/", text, re.DOTALL).group(0))
    title = next(line for line in top if line.strip())
    about = title.split(" - ", 1)[1]
    rest = top[top.index(title) + 1:]
    while rest and rest[0].strip():
        about += " " + rest.pop(0).strip()
    pairs = split_header(text)
    functions = [f for _, code in pairs for f in functions_in(code)]
    page = header_name(path)
    names = [page] + [name for _, name, _ in functions if name != page]
    yield from head(page, 3, names, about)
    yield ".Sh LIBRARY"
    yield "kith, -lkith"
    yield ".Sh SYNOPSIS"
    yield ".In " + ("kith.h" if page == "kith" else f"kith/{os.path.basename(path)}")
    for kind, name, words in functions:
        yield f".Ft {escape(kind)}"
        yield f".Fo {name}"
        for word in words:
            yield f'.Fa "{escape(word)}"'
        yield ".Fc"
    yield ".Sh DESCRIPTION"
    yield from prose(rest)
    if page == "kith":
        yield ".Pp"
        yield "It includes all others:"
        yield from literal(re.findall(r"#include <kith/.*>", text))
    yield from described(pairs)
    yield ".Sh SEE ALSO"
    others = sorted({header_name(other) for other in re.findall(r"#include <(kith/\w+\.h)>", text)}
                    | ({"kith"} if page != "kith" else set()))
    pages = ["kith 1"] + [other + " 3" for other in others]
    for i, other in enumerate(pages):
        yield f".Xr {other}" + (" ," if i + 1 < len(pages) else "")


def described(pairs):
    """Each declaration with what its comment says."""
    opened = False
    for comment, code in pairs:
        section = comment and re.match(r"^/\* ---- (.*?) ---- \*/$", comment)
        lines = comment_text(comment) if comment else []
        if not section and lines and re.match(r"^---- .* ----$", "\n".join(lines).strip()
                                              .split("\n")[0]):
            first = "\n".join(lines).strip().split("\n")
            section = re.match(r"^---- (.*?) ----$", first[0])
            lines = first[1:]
        elif section:
            lines = []
        if section:
            if opened:
                yield ".El"
            opened = False
            yield ".Ss " + escape(section.group(1).capitalize())
            if any(line.strip() for line in lines):
                yield from prose(lines)
            lines = []
        names = functions_in(code)
        others = FUNCTION.sub("", code)
        others = re.sub(r"^#(if|else|endif|ifdef).*$", "", others, flags=re.MULTILINE).strip("\n")
        if not names and not others.strip():
            continue
        if not opened:
            yield ".Bl -tag -width Ds"
            opened = True
        for _, name, _ in names:
            yield f".It Fn {name}"
        if not names:
            word = re.search(r"\b(struct|enum|union)\s+(kith_\w+)|\b(kith_\w+|KITH_\w+)", others)
            yield ".It Vt " + (f'"{word.group(1)} {word.group(2)}"' if word and word.group(1)
                               else word.group(3) if word else '""')
        yield from prose(lines)
        if others.strip():
            yield from literal(others.strip("\n").split("\n"))
    if opened:
        yield ".El"


# ---- markdown ------------------------------------------------------------------------------


def markdown(text):
    """Headings, paragraphs, lists, tables and code of a page of docs/, as mdoc."""
    for block in re.split(r"\n\s*\n", text):
        lines = block.strip("\n").split("\n")
        if lines[0].startswith("## "):
            yield ".Ss " + escape(lines[0][3:])
            lines = lines[1:]
        elif lines[0].startswith("### "):
            yield ".Pp"
            yield ".Em " + escape(lines[0][4:])
            lines = lines[1:]
        else:
            yield ".Pp"
        if not lines:
            continue
        if lines[0].startswith("|"):
            yield from table(lines)
        elif lines[0].startswith("- "):
            items = []
            for line in lines:
                if line.startswith("- "):
                    items.append(line[2:])
                elif items:
                    items[-1] += " " + line.strip()
            yield ".Bl -bullet"
            for item in items:
                yield ".It"
                yield from sentences(item)
            yield ".El"
        elif all(line.startswith("    ") for line in lines):
            yield from literal(line[4:] for line in lines)
        elif lines[0].startswith("```"):
            yield from literal(line for line in lines if not line.startswith("```"))
        else:
            yield from sentences(" ".join(lines))


def table(lines):
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
            for line in lines if not re.match(r"^\|[ :|-]+\|$", line.strip())]
    yield ".Bl -tag -width Ds"
    for row in rows[1:]:
        filled = [cell for cell in row if cell]
        if len(filled) < 1:
            continue
        yield ".It " + start_of_line(inline(filled[0] if len(filled) < 3
                                            else filled[0] + "  " + filled[1]))
        yield from sentences("; ".join(filled[1 if len(filled) < 3 else 2:]) or "unused")
    yield ".El"


def layout_page(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    _, _, body = text.partition("\n")
    yield from head("kith-layout", 5, ["kith-layout"], "what stands in the file of a space")
    yield ".Sh DESCRIPTION"
    yield from markdown(body.strip("\n"))
    yield ".Sh SEE ALSO"
    yield ".Xr kith 1 ,"
    yield ".Xr kith_space 3"


# ---- cleaning up ---------------------------------------------------------------------------


def tidied(lines):
    """No paragraph break where mdoc has one anyway, and no blank line but in displays."""
    out, shown = [], False
    for line in lines:
        if line.startswith(".Bd"):
            shown = True
        elif line.startswith(".Ed"):
            shown = False
        if line == ".Pp" and (not out or out[-1] == ".Pp" or out[-1].startswith((".Sh", ".Ss"))):
            continue
        if line.startswith((".Ss", ".Sh", ".El", ".It")) and out and out[-1] == ".Pp":
            out.pop()
        if line.startswith((".Bd", ".Bl")) and out and out[-1] == ".Pp":
            out.pop()
        if line == "" and not shown:
            continue
        out.append(line)
    return out


def listed_pages(source):
    """What the build makes a page of, known before anything is built."""
    for path in sorted(glob.glob(os.path.join(source, "cli", "cmd_*.c"))):
        with open(path, encoding="utf-8") as file:
            for name in re.findall(r"struct cli_verb cli_\w+ = \{\s*\.name = \"([a-z]+)\"",
                                   file.read()):
                yield f"verb {name}"
    for path in sorted(glob.glob(os.path.join(source, "include", "kith", "*.h"))):
        yield f"header {os.path.basename(path)[:-2]}"


def main(words):
    if words[0] == "list":
        print("\n".join(listed_pages(words[1])))
        return 0
    makers = {"main": main_page, "verb": verb_page, "header": header_page, "layout": layout_page}
    sys.stdout.reconfigure(encoding="utf-8")
    print("\n".join(tidied(makers[words[0]](*words[1:]))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
