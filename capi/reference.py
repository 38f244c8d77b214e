#!/usr/bin/env python3
"""The manual pages of cardea.h, from its comments: one for each function in section 3, and cardea(3) for what holds everywhere.

    reference.py HEADER SYMBOLS FOLDER VERSION    writes the pages; SYMBOLS: capi/symbols.txt, for what each does in a line
    reference.py HEADER SYMBOLS --check           every function's contract is complete; names what is not
"""
import pathlib
import re
import sys

DATE = "2026-11-24"  # of the interface's last version
# What the header's head says for every function unless its comment says otherwise.
RESULTS = "CARDEA_OK, or a negative CARDEA_E...: see cardea(3)"


class Function:
    def __init__(self, name, declaration, text, section, trailing):
        self.name, self.declaration, self.section = name, declaration, section
        self.summary = None
        self.text = " ".join(part for part in (text, trailing) if part)

    @property
    def returned(self):
        return self.declaration[:self.declaration.index(self.name)].strip()

    @property
    def parameters(self):
        return self.declaration[self.declaration.index("(") + 1:self.declaration.rindex(")")]

    @property
    def kind(self):
        return self.name.split("_")[-1]


def plain(comment):
    lines = [re.sub(r"^\s*\*? ?", "", line) for line in comment.strip("/").strip("*").strip().splitlines()]
    return " ".join(line.strip() for line in lines).strip()


def read(header, symbols):
    """(head comment's rows, functions)."""
    summaries = dict(re.findall(r"^(cardea_\w+) \S+ (.+)$", pathlib.Path(symbols).read_text(), re.M))
    text = pathlib.Path(header).read_text()
    head = text[:text.index("*/")]
    rows = re.split(r"^ \* (?=[A-Z][a-z]+ {2,})", head, flags=re.M)[1:]
    rows = [(row.split()[0], plain(row.split(maxsplit=1)[1])) for row in rows]
    section, comment, functions = None, "", []
    position = text.index("extern \"C\"")
    token = re.compile(r"/\* ---- (?P<section>[^\n]*?) -+ \*/|(?P<comment>/\*.*?\*/)|"
                       r"^CARDEA_API (?P<declaration>[^;]*);(?: *(?P<trailing>/\*.*?\*/))?|(?P<gap>\n\n)", re.S | re.M)
    for found in token.finditer(text, position):
        if found["section"]:
            section, comment = found["section"].strip(), ""
        elif found["comment"]:
            comment = plain(found["comment"])
        elif found["gap"]:
            comment = ""
        elif found["declaration"]:
            declaration = " ".join(found["declaration"].split())
            name = re.search(r"\b(cardea_\w+)\(", declaration).group(1)
            functions.append(Function(name, declaration, comment, section, plain(found["trailing"] or "")))
            functions[-1].summary = summaries.get(name)
            comment = ""
    return rows, functions


def thread(function):
    """Its thread class: said in its comment, else by its section's title."""
    said = re.search(r"(?:^|[.;:] )\b(any|loop|config)(?: for threads, else (?:any|loop))?(?=[.:]|$)", function.text)
    if said:
        return said.group(0).strip(".;: ")
    titled = re.search(r"\((?:[^()]*: )?(config|any|loop)\b[^()]*\)", function.section)
    if titled:
        return titled.group(1)
    return None


OBJECTS = {"config", "listener", "tls", "route", "policy", "cluster", "proxy", "worker", "queue", "error"}


def ownership(function):
    """What a caller has to release, or None where nothing changes hands."""
    if function.kind in ("unref", "free"):
        return "Gives up the caller's reference; NULL is accepted."
    lines = []
    made = re.findall(r"cardea_(\w+) \*\*(\w+)", function.parameters)
    for kind, parameter in made:
        end = "free" if kind in ("worker", "error") else "unref"
        lines.append(f"*{parameter} is the caller's, to be released with cardea_{kind}_{end}().")
    if re.search(r"_(add|set)_(listener|route|tls|policy|cluster|queue)$", function.name):
        lines.append("Takes a reference of its own; the caller still releases what it made.")
    if "cardea_str *" in function.parameters and "const cardea_str" not in function.parameters:
        lines.append("Strings are lent: until the callback returns or the next call on that object.")
    if function.returned.endswith("*") and "char" in function.returned:
        lines.append("Static, or as long as the object that was asked.")
    return " ".join(lines)


