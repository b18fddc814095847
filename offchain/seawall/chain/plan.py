"""What to deploy: a frozen plan, its start values, and its YAML form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from seawall.errors import ConfigError

__all__ = [
    "KINDS",
    "AnchorPlan",
    "CollateralPlan",
    "DeploySettings",
    "FactorsPlan",
    "InstrumentPlan",
    "ProbePlan",
    "UnderlyingPlan",
    "load_plan",
]

KINDS = {"perpetual": 1, "future": 2, "call": 3, "put": 4}


class _Plan(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class ProbePlan(_Plan):
    """Bounds on an underlying's probe, parts per million; fields as in `IMarginOracle.ProbeBounds`."""

    floor_ppm: int = 30_000
    cap_ppm: int = 600_000
    rise_ppm_per_hour: int = 500_000
    fall_ppm_per_day: int = 30_000
    max_basis_ppm: int = 20_000
    funding_ppm_per_day: int = 10_000


class FactorsPlan(_Plan):
    """Factors of every page, basis points; fields as in `IMarginOracle.MarginFactors`.

    The gross floor of maintenance is the least that leaves an adversary's books of options at least 0.22 of their tail
    risk by lanes and floors alone (`make bench`); it exceeds 0.8 of it for about 2% of ordinary books.
    """

    maintenance_factor_bps: int = 8_000
    initial_net_floor_bps: int = 200
    initial_gross_floor_bps: int = 20
    maintenance_net_floor_bps: int = 100
    maintenance_gross_floor_bps: int = 7
    open_interest_divisor: int = 10
    open_interest_cap_percent: int = 100


class InstrumentPlan(_Plan):
    """An instrument; `shift` scales legs and lanes, so that the largest lane fits 16 bits of it."""

    kind: str
    shift: int = Field(default=0, ge=0, le=31)
    strike: int = Field(default=0, ge=0)
    expiry_hour: int = Field(default=0, ge=0)

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind not in KINDS:
            raise ValueError(f"kind {kind!r} is none of {', '.join(KINDS)}")
        return kind

    @model_validator(mode="after")
    def _whole(self) -> InstrumentPlan:
        if (self.kind in {"call", "put"}) != (self.strike > 0):
            raise ValueError(f"a {self.kind} with strike {self.strike}: options have one, nothing else has")
        if (self.kind != "perpetual") != (self.expiry_hour > 0):
            raise ValueError(
                f"a {self.kind} with expiry hour {self.expiry_hour}: all but perpetuals have one"
            )
        return self

    @property
    def kind_code(self) -> int:
        """Return the kind as in `PageLayout`."""
        return KINDS[self.kind]


class CollateralPlan(_Plan):
    """A token that is taken as collateral; one lot is the underlying's lot, a whole number of the token's units."""

    token: str
    shift: int = Field(default=3, ge=0, le=31)
    cap_lots: int = Field(default=0, ge=0, lt=2**40)


class UnderlyingPlan(_Plan):
    """An underlying with its page; the first instrument must be its perpetual, whose leg the oracle bounds."""

    symbol: str = Field(min_length=1, max_length=31)
    lot_size_wad: int = Field(gt=0)
    bounds: ProbePlan = ProbePlan()
    instruments: tuple[InstrumentPlan, ...] = (InstrumentPlan(kind="perpetual", shift=3),)
    collateral: tuple[CollateralPlan, ...] = ()  # listed behind the instruments
    aggregator: str | None = None  # a Chainlink feed as the anchor, instead of signers

    @model_validator(mode="after")
    def _probe_first(self) -> UnderlyingPlan:
        if not self.instruments or self.instruments[0].kind != "perpetual":
            raise ValueError(f"the first instrument of {self.symbol} must be its perpetual")
        return self


class AnchorPlan(_Plan):
    """The independent anchor of prices: signers who sign nothing else, unless underlyings name aggregators."""

    signers: tuple[str, ...] = ()
    quorum: int = Field(default=1, ge=1)
    max_age_s: int = Field(default=3_600, gt=0)


class DeploySettings(_Plan):
    """Everything a deployment needs to know.

    `token` None deploys a test token that anyone may mint. `governor` and `guardian` None mean the deployer. With a
    `governor_delay_s` the deployer gives up every right at the end.
    """

    signers: tuple[str, ...]
    quorum: int = Field(ge=1)
    price_signers: tuple[str, ...] = ()
    price_quorum: int = Field(default=0, ge=0)
    anchor: AnchorPlan = AnchorPlan()
    underlyings: tuple[UnderlyingPlan, ...] = Field(min_length=1)
    token: str | None = None
    tick: int = Field(default=1_000, gt=0)
    factors: FactorsPlan = FactorsPlan()
    governor: str | None = None
    guardian: str | None = None
    governor_delay_s: int = Field(default=0, ge=0)
    taker_fee_bps: int = Field(default=5, ge=0, le=100)
    maker_fee_bps: int = Field(default=0, ge=0, le=100)
    fund_share_bps: int = Field(default=5_000, ge=0, le=10_000)
    protocol_share_bps: int = Field(default=0, ge=0, le=10_000)
    debt_cap: int = Field(default=0, ge=0, lt=2**104)  # what an account may owe against collateral
    debt_rate_bps: int = Field(default=0, ge=0, le=10_000)  # what that costs a year
    protocol_account: str = "0x" + "00" * 32

    @model_validator(mode="after")
    def _consistent(self) -> DeploySettings:
        if not self.quorum <= len(self.signers) == len(set(self.signers)):
            raise ValueError(
                f"a quorum of {self.quorum} needs as many distinct signers, not {len(self.signers)}"
            )
        if len({underlying.aggregator is None for underlying in self.underlyings}) > 1:
            raise ValueError("either every underlying names an aggregator or none does")
        if not self.anchored_by_aggregators:
            if not self.anchor.quorum <= len(set(self.anchor.signers)):
                raise ValueError("the anchor needs signers of its own, or an aggregator an underlying")
            if shared := set(self.anchor.signers) & set(self.price_signers or self.signers):
                raise ValueError(
                    f"the anchor shares the signer {min(shared)} with the prices it has to check"
                )
        return self

    @property
    def anchored_by_aggregators(self) -> bool:
        """Say whether Chainlink feeds are the anchor, rather than signers."""
        return self.underlyings[0].aggregator is not None


def load_plan(path: Path) -> DeploySettings:
    """Read a plan.

    Raises
    ------
    ConfigError
        When it cannot be read, has an unknown key, or contradicts itself.
    """
    try:
        values: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}. Fix: correct --plan") from error
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ConfigError(f"{path.name} is not YAML. Fix: see docs/deployment.example.yaml") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path.name} holds no settings. Fix: see docs/deployment.example.yaml")
    try:
        return DeploySettings(**values)
    except ValidationError as error:
        problems = []
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"]) or "plan"
            known = "unknown key" if problem["type"] == "extra_forbidden" else str(problem["msg"])
            problems.append(f"{name}: {known.removeprefix('Value error, ')}")
        raise ConfigError(f"{path.name}: {'; '.join(problems)}. Fix: correct it") from None
