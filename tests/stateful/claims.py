"""What the machine asserts after each step, as the assertions print it."""

__all__ = [
    "INV_01",
    "INV_02",
    "INV_04",
    "INV_05",
    "INV_07",
    "INV_10",
    "INV_11",
    "INV_12",
    "INV_17",
    "INV_18",
    "INV_19",
    "INV_20",
    "INV_21",
    "INV_22",
    "INV_23",
    "INV_24",
    "INV_25",
    "INV_26",
]

INV_01 = "INV_01: the vault's tokens are all cash, fees and the reserve less the deficit"
INV_02 = "INV_02: the positions in every instrument, and the cash moves of a trade, sum to zero"
INV_04 = "INV_04: an account without positions loses cash only by its own call"
INV_05 = "INV_05: a liquidation conserves equity over accounts, fund and deficit"
INV_07 = "INV_07: maintenance never exceeds the initial requirement"
INV_10 = "INV_10: the contracts equal the reference"
INV_11 = "INV_11: added risk leaves equity above initial; a reduction fails only if it raises the risk"
INV_12 = "INV_12: neither a young manifest nor age makes an account liquidatable or equity withdrawable"
INV_17 = "INV_17: without any manifest for three days everyone can leave"
INV_18 = "INV_18: an auction starts below maintenance under current and baseline, five minutes after a gap"
INV_19 = "INV_19: a purchase lowers no solvent account's health and moves every position by the fraction"
INV_20 = "INV_20: a purchase of f* restores the target health and not more"
INV_21 = "INV_21: purchases at one k grant at most k times the maintenance they removed"
INV_22 = "INV_22: k never falls, stops with the feed, ends at its largest; the fund's part starts from zero"
INV_23 = "INV_23: the buyer meets its initial requirement"
INV_24 = (
    "INV_24: the fund pays within its caps, a deficit only after that, and whoever leaves bears its share"
)
INV_25 = "INV_25: the desk holds what the positions say, and nobody else adds to an account's"
INV_26 = (
    "INV_26: collateral pays only for a debt beyond the cap, and leaves only an account that can spare it"
)
