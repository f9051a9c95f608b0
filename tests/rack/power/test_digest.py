"""Digest access authentication."""

import pytest

from rack.power.drivers.digest import UnsupportedChallengeError, authorization


def answer(challenge: str) -> str:
    return authorization(
        challenge,
        user="Mufasa",
        password="Circle of Life",
        method="GET",
        target="/dir/index.html",
        client_nonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )


def test_answer_is_that_of_the_example_in_rfc_7616() -> None:
    assert answer(
        'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256,'
        ' nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",'
        ' opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    ) == (
        'Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html",'
        ' algorithm=SHA-256, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001,'
        ' cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth,'
        ' response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",'
        ' opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )


@pytest.mark.parametrize(
    "challenge",
    [
        "",
        'Basic realm="shelly"',
        'Digest realm="shelly", qop="auth", nonce="1"',
        'Digest realm="shelly", qop="auth", nonce="1", algorithm=MD5',
        'Digest realm="shelly", qop="auth-int", nonce="1", algorithm=SHA-256',
        'Digest realm="shelly", qop="auth", algorithm=SHA-256',
        'Digest realm="she\\"lly", qop="auth", nonce="1", algorithm=SHA-256',
    ],
)
def test_other_challenges_are_rejected(challenge: str) -> None:
    with pytest.raises(UnsupportedChallengeError):
        answer(challenge)
