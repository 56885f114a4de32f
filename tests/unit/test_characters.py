"""Texts as characters: encoding, windows, batches, and the text that a network writes."""

import numpy as np
import pytest

from kerasbook import characters
from kerasbook.errors import KerasbookError

TEXT = b"the owl saw the moon, and the moon saw the owl; who saw whom?\n" * 8
WINDOW = 6


@pytest.fixture(scope="module")
def network():
    """A small LSTM over the text's characters, untrained but far from uniform."""
    from kerasbook import models

    keras = models.set_up_keras(1)
    _, alphabet = characters.encode(TEXT)
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((WINDOW,), dtype="int32"),
            characters.one_hot_layer(len(alphabet)),
            keras.layers.LSTM(16),
            keras.layers.Dense(len(alphabet), activation="softmax"),
        ]
    )
    # Large weights make the answers depend strongly on the window.
    model.set_weights([4 * one for one in model.get_weights()])
    model.compile(loss="sparse_categorical_crossentropy", optimizer="rmsprop")
    return model


def test_bytes_are_encoded_by_their_rank() -> None:
    ids, alphabet = characters.encode(b"cabbage")
    assert bytes(alphabet) == b"abceg"
    assert ids.tolist() == [2, 0, 1, 1, 0, 4, 3]
    assert ids.dtype == np.uint8
    assert characters.decode(ids, alphabet) == "cabbage"
    again, _ = characters.encode(np.frombuffer(b"cabbage", np.uint8))
    assert again.tolist() == ids.tolist()


def test_text_is_encoded_by_characters_not_bytes() -> None:
    text = "naïve café 😀"
    ids, alphabet = characters.encode(text)
    assert len(ids) == len(text)
    assert list(alphabet) == sorted(set(text))
    assert characters.decode(ids, alphabet) == text


def test_a_large_alphabet_takes_two_bytes() -> None:
    text = "".join(chr(0x4E00 + one) for one in range(300))
    ids, alphabet = characters.encode(text)
    assert ids.dtype == np.uint16
    assert characters.decode(ids, alphabet) == text


def test_a_split_character_of_utf8_is_shown_as_such() -> None:
    ids, alphabet = characters.encode("é".encode())
    assert characters.decode(ids[:1], alphabet) == "\ufffd"


def test_an_empty_text_is_refused() -> None:
    with pytest.raises(KerasbookError, match="empty"):
        characters.encode(b"")


def test_windows_are_those_of_the_printed_loop() -> None:
    ids, _ = characters.encode(TEXT)
    starts = characters.window_starts(len(ids), WINDOW, 3)
    printed = list(range(0, len(TEXT) - WINDOW, 3))
    assert starts.tolist() == printed
    view = characters.windows(ids, WINDOW)
    assert np.shares_memory(view, ids)
    assert all(view[one].tolist() == ids[one : one + WINDOW].tolist() for one in printed)


@pytest.mark.parametrize(("length", "window", "step"), [(6, 6, 1), (10, 0, 1), (10, 3, 0)])
def test_windows_that_cannot_be_are_refused(length: int, window: int, step: int) -> None:
    with pytest.raises(KerasbookError, match="expected"):
        characters.window_starts(length, window, step)


def one_epoch(source) -> list[tuple[bytes, int]]:
    batches = [source[index] for index in range(len(source))]
    return [(row.tobytes(), int(next_)) for x, y in batches for row, next_ in zip(x, y)]


def test_an_epoch_holds_every_window_once_in_an_order_of_its_own() -> None:
    ids, _ = characters.encode(TEXT)
    starts = characters.window_starts(len(ids), WINDOW, 3)
    source = characters.batches(ids, starts, WINDOW, 32, seed=5)
    expected = [(ids[one : one + WINDOW].tobytes(), int(ids[one + WINDOW])) for one in starts]
    first = one_epoch(source)
    source.begin(1)
    second = one_epoch(source)
    assert sorted(first) == sorted(second) == sorted(expected)
    assert first != second
    part = characters.batches(ids, starts, WINDOW, 32, seed=5, first=50)
    assert one_epoch(part) == first[:50]
    assert part.windows == 50
    assert one_epoch(characters.batches(ids, starts, WINDOW, 32, seed=None)) == expected


def fresh_copy(network):
    import keras

    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    copy.compile(loss="sparse_categorical_crossentropy", optimizer=keras.optimizers.SGD(0.1))
    return copy


def test_fit_learns_each_epoch_in_its_order_also_when_it_goes_on_later(network) -> None:
    ids, _ = characters.encode(TEXT)
    starts = characters.window_starts(len(ids), WINDOW, 3)
    whole, in_parts, by_hand = (fresh_copy(network) for _ in range(3))
    for model, parts in ((whole, [(0, 2)]), (in_parts, [(0, 1), (1, 2)])):
        source = characters.batches(ids, starts, WINDOW, 32, seed=5)
        for begin, end in parts:
            model.fit(source, initial_epoch=begin, epochs=end, shuffle=False, verbose=0,
                      callbacks=[source.follow()])  # fmt: skip
    for epoch in range(2):
        order = starts[np.random.default_rng([5, epoch]).permutation(len(starts))]
        for place in range(0, len(order), 32):
            begin = order[place : place + 32]
            x = np.stack([ids[one : one + WINDOW] for one in begin])
            by_hand.train_on_batch(x, ids[begin + WINDOW])
    for one, two, three in zip(*(model.get_weights() for model in (whole, in_parts, by_hand))):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_allclose(one, three, atol=1e-6)


