"""What posteriors cannot be asked for, each time in one line."""

from __future__ import annotations

import jax
import pytest
from posterior_counts import DATASETS

from lmpower.counts import CountsError
from lmpower.posterior import sample_posterior
from lmpower.prior import default_prior

KEY = jax.random.key(7)


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"family": "gamma"}, "unknown family 'gamma'"),
        ({"family": None}, "a family is a name such as 'beta', or a difficulty; got NoneType"),
        ({"prior": "weak"}, r"prior must be a Prior \(see default_prior\), not 'weak'"),
        ({"method": "gibbs"}, "method must be one of 'fast', 'nuts', not 'gibbs'"),
        ({"draws": 0}, "draws must be a multiple of 4 and at least 8, not 0"),
        ({"draws": 402}, "draws must be a multiple of 4 and at least 8, not 402"),
        (
            {"prior": default_prior("scaled-beta")},
            "the prior is of alpha, beta, c, and the family has alpha",
        ),
    ],
)
def test_what_cannot_be_asked_for_is_repeated_in_one_line(named, words):
    asked = {"family": "beta", "key": KEY} | named
    with pytest.raises(ValueError, match=words) as error:
        sample_posterior(DATASETS["8 problems"], **asked)
    assert "\n" not in str(error.value)


def test_there_must_be_counts():
    with pytest.raises(CountsError, match="there are no counts"):
        sample_posterior([], "beta", key=KEY)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"a": DATASETS["8 problems"]}, "Counts or a list of them, not dict: take list"),
        ([{"a": DATASETS["8 problems"]}], "not dict"),
        ("counts.csv", "not str"),
        (None, "not NoneType"),
        ([[100, 3]], "not list"),
    ],
)
def test_what_are_no_counts_is_told_in_one_line(counts, words):
    with pytest.raises(CountsError, match=words) as error:
        sample_posterior(counts, "beta", key=KEY)
    assert "\n" not in str(error.value)
