"""The page of the run that went well."""

import pytest
from report_reader import page_of
from report_runs import files


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return page_of(tmp_path_factory.mktemp("report"), files())
