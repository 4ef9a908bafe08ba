"""What these tests share: the compiled transforms, where there is a compiler."""

import pytest
from hinas.errors import UserError
from hinas.search.winograd.compiled import Transforms, compiled_transforms


@pytest.fixture(scope="session")
def transforms() -> Transforms:
    try:
        return compiled_transforms()
    except UserError as error:
        pytest.skip(str(error))
