"""One MIDI track, event by event: its notes, and its bytes with the faults mended.

A track is read once, in pure Python (about a microsecond a note). What stays within the standard keeps its bytes. What
readers disagree on is mended so that they agree, with a warning: data bytes above 127 are clamped, meta events that are
too short or out of range are made sequencer-specific (type 7F, same bytes, so that nothing is lost), a time signature
that cannot be becomes 4/4, running status after system exclusive is written out, notes never released are closed at the
end of the track, and a missing end of track is added. The same pitch struck twice is released first in, first out.
"""

from array import array
from collections import deque
from dataclasses import dataclass, field

from m4mcli.score.container import counted
from m4mcli.score.metas import END_OF_TRACK, KEPT, OPAQUE, TIME_SIGNATURE, is_metre, is_sensible

MAX_EVENTS = 4_000_000
UNKNOWN = 128
"""The program of a channel before its first program change in the track."""

COMMON_LENGTH = {0xF1: 1, 0xF2: 2, 0xF3: 1, 0xF6: 0, 0xF8: 0, 0xFA: 0, 0xFB: 0, 0xFC: 0, 0xFE: 0}


class DamagedTrackError(Exception):
    """The track cannot be followed any further: what was found, and the byte of the track where."""

    def __init__(self, what: str, position: int) -> None:
        super().__init__(f"{what} at its byte {position}")


@dataclass
class Events:
    """What one track holds; times in ticks from the start of the piece.

    `notes` holds rows of (channel, program, onset, duration, pitch, velocity), `controls` rows of (channel, program,
    tick, number, value), `bends` rows of (channel, program, tick, value), `programs` rows of (tick, channel, program),
    all flat; a program is UNKNOWN before the track's first program change. `statuses` marks the channel status bytes
    that occur, `metas` holds (tick, type, bytes) of names, lyrics, markers, tempos and signatures.
    """

    chunk: bytes = b""
    notes: "array[int]" = field(default_factory=lambda: array("q"))
    controls: "array[int]" = field(default_factory=lambda: array("q"))
    bends: "array[int]" = field(default_factory=lambda: array("q"))
    programs: list[tuple[int, int, int]] = field(default_factory=list)
    metas: list[tuple[int, int, bytes]] = field(default_factory=list)
    statuses: bytearray = field(default_factory=lambda: bytearray(256))
    count: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def channels(self) -> set[int]:
        """The channels that any event of the track addresses."""
        return {status & 15 for status in range(0x80, 0xF0) if self.statuses[status]}


def walk_track(data: bytes, number: int, limit: int, budget: int = MAX_EVENTS) -> Events:
    """Read track `number` (for messages, from 1) from its bytes `data`.

    No event may lie after tick `limit`, and there may be at most `budget` events.
    Raises DamagedTrackError where the bytes cannot be followed or a bound is passed.
    """
    return _Walk(data, number, limit).run(budget)


