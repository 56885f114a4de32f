"""The figures of chapter 4.9."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.transforms import Bbox

from chapters.ch09_unsupervised import figures
from kerasbook import plots, steps
from kerasbook.figures import absent, compared
from kerasbook.html import format_count
from kerasbook.reporting import ChapterFigure, Results, write_report

AUTOENCODERS = ("autoencoder", "autoencoder_adam")
SENTENCES = ("sentence_cnn_rand", "sentence_cnn_static", "sentence_cnn_nonstatic")
WAYS = {"scratch": "from scratch", "frozen": "encoder, frozen", "tuned": "encoder, tuned"}


def first_predictions(results: Results, name: str) -> dict[str, np.ndarray]:
    """What the first seed of an experiment kept."""
    return results.predictions(name, results.seeds(name)[0])


def spread(results: Results, names: Sequence[str], metric: str) -> str:
    """The means of a metric, for the words that stand for a figure."""
    told = [(one, results.value(one, metric)["mean"]) for one in names]
    return "; ".join(f"{results.experiments[one]['title']} {mean:.4f}" for one, mean in told)


# ------------------------------------------------------------------- the autoencoder


def structure(results: Results) -> ChapterFigure:
    """A digit on its way through the autoencoder."""
    names = results.those_run(AUTOENCODERS)
    name, title = "structure", "Through the bottleneck and back"
    pictures = results.data_of("mnist")
    if not names or pictures is None:
        return absent(results, name, title)
    told = results.experiments[names[0]]
    seed = results.seeds(names[0])[0]
    kept = results.predictions(names[0], seed)
    picture = pictures["x_test"][0] / 255
    pixels, n = picture.size, told["settings"]["codes"]
    weights = results.record(names[0], seed)["parameters"]
    digit = int(pictures["y_test"][0])
    return ChapterFigure(
        name,
        title,
        f"The first test picture (digit {digit}), its {n:,} codes, the larger the darker, and the "
        f"picture that is drawn from them; by '{told['title']}', seed {seed}. The encoder is a "
        "layer of rectified linear units, the decoder one of sigmoid units. Together they have "
        f"{weights:,} weights and biases. No label is needed: the picture itself is the answer.",
        f"From left to right: a picture of the digit {digit}, {pixels:,} pixels; an encoder that "
        f"narrows; a column of {n:,} codes; a decoder that widens; and a picture of {pixels:,} "
        "pixels. Dashed arrows lead from the loss to both pictures.",
        figures.structure(picture, kept["codes"][0], kept["back"][0].reshape(picture.shape)),
    )


def autoencoder_curves(results: Results) -> ChapterFigure:
    """The losses by epoch, beside the printed ones."""
    names = results.those_run(AUTOENCODERS)
    name, title = "autoencoder_curves", "The autoencoder's loss by epoch"
    if not names:
        return absent(results, name, title)
    return ChapterFigure(
        name,
        title,
        "Binary cross-entropy (nats) per pixel by epoch, on the pictures that are learnt from and "
        "on the test pictures. A strong line is the mean over seeds, a thin line one seed; "
        "diamonds are what the tutorial printed"
        + ("." if results.edition == "book" else ", on its own data only."),
        f"Falling curves, ending at a test loss of {spread(results, names, 'test_loss')}.",
        plots.curves(
            {one: results.history(one)[1] for one in names},
            ["loss", "val_loss"],
            labels={**results.titles(names), "loss": "loss (nats)",
                    "val_loss": "test loss (nats)"},
            printed=results.printed_history(names),
        ),
    )  # fmt: skip


def reconstructions(results: Results) -> ChapterFigure:
    """Test digits, and what each autoencoder makes of them."""
    names = results.those_run(AUTOENCODERS)
    name, title = "reconstructions", "Ten digits, and what comes back"
    pictures = results.data_of("mnist")
    if not names or pictures is None:
        return absent(results, name, title)
    back = [first_predictions(results, one)["back"].astype(float) for one in names]
    n = len(back[0])
    rows = [pictures["x_test"][:n] / 255, *(one.reshape(n, 28, 28) for one in back)]
    told = ", ".join(f"by {one}" for one in results.titles(names).values())
    codes = results.experiments[names[0]]["settings"]["codes"]
    return ChapterFigure(
        name,
        title,
        f"The first {n} test pictures (top), and as they come out of {codes} numbers each "
        f"(first seed): {told}.",
        f"{len(rows)} rows of {n} digits: "
        + ", ".join(str(one) for one in pictures["y_test"][:n])
        + "; the lower rows are blurred copies of the first.",
        plots.image_grid(np.concatenate(rows), None, n, "gray_r", limits=(0, 1)),
    )


def samples(results: Results) -> ChapterFigure:
    """Pictures drawn as printed, and from the codes' own distribution."""
    names = results.those_run(("autoencoder", "autoencoder_samples"))
    name, title = "samples", "Pictures drawn from codes"
    if not names:
        return absent(results, name, title)
    drawn = [first_predictions(results, one)["samples"].astype(float) for one in names]
    told = [results.value(one, "sample_distance")["mean"] for one in names]
    true = results.value(names[0], "digit_distance")["mean"]
    ways = ("codes uniform between 0 and 1, as printed", "codes distributed as those of digits")
    distances = "; ".join(f"{way}: {one:.3f}" for way, one in zip(ways, told))
    return ChapterFigure(
        name,
        title,
        f"Ten pictures from each way of drawing codes, row by row: {'; '.join(ways[: len(names)])}"
        f". The root mean square difference to the nearest training picture is, on the average of "
        f"a larger draw, {distances}; of test digits {true:.3f}.",
        f"{len(names)} rows of grey shapes. Distance to the nearest training picture: {distances}.",
        plots.image_grid(
            np.concatenate([one.reshape(-1, 28, 28) for one in drawn]),
            None, len(drawn[0]), "gray_r", limits=(0, 1),
        ),
    )  # fmt: skip


