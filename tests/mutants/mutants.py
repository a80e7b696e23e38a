"""Planted bugs: small patches, one at a time, each of which the tests must catch. `run.py` plants them."""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


class Mutant(NamedTuple):
    "A slip that somebody may make."

    path: str  # The file, below the project's folder
    kind: str  # What kind of slip: axis, order, sign, stale, mask, names, ...
    why: str  # What is wrong with it, in a line
    old: str  # Text that is in the file once
    new: str  # What stands there instead
    equivalent: str  # Why no test can see it; empty if one must

    @property
    def key(self):
        "A name that changes with the patch."
        return hashlib.sha256('\0'.join(self[:1] + self[3:5]).encode()).hexdigest()[:12]

    def apply(self, root):
        "Plant it in a copy of the project; `ValueError` unless its text is there once."
        path = Path(root) / self.path
        text = path.read_text(encoding='utf-8')
        if text.count(self.old) != 1:
            raise ValueError(
                f'{self.path}, {self.kind}: {self.why}: its text is there {text.count(self.old)} times'
            )
        path.write_text(text.replace(self.old, self.new), encoding='utf-8')


def parsed(text):
    """The mutants of a file of patches.

    `@@ path kind: why`, then lines that begin with `-` (what is there), `+` (what stands there instead) and,
    for what no test can see, `=` (why).
    """
    for block in re.split(r'^@@ ', text, flags=re.M)[1:]:
        head, *lines = block.rstrip('\n').split('\n')
        path, kind, why = re.fullmatch(r'(\S+) ([^:]+): (.+)', head).groups()
        bad = [line for line in lines if line[:1] not in ('-', '+', '=')]
        if bad:
            raise ValueError(f'{path}, {why}: a line is neither -, + nor =: {bad[0]!r}')
        part = lambda sign: '\n'.join(line[1:] for line in lines if line[0] == sign)
        yield Mutant(path, kind, why, part('-'), part('+'), part('=').strip())


def all_mutants():
    "All that there are, in the order of the files."
    files = sorted(HERE.glob('*.patches'))
    return [m for path in files for m in parsed(path.read_text(encoding='utf-8'))]


# Tests that look at a module beside its own notebook, the likeliest first
TESTS = {
    'tensor': 'properties weights special_cases faults data_score memory containers',
    'updates': 'properties special_cases compressed nnls faults',
    'fit': 'faults refits properties convergence small_faults saving',
    'init': 'properties data_score convergence special_cases estimators',
    'blocks': 'properties special_cases convergence',
    'ncpd': 'properties special_cases estimators refits',
    'stratified': 'properties special_cases estimators refits strata_hierarchies',
    'tv': 'tv properties settings_together',
    'penalties': 'penalties units settings_together properties',
    'weights': 'weights units settings_together properties',
    'nnls': 'nnls neural properties',
    'nnls_layer': 'neural nnls',
    'divergences': 'divergences weights sklearn_nmf properties',
    'strata_divergence': 'divergences weights settings_together',
    'hnmf': 'hierarchies paper_hierarchies strata_hierarchies estimators neural',
    'multi_hntf': 'hierarchies paper_hierarchies strata_hierarchies neural',
    'neural_nmf': 'neural estimators faults',
    'neural_ncpd': 'neural estimators faults',
    'score': 'data_score choosing hierarchies estimators',
    'heldout': 'choosing convergence',
    'streamed': 'streamed memory containers',
    'online': 'online',
    'batch_estimators': 'online estimators refits',
    'cluster': 'cluster',
    'small_sweeps': 'small_faults special_cases properties',
    'compressed': 'compressed convergence',
    'trials': 'choosing',
    'choosing': 'choosing',
    'texts': 'texts',
    'datasets': 'data_score',
    'edits': 'edits any_order',
    'reading': 'edits',
    'exploring': 'texts',
    'consensus': 'choosing',
    'diagnostics': 'choosing data_score',
    'merge_split': 'guided node_refits shown_properties',
    'estimators': 'refits estimators faults saving small_faults',
    'strata_estimators': 'estimators refits views_tables_plots containers',
    'names': 'containers views_tables_plots browsers',
    'incoming': 'containers views_tables_plots refits',
    'saving': 'saving',
    'files': 'saving faults',
    'views': 'shown_properties views_tables_plots browsers',
    'model_parts': 'shown_properties views_tables_plots browsers',
    'shown_data': 'views_tables_plots shown_properties containers browsers',
    'tables': 'shown_properties views_tables_plots browsers',
    'browser_data': 'shown_properties browsers',
    'browser_state': 'shown_properties browsers saving',
    'topic_browser': 'shown_properties browsers',
    'hierarchy_browser': 'shown_properties browsers',
    'plots': 'shown_properties views_tables_plots',
    'checks': 'bad_inputs refits small_faults sklearn_nmf',
    'result': 'refits saving resume properties',
    'results': 'results',
    'synthetic': 'data_score results',
    'guided': 'guided settings_together estimators',
    'strata_weights': 'units settings_together weights penalties',
    'strata_hierarchies': 'strata_hierarchies units resume node_refits',
    'ties': 'settings_together penalties estimators',
    'layer_refits': 'node_refits edits',
    'training': 'neural faults resume',
    'joint': 'units neural resume',
    'cp_estimators': 'weights units estimators refits sklearn_nmf guided',
    'hierarchy_estimators': 'hierarchies node_refits refits estimators',
    'neural_estimators': 'neural node_refits estimators',
    'course': 'course',
    'demo': 'demo',
}
# The page's own modules: by themselves, then in a browser; what takes JupyterLab is too slow here
PAGE = [
    ['tests/test_browsers.py', '-k', 'test_javascript'],
    ['tests/test_drawn_page.py'],
    ['tests/test_shown_properties.py', '-k', 'page'],
    [
        'tests/test_browsers_e2e.py',
        '-k',
        'not (live or jupyterlab or plain or notebook or voila or axe or fits)',
    ],
    ['tests/test_hierarchy_page.py', '-k', 'not axe'],
    ['tests/test_edits.py', '-k', 'page and not notebook'],
]


# Properties of these see more than their examples do
PROPERTIES_FIRST = (
    'views model_parts shown_data tables browser_data browser_state topic_browser plots'.split()
)
PROPERTIES_FIRST += 'hierarchy_browser online batch_estimators edits'.split()


def tests_of(mutant, root):
    "Arguments of pytest, one list after the other: the module's notebook, and files of tests together."
    path = Path(mutant.path)
    if path.suffix in ('.js', '.css'):
        return PAGE
    module = path.stem
    files = [f'tests/test_{name}.py' for name in TESTS[module].split()]
    notebook = re.search(
        r'File to edit: \.\./nbs/(\w+)\.ipynb', (Path(root) / path).read_text(encoding='utf-8')
    )
    # Some are marked slow, since nbdev-test runs them as well: here they are run nevertheless
    named = f'test_examples and {notebook[1]} and not test_examples_slow'
    examples = ['tests/test_package_by_notebooks.py', '-m', '', '-k', named]
    return [files, examples] if module in PROPERTIES_FIRST else [examples, files]
