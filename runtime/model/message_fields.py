"""The frame of a protocol buffer, such as an ONNX file: which fields a message has, and where their bytes lie."""

from collections.abc import Iterator


def fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """(number, bytes or number) of each field of a message; numbers of fixed width come as their bytes.

    Raises ValueError where the message is damaged.
    """
    place = 0
    while place < len(message):
        key, place = varint(message, place)
        match key & 7:
            case 0:
                value, place = varint(message, place)
                yield key >> 3, value
                continue
            case 1:
                length = 8
            case 2:
                length, place = varint(message, place)
            case 5:
                length = 4
            case wire_type:
                raise ValueError(f"wire type {wire_type} at byte {place}")
        if place + length > len(message):
            raise ValueError("it ends too early")
        yield key >> 3, message[place : place + length]
        place += length


def varint(message: memoryview, place: int) -> tuple[int, int]:
    """The number that starts at `place`, and where the next field begins. Raises ValueError where there is none."""
    value = shift = 0
    while True:
        if place >= len(message) or shift > 63:
            raise ValueError("it ends too early" if shift <= 63 else f"no number at byte {place}")
        byte = message[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
