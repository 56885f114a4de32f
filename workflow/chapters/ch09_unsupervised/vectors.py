"""Word2Vec and Doc2Vec by gensim, and what their vectors say."""

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import numpy as np
from gensim.models import Doc2Vec, KeyedVectors, Word2Vec
from gensim.models.doc2vec import TaggedDocument

from kerasbook.errors import KerasbookError

# The tutorial's pairs (lines 2661 to 2680), and pairs for the bundled texts.
PAIRS = (("I", "My"), ("ring", "husband"), ("ring", "housewife"), ("women", "housewife"))
STAND_IN_PAIRS = (("row", "column"), ("array", "matrix"), ("mean", "median"), ("True", "False"))
# What the tables of nearest words ask for: the tutorial's words, and common ones.
QUERIES = ("husband", "women", "Monday", "good", "music", "read", "school")
STAND_IN_QUERIES = ("array", "column", "mean", "True", "string", "fit", "index")
COMMON_WORDS = 100
# The settings of the tutorial's helper that trains on the sentences: words to each side (line
# 2788); words of a higher share than this are left out now and then.
SENTENCE_WINDOW = 10
SENTENCE_SAMPLE = 1e-3


def word2vec(
    split: Sequence[Sequence[str]], settings: Mapping[str, Any], seed: int
) -> KeyedVectors:
    """Vectors of the words of some texts; with no epochs, as they were drawn (line 2646).

    Args:
        split: the words of each text.
        settings: vector_size, min_count, window, algorithm and epochs.

    Raises:
        KerasbookError: no word occurs often enough.
    """
    model = Word2Vec(
        vector_size=settings["vector_size"],
        min_count=settings["min_count"],
        window=settings["window"],
        sg=int(settings["algorithm"] == "skip_gram"),
        seed=seed,
        workers=1,  # with more, two runs of one seed differ
    )
    try:
        model.build_vocab(split)
    except RuntimeError as error:
        raise KerasbookError(f"texts: gensim found no vocabulary ({error}).") from error
    if not len(model.wv):
        raise KerasbookError(
            f"texts: found no word {settings['min_count']} times, expected some; lower min_count."
        )
    if settings["epochs"]:
        model.train(split, total_examples=model.corpus_count, epochs=settings["epochs"])
    return model.wv


def sentence_vectors(
    rows: np.ndarray, words: Sequence[str], dimension: int, epochs: int, seed: int
) -> np.ndarray:
    """Word vectors trained on the sentences themselves, each of length one.

    As the helper of the tutorial that is named in line 2762: continuous bag of words over the
    sentences, padding included.

    Args:
        rows: (n, length) word indices.
        words: the vocabulary.

    Returns:
        (n_words, dimension) float32.
    """
    names = np.array(words, dtype=object)
    model = Word2Vec(
        [row.tolist() for row in names[rows]],
        vector_size=dimension,
        min_count=1,
        window=SENTENCE_WINDOW,
        sample=SENTENCE_SAMPLE,
        epochs=epochs,
        seed=seed,
        workers=1,
    )
    places = [model.wv.key_to_index[word] for word in words]
    return model.wv.get_normed_vectors()[places].astype(np.float32)


def similarities(vectors: KeyedVectors) -> dict[str, float]:
    """The cosine of each pair that the vocabulary has: `sim_ring_husband`, and so on."""
    known = [
        pair
        for pair in (*PAIRS, *STAND_IN_PAIRS)
        if all(word in vectors.key_to_index for word in pair)
    ]
    return {f"sim_{a}_{b}": float(vectors.similarity(a, b)) for a, b in known}


def drawn_similarities(
    split: Sequence[Sequence[str]], settings: Mapping[str, Any], seed: int, draws: int
) -> dict[str, np.ndarray]:
    """Similarities of untrained models of other seeds: what chance gives. Pair -> (draws,)."""
    untrained = {**settings, "epochs": 0}
    # gensim takes seeds of 32 bits; drawn, they are others for each run.
    seeds = np.random.default_rng([seed, 1]).integers(2**32, size=draws).tolist()
    told = [similarities(word2vec(split, untrained, one)) for one in seeds]
    names = told[0] if told else {}
    return {name: np.array([one[name] for one in told]) for name in names}


