"Everything here comes from settings.ini, the one source of the package's metadata."

from configparser import ConfigParser
from pathlib import Path
from setuptools import find_packages, setup

here = Path(__file__).parent
ini = ConfigParser(delimiters=['='])
ini.read(here / 'settings.ini', encoding='utf-8')
cfg = ini['DEFAULT']
extras = {
    key.removesuffix('_requirements'): names.split()
    for key, names in cfg.items()
    if key.endswith('_requirements')
}

setup(
    name=cfg['lib_name'],
    version=cfg['version'],
    description=cfg['description'],
    keywords=cfg['keywords'],
    author=cfg['author'],
    author_email=cfg['author_email'],
    license=cfg['license'],
    license_files=['LICENSE'],
    long_description=(here / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    packages=find_packages(include=['ntf_lit', 'ntf_lit.*']),
    package_data={'ntf_lit': ['static/*']},
    python_requires=f'>={cfg["min_python"]}',
    install_requires=cfg['requirements'].split(),
    extras_require=extras,
    entry_points={'nbdev': ['ntf_lit=ntf_lit._modidx:d']},
    zip_safe=False,
)
