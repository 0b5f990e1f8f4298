"""What a subject says of a row: the commands to run, in which order, and which of them are measured."""

import dataclasses


@dataclasses.dataclass
class Task:
    """`before` once; then in each turn `clear`, `declare` and `steps`. Only the steps are measured: {what it does: its Command, or a
    function that gives it from what the commands have said until then}. With `clear`, what `declare` and the steps leave in the kernel is
    measured, too."""

    steps: dict
    before: list = dataclasses.field(default_factory=list)
    clear: list = dataclasses.field(default_factory=list)
    declare: list = dataclasses.field(default_factory=list)
