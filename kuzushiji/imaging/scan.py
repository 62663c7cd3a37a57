"""Parts of a JPEG without loss: the code words of its blocks are found in the scan, and copied bit for bit.

Only the first value of a block (DC) depends on a block before it: its difference to that one is stored. A part begins
anew, so that this value is coded again, once for each component. Terms, tables and code words: ITU-T T.81, annexes B, C
and F. A block's other values (AC) need not be understood, only passed over: several code words at a time.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kuzushiji.data.jpeg import NotJpegError, read_segments

_BASELINE = (0xC0, 0xC1)  # Huffman code words, all values of a block together
_CODES, _INTERVAL, _SCAN = 0xC4, 0xDD, 0xDA
_KEPT = (0xC0, 0xC1, 0xDB, 0xE0, 0xEE)  # also quantisation, and what says which colours these are: JFIF, Adobe
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_SIDE = 8
_LAST = 63
_LONGEST = 11
"""Bits of a first value."""
_STOP = 128
"""More values than a block has: its end."""
_NO_WORD = 100
"""Takes the walk out of a block where the bits are no code word."""

_Words = dict[int, tuple[int, int]]
"""Symbol to code word and the word's length, bits."""

_Place = tuple[int, int, int, int]
"""Bits where a block starts, its first value ends, and it ends; its first value."""


class _Code(NamedTuple):
    """How a block is coded.

    Attributes:
        component: Number of its component.
        first: Of the 16 bits at the word for the first value: the word's length + 256 times the value's.
        several: Of the 16 bits at a word for other values: the bits of it and of those behind it with their values, as
            far as these 16 bits show, + 256 times the number of values, `_STOP` for the end of the block.
        single: The same for one word.
    """

    component: int
    first: list[int]
    several: list[int]
    single: list[int]


