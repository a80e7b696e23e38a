"""What the files of this repository keep to. Each rule takes a text, a syntax tree or a notebook, and yields its complaints."""

import ast
import json
import re
import subprocess

from IPython.core.inputtransformer2 import TransformerManager
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

MAX_LINES = 25
MAX_BYTES = 1_500_000
FRONT = 70, ''  # `import ntf_lit` brings everything below the experiments


# --- Reading ---

MADE = re.compile(
    r'\.(?!ci$|git(?:hub|ignore|attributes)$)|(?:build|dist|_docs|_proc|\w+_out|__pycache__|.*\.egg-info)$'
)


def project_files(root):
    "The files that belong to the project: git's list, or without git all but hidden and generated folders."
    cmd = ['git', 'ls-files', '--cached', '--others', '--exclude-standard']
    try:
        names = subprocess.run(cmd, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        names = []
    files = [root / name for name in names] or [
        p for p in root.rglob('*') if not any(map(MADE.match, p.relative_to(root).parts))
    ]
    return sorted(p for p in files if p.is_file())


def code_cells(nb):
    return [c for c in nb['cells'] if c['cell_type'] == 'code']


def source(cell):
    return ''.join(cell['source'])


def exported_cells(nb):
    return [c for c in code_cells(nb) if re.search(r'^\s*#\s*\|\s*export[si]?\b', source(c), re.M)]


def outputs(nb):
    return [o for c in code_cells(nb) for o in c.get('outputs', [])]


def output_text(output):
    "What an output says, pictures left out."
    data = [v for kind, v in output.get('data', {}).items() if kind not in ('image/png', 'image/jpeg')]
    texts = [output.get('text', ''), output.get('traceback', ''), *data]
    return '\n'.join(json.dumps(t) if isinstance(t, dict) else ''.join(t) for t in texts)


def notebook_tree(nb, cells=code_cells):
    "All code cells as one syntax tree; magics become calls, as IPython makes them."
    plain = TransformerManager().transform_cell
    text = '\n'.join(plain(source(c)) for c in cells(nb))
    return compile(text, 'notebook', 'exec', ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def text_outside_outputs(path):
    "A file's text; of a notebook, its cells without their outputs."
    try:
        text = path.read_text(encoding='utf-8')
    except UnicodeDecodeError:
        return ''
    return '\n'.join(source(c) for c in json.loads(text)['cells']) if path.suffix == '.ipynb' else text


# --- Layers: a notebook imports only from smaller numbers ---


def layer(path):
    "`nbs/03a_name.ipynb` is (3, 'a'); notebooks without a number, and those in folders, stand above all."
    found = re.match(r'(\d+)([a-z]?)_', path.name)
    return (int(found[1]), found[2]) if found and path.parent.name == 'nbs' else None


def package_imports(tree, package):
    "Each import from the package, as (module, name); either may be None."
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [(a.name, None) for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = '.'.join(filter(None, [package if node.level else '', node.module]))
            found = [(module, a.name) for a in node.names]
        else:
            continue
        for module, name in found:
            top, _, rest = module.partition('.')
            if top == package:
                yield rest or None, name


def upward_imports(
    tree,  # The notebook's code
    own,  # Its layer
    layers,  # The layer of each module
    homes,  # The module of each name that the package's front gives
    package='ntf_lit',
    readers=(),  # Modules that may be imported from anywhere
):
    "Imports from the notebook's own layer or a higher one."
    if own is None:
        return
    for module, name in package_imports(tree, package):
        if module is None:
            module = name if name in layers else homes.get(name)
        if module not in readers and layers.get(module, FRONT) >= own:
            yield f'imports {name or "all"} from {module or package}, which is not below it'


# --- Notebooks ---


def long_cells(nb):
    "Exported cells of more than 25 lines; directives and empty lines do not count."
    for cell in exported_cells(nb):
        n = sum(1 for line in source(cell).splitlines() if line.strip() and not re.match(r'\s*#\s*\|', line))
        if n > MAX_LINES:
            yield f'exported cell {cell.get("id")} has {n} lines, {MAX_LINES} at most'


def bad_ids(nb):
    ids = [c.get('id') for c in nb['cells']]
    for i in ids:
        if not re.fullmatch(r'[\w-]{1,64}', i or ''):
            yield f'cell id {i!r}'
        elif ids.count(i) > 1:
            yield f'cell id {i!r} is not unique'


def bad_outputs(nb):
    "No outputs at all, errors, widget state."
    found = outputs(nb)
    if code_cells(nb) and not found:
        yield 'has no outputs'
    if nb['metadata'].get('widgets'):
        yield 'carries widget state'
    for o in found:
        if o['output_type'] == 'error':
            yield f'an error output: {o.get("ename")}'
        if 'application/vnd.jupyter.widget-view+json' in o.get('data', {}):
            yield 'a widget view, dead without its state'


SCRIPT = re.compile(r'<script', re.I)
MACHINE_PATH = re.compile(r'(?<![\w.:/~-])/(?:work|home|root|tmp|Users)/|[A-Z]:\\+Users')
EMAIL = re.compile(r'[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|edu|gov|mil|io|dev|info|[a-z]{2})\b')
TOKEN = re.compile(
    r'(?:gh[pousr]_|github_pat_|hf_|sk-|xox[abp]-)[\w-]{16,}|AKIA[0-9A-Z]{16}|BEGIN [A-Z ]*PRIVATE'
)
REGISTRY = re.compile(r'pypi[.]org|pythonhosted[.]org|npmjs[.]|deb[.]debian|registry[.]yarn|conda[.]anaconda')


def leaks(text, kinds):
    for kind in kinds:
        for m in kind.finditer(text):
            yield f'{m[0]!r} in {text[max(0, m.start() - 30) : m.end() + 30]!r}'


# --- Files are read without running what they hold ---

BANNED_MODULES = {'pickle', '_pickle', 'cPickle', 'joblib', 'dill', 'cloudpickle', 'marshal', 'shelve'}
BANNED_NAMES = {
    'eval',
    'exec',
    'builtins.eval',
    'builtins.exec',
    'torch.load',
    'pandas.read_pickle',
    'yaml.load',
    'yaml.load_all',
    'yaml.full_load',
    'yaml.unsafe_load',
}


def aliases(tree):
    "What each imported name stands for."
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            known |= {a.asname or a.name: f'{node.module}.{a.name}' for a in node.names}
        if isinstance(node, ast.Import):
            known |= {a.asname: a.name for a in node.names if a.asname}
    return known


def full_name(node, known):
    "`np.load` is numpy.load; None for what is not a dotted name."
    if isinstance(node, ast.Name):
        return known.get(node.id, node.id)
    if isinstance(node, ast.Attribute) and (left := full_name(node.value, known)):
        return f'{left}.{node.attr}'


def allows_pickle(call, name):
    "Whether numpy.load, or what forwards to it, may unpickle."
    value = next((k.value for k in call.keywords if k.arg == 'allow_pickle'), None)
    if value is None and name == 'numpy.load' and len(call.args) > 2:
        value = call.args[2]
    return value is not None and not (isinstance(value, ast.Constant) and value.value is False)


def imported_modules(node):
    if isinstance(node, ast.Import):
        return [a.name for a in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or '']
    if isinstance(node, ast.Call):
        return [str(a.value) for a in node.args[:1] if isinstance(a, ast.Constant)]
    return []


def code_running_loads(tree):
    "Uses of anything that can run code held in a file or a string."
    known = aliases(tree)
    for node in ast.walk(tree):
        line = getattr(node, 'lineno', 0)
        if isinstance(node, ast.Call):
            name = full_name(node.func, known) or ''
            if allows_pickle(node, name):
                yield f'line {line}: {ast.unparse(node)} may unpickle'
            if name not in ('__import__', 'importlib.import_module'):
                continue
        for module in imported_modules(node):
            if module.split('.')[0] in BANNED_MODULES:
                yield f'line {line}: {ast.unparse(node)}'
        if full_name(node, known) in BANNED_NAMES:
            yield f'line {line}: {ast.unparse(node)}'


# --- Metadata ---


def unlocked(wanted, lock):
    "Requirements that the lock does not hold, or holds in a version that does not fit."
    pins = {canonicalize_name(k): v for k, v in (line.split('==') for line in lock)}
    for req in map(Requirement, wanted):
        version = pins.get(canonicalize_name(req.name))
        if version is None:
            yield f'{req} is not in requirements.lock'
        elif version not in req.specifier:
            yield f'{req}, but requirements.lock has {version}'


def too_new(asked, oldest):
    "Of {package: the Pythons it asks for, or None} those that the oldest Python we support is not among."
    for name, pythons in asked.items():
        if pythons and oldest not in SpecifierSet(pythons):
            yield f'{name} asks for Python {pythons}, but {oldest} is to do'


def loose_pins(lock):
    "Lines of the lock that are not a plain name==version."
    return [line for line in lock if not re.fullmatch(r'[\w.-]+==[\w.]+', line)]