@plots.styled
def draw_codes(quantiles: np.ndarray):
    """Quantiles (5, n_codes) of each code, in the order of their medians."""
    order = np.argsort(quantiles[2], kind="stable")
    low, quarter, median, three_quarters, high = quantiles[:, order]
    figure, (axes,) = plots.panels(1, 1, 2.4)
    place = np.arange(1, len(order) + 1)
    axes.axhspan(0, 1, color=plots.AMBER, alpha=0.35, linewidth=0, label="drawn from, as printed")
    axes.vlines(place, low, high, color=plots.BLUE, linewidth=1.0, label="5 % to 95 %")
    axes.vlines(place, quarter, three_quarters, color=plots.BLUE, linewidth=3.2,
                label="25 % to 75 %")  # fmt: skip
    axes.plot(place, median, linestyle="none", marker="o", markersize=3.5, color=plots.ORANGE,
              label="median")  # fmt: skip
    axes.set(xlabel="code, by its median", ylabel="value")
    axes.grid(axis="x", visible=False)
    plots.legend_above(figure, [axes])
    return figure


def codes(results: Results) -> ChapterFigure:
    """Where the codes of true digits lie."""
    name, title = "codes", "Where the codes of digits lie"
    if not results.has("autoencoder"):
        return absent(results, name, title)
    quantiles = first_predictions(results, "autoencoder")["code_quantiles"]
    median, largest = np.median(quantiles[2]), quantiles[4].max()
    dead = int((quantiles[4] == 0).sum())
    return ChapterFigure(
        name,
        title,
        f"The {quantiles.shape[1]} codes (no unit) of the training pictures, first seed. The "
        f"band is where the tutorial draws codes from; the median code has the median "
        f"{median:.1f}. {dead} of them are 0 for at least 95 of 100 pictures.",
        f"Vertical bars for each code, the median of medians at {median:.1f}, the highest 95 % "
        f"point at {largest:.1f}; the printed draws lie between 0 and 1.",
        draw_codes(quantiles),
    )


