"What pyproject.toml cannot say by itself: where the project is, and its README with links that lead there."

import sys
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / 'tools'))
from repository import absolute, addresses, repository

repo = repository(HERE)
setup(
    long_description=absolute((HERE / 'README.md').read_text(encoding='utf-8'), repo),
    long_description_content_type='text/markdown',
    project_urls=addresses(repo),
)
