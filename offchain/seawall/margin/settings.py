"""Settings of the margin model; the defaults are the calibrated start values."""

from dataclasses import dataclass, field

from seawall.errors import ConfigError
from seawall.margin.breaks import BreakSettings
from seawall.margin.surface_settings import SurfaceSettings
from seawall.margin.tails import TailSettings

__all__ = ["AtomSettings", "BreakSettings", "LaneSettings", "ModelSettings", "SurfaceSettings"]


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
        How many of them start at the tail measures of books an adversary would hold, at least 8.
    adversary_starts
        Books, the worst covered first, from which the adversary searches at once.
    iterations
        Frank-Wolfe steps.
    greedy_sharpness
        Exponent of the soft minimum over books in the choice of where lanes start; larger looks at worse books.
    sharpness_start, sharpness_end
        The same from the first step to the last.
    design_sharpness
        The same at the last step for design books: of those the worst may be hopeless, and count less.
    polish_programs
        Linear programs at the end, at most and no more than steps, for the books that press hardest.
    reseed_every
        Steps between attempts to move the least useful lanes to the worst covered books.
    design_level
        A design book covered so well presses as a live one covered as well as lanes could cover 99% of live books if
        there were no others: what trades the one kind off against the other. Larger is more for design books.
    random_design_books
        Design books drawn at random, besides the enumerated ones.
    minimum_book_es
        Live books with a smaller expected shortfall, in settlement units, are left out: dust steals no lanes.
    dust_share
        The smallest live books that together have this share of all live books' expected shortfall are left out too.
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
    iterations: int = 200
    greedy_sharpness: float = 25.0
    sharpness_start: float = 5.0
    sharpness_end: float = 130.0
    design_sharpness: float = 20.0
    polish_programs: int = 80
    reseed_every: int = 4
    design_level: float = 0.55
    random_design_books: int = 256
    minimum_book_es: float = 1.0
    dust_share: float = 0.002
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
        _require(
            self.sharpness_start <= self.design_sharpness <= self.sharpness_end,
            "design_sharpness must lie between sharpness_start and sharpness_end",
        )
        _require(self.polish_programs >= 0, "polish_programs must not be negative")
        _require(0 < self.greedy_sharpness <= 300, "greedy_sharpness must lie in (0, 300]")
        _require(0 <= self.dust_share < 1, f"dust_share = {self.dust_share}: must lie in [0, 1)")
        _require(self.reseed_every >= 1, f"reseed_every = {self.reseed_every}: use at least 1")
        _require(0 <= self.design_level <= 1, f"design_level = {self.design_level}: must lie in [0, 1]")
        _require(self.random_design_books >= 0, "random_design_books must not be negative")
        _require(self.minimum_book_es > 0, "minimum_book_es must be positive")
        _require(self.maximum_gross_over_es > 1, "maximum_gross_over_es must exceed 1")
        _require(self.candidate_books >= self.lanes, "candidate_books must be at least lanes")


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
    tried_books, entering_rounds
        Of a selection from the whole library: books tried in a round; how often each is looked for better hedges first.
    exchange_rounds, exchanged
        Rounds of exchanging hedges, each for other books, until a size is reached; the part of it exchanged at once.
    remembered
        What part of a hedge's worth to the books of former rounds still counts.
    """

    per_instrument: int = 10
    minimum_saving: float = 0.05
    selection_books: int = 48
    largest_ratio: int = 10
    neighbours: int = 3
    design_structures: int = 400
    tried_books: int = 1_200
    entering_rounds: int = 5
    exchange_rounds: int = 5
    exchanged: float = 0.5
    remembered: float = 0.5

    def __post_init__(self) -> None:
        _require(self.per_instrument >= 0, "per_instrument must not be negative")
        _require(0 <= self.minimum_saving < 1, "minimum_saving must lie in [0, 1)")
        _require(self.selection_books >= 0, "selection_books must not be negative")
        _require(1 <= self.largest_ratio <= 1000, "largest_ratio must lie in 1 to 1,000")
        _require(self.neighbours >= 1, "neighbours must be at least 1")
        _require(self.design_structures >= 0, "design_structures must not be negative")
        _require(self.entering_rounds >= 1, f"entering_rounds = {self.entering_rounds}: use at least 1")
        _require(self.tried_books >= 1, f"tried_books = {self.tried_books}: use at least 1")
        _require(self.exchange_rounds >= 0, "exchange_rounds must not be negative")
        _require(0 < self.exchanged <= 1, f"exchanged = {self.exchanged}: must lie in (0, 1]")
        _require(0 <= self.remembered < 1, f"remembered = {self.remembered}: must lie in [0, 1)")


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
    fast_weights, slow_weights, long_run_weight, implied_weight
        Shares of the mixture, relative to their sum; what is not known (an implied volatility) leaves the sum.
    side_share
        How much a fast volatility by which falls are rescaled looks at falls alone, and that of rises at rises.
    move_power, move_scale
        A volatility is `move_scale (mean |r|^move_power)^(1 / move_power)`.
    fast_cap
        Cap on a fast volatility as a multiple of the long-run one.
    long_run_floor
        Floor of the mixture as a multiple of the long-run volatility.
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
    tails
        Settings of tail normalisation.
    dependence_share
        Synthetic dependence rows, half comonotone and half block-shuffled, per historical row.
    shuffle_block_rows
        Consecutive rows a block-shuffled series keeps together.
    stress_probability
        Probability of each stress row; at 0 there is none.
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
    breaks
        Settings of the detector of structural breaks.
    """

    horizon_h: float = 24.0
    alpha: float = 0.99
    fast_half_lives_h: tuple[float, ...] = (24.0,)
    slow_half_lives_h: tuple[float, ...] = (480.0,)
    fast_weights: tuple[float, ...] = (0.5,)
    slow_weights: tuple[float, ...] = (0.4,)
    long_run_weight: float = 0.1
    implied_weight: float = 0.5
    side_share: float = 0.7
    move_power: float = 1.0
    move_scale: float = 1.55
    fast_cap: float = 1.75
    long_run_floor: float = 0.65
    fall_per_day: float = 0.15
    warmup_days: float = 14.0
    step_h: float = 4.0
    window_days: float = 1461.0
    minimum_history_days: float = 60.0
    rescale_min: float = 0.33
    rescale_max: float = 3.0
    tails: TailSettings = field(default_factory=TailSettings)
    dependence_share: float = 0.1
    shuffle_block_rows: int = 6
    stress_probability: float = 7e-5
    seed: int = 0
    probe_books: int = 256
    lanes: LaneSettings = LaneSettings()
    surface: SurfaceSettings = field(default_factory=SurfaceSettings)
    atoms: AtomSettings = AtomSettings()
    breaks: BreakSettings = field(default_factory=BreakSettings)

    def __post_init__(self) -> None:
        _require(self.horizon_h > 0, f"horizon_h = {self.horizon_h}: must be positive")
        _require(0 < self.alpha < 1, f"alpha = {self.alpha}: must lie strictly between 0 and 1")
        _require(
            all(h > 0 for h in (*self.fast_half_lives_h, *self.slow_half_lives_h)),
            "a half-life is not positive",
        )
        _require(
            len(self.fast_weights) == len(self.fast_half_lives_h)
            and len(self.slow_weights) == len(self.slow_half_lives_h),
            "fast_weights and slow_weights need one weight for every half-life",
        )
        _require(
            min(*self.fast_weights, *self.slow_weights, self.implied_weight, 0.0) >= 0,
            "a weight of the volatility mixture is negative",
        )
        _require(self.long_run_weight > 0, f"long_run_weight = {self.long_run_weight}: must be positive")
        _require(
            not self.breaks.enabled or sum(self.fast_weights) > 0,
            "breaks let only fast volatilities count after an alarm: give them a weight",
        )
        _require(0 <= self.side_share <= 1, f"side_share = {self.side_share}: must lie in [0, 1]")
        _require(1 <= self.move_power <= 2, f"move_power = {self.move_power}: must lie in [1, 2]")
        _require(self.move_scale > 0, f"move_scale = {self.move_scale}: must be positive")
        _require(0 <= self.long_run_floor <= 1, f"long_run_floor = {self.long_run_floor}: must lie in [0, 1]")
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
