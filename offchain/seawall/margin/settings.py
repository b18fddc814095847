"""Settings of the margin model; the defaults are the calibrated start values."""

from dataclasses import dataclass

from seawall.errors import ConfigError

__all__ = ["LaneSettings", "ModelSettings"]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneSettings:
    """Say how many lanes there are and how hard to search for them.

    Attributes
    ----------
    lanes
        Number K of test measures, a positive multiple of 16.
    adversarial_lanes
        How many of them are tail measures of books an adversary would hold, at least 8.
    adversary_starts
        Books, the worst covered first, from which the adversary searches for each of them.
    iterations
        Frank-Wolfe steps on the others.
    sharpness_start, sharpness_end
        Exponent of the soft minimum over books, from the first step to the last; larger looks at worse books.
    reseed_every
        Steps between attempts to move the least useful lanes to the worst covered books.
    design_share
        Weight of all design books together relative to all live books together.
    random_design_books
        Design books drawn at random, besides the enumerated ones.
    minimum_book_es
        Live books with a smaller expected shortfall, in settlement units, are left out: dust steals no lanes.
    maximum_gross_over_es
        Books whose legs add up to more than this multiple of their expected shortfall are left out, and an
        adversary may not hold them: floors cover those, not lanes.
    candidate_books
        At most this many books are candidates for the first greedy choice: half live, the heaviest; half design,
        evenly spaced over their kinds.
    """

    lanes: int = 64
    adversarial_lanes: int = 8
    adversary_starts: int = 4
    iterations: int = 40
    sharpness_start: float = 25.0
    sharpness_end: float = 60.0
    reseed_every: int = 4
    design_share: float = 0.25
    random_design_books: int = 256
    minimum_book_es: float = 1.0
    maximum_gross_over_es: float = 50.0
    candidate_books: int = 1024

    def __post_init__(self) -> None:
        _require(
            self.lanes > 0 and self.lanes % 16 == 0, f"lanes = {self.lanes}: use a positive multiple of 16"
        )
        _require(
            8 <= self.adversarial_lanes < self.lanes,
            f"adversarial_lanes = {self.adversarial_lanes}: use at least 8 and fewer than lanes",
        )
        _require(self.adversary_starts >= 1, f"adversary_starts = {self.adversary_starts}: use at least 1")
        _require(self.iterations >= 0, f"iterations = {self.iterations}: must not be negative")
        _require(
            0 < self.sharpness_start <= self.sharpness_end <= 300,
            "need 0 < start <= end <= 300 for sharpness",
        )
        _require(self.reseed_every >= 1, f"reseed_every = {self.reseed_every}: use at least 1")
        _require(self.design_share > 0, f"design_share = {self.design_share}: must be positive")
        _require(self.random_design_books >= 0, "random_design_books must not be negative")
        _require(self.minimum_book_es > 0, "minimum_book_es must be positive")
        _require(self.maximum_gross_over_es > 1, "maximum_gross_over_es must exceed 1")
        _require(self.candidate_books >= self.lanes, "candidate_books must be at least lanes")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """Hold everything the model is told besides market data and books.

    Attributes
    ----------
    horizon_h
        Margin period of risk.
    alpha
        Level of the expected shortfall.
    fast_half_lives_h, slow_half_lives_h
        Half-lives of the volatility mixture; the fast ones are capped.
    fast_cap
        Cap on a fast volatility as a multiple of the long-run one.
    fall_per_day
        Largest fall of a volatility in a day, as a fraction of itself.
    warmup_days
        Bars before this age of the series yield no volatility.
    step_h
        Distance between the starts of overlapping historical moves.
    window_days
        How far back historical moves reach.
    minimum_history_days
        Shortest series of closes that is accepted.
    rescale_min, rescale_max
        Limits on today's volatility over a past move's own.
    dependence_share
        Synthetic dependence rows, half comonotone and half block-shuffled, per historical row.
    shuffle_block_rows
        Consecutive rows a block-shuffled series keeps together.
    stress_probability
        Probability of each stress row.
    seed
        Seed of the block shuffle, the random design books and the probe books.
    probe_books
        Random books, unseen by the choice of lanes, on which coverage is reported.
    lanes
        Settings of the lanes.
    """

    horizon_h: float = 24.0
    alpha: float = 0.99
    fast_half_lives_h: tuple[float, ...] = (12.0, 72.0)
    slow_half_lives_h: tuple[float, ...] = (720.0,)
    fast_cap: float = 2.5
    fall_per_day: float = 0.03
    warmup_days: float = 14.0
    step_h: float = 4.0
    window_days: float = 1461.0
    minimum_history_days: float = 60.0
    rescale_min: float = 0.5
    rescale_max: float = 2.5
    dependence_share: float = 0.1
    shuffle_block_rows: int = 6
    stress_probability: float = 1e-4
    seed: int = 0
    probe_books: int = 256
    lanes: LaneSettings = LaneSettings()

    def __post_init__(self) -> None:
        _require(self.horizon_h > 0, f"horizon_h = {self.horizon_h}: must be positive")
        _require(0 < self.alpha < 1, f"alpha = {self.alpha}: must lie strictly between 0 and 1")
        _require(
            all(h > 0 for h in (*self.fast_half_lives_h, *self.slow_half_lives_h)),
            "a half-life is not positive",
        )
        _require(self.fast_cap > 0, f"fast_cap = {self.fast_cap}: must be positive")
        _require(0 <= self.fall_per_day < 1, f"fall_per_day = {self.fall_per_day}: must lie in [0, 1)")
        _require(self.step_h > 0, f"step_h = {self.step_h}: must be positive")
        _require(
            0 < self.warmup_days < self.minimum_history_days <= self.window_days,
            "need 0 < warmup_days < minimum_history_days <= window_days",
        )
        _require(0 < self.rescale_min <= 1 <= self.rescale_max, "need 0 < rescale_min <= 1 <= rescale_max")
        _require(0 <= self.dependence_share <= 1, "dependence_share must lie in [0, 1]")
        _require(self.shuffle_block_rows >= 1, "shuffle_block_rows must be at least 1")
        _require(
            0 <= self.stress_probability < 0.01,
            "stress_probability must lie in [0, 0.01)",
        )
        _require(self.seed >= 0, "seed must not be negative")
        _require(self.probe_books >= 1, "probe_books must be at least 1")

    def bars(self, hours: float, *, bar_h: float) -> int:
        """Return how many bars of `bar_h` hours make `hours`.

        Raises
        ------
        ConfigError
            If that is not a whole positive number.
        """
        count = round(hours / bar_h) if bar_h > 0 else 0
        _require(
            count >= 1 and abs(count * bar_h - hours) < 1e-9 * hours,
            f"{hours} h is not a whole number of bars of {bar_h} h: change bar_h, horizon_h or step_h",
        )
        return count
