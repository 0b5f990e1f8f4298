"""All rows of a part in turns, so that no figure is of one moment: a row's turns are spread over all the time that the part takes.

A row has `turn()`, which measures each of those that it compares once, and `show()`, which says what they have taken.
"""


def take(rows, turns):
    for number in range(1, turns + 1):
        for row in rows:
            row.turn()
            if number == turns:
                row.show()
