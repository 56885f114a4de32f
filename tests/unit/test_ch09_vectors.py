"""Word and text vectors, and what is asked of an autoencoder's codes."""

import numpy as np
import pytest

from chapters.ch09_unsupervised import autoencoding, evaluate, vectors
from kerasbook.errors import KerasbookError
from kerasbook.evaluation import SeedRun

WORD2VEC = {"vector_size": 200, "min_count": 1, "window": 5, "algorithm": "cbow", "epochs": 0}


@pytest.fixture(scope="module")
def split():
    """Two sorts of texts whose words never meet, and the tutorial's pairs in them."""
    generator = np.random.default_rng(1)
    left = ["I", "My", "ring", *(f"l{i}" for i in range(20))]
    right = ["husband", "housewife", "women", *(f"r{i}" for i in range(20))]
    return [generator.choice(left if number % 2 else right, 30).tolist() for number in range(200)]


def test_untrained_vectors_are_drawn_by_the_seed(split):
    one, again, other = (vectors.word2vec(split, WORD2VEC, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.vectors, again.vectors)
    assert not np.array_equal(one.vectors, other.vectors)
    assert set(vectors.similarities(one)) == {
        "sim_I_My", "sim_ring_husband", "sim_ring_housewife", "sim_women_housewife",
    }  # fmt: skip


def test_chance_spreads_as_random_directions_do(split):
    drawn = vectors.drawn_similarities(split, WORD2VEC, seed=3, draws=60)
    values = np.concatenate(list(drawn.values()))
    assert len(drawn) == 4
    assert abs(values.mean()) < 0.02
    assert values.std() == pytest.approx(200**-0.5, rel=0.15)
    assert vectors.drawn_similarities(split, WORD2VEC, 3, 0) == {}
    assert vectors.drawn_similarities(split, WORD2VEC, 2**31 - 1, 1)  # the largest seed there is


def test_training_tells_words_that_meet_from_those_that_do_not(split):
    trained = vectors.word2vec(split, {**WORD2VEC, "epochs": 20, "vector_size": 20}, seed=1)
    assert trained.similarity("I", "My") > trained.similarity("ring", "husband") + 0.3
    known, nearest = vectors.nearest_words(trained)
    assert nearest.shape[0] == len(known) > 0
    assert vectors.nearest_similarity(trained) > 0.5
    words, plane = vectors.word_map(trained, words=12, skip=0, seed=1)
    assert plane.shape == (len(words), 2)
    assert np.isfinite(plane).all()


def test_peoples_judgement_needs_ten_pairs(split):
    told, n = vectors.pair_correlation(vectors.word2vec(split, WORD2VEC, 1))
    assert n < 10
    assert np.isnan(told)
    known = (
        "tiger cat book paper computer keyboard train car king cabbage queen bishop football "
        "soccer tennis student law professor movie star stock market phone planet sun money cash "
        "bread butter plane drug abuse cucumber potato"
    )
    told, n = vectors.pair_correlation(vectors.word2vec([known.split()], WORD2VEC, 1))
    assert n >= 10
    assert -1 <= told <= 1


def test_a_count_that_no_word_reaches_is_named(split):
    with pytest.raises(KerasbookError, match="texts:"):
        vectors.word2vec(split, {**WORD2VEC, "min_count": 9_999}, 1)


def test_vectors_of_sentences_stand_in_the_order_of_the_vocabulary():
    rows = np.random.default_rng(0).integers(0, 9, (60, 7))
    rows[0] = [0, 1, 2, 3, 4, 5, 6]
    rows[1, :2] = [7, 8]
    words = [f"w{i}" for i in range(9)]
    told = vectors.sentence_vectors(rows, words, 12, epochs=5, seed=1)
    assert told.shape == (9, 12)
    np.testing.assert_allclose(np.linalg.norm(told, axis=1), 1, rtol=1e-5)
    turned = vectors.sentence_vectors(8 - rows, words[::-1], 12, epochs=5, seed=1)
    np.testing.assert_allclose(turned[::-1], told, atol=1e-6)


def test_doc_vectors_tell_two_sorts_of_texts_apart(split):
    told = vectors.doc2vec(
        split, {"vector_size": 10, "min_count": 1, "window": 5, "epochs": 20}, seed=1
    )
    assert told.shape == (200, 10)
    centres = told[::2].mean(axis=0), told[1::2].mean(axis=0)
    nearer = (told @ centres[1] > told @ centres[0]).astype(int)
    assert (nearer == np.arange(200) % 2).mean() > 0.95


def test_the_printed_labels_are_wrong_for_all_but_the_overlap():
    # 2,247 women's posts, then 2,595 men's: the first 2,247 get a 0, as do 348 of the men's.
    own = np.repeat([1, 0], [2247, 2595])
    printed = vectors.printed_labels(2247, 2595)
    assert len(printed) == 4842
    assert (printed == own).sum() == 2595 - 2247


# ------------------------------------------------------------------- codes


def test_codes_are_drawn_where_codes_lie():
    generator = np.random.default_rng(5)
    base = np.abs(generator.normal(8, 2, 5000))
    codes = np.column_stack([base, 2 * base, np.zeros(5000)]).astype(np.float32)
    drawn = autoencoding.drawn_codes("codes", codes, 4000, seed=1)
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn.mean(axis=0), codes.mean(axis=0), atol=0.3)
    assert np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1] > 0.99
    assert (drawn >= 0).all()
    uniform = autoencoding.drawn_codes("uniform", codes, 4000, seed=1)
    assert uniform.shape == (4000, 3)
    assert 0 <= uniform.min() < 0.01 < 0.99 < uniform.max() < 1