def few_labels(results: Results) -> ChapterFigure:
    """The exercise: what the encoder is worth where few digits have labels."""
    name, title = "few_labels", "A classifier with few labels"
    if not results.has("pretraining"):
        return absent(results, name, title)
    seeds = results.seeds("pretraining")
    kept = [results.predictions("pretraining", seed) for seed in seeds]
    rows = [
        (f"{count:,} labels, {label}", [one["accuracy"][row, column] for one in kept])
        for column, count in enumerate(kept[0]["counts"].tolist())
        for row, label in enumerate(WAYS.values())
    ]
    names = [label for label, _ in rows]
    every = [np.concatenate(values) for _, values in rows]
    means = [float(values.mean()) for values in every]
    return ChapterFigure(
        name,
        title,
        "Test accuracy of a classifier with one hidden layer that learns from a few labelled "
        "digits: from scratch, on an encoder that stays as the autoencoder left it, and on one "
        f"that learns on. A ring is one draw of the labelled digits, {len(every[0])} in each row "
        f"({format_count(len(seeds), 'seed')}).",
        "Test accuracy: " + "; ".join(f"{n} {one:.4f}" for n, one in zip(names, means)) + ".",
        plots.bar_with_error(
            names, means, [None] * len(means), label="test accuracy", percent=True,
            seeds=[values.tolist() for values in every],
        ),
    )  # fmt: skip


# ------------------------------------------------------------------- words and posts