def nearest_similarity(vectors: KeyedVectors) -> float:
    """How near the nearest other word is to a common word, the mean over the commonest ones."""
    unit = vectors.get_normed_vectors()
    cosines = unit[:COMMON_WORDS] @ unit.T
    cosines[np.arange(len(cosines)), np.arange(len(cosines))] = -1
    return float(cosines.max(axis=1).mean())


def nearest_words(vectors: KeyedVectors, most: int = 7) -> tuple[list[str], np.ndarray]:
    """For each query that the vocabulary has, its nearest words: names, and (n, most) words."""
    for asked in (QUERIES, STAND_IN_QUERIES, vectors.index_to_key[: len(QUERIES)]):
        known = [word for word in asked if word in vectors.key_to_index]
        if len(known) >= len(QUERIES) // 2:
            break
    most = min(most, len(vectors) - 1)
    rows = [[word for word, _ in vectors.most_similar(one, topn=most)] for one in known]
    return known, np.array(rows)


def pair_correlation(vectors: KeyedVectors) -> tuple[float, int]:
    """How far similarities follow people's judgement: WordSim-353 (Finkelstein et al. 2002).

    Returns:
        Spearman's rank correlation over the pairs whose words are both known (NaN for fewer
        than ten), and their number. Gensim carries the pairs.
    """
    from scipy.stats import spearmanr

    file = resources.files("gensim") / "test" / "test_data" / "wordsim353.tsv"
    lines = file.read_text(encoding="utf-8").splitlines()
    table = [line.split("\t") for line in lines if line and not line.startswith("#")]
    known = [row for row in table if row[0] in vectors and row[1] in vectors]
    if len(known) < 10:
        return float("nan"), len(known)
    ours = [float(vectors.similarity(a, b)) for a, b, _ in known]
    return float(spearmanr([float(row[2]) for row in known], ours).statistic), len(known)


def word_map(vectors: KeyedVectors, words: int, skip: int, seed: int) -> tuple[list[str], Any]:
    """Common words in the plane by t-SNE (van der Maaten and Hinton 2008), nearness by cosine.

    Args:
        words: how many.
        skip: as many of the very commonest, which stand beside every other, are left out.

    Returns:
        The words, and (n, 2) float32.
    """
    from sklearn.manifold import TSNE

    names = [word for word in vectors.index_to_key[skip:] if word.isalpha() and len(word) > 2]
    names = names[:words]
    unit = vectors.get_normed_vectors()[[vectors.key_to_index[name] for name in names]]
    if len(names) < 5:
        return names, np.zeros((len(names), 2), np.float32)
    perplexity = min(12.0, (len(names) - 1) / 3)
    plane = TSNE(2, perplexity=perplexity, init="pca", random_state=seed, n_jobs=1)
    return names, plane.fit_transform(unit).astype(np.float32)


def doc2vec(split: Sequence[Sequence[str]], settings: Mapping[str, Any], seed: int) -> np.ndarray:
    """A vector of each text: Doc2Vec's distributed bag of words (Le and Mikolov 2014).

    Returns:
        (n, vector_size) float32, each of length one.
    """
    tagged = [TaggedDocument(words, [number]) for number, words in enumerate(split)]
    model = Doc2Vec(
        vector_size=settings["vector_size"],
        min_count=settings["min_count"],
        window=settings["window"],
        dm=0,
        seed=seed,
        workers=1,
    )
    model.build_vocab(tagged)
    model.train(tagged, total_examples=model.corpus_count, epochs=settings["epochs"])
    return model.dv.get_normed_vectors().astype(np.float32)


def printed_labels(n_first: int, n_second: int) -> np.ndarray:
    """Labels as printed (lines 2693 to 2695): zeros for the second group's size, then ones.

    The posts stand the other way round, the first group in front.
    """
    return np.repeat(np.array([0, 1], np.uint8), [n_second, n_first])
