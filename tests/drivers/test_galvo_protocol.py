"""The bytes of the galvo protocol: encode and decode, detection of damage, and resynchronisation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import galvo_protocol as protocol
from drivers.galvo_protocol import Cause, Damaged, Done, Info, Packet, Reader

packets = st.builds(Packet, st.integers(0, 255), st.integers(0, 65535), st.binary(max_size=600))


def test_the_checksum_is_crc_16_ccitt_false() -> None:
    assert protocol.crc16(b"123456789") == 0x29B1  # CRC-16/CCITT-FALSE (also IBM-3740), its published check value


@pytest.mark.parametrize(
    ("data", "stuffed"),
    [  # examples of Cheshire and Baker, as usually tabulated
        (b"", b"\x01"),
        (b"\x00", b"\x01\x01"),
        (b"\x00\x00", b"\x01\x01\x01"),
        (b"\x11\x22\x00\x33", b"\x03\x11\x22\x02\x33"),
        (b"\x11\x22\x33\x44", b"\x05\x11\x22\x33\x44"),
        (b"\x11\x00\x00\x00", b"\x02\x11\x01\x01\x01"),
    ],
)
def test_byte_stuffing_is_cobs(data: bytes, stuffed: bytes) -> None:
    assert protocol.stuff(data) == stuffed
    assert protocol.unstuff(stuffed) == data


@given(st.one_of(st.binary(max_size=700), st.integers(0, 800).map(lambda n: b"\x07" * n)))
def test_byte_stuffing_gives_no_zero_and_can_be_inverted(data: bytes) -> None:
    stuffed = protocol.stuff(data)
    assert 0 not in stuffed
    assert protocol.unstuff(stuffed) == data
    assert len(stuffed) <= len(data) + 1 + len(data) // 254


@given(st.lists(packets, max_size=5), st.integers(1, 50))
def test_frames_are_decoded_from_pieces_of_any_size(sent: list[Packet], piece: int) -> None:
    line = b"".join(protocol.frame(packet) for packet in sent)
    reader = Reader()
    found = [packet for at in range(0, len(line), piece) for packet in reader.feed(line[at : at + piece])]
    assert found == sent
    assert reader.damaged == 0


@given(packets, st.data())
def test_a_frame_with_a_changed_byte_is_dropped(packet: Packet, data: st.DataObject) -> None:
    """Any byte of the frame, also its end, and any bits of it: the frame is dropped, and the next one is decoded."""
    frame = protocol.frame(packet)
    at = data.draw(st.integers(0, len(frame) - 1))
    flip = data.draw(st.integers(1, 255))
    damaged = frame[:at] + bytes([frame[at] ^ flip]) + frame[at + 1 :]
    after = Packet(2, 9, b"after")
    reader = Reader()
    assert reader.feed(damaged + b"\0" + protocol.frame(after)) == [after]
    assert reader.damaged > 0


def test_every_change_of_every_byte_of_one_frame_is_detected() -> None:
    frame = protocol.frame(Packet(protocol.Message.BATCH, 513, protocol.batch(100, np.ones(2, protocol.SPOT))))
    for at in range(len(frame)):
        for flip in range(1, 256):
            damaged = frame[:at] + bytes([frame[at] ^ flip]) + frame[at + 1 :]
            assert Reader().feed(damaged + b"\0") == [], f"byte {at} flipped by {flip:#x}"


@given(st.binary(max_size=300), packets)
def test_the_reader_resynchronises_after_garbage(garbage: bytes, packet: Packet) -> None:
    reader = Reader()
    assert reader.feed(garbage + b"\0" + protocol.frame(packet))[-1:] == [packet]


def test_a_frame_without_an_end_is_dropped() -> None:
    reader = Reader(longest=100)
    assert reader.feed(b"x" * 1000) == []
    assert reader.damaged == 1
    packet = Packet(1, 1)
    assert reader.feed(b"\0" + protocol.frame(packet)) == [packet]


codes = st.integers(-32767, 32767)
rows = st.tuples(codes, codes, st.integers(0, 65535), st.integers(0, 2**32 - 1))


@given(st.integers(0, 65535), st.lists(rows, max_size=40))
def test_a_batch_is_decoded_to_the_same_values(watchdog_ms: int, spots: list[tuple[int, int, int, int]]) -> None:
    made = np.array(spots, protocol.SPOT)
    found_ms, found = protocol.unbatch(protocol.batch(watchdog_ms, made))
    assert found_ms == watchdog_ms
    assert found.tolist() == made.tolist()


@given(
    st.builds(
        Info, boot=st.integers(0, 2**32 - 1), range_v=st.integers(1, 65535).map(lambda mv: mv / 1e3),
        low=st.tuples(codes, codes), high=st.tuples(codes, codes), spots=st.integers(0, 65535),
        min_dwell_ns=st.integers(0, 2**32 - 1), settle_ns=st.integers(0, 2**32 - 1),
        delay_ns=st.integers(0, 2**32 - 1), longest_watchdog_ms=st.integers(0, 65535),
        name=st.text(st.characters(max_codepoint=126, min_codepoint=32), max_size=255),
    )
)  # fmt: skip
def test_a_description_is_decoded_to_the_same_values(made: Info) -> None:
    assert protocol.uninfo(protocol.info(made)) == made


small, large = st.integers(0, 65535), st.integers(0, 2**32 - 1)


@given(st.builds(Done, st.sampled_from(Cause), small, small, large, small, large))
def test_a_status_is_decoded_to_the_same_values(made: Done) -> None:
    assert protocol.undone(protocol.done(made)) == made


def test_inconsistent_messages_are_damaged() -> None:
    lit = bytearray(protocol.done(Done(Cause.LIT, 1, 2, 3, 4, 5)))
    lit[0] = 0
    with pytest.raises(Damaged, match="contradicts"):
        protocol.undone(bytes(lit))
    with pytest.raises(Damaged, match="length"):
        protocol.undone(bytes(lit[:-1]))
    with pytest.raises(Damaged, match="number of spots"):
        protocol.unbatch(protocol.batch(1, np.ones(3, protocol.SPOT))[:-1])
    info = bytearray(protocol.info(Info(1, 10.0, (0, 0), (1, 1), 9, 1, 1, 1, 1, "x")))
    with pytest.raises(Damaged, match="name"):
        protocol.uninfo(bytes(info[:-1]))
    info[0] = 2
    with pytest.raises(Damaged, match="version 2"):
        protocol.uninfo(bytes(info))


@given(st.sampled_from(protocol.Refusal), st.integers(0, 65535))
def test_a_refusal_states_its_reason(code: protocol.Refusal, spot: int) -> None:
    assert protocol.REFUSALS[code] in protocol.why_refused(protocol.refused(code, spot))