@plots.styled
def draw_similarities(rows: Sequence[Mapping]):
    """A row per pair: draws of chance as ticks, our runs, and the printed value."""
    figure, (axes,) = plots.panels(1, 1, 0.8 + 0.42 * len(rows))
    place = np.arange(len(rows))
    for index, row in zip(place, rows):
        axes.plot(row["draws"], np.full(len(row["draws"]), index), linestyle="none", marker="|",
                  markersize=9, markeredgewidth=0.6, color=plots.SKY,
                  label="other untrained seeds")  # fmt: skip
    looks = (("untrained", plots.BLUE, "o"), ("trained", plots.GREEN, "s"),
             ("all posts", plots.PURPLE, "^"))  # fmt: skip
    for key, colour, marker in looks:
        pairs = [(value, index) for index, row in zip(place, rows) for value in row[key]]
        if pairs:
            axes.plot(*zip(*pairs), linestyle="none", marker=marker, markersize=5,
                      markerfacecolor="none", color=colour, label=key)  # fmt: skip
    pairs = [(row["printed"], index) for index, row in zip(place, rows) if row["printed"]]
    if pairs:
        axes.plot(*zip(*pairs), linestyle="none", marker="D", markersize=6,
                  markerfacecolor="none", markeredgewidth=1.4, color=plots.ORANGE,
                  label="printed")  # fmt: skip
    axes.axvline(0, color=plots.INK, linewidth=0.8)
    axes.set_yticks(place, [row["pair"] for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("cosine of the two words' vectors")
    plots.legend_above(figure, [axes])
    return figure


def similarities(results: Results) -> ChapterFigure:
    """The printed similarities beside those of chance, and of trained vectors."""
    name, title = "similarities", "Similarities of vectors that never learnt"
    if not results.has("word2vec"):
        return absent(results, name, title, "word2vec")
    kept = first_predictions(results, "word2vec")
    pairs = kept["drawn_names"].tolist()
    if not pairs:
        told = "None of the pairs of words stands in these texts."
        return ChapterFigure(name, title, told, told, plots.note(told))
    printed = {row.metric: float(row.printed) for row in results.ledger
               if results.edition == "book" and row.id.startswith("ch09.word2vec.")}  # fmt: skip

    def ours(experiment: str, metric: str) -> list[float]:
        return list(results.by_seed(experiment, metric).values()) if results.has(experiment) else []

    rows = [
        {
            "pair": metric.removeprefix("sim_").replace("_", ", "),
            "draws": kept["drawn"][index],
            "untrained": ours("word2vec", metric),
            "trained": ours("word2vec_trained", metric),
            "all posts": ours("word2vec_all_posts", metric),
            "printed": printed.get(metric),
        }
        for index, metric in enumerate(pairs)
    ]
    spread_of_draws = float(kept["drawn"].std())
    size = results.experiments["word2vec"]["settings"]["vector_size"]
    return ChapterFigure(
        name,
        title,
        f"Cosines of pairs of words. Each tick is an untrained model of another seed: their "
        f"standard deviation is {spread_of_draws:.3f}, that of random directions in {size} "
        f"dimensions 1/√{size} = {size**-0.5:.3f}. The other signs are our runs: untrained (as "
        "printed), trained on the same posts, trained on all posts.",
        "Cosines by pair, untrained and trained: "
        + "; ".join(
            f"{row['pair']}: {np.mean(row['untrained']):.2f}, {np.mean(row['trained']):.2f}"
            for row in rows
            if row["untrained"] and row["trained"]
        )
        + ".",
        draw_similarities(rows),
    )


@plots.styled
def draw_word_map(words: Sequence[str], points: np.ndarray):
    """Words at their places in the plane; where two would overlap, the later one makes room."""
    figure, (axes,) = plots.panels(1, 1, 4.4)
    axes.update_datalim(points)
    axes.autoscale_view()
    axes.margins(0.06)
    axes.grid(False)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    figure.draw_without_rendering()  # which settles where the axes lie
    taken: list[Bbox] = []
    for word, (x, y) in zip(words, points):
        label = axes.annotate(word, (x, y), xytext=(0, 0), textcoords="offset points",
                              fontsize=7, ha="center", va="center", color=plots.INK)  # fmt: skip
        for shift in (0, 4, -4, 8, -8, 11, -11, 0):
            label.set_position((0, shift))
            box = label.get_window_extent().padded(1, -1)
            if not box.count_overlaps(taken):
                break
        taken.append(box)
    return figure


def word_map(results: Results) -> ChapterFigure:
    """Common words of all posts in the plane."""
    name, title = "word_map", "Common words, laid out by their vectors"
    if not results.has("word2vec_all_posts"):
        return absent(results, name, title)
    kept = first_predictions(results, "word2vec_all_posts")
    words = kept["map_words"].tolist()
    if len(words) < 5:
        told = "These texts have too few common words for a map."
        return ChapterFigure(name, title, told, told, plots.note(told))
    return ChapterFigure(
        name,
        title,
        f"{len(words)} common words, the vectors of the model trained on all posts (first seed) "
        "brought into the plane by t-SNE: near words are used alike; directions and units mean "
        "nothing.",
        "A plane of words. Among them: " + ", ".join(words[:20]) + ".",
        draw_word_map(words, kept["map_points"]),
    )


def posts_map(results: Results) -> ChapterFigure:
    """Posts in the plane, by who wrote them."""
    name, title = "posts_map", "Posts, laid out by their vectors"
    if not results.has("doc2vec"):
        return absent(results, name, title)
    kept = first_predictions(results, "doc2vec")
    groups = results.data_of("blogs")["group_names"].tolist()
    first = kept["map_first_group"]
    return ChapterFigure(
        name,
        title,
        f"{len(first)} posts drawn at random (first seed), their Doc2Vec vectors brought into the "
        "plane by their first two principal components.",
        f"Scatter plot of {int(first.sum())} posts of {groups[0]} and {int((first == 0).sum())} of "
        f"{groups[1]}, which overlap.",
        plots.scatter_points(
            kept["map_points"], first, names={1: groups[0], 0: groups[1]},
            x_label="first component", y_label="second component",
        ),
    )  # fmt: skip


def posts(results: Results) -> ChapterFigure:
    """The classifier of posts with the printed labels and with true ones."""
    name, title = "posts", "Who wrote the post?"
    names = results.those_run(("doc2vec_printed_labels", "doc2vec"))
    if not names:
        return absent(results, name, title)
    rows = [
        (f"{label}: {seen}", one, metric)
        for one, label in zip(names, ("printed labels", "own labels"))
        for seen, metric in (
            ("as it appears", "apparent_accuracy"),
            ("in truth", "test_accuracy"),
        )
    ]
    told = [results.value(one, metric)["mean"] for _, one, metric in rows]
    majority = results.value(names[-1], "majority_accuracy")["mean"]
    return ChapterFigure(
        name,
        title,
        "Accuracy of a linear classifier of Doc2Vec vectors in cross-validation: judged by the "
        "labels that it was given (as it appears), and by who wrote each post (in truth). A ring "
        f"is a seed. The dashed line is the larger group's share, {majority:.4f}.",
        "Accuracy: " + "; ".join(f"{row[0]} {one:.4f}" for row, one in zip(rows, told)) + ".",
        plots.bar_with_error(
            [label for label, _, _ in rows], told, [None] * len(rows), baseline=majority,
            baseline_name="the larger group", label="accuracy", percent=True,
            seeds=[list(results.by_seed(one, metric).values()) for _, one, metric in rows],
        ),
    )  # fmt: skip


# ------------------------------------------------------------------- sentences


def sentence_curves(results: Results) -> ChapterFigure:
    """The sentence networks by epoch, beside the printed numbers."""
    names = results.those_run(SENTENCES)
    name, title = "sentence_curves", "Learning, and learning by heart"
    if not names:
        return absent(results, name, title)
    last = [results.history(one)[1]["val_accuracy"] for one in names]
    told = [
        f"{results.experiments[one]['title']}: validation accuracy at best "
        f"{values.mean(axis=0).max():.3f}, at the end {values[:, -1].mean():.3f}"
        for one, values in zip(names, last)
    ]
    return ChapterFigure(
        name,
        title,
        "The printed networks by epoch: accuracy and cross-entropy (nats), on the sentences that "
        "are learnt from (left) and on those that are not (right). A strong line is the mean over "
        "seeds, a thin line one seed; diamonds are what the tutorial printed"
        + ("." if results.edition == "book" else ", on its own data only."),
        ". ".join(told) + ".",
        plots.curves(
            {one: results.history(one)[1] for one in names},
            ["accuracy", "val_accuracy", "loss", "val_loss"],
            labels={**results.titles(names), "loss": "loss (nats)",
                    "val_loss": "validation loss (nats)"},
            printed=results.printed_history(names),
            percent=["accuracy", "val_accuracy"],
        ),
    )  # fmt: skip


def sentence_ladder(results: Results) -> ChapterFigure:
    """The accuracy of every model of sentences on the same rows."""
    name, title = "sentence_ladder", "Every model of sentences"
    tasks = ("sentence_cnn", "tfidf")
    names = [one for one, told in results.experiments.items() if told["settings"]["task"] in tasks]
    if not names:
        return absent(results, name, title)
    majority = results.value(names[0], "majority_accuracy")["mean"]
    return compared(
        results,
        name,
        title,
        "Accuracy at the end of training on the sentences whose labels no model has learnt from, "
        f"the same for all. The dashed line is the commoner label, {majority:.4f}.",
        "test_accuracy",
        names,
        axis="accuracy",
        percent=True,
        baseline=("the commoner label", majority),
    )


def figures_of(results: Results) -> list[ChapterFigure]:
    """All figures, in the order of the page."""
    return [
        structure(results),
        autoencoder_curves(results),
        reconstructions(results),
        samples(results),
        codes(results),
        few_labels(results),
        similarities(results),
        word_map(results),
        posts_map(results),
        posts(results),
        sentence_curves(results),
        sentence_ladder(results),
    ]


def main(snakemake) -> None:
    """Write the chapter's page."""
    write_report(snakemake, figures_of)


if "snakemake" in globals():
    steps.run(main, snakemake)