@dataclass(frozen=True)
class Scan:
    """The blocks of a JPEG, in units of all components (MCU).

    Attributes:
        width: Of a unit, pixels.
        height: Of a unit, pixels.
        columns: Units beside each other.
        rows: Rows of units.
    """

    width: int
    height: int
    columns: int
    rows: int
    _header: list[tuple[int, bytes]]
    _data: bytes
    _words: dict[int, _Words]  # by the number of a component's first block in a unit
    _blocks: int
    _places: list[_Place]

    def header(self, width: int) -> tuple[bytes, int]:
        """Return the header of a JPEG of parts of so many pixels, of which each ends with a restart marker.

        Returns:
            The file up to the scan, and where in it the height stands.
        """
        parts, height_at = [b"\xff\xd8"], 0
        interval = -(-width // self.width)
        for marker, segment in [(_INTERVAL, interval.to_bytes(2, "big")), *self._header]:
            if marker in _BASELINE:
                height_at = sum(map(len, parts)) + 5
                segment = segment[:3] + width.to_bytes(2, "big") + segment[5:]
            parts.append(bytes([0xFF, marker]) + (len(segment) + 2).to_bytes(2, "big") + segment)
        return b"".join(parts), height_at

    def part(self, row: int, start: int, end: int) -> bytes:
        """Return the data of the units from `start` to before `end` in a row of units, without a marker.

        Raises:
            NotJpegError: the file's code lacks a word that is needed.
        """
        begin = (row * self.columns + start) * self._blocks
        bits, at = 1, self._places[begin][0]
        for number, words in self._words.items():
            start_of_block, after_first, _, first = self._places[begin + number]
            bits = self._appended(bits, at, start_of_block)
            size = abs(first).bit_length()
            if size not in words:
                raise NotJpegError(f"its code has no word for values of {size} bits")
            word, length = words[size]
            bits = (bits << length | word) << size | (first if first >= 0 else first + (1 << size) - 1)
            at = after_first
        bits = self._appended(bits, at, self._places[(row * self.columns + end) * self._blocks - 1][2])
        fill = -(bits.bit_length() - 1) % 8
        bits = bits << fill | (1 << fill) - 1
        return bits.to_bytes(bits.bit_length() // 8 + 1, "big")[1:].replace(b"\xff", b"\xff\x00")

    def _appended(self, bits: int, start: int, end: int) -> int:
        more = int.from_bytes(self._data[start // 8 : -(-end // 8)], "big") >> -end % 8
        return bits << (end - start) | more & (1 << (end - start)) - 1


def read_scan(content: bytes) -> Scan:
    """Find the blocks of a baseline JPEG: one scan, Huffman code words, 8 bits, grey or three components.

    Raises:
        NotJpegError: it is of another kind (progressive, say), damaged, or has restart markers within rows.
    """
    *header, (_, scan) = read_segments(content)
    try:
        return _read_scan(header, scan)
    except (LookupError, ValueError, ArithmeticError) as error:
        raise NotJpegError(f"it is no whole baseline JPEG ({error!r})") from error


def _read_scan(header: list[tuple[int, bytes]], scan: bytes) -> Scan:
    segments = dict(header)
    frame = segments.get(_BASELINE[0]) or segments[_BASELINE[1]]
    used, n = segments[_SCAN], frame[5]
    if frame[0] != 8 or n not in (1, 3) or used[0] != n:
        raise ValueError("several scans, or other components")
    # The blocks of a picture of one component are not interleaved, whatever its sampling says.
    samplings = [(each >> 4, each & 15) for each in frame[7 : 6 + 3 * n : 3]] if n > 1 else [(1, 1)]
    width, height = (_SIDE * max(sides) for sides in zip(*samplings, strict=True))
    columns, rows = -(-int.from_bytes(frame[3:5], "big") // width), -(-int.from_bytes(frame[1:3], "big") // height)
    tables = _tables(b"".join(segment for marker, segment in header if marker == _CODES))
    codes: list[_Code] = []
    words: dict[int, _Words] = {}
    for component, (across, down) in enumerate(samplings):
        first, others = tables[used[2 + 2 * component] >> 4], tables[0x10 | used[2 + 2 * component] & 15]
        words[len(codes)] = _words(first)
        codes += [_Code(component, _first_values(first), *_other_values(others))] * (across * down)
    interval = int.from_bytes(segments.get(_INTERVAL, b""), "big") or rows * columns
    pieces = [piece.replace(b"\xff\x00", b"\xff") for piece in _RESTART.split(scan.rpartition(b"\xff\xd9")[0])]
    if interval % columns or len(pieces) != -(-rows * columns // interval):
        raise ValueError("restart markers within rows")
    data = b"".join(pieces)
    bits, at = memoryview(_sixteen_bits(data).data), 0
    places: list[_Place] = []
    for number, piece in enumerate(pieces):
        _walk(bits, 8 * at, codes, min(interval, rows * columns - number * interval), places)
        at += len(piece)
    kept = [(marker, segment) for marker, segment in header if marker in _KEPT]
    kept += [(_CODES, b"".join(bytes([n]) + table for n, table in tables.items())), (_SCAN, used)]
    return Scan(width, height, columns, rows, kept, data, words, len(codes), places)


def _walk(bits: memoryview, at: int, codes: Sequence[_Code], n_units: int, places: list[_Place]) -> None:
    """Append the places of the blocks of so many units, the first of which begins at bit `at`."""
    predicted = [0, 0, 0]
    for _ in range(n_units):
        for component, first, several, single in codes:
            start = at
            word = first[bits[at]]
            at += word & 0xFF
            size = word >> 8
            if size:
                value = bits[at] >> 16 - size
                predicted[component] += value if value >> size - 1 else value - (1 << size) + 1
                at += size
            after_first, done = at, 0
            while done < _LAST:
                word = several[bits[at]]
                if _LAST <= done + (word >> 8) < _STOP or done + (word >> 8) >= _STOP + _LAST:
                    word = single[bits[at]]  # the block ends among these words
                at += word & 0xFF
                done += word >> 8
            places.append((start, after_first, at, predicted[component]))


def _sixteen_bits(data: bytes) -> NDArray[np.uint16]:
    """Return the 16 bits that begin at each bit; ones follow the data."""
    padded = np.frombuffer(data + b"\xff" * 8, np.uint8).astype(np.uint32)
    three = padded[:-2] << 16 | padded[1:-1] << 8 | padded[2:]
    return (three[:, None] >> np.arange(8, 0, -1, dtype=np.uint32)).astype(np.uint16).ravel()


def _tables(segment: bytes) -> dict[int, bytes]:
    """Return the tables of code words by class and number: counts of words of 1 to 16 bits, and the symbols."""
    tables = {}
    while segment:
        size = 17 + sum(segment[1:17])
        table = segment[1:size]
        tables[segment[0]], segment = (table if segment[0] & 0x10 else _completed(table)), segment[size:]
    return tables


def _completed(table: bytes) -> bytes:
    """Return a table for first values with words for those of all lengths: the ones that lack get 16 bits."""
    missing = bytes(sorted(set(range(_LONGEST + 1)) - set(table[16:])))
    taken = sum(count << 16 - length for length, count in enumerate(table[:16], 1))
    if taken + len(missing) > 0xFFFF:  # a word of ones alone is none
        return table
    return table[:15] + bytes([table[15] + len(missing)]) + table[16:] + missing


def _words(table: bytes) -> _Words:
    words: _Words = {}
    word, symbols = 0, iter(table[16:])
    for length, count in enumerate(table[:16], 1):
        for _ in range(count):
            words[next(symbols)] = word, length
            word += 1
        word <<= 1
    return words


def _begun(table: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the symbol with whose word each 16 bits begin, and the word's length; -1 and 1 where there is none."""
    symbols, lengths = np.full(1 << 16, -1), np.ones(1 << 16, np.int64)
    for symbol, (word, length) in _words(table).items():
        place = slice(word << 16 - length, word + 1 << 16 - length)
        symbols[place], lengths[place] = symbol, length
    return symbols, lengths


@lru_cache(16)
def _first_values(table: bytes) -> list[int]:
    symbols, lengths = _begun(table)
    found: list[int] = (symbols.clip(0, 15) << 8 | lengths).tolist()
    return found


@lru_cache(16)
def _other_values(table: bytes) -> tuple[list[int], list[int]]:
    symbols, lengths = _begun(table)
    values = np.select([symbols < 0, symbols == 0], [_NO_WORD, _STOP], (symbols >> 4) + 1)
    n_bits = lengths + np.where(symbols < 0, 0, symbols & 15)
    single: list[int] = (values << 8 | n_bits).tolist()
    all_values, all_bits = values.copy(), n_bits.copy()
    for _ in range(8):  # words of two bits and more
        following = np.arange(1 << 16) << np.minimum(all_bits, 16) & 0xFFFF
        seen = (all_values < _LAST) & (symbols[following] >= 0) & (all_bits + lengths[following] <= 16)
        all_values += np.where(seen, values[following], 0)
        all_bits += np.where(seen, n_bits[following], 0)
    several: list[int] = (all_values << 8 | all_bits).tolist()
    return several, single
