from urllib.parse import urlencode

from hypothesis import given
from hypothesis import strategies as st

from smsgw.carriers import http

TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.text(st.characters(codec="ascii"))


@given(st.dictionaries(TEXTS, TEXTS | st.integers()))
def test_a_form_is_encoded_as_the_library_does(fields: dict[str, object]) -> None:
    assert http.encode_form(fields) == urlencode(fields).encode()