def errors(function):
    if function.returned in ("int", "CARDEA_API int"):
        named = sorted(set(re.findall(r"CARDEA_E[A-Z]+|\bE(?:CONFIG)\b", function.text)))
        return RESULTS + (f". Here: {', '.join(named)}." if named else ".")
    if function.returned == "void":
        return "None."
    return "Cannot fail; for NULL or an unknown value it gives 0 or NULL or an empty text."


def faults(functions):
    for function in functions:
        where = f"{function.name}: "
        if not function.summary:
            yield where + "capi/symbols.txt does not say what it does"
        if not thread(function):
            yield where + "no thread class: its section's title or its comment must say any, loop or config"
        for parameter in re.findall(r"\b(\w*(?:timeout|deadline|interval|duration)\w*)\b", function.parameters):
            if not parameter.endswith("_ms"):
                yield where + f"{parameter} has no unit in its name"
        if re.search(r"void \*ud", function.parameters) and not re.search(r"\w+_fn ", function.parameters) \
                and function.name != "cardea_proxy_new":
            yield where + "takes user data for no callback"


def escaped(text):
    return text.replace("\\", "\\e").replace("-", "\\-").replace("\n.", "\n\\&.").replace("\n'", "\n\\&'")


def lines_of(text):
    """Text for roff: a sentence a line, none of which is a request."""
    sentences = re.sub(r"(?<=[.:;]) (?=[A-Z`])", "\n", escaped(text)).split("\n")
    return "\n".join("\\&" + s if s.startswith((".", "'")) else s for s in sentences)


def page(title, version, name_line, sections):
    out = [f'.TH {title} 3 "{DATE}" "cardea {version}" "Cardea"', ".SH NAME", escaped(name_line)]
    for heading, body in sections:
        if body:
            out += [f".SH {heading}", body]
    return "\n".join(out) + "\n"


def wrapped_declaration(function):
    return ".nf\n.B #include <cardea/cardea.h>\n.sp\n.B \"" + escaped(function.declaration).replace('"', '""') + ";\"\n.fi"


def write(header, symbols, folder, version):
    rows, functions = read(header, symbols)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    head = [(row.upper(), lines_of(text)) for row, text in rows]
    by_section = {}
    for function in functions:
        by_section.setdefault(function.section, []).append(function)
    listing = "\n".join(f".TP\n.B {escaped(section)}\n" + escaped(", ".join(f"{f.name}(3)" for f in members))
                        for section, members in by_section.items())
    (folder / "cardea.3").write_text(page("CARDEA", version, "cardea - the life of a proxied connection inside a process",
                                          head + [("FUNCTIONS", listing)]))
    for function in functions:
        others = [f"{f.name}(3)" for f in by_section[function.section] if f is not function][:12]
        (folder / f"{function.name}.3").write_text(page(function.name.upper(), version, f"{function.name} - {function.summary}", [
            ("SYNOPSIS", wrapped_declaration(function)),
            ("DESCRIPTION", lines_of(function.text or function.summary.capitalize() + ".")),
            ("RETURN VALUE", lines_of(errors(function))),
            ("OWNERSHIP", lines_of(ownership(function))),
            ("THREADS", escaped(f"{thread(function)}: see THREADS in cardea(3).")),
            ("SEE ALSO", escaped(", ".join(["cardea(3)"] + others)))]))


def main():
    if sys.argv[3:] == ["--check"]:
        found = list(faults(read(*sys.argv[1:3])[1]))
        print("\n".join(found) or "every function's contract is complete")
        sys.exit(bool(found))
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    write(*sys.argv[1:])


if __name__ == "__main__":
    main()
