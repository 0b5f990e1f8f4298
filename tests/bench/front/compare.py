"""Two runs of the benchmark side by side.

A figure counts as higher or lower where all that the new run's spread reaches is beyond what the old one's does. Judges nothing: the exit
status is 0 whatever is found.
"""

import collections
import signal
import statistics
import sys

import figures

WIDTH = 54


def verdict(old, new):
    if old.low is None or new.low is None:
        return "no spread"
    if new.low > old.high:
        return "higher"
    return "lower" if new.high < old.low else "within the spreads"


def shown(figure):
    spread = f" +{figure.high - figure.value:,.1f}" if figure.low is not None else ""
    return f"{figure.value:,.1f}{spread}"


def ratio(old, new):
    return f"x{new / old:.2f}" if old > 0 and new > 0 else "-"


def baselines(old, new):
    """How fast the machine was: what the driver itself takes, over all the rows that both have."""
    pairs = [(old[key].baseline, new[key].baseline) for key in new if key in old and old[key].baseline and new[key].baseline]
    if not pairs:
        return
    before, after = (statistics.median(column) for column in zip(*pairs))
    print(f"\nthe driver itself, which no figure contains: {before:.1f} ns, now {after:.1f} ns, {ratio(before, after)}")


def by_key(path):
    return {(figure.section, figure.name, figure.flows, figure.unit): figure for figure in figures.load(path)}


def table(old, new):
    """Prints what both have; how many there are of each verdict."""
    verdicts, section = collections.Counter(), ""
    for key, figure in new.items():
        if key not in old:
            continue
        if figure.section != section:
            section = figure.section
            print(f"\n{section:{WIDTH}}{'flows':>6}{'old':>22}{'new':>22}{'unit':>6}{'ratio':>9}")
        found = verdict(old[key], figure)
        verdicts[found] += 1
        print(f"{figure.name:{WIDTH}}{figure.flows:>6}{shown(old[key]):>22}{shown(figure):>22}{figure.unit:>6}"
              f"{ratio(old[key].value, figure.value):>9}  {found}")
    return verdicts


def only_in(which, these, others):
    names = dict.fromkeys(figure.name for key, figure in these.items() if key not in others)
    if names:
        print(f"only in the {which} run, in part or as a whole: {'; '.join(names)}")


def show_these(old, new):
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # whoever reads may stop
    verdicts = table(old, new)
    if not verdicts:
        sys.exit("bench: the two runs have no row in common")
    baselines(old, new)
    print(", ".join(f"{count} {what}" for what, count in verdicts.most_common()))
    only_in("old", old, new)
    only_in("new", new, old)


def show(old_path, new_path):
    show_these(by_key(old_path), by_key(new_path))