def test_distance_to_the_nearest():
    others = np.eye(4, dtype=np.float32)
    assert autoencoding.distance_to_nearest(others[:2], others) == pytest.approx(0, abs=1e-6)
    far = np.array([[1, 1, 0, 0]], np.float32)
    assert autoencoding.distance_to_nearest(far, others) == pytest.approx(0.5)


def test_cross_entropy_by_hand():
    targets, given = np.array([[1.0, 0.0]]), np.array([[0.8, 0.4]])
    assert autoencoding.cross_entropy(targets, given) == pytest.approx(
        -(np.log(0.8) + np.log(0.6)) / 2
    )
    assert np.isfinite(autoencoding.cross_entropy(targets, 1 - targets))


def test_labelled_rows_are_balanced_and_drawn_once():
    labels = np.repeat(np.arange(10), [9, 30, 30, 30, 30, 30, 30, 30, 30, 30])
    generator = np.random.default_rng(0)
    rows = autoencoding.labelled_rows(labels, 50, generator)
    assert len(set(rows.tolist())) == 50
    np.testing.assert_array_equal(np.bincount(labels[rows]), np.full(10, 5))
    # There are no more than nine zeros: the others fill up.
    more = np.bincount(labels[autoencoding.labelled_rows(labels, 150, generator)])
    assert more[0] == 9
    assert more.sum() == 150
    assert more[1:].max() - more[1:].min() <= 1


def test_batches_pass_over_all_rows():
    order = autoencoding.batches(10, 25, np.random.default_rng(1))
    assert len(order) == 25
    np.testing.assert_array_equal(np.sort(order[:10]), np.arange(10))
    np.testing.assert_array_equal(np.sort(order[10:20]), np.arange(10))


# ------------------------------------------------------------------- metrics


def run_of(task, predictions, data=None, history=None, epochs=()):
    return SeedRun(1, {}, np.array(epochs), history or {}, predictions, data or {}, {"task": task})


def test_metrics_of_posts_tell_appearance_from_truth():
    own = np.array([1, 1, 1, 0, 0, 0])
    given = 1 - own
    predictions = {"probabilities": given * 0.8 + 0.1, "given": given}
    told = evaluate.metrics_of(run_of("doc_vectors", predictions, {"first_group": own}))
    assert told["apparent_accuracy"] == 1
    assert told["test_accuracy"] == 0
    assert told["wrong_labels"] == 1
    assert told["majority_accuracy"] == 0.5


def test_metrics_of_sentences():
    epochs = np.arange(1, 10)
    loss = np.array([0.6, 0.5, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9])
    history = {"val_loss": loss, "val_accuracy": 1 - loss / 2, "accuracy": 1 - loss / 9}
    data = {"y": np.array([1, 0, 1, 0, 1]), "first_validation_row": np.array(1)}
    predictions = {"probabilities": np.array([0.2, 0.9, 0.6, 0.7]), "n_known_words": np.array(3)}
    told = evaluate.metrics_of(run_of("sentence_cnn", predictions, data, history, epochs))
    assert told["test_accuracy"] == 0.75
    assert told["best_epoch"] == 3
    assert told["lowest_val_loss"] == 0.4
    assert told["last_val_loss"] == 0.9
    assert told["val_accuracy_stated@7-8"] == pytest.approx(1 - 0.375)
    short = {key: one[:7] for key, one in history.items()}
    told = evaluate.metrics_of(run_of("sentence_cnn", predictions, data, short, epochs[:7]))
    assert "val_accuracy_stated@7-8" not in told


def test_metrics_of_words_leave_out_what_was_not_measured():
    told = evaluate.metrics_of(
        run_of(
            "word_vectors",
            {
                "metric_names": np.array(["sim_a_b", "pair_correlation"]),
                "metric_values": np.array([0.5, np.nan]),
                "drawn_names": np.array(["sim_a_b"]),
                "drawn": np.array([[0.1, -0.1]]),
                "queries": np.array(["a"]),
                "nearest": np.array([["b", "c"]]),
            },
        )
    )
    assert told["sim_a_b"] == 0.5
    assert "pair_correlation" not in told
    assert told["sim_a_b_sd_of_draws"] == pytest.approx(0.1 * 2**0.5)
    assert told["nearest_words"] == "a: b, c"