class _Walk:
    """The state of one walk: what was found so far, and the mendings of the bytes."""

    def __init__(self, data: bytes, number: int, limit: int) -> None:
        self.data = data
        self.number = number
        self.limit = limit
        self.tick = self.start = self.before = 0
        self.found = Events()
        self.patched: bytearray | None = None
        self.insertions: list[tuple[int, int]] = []
        self.clamped = self.opaque = self.odd_metres = 0
        self.pending: list[deque[tuple[int, int, int]] | None] = [None] * 2048

    def run(self, budget: int) -> Events:
        """Walk to the end of the track; then close what is open and mend the bytes."""
        try:
            start, complete = self.channel_events(budget)
        except IndexError:
            start, complete = self.start, False
            self.tick, self.found.count = self.before, len(self.data) // 2
            rest = counted(len(self.data) - start, "byte")
            self.warn("cut-event", f"track {self.number} breaks off inside an event; {rest} dropped")
        self.mend(start, complete)
        return self.found

    def warn(self, name: str, text: str) -> None:
        self.found.warnings.append(f"{name}: {text}")

    def channel_events(self, budget: int) -> tuple[int, bool]:
        """The hot loop. Returns where the end-of-track event starts, and whether there is one."""
        data, size, limit = self.data, len(self.data), self.limit
        pending, program, statuses = self.pending, [UNKNOWN] * 16, self.found.statuses
        note, control, bend = self.found.notes.extend, self.found.controls.extend, self.found.bends.extend
        position = tick = status = 0
        for count in range(budget):
            self.start, self.before = position, tick
            if position >= size:
                self.found.count, self.tick = count, tick
                return position, False
            byte = data[position]
            position += 1
            if byte > 127:
                delta = byte & 127
                byte = data[position]
                position += 1
                delta = delta << 7 | byte & 127
                if byte > 127:
                    delta, position = self.number_at(self.start)
                tick += delta
            else:
                tick += byte
            byte = data[position]
            if byte > 127:
                position += 1
                if byte >= 0xF0:
                    self.tick = tick
                    end = self.system_event(byte, position)
                    if end < 0:
                        self.found.count = count
                        return self.start, True
                    position = end
                    if byte < 0xFF:
                        status |= 0x100
                    continue
                status = byte
                statuses[status] = 1
            elif not 0x80 <= status < 0x100:
                status = self.resumed(status, position)
            if tick > limit:
                self.tick = tick
                self.check_time(position)
            one = data[position]
            if 0xC0 <= status < 0xE0:
                two = 0
                position += 1
            else:
                two = data[position + 1]
                position += 2
            if one > 127 or two > 127:
                one, two = self.clamp(position, one, two, status)
            channel = status & 15
            if status < 0xA0:
                key = channel << 7 | one
                queue = pending[key]
                if two and status >= 0x90:
                    if queue is None:
                        queue = pending[key] = deque()
                    queue.append((program[channel], tick, two))
                elif queue:
                    sounding, onset, velocity = queue.popleft()
                    note((channel, sounding, onset, tick - onset, one, velocity))
            elif status < 0xC0:
                if status >= 0xB0:
                    control((channel, program[channel], tick, one, two))
            elif status < 0xD0:
                program[channel] = one
                self.found.programs.append((tick, channel, one))
            elif status >= 0xE0:
                bend((channel, program[channel], tick, (two << 7 | one) - 8192))
        raise DamagedTrackError(f"more events than the {MAX_EVENTS} that m4m reads", position)

    def number_at(self, position: int) -> tuple[int, int]:
        """The number at `position` and the position after it."""
        number = 0
        for _ in range(4):
            byte = self.data[position]
            position += 1
            number = number << 7 | byte & 127
            if byte < 128:
                return number, position
        raise DamagedTrackError("a number longer than 4 bytes", position)

    def resumed(self, status: int, position: int) -> int:
        """The running status after a system event, which other readers need written out."""
        if status & 0xFF < 0x80:
            raise DamagedTrackError("an event without a status", position)
        self.insertions.append((position, status & 0xFF))
        return status & 0xFF

    def check_time(self, position: int) -> None:
        if self.tick > self.limit:
            what = f"a time of {self.tick} ticks, later than the {self.limit} that m4m reads,"
            raise DamagedTrackError(what, position)

    def patch(self, position: int, value: int) -> None:
        if self.patched is None:
            self.patched = bytearray(self.data)
        self.patched[position] = value

    def clamp(self, end: int, one: int, two: int, status: int) -> tuple[int, int]:
        """The data bytes of the event that ends at `end`, none above 127."""
        self.clamped += (one > 127) + (two > 127)
        if one > 127:
            self.patch(end - (1 if 0xC0 <= status < 0xE0 else 2), 127)
        if two > 127:
            self.patch(end - 1, 127)
        return min(one, 127), min(two, 127)

    def system_event(self, status: int, position: int) -> int:
        """Read a meta or system event after its status byte; returns the position after it, -1 for end of track."""
        if status == 0xFF:
            kind = self.data[position]
            length, start = self.number_at(position + 1)
            if kind == 0x2F:
                return -1
            self.check_time(position)
            self.meta_event(kind, position, start, self.data[start : self.within(start, length)])
            return start + length
        self.check_time(position)
        if status in (0xF0, 0xF7):
            length, start = self.number_at(position)
            return self.within(start, length)
        if status not in COMMON_LENGTH:
            raise DamagedTrackError(f"the undefined status byte {status:#04x}", position - 1)
        end = self.within(position, COMMON_LENGTH[status])
        for place in range(position, end):
            if self.data[place] > 127:
                self.clamped += 1
                self.patch(place, 127)
        return end

    def within(self, start: int, length: int) -> int:
        if start + length > len(self.data):
            raise IndexError
        return start + length

    def meta_event(self, kind: int, position: int, start: int, payload: bytes) -> None:
        """Keep a meta event that matters; make one that cannot be right opaque, or 4/4."""
        if not is_sensible(kind, payload):
            self.opaque += 1
            self.patch(position, OPAQUE)
            return
        if kind == TIME_SIGNATURE and not is_metre(payload):
            self.odd_metres += 1
            self.patch(start, 4)
            self.patch(start + 1, 2)
            payload = b"\4\2"
        if kind in KEPT:
            self.found.metas.append((self.tick, kind, payload))

    def mend(self, start: int, complete: bool) -> None:
        """Close open notes at the end of the track, which starts at byte `start`, and build the track's bytes."""
        closing = bytearray()
        for key, queue in enumerate(self.pending):
            for sounding, onset, velocity in queue or ():
                channel, pitch = key >> 7, key & 127
                self.found.notes.extend((channel, sounding, onset, self.tick - onset, pitch, velocity))
                closing += bytes((0, 0x80 | channel, pitch, 64))
        if closing:
            self.check_time(start)
        rest = len(self.data) - self._after_end(start) if complete else 0
        self.tell(len(closing) // 4, rest, complete)
        self.found.chunk = self._bytes(start, bytes(closing), complete, rest)

    def tell(self, unfinished: int, rest: int, complete: bool) -> None:
        """Warn of what was mended; `rest` bytes follow the end of the track."""
        where = f"in track {self.number}"
        if unfinished:
            notes = counted(unfinished, "note-on")
            self.warn("unfinished-note", f"{notes} {where} never released, closed at the end of the track")
        if rest:
            self.warn("after-end", f"{counted(rest, 'byte')} after the end of track {self.number} ignored")
        if not complete:
            self.warn("no-end-of-track", f"added at the end of track {self.number}")
        if self.clamped:
            self.warn("clamped", f"{counted(self.clamped, 'data byte')} above 127 {where} clamped to 127")
        if self.opaque:
            self.warn("bad-meta", f"{counted(self.opaque, 'meta event')} {where} too short or out of range, not used")
        if self.odd_metres:
            self.warn("odd-time-signature", f"{counted(self.odd_metres, 'time signature')} {where} read as 4/4")

    def _after_end(self, start: int) -> int:
        """Where the end-of-track event that starts at `start` ends, whatever length it claims to have."""
        _, position = self.number_at(start)
        return self.number_at(position + 2)[1]

    def _bytes(self, start: int, closing: bytes, complete: bool, rest: int) -> bytes:
        if complete and not (closing or self.insertions or rest or self.patched) and self.data.endswith(END_OF_TRACK):
            return self.data
        source = self.patched if self.patched is not None else self.data
        parts, position = [], 0
        for place, status in (i for i in self.insertions if i[0] <= start):
            parts += [source[position:place], bytes((status,))]
            position = place
        parts.append(source[position:start])
        delta = source[start : self.number_at(start)[1]] if complete else b"\0"
        tail = closing[1:] + b"\0" if closing else b""
        return b"".join(map(bytes, (*parts, delta, tail, END_OF_TRACK)))
