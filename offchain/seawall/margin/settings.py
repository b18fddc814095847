"""Settings of the margin model; the defaults are the calibrated start values."""

from dataclasses import dataclass

from seawall.errors import ConfigError

__all__ = ["AtomSettings", "LaneSettings", "ModelSettings", "SurfaceSettings"]


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
class SurfaceSettings:
    """Say what implied volatilities look like and how they move with the spot.

    The defaults were fitted to exchange data: smile and tenors to three months of Bitcoin and Ether chains (residuals
    of about half a point), moves with the spot to three years of an index of 30-day volatility, which was 1.00 times
    the model's own in the mean. Moves of forwards were seen in calm markets only: they are assumed larger.

    Attributes
    ----------
    premium
        Implied 30-day volatility over the volatility model's.
    relaxation_days
        Time in which the short variance has come half-way to the long one.
    reversion
        How far the longest maturities lie from today's level towards the long-run one, in logarithms.
    smile_correlation, smile_slope
        rho and eta of the smile; `eta (1 + |rho|) <= 2` excludes arbitrage.
    carry
        Forwards over the spot, annualised.
    fall_slope, size_slope, size_curvature
        a, b, c of the log-move of volatility with a spot log-return r: `-a r + b |r| + c r^2`, less its mean.
    residual, residual_correlation
        Standard deviation of the log-move that the spot does not explain, and its correlation over underlyings.
    residual_freedom
        Degrees of freedom of these residuals.
    maximum_move
        Limit on log-moves of volatility, up; down two thirds of it.
    basis_slope
        Log-move of a forward over the spot per log-return, 90 days ahead and more; in proportion before.
    basis_residual
        Standard deviation of the log-move of forwards that the spot does not explain.
    shocks
        Log-moves of all volatilities at a standing spot, each of `stress_probability`.
    """

    premium: float = 1.0
    relaxation_days: float = 5.0
    reversion: float = 0.5
    smile_correlation: float = -0.27
    smile_slope: float = 0.87
    carry: float = 0.0
    fall_slope: float = 0.385
    size_slope: float = 0.608
    size_curvature: float = 3.0
    residual: float = 0.0475
    residual_correlation: float = 0.8
    residual_freedom: float = 5.0
    maximum_move: float = 1.1
    basis_slope: float = 0.05
    basis_residual: float = 0.002
    shocks: tuple[float, ...] = (0.7, -0.5)

    def __post_init__(self) -> None:
        _require(0 < self.premium <= 3, f"premium = {self.premium}: use more than 0 and at most 3")
        _require(self.relaxation_days > 0, "relaxation_days must be positive")
        _require(0 <= self.reversion <= 1, f"reversion = {self.reversion}: must lie in [0, 1]")
        _require(abs(self.smile_correlation) < 1, "smile_correlation must lie strictly between -1 and 1")
        _require(
            0 < self.smile_slope * (1 + abs(self.smile_correlation)) <= 2,
            "smile_slope (1 + |smile_correlation|) must be positive and at most 2, or butterflies are free",
        )
        _require(abs(self.carry) <= 1, f"carry = {self.carry}: use at most 1 a year")
        _require(self.residual >= 0 and self.basis_residual >= 0, "residuals must not be negative")
        _require(0 <= self.residual_correlation <= 1, "residual_correlation must lie in [0, 1]")
        _require(self.residual_freedom > 2, "residual_freedom must exceed 2")
        _require(0 < self.maximum_move <= 3, f"maximum_move = {self.maximum_move}: must lie in (0, 3]")
        _require(all(abs(x) <= self.maximum_move for x in self.shocks), "a shock exceeds maximum_move")


@dataclass(frozen=True, slots=True, kw_only=True)
class AtomSettings:
    """Say how many certified hedges are posted and how they are chosen.

    Attributes
    ----------
    per_instrument
        At most this many times the instruments of a page.
    minimum_saving
        Least saving of an atom over its legs, as a fraction of them.
    selection_books
        Hedged changes on which candidates are tried, besides half as many random books, and live ones, the largest.
    largest_ratio
        Most lots of the smaller leg of a hedge of one underlying.
    neighbours
        How many strikes further the second strike of a spread may lie.
    design_structures
        At most this many structures, evenly spaced over their kinds, are design books of the lanes.
    """

    per_instrument: int = 10
    minimum_saving: float = 0.05
    selection_books: int = 48
    largest_ratio: int = 10
    neighbours: int = 3
    design_structures: int = 400

    def __post_init__(self) -> None:
        _require(self.per_instrument >= 0, "per_instrument must not be negative")
        _require(0 <= self.minimum_saving < 1, "minimum_saving must lie in [0, 1)")
        _require(self.selection_books >= 0, "selection_books must not be negative")
        _require(1 <= self.largest_ratio <= 1000, "largest_ratio must lie in 1 to 1,000")
        _require(self.neighbours >= 1, "neighbours must be at least 1")
        _require(self.design_structures >= 0, "design_structures must not be negative")


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
    surface
        Settings of implied volatilities and of how they move.
    atoms
        Settings of the certified hedges.
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
    surface: SurfaceSettings = SurfaceSettings()
    atoms: AtomSettings = AtomSettings()

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
