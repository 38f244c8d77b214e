"""The table for the terminal and the drawing for the README."""
from html import escape

OURS = "cardea"


def best_peer(results):
    peers = {n: r["cost"] for n, r in results.items() if n not in ("relay",) and not n.startswith(OURS)}
    return min(peers, key=peers.get) if peers else None


def ratio_text(name, results):
    """How a result stands to the relay, to the best peer, or (the variants) to plain Cardea."""
    cost = results[name]["cost"]
    parts = []
    if name.startswith(OURS + "-") and OURS in results:
        return f"{cost / results[OURS]['cost']:.2f} × {OURS}"
    if "relay" in results and name != "relay":
        parts.append(f"{cost / results['relay']['cost']:.2f} × relay")
    best = best_peer(results)
    if best and name not in (best, "relay"):
        parts.append(f"{cost / results[best]['cost']:.2f} × {best}")
    elif best and name == best:
        parts.append("best peer")
    return ", ".join(parts)


def table(rows):
    lines = []
    for row in rows:
        lines.append(f"{row['title']} ({row['unit']})")
        lines.append(f"  {'':22} {'cost':>9} {'spread':>15} {'per second':>11} {'p99 ms':>8}  ratio")
        for name, r in sorted(row["results"].items(), key=lambda item: item[1]["cost"]):
            spread = f"{min(r['all']):.1f}–{max(r['all']):.1f}"
            late = f"{r['p99_ms']:.2f}" if r["p99_ms"] is not None else "–"
            lines.append(f"  {name:22} {r['cost']:9.2f} {spread:>15} {r['rate']:11.0f} {late:>8}  "
                         f"{ratio_text(name, row['results'])}")
        lines.append("")
    return "\n".join(lines)


STYLE = """
text { font: 13px system-ui, sans-serif; fill: #57606a }
.title { font-weight: 600; fill: #24292f }
.bar { fill: #a9b4bf } .ours { fill: #1a7f64 } .floor { fill: none; stroke: #a9b4bf; stroke-dasharray: 3 2 }
.mine { font-weight: 600; fill: #1a7f64 }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1 } .title { fill: #e6edf3 } .bar { fill: #5c6570 } .ours { fill: #3fb68f }
  .floor { stroke: #7d8590 } .mine { fill: #3fb68f }
}"""
WIDTH, LABEL, BAR, LINE = 800, 160, 380, 22


def drawing(rows):
    """Horizontal bars, a block for each row, the cheapest on top; transparent, and readable on light and dark pages."""
    parts, y = [], 24
    for row in rows:
        if not row["results"]:
            continue
        parts.append(f'<text class="title" x="12" y="{y}">{escape(row["title"])} — {escape(row["unit"])}, '
                     "less is better</text>")
        y += 10
        ranked = sorted(row["results"].items(), key=lambda item: item[1]["cost"])
        longest = ranked[-1][1]["cost"] or 1
        for name, r in ranked:
            width = max(1, round(BAR * r["cost"] / longest))
            ours = name.startswith(OURS)
            kind = "ours" if ours else "floor" if name == "relay" else "bar"
            text = "mine" if ours else "label"
            parts.append(f'<text class="{text}" x="{LABEL}" y="{y + 15}" text-anchor="end">{escape(name)}</text>')
            parts.append(f'<rect class="{kind}" x="{LABEL + 10}" y="{y + 3}" width="{width}" height="15" rx="2"/>')
            note = ratio_text(name, row["results"]) if ours else ""
            value = f"{r['cost']:.1f}" + (f"  ({note})" if note else "")
            parts.append(f'<text class="{text}" x="{LABEL + 18 + width}" y="{y + 15}">{escape(value)}</text>')
            y += LINE
        y += 26
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y - 10}" width="{WIDTH}" height="{y - 10}">'
            f"<style>{STYLE}</style>" + "\n".join(parts) + "</svg>\n")
