"""Numbers, spans and signals as the sentences of a command say them."""

from __future__ import annotations

import signal

SIGNAL_WORDS = {
    signal.SIGKILL: "Something outside ended it; the system does that when memory runs out.",
    signal.SIGXCPU: "It has used up the CPU time that its template allows.",
    signal.SIGXFSZ: "It wrote a file larger than its template allows.",
    signal.SIGSEGV: "The program made a mistake with its memory.",
    signal.SIGABRT: "The program gave up by itself.",
    signal.SIGSYS: "The system refused one of its calls.",
}


def size(octets: float) -> str:
    """ "214.0 kB", "1.9 GB", in powers of ten, as the pages say it."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if octets >= factor:
            return f"{octets / factor:.1f} {unit}"
    return f"{octets:.0f} B"


def span(seconds: float) -> str:
    """ "30 min", "1 h 5 s"."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"


def signal_name(number: int) -> str:
    """ "SIGKILL"."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def processes(count: int) -> str:
    """ "6 processes"."""
    return "1 process" if count == 1 else f"{count:,} processes"


def is_or_are(count: int) -> str:
    """The verb that goes with the number."""
    return "is" if count == 1 else "are"


def ended_by_signal(number: int) -> str:
    """ "The command was ended by signal 9, SIGKILL. …" """
    text = f"The command was ended by signal {number}, {signal_name(number)}."
    return f"{text} {SIGNAL_WORDS.get(signal.Signals(number), '')}".strip() if number in set(signal.Signals) else text