def naive(model, start: np.ndarray, diversity: float, uniforms: np.ndarray) -> list[int]:
    """The tutorial's loop: one prediction per character, the printed formula, one draw."""
    window, written = start.astype(np.int32), []
    for draw in uniforms:
        probabilities = model.predict_on_batch(window[np.newaxis])[0].astype(np.float64)
        weights = np.exp(np.log(probabilities) / diversity)
        total = np.cumsum(weights / weights.sum())
        written.append(int(np.searchsorted(total, draw * total[-1], side="right")))
        window = np.append(window[1:], written[-1])
    return written


@pytest.mark.parametrize("reshape", [characters.tempered, characters.tempered_as_printed])
def test_the_same_draws_write_what_the_loop_over_characters_writes(network, reshape) -> None:
    ids, _ = characters.encode(TEXT)
    starts = characters.windows(ids, WINDOW)[[0, 9, 20]]
    diversities = np.array([0.2, 1.0, 1.2])
    uniforms = np.random.default_rng(8).random((3, 40))
    ours = characters.Generator(network, 40, reshape)(starts, diversities, uniforms)
    assert ours.shape == (3, 40)
    assert ours.dtype == starts.dtype
    for row, start, diversity, draws in zip(ours, starts, diversities, uniforms):
        assert row.tolist() == naive(network, start, diversity, draws)
    assert len(np.unique(ours)) > 3  # a text of one symbol would agree with anything


def test_symbols_come_as_often_as_the_network_says(network) -> None:
    """Chi-squared over 4,000 first symbols, at 1 in 10,000."""
    from scipy import stats

    ids, _ = characters.encode(TEXT)
    start, diversity, draws = ids[:WINDOW], 1.2, 4000
    written = characters.Generator(network, 1)(
        np.tile(start, (draws, 1)),
        np.full(draws, diversity),
        np.random.default_rng(4).random((draws, 1)),
    )
    probabilities = network.predict_on_batch(start[np.newaxis].astype(np.int32))[0]
    expected = probabilities.astype(np.float64) ** (1 / diversity)
    expected *= draws / expected.sum()
    counts = np.bincount(written[:, 0], minlength=len(expected))
    assert (expected >= 5).sum() > 5
    assert stats.chisquare(counts, expected).pvalue > 1e-4
    # The test can fail: at another diversity the counts do not fit.
    other = probabilities.astype(np.float64) ** (1 / 0.6)
    other *= draws / other.sum()
    assert stats.chisquare(counts, other).pvalue < 1e-4


def test_tempering_knows_no_logarithm_of_zero() -> None:
    probabilities = np.array([[0.5, 0.5, 0.0], [0.9, 0.1, 0.0], [0.2, 0.3, 0.5]])
    diversity = np.array([[0.5], [0.001], [1.0]])
    given = np.asarray(characters.tempered(probabilities, diversity))
    np.testing.assert_allclose(given, [[0.5, 0.5, 0], [1, 0, 0], [0.2, 0.3, 0.5]], atol=1e-12)
    # As printed, every power of the third row vanishes at a low diversity.
    low = np.full((3, 1), 0.0005)
    assert np.isnan(np.asarray(characters.tempered_as_printed(probabilities, low))[2]).all()
    assert np.asarray(characters.tempered(probabilities, low))[2].tolist() == [0, 0, 1]


def test_the_last_draw_below_one_finds_a_symbol_that_can_be(network) -> None:
    """Symbols of probability 0 at the alphabet's end are never drawn."""
    import keras

    class Fixed(keras.Model):
        def call(self, window, training=False):
            row = keras.ops.convert_to_tensor([[0.0, 0.3, 0.7, 0.0]])
            return keras.ops.tile(row, (keras.ops.shape(window)[0], 1))

    draws = np.array([[0.0], [0.2999], [np.nextafter(1.0, 0.0)]])
    written = characters.Generator(Fixed(), 1)(np.zeros((3, 2), np.uint8), np.ones(3), draws)
    assert written[:, 0].tolist() == [1, 1, 2]


@pytest.mark.parametrize(
    ("starts", "diversities", "uniforms"),
    [
        (np.zeros((2, 6)), [1.0], np.zeros((2, 4))),
        (np.zeros((2, 6)), [1.0, 1.0], np.zeros((2, 5))),
        (np.zeros(6), [1.0], np.zeros((1, 4))),
        (np.zeros((1, 6)), [0.0], np.zeros((1, 4))),
        (np.zeros((1, 6)), [1.0], np.ones((1, 4))),
    ],
)
def test_what_cannot_be_written_is_refused(network, starts, diversities, uniforms) -> None:
    with pytest.raises(KerasbookError, match="expected"):
        characters.Generator(network, 4)(starts, diversities, uniforms)


def test_a_length_below_one_is_refused(network) -> None:
    with pytest.raises(KerasbookError, match="length"):
        characters.Generator(network, 0)
