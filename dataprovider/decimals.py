"""Exact decimals as integers: a price or a quantity is a count of 10^-8, a price times a quantity a count of 10^-16.

Text goes in and out digit for digit; nothing here passes through a float.
"""

from __future__ import annotations

#: Decimals of a price or a quantity (ClickHouse's Decimal64(8)).
PLACES = 8
#: One, as a count of 10^-8.
ONE = 10**PLACES
#: The largest count that an Int64 holds, 92233720368.54775807.
MAX_COUNT = 2**63 - 1

#: Decimals of a product of two of them (ClickHouse's Decimal128(16)).
PRODUCT_PLACES = 2 * PLACES


def to_count(text: str) -> int:
    """The count of 10^-8 that decimal text such as "83091.70" or "3" stands for.

    Raises ValueError for everything that is not ASCII digits with at most one point inside and at most 8 decimals, and
    for what an Int64 cannot hold. No sign, no exponent, no spaces, no underscores.
    """
    whole, point, fraction = text.partition(".")
    digits = whole + fraction.ljust(PLACES, "0")
    # One test of the joined digits: this runs for every price and quantity that arrives.
    if digits.isdigit() and digits.isascii() and whole and len(fraction) <= PLACES and (fraction or not point):
        # The length first: int() of very long text is slow and, from 4,300 digits on, refused in other words.
        if len(digits) < 19 or (len(digits) < 64 and int(digits) <= MAX_COUNT):
            return int(digits)
        raise ValueError(f"{_shown(text)} is larger than 92233720368.54775807")
    if len(fraction) > PLACES and digits.isdigit() and digits.isascii() and whole:
        raise ValueError(f"{_shown(text)} has more than {PLACES} decimals")
    raise ValueError(f"{_shown(text)} is not a plain decimal number such as 83091.70")


def to_text(count: int) -> str:
    """The shortest decimal text, valid as a JSON number, of a count of 10^-8: 42775, 42283.58, 0.00069."""
    if count < 0:
        return f"-{to_text(-count)}"
    whole, fraction = divmod(count, ONE)
    if not fraction:
        return str(whole)
    return f"{whole}.{fraction:08d}".rstrip("0")


def product_to_text(count: int) -> str:
    """The same for a count of 10^-16, such as a sum of price times quantity."""
    if count < 0:
        return f"-{product_to_text(-count)}"
    whole, fraction = divmod(count, 10**PRODUCT_PLACES)
    if not fraction:
        return str(whole)
    return f"{whole}.{fraction:016d}".rstrip("0")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}…")
