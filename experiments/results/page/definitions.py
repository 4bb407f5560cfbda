"""What the words and figures of a page mean."""

from __future__ import annotations

DEFINITIONS = (
    (
        "setting",
        "All params of a run but the seed, and but those that only say where and how fast it ran: tracking, device, "
        "threads, cache and place of the images, how often checkpoints are written.",
    ),
    (
        "n",
        "How many seeds. A seed that ran twice counts once, as the mean of its runs.",
    ),
    (
        "validation",
        "Accuracy on training images that were held out, after the epoch whose weights were kept: the last one, or the "
        "best with training.restore_best_weights. The best of many epochs, and the best of many settings, looks a "
        "little better than it is.",
    ),
    (
        "test",
        "Accuracy on the test images, measured once, at the end of a run. It never ranks and never chooses.",
    ),
    (
        "looks at test",
        "How often the test images were looked at by these runs, together. More than one for each run means that "
        "somebody looked and went on.",
    ),
    (
        "\N{PLUS-MINUS SIGN}",
        "Sample deviation over seeds (divided by n - 1). The small figures are the 95 % interval of the mean, by "
        "Student's t (Student 1908); one seed has none.",
    ),
    (
        "=N",
        "Not told apart, at 5 %, from the first setting with that N: by Student's t of the differences seed by seed "
        "where 3 or more seeds are common, else by Welch's t (Welch 1947), else, with one seed on one side, by "
        "Student's t with the other side's deviation, and with one seed on both by the z of two shares of the "
        "validation images, which leaves the luck of the seed out. Nothing is corrected for the number of settings.",
    ),
    (
        "time",
        "Seconds of training, the mean over runs, without loading and recording. Machines and their load differ.",
    ),
    (
        "recognised, right when said",
        "Recall and precision of a class on the test images.",
    ),
)
