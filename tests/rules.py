"""What the files of this repository keep to.

Each rule takes a text, a syntax tree, a notebook or a package, and yields its complaints.
`python tests/rules.py [checkout]` prints how far a checkout keeps to the rules of form, and its measures.
"""

import ast
import functools
import io
import itertools
import json
import re
import subprocess
import sys
import tokenize
from typing import NamedTuple

from IPython.core.inputtransformer2 import TransformerManager
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

MAX_LINES = 25
MAX_WIDTH = 110
MAX_DEPTH = 2
LINES_A_CHECK = 4
MAX_BYTES = 1_500_000
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
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


def is_exported(cell):
    export = re.search(r'^\s*#\s*\|\s*export[si]?\b', source(cell), re.M)
    return cell['cell_type'] == 'code' and bool(export)


def exported_cells(nb):
    return [c for c in nb['cells'] if is_exported(c)]


def shown_cells(nb):
    "Code cells that the module does not get: checks and pictures."
    return [c for c in code_cells(nb) if not is_exported(c)]


def code_lines(cell):
    "A cell's lines, without directives and empty ones."
    lines = source(cell).splitlines()
    return [line for line in lines if line.strip() and not re.match(r'\s*#\s*\|', line)]


def outputs(nb):
    return [o for c in code_cells(nb) for o in c.get('outputs', [])]


def output_text(output):
    "What an output says, pictures left out."
    data = [v for kind, v in output.get('data', {}).items() if kind not in ('image/png', 'image/jpeg')]
    texts = [output.get('text', ''), output.get('traceback', ''), *data]
    return '\n'.join(json.dumps(t) if isinstance(t, dict) else ''.join(t) for t in texts)


def plain(text):
    "Python without magics, which become calls as IPython makes them."
    magic = re.search(r'^\s*[%!?]|\?\s*$|=\s*[%!]', text, re.M)
    return TransformerManager().transform_cell(text) if magic else text


@functools.lru_cache(4)  # several rules look at one notebook after the other
def parsed(text):
    "The syntax tree of the cells of a notebook."
    return compile(text, 'notebook', 'exec', ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def notebook_tree(nb, cells=code_cells, words=''):
    "All code cells as one syntax tree, or those alone that have one of some words."
    texts = (source(c) for c in cells(nb))
    return parsed('\n'.join(plain(t) for t in texts if re.search(words, t)))


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
    "Exported cells of more than 25 lines, directives aside; empty lines count, but not those around."
    for cell in exported_cells(nb):
        lines = [line for line in source(cell).splitlines() if not re.match(r'\s*#\s*\|', line)]
        if (n := len('\n'.join(lines).strip('\n').splitlines())) > MAX_LINES:
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


# --- Form: width, one statement a line, checks, pictures ---


def wide_lines(text):
    "Lines of more than 110 characters."
    for i, line in enumerate(text.splitlines(), 1):
        if len(line) > MAX_WIDTH:
            yield f'line {i} has {len(line)} characters, {MAX_WIDTH} at most'


def tokens(text):
    "The tokens of a text of Python."
    return list(tokenize.generate_tokens(io.StringIO(plain(text)).readline))


def joined_statements(text):
    "Statements after a `;`. One that ends a line, so that a cell shows nothing, is none of our business."
    found = tokens(text) if re.search(r';[ \t]*[^\s#]', text) else []
    for now, after in itertools.pairwise(found):
        if now.string == ';' and after.type not in (tokenize.NEWLINE, tokenize.COMMENT, tokenize.ENDMARKER):
            yield f'line {now.start[0]} has a second statement: {after.line.strip()[:60]}'


def in_cells(rule):
    "The rule for a text, made one for the code cells of a notebook."

    @functools.wraps(rule)
    def on_cells(nb):
        for cell in code_cells(nb):
            yield from (f'cell {cell.get("id")}, {complaint}' for complaint in rule(source(cell)))

    return on_cells


wide_cells, joined_in_cells = in_cells(wide_lines), in_cells(joined_statements)


def checks(nb):
    "The checks of a notebook: every `assert`, and every call of a function named test_... or expect_..."
    for node in ast.walk(notebook_tree(nb, shown_cells)):
        name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ''
        if isinstance(node, ast.Assert) or re.match(r'(test|expect)_', name):
            yield node


def few_checks(nb):
    "At least one check for every four exported lines."
    lines = sum(len(code_lines(cell)) for cell in exported_cells(nb))
    n = sum(1 for _ in checks(nb))
    if lines > LINES_A_CHECK * n:
        yield f'{lines} exported lines and {n} checks: {lines - LINES_A_CHECK * n} lines too many for them'


def loose_checks(nb):
    "Checks that do not look at shapes: those of fastcore do where the tests run notebooks (shapes.py)."
    own = {'test_eq', 'test_close'}
    for node in ast.walk(
        notebook_tree(nb, words='allclose|close_arrays|(?:import|def)[^=]*test_(?:eq|close)')
    ):
        if isinstance(node, FUNCTION) and node.name in own and 'close_arrays(' not in ast.unparse(node):
            yield f'{node.name} is made here; take that of fastcore.test (or call it, as close_arrays)'
        if isinstance(node, ast.ImportFrom) and node.module != 'fastcore.test':
            yield from (
                f'{a.name} comes from {node.module}'
                for a in node.names
                if a.name in own or a.asname == 'close_arrays'
            )
        if isinstance(node, ast.Assert) and re.match(
            r'(np|numpy|xp|torch)\.allclose\(', ast.unparse(node.test)
        ):
            yield f'{ast.unparse(node)[:60]} takes what broadcasts; use test_close'


def unspoken_figures(nb):
    "Pictures without words for those who do not see them."
    for cell in code_cells(nb):
        shown = any('image/png' in o.get('data', {}) for o in cell.get('outputs', []))
        if shown and not re.search(r'^#\|[ \t]*fig-alt:[ \t]*\S', source(cell), re.M):
            yield f'cell {cell.get("id")} shows a picture and has no fig-alt'


def crowded(nb):
    "Runs of three exported cells or more with nothing between."
    for exported, run in itertools.groupby(nb['cells'], is_exported):
        if exported and (n := len(list(run))) > 2:
            yield f'{n} exported cells in a row'


# --- Classes: abstract or final, made of parts ---


class Own(NamedTuple):
    "A class of the package."

    node: ast.ClassDef
    bases: list  # (module, name) of those of its bases that are the package's own
    body: dict  # What it has, by name: methods, fields and constants


def imported(tree, package):
    "What each name that comes from the package stands for, as (module, name); a module is (module, None)."
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.level or node.module.split('.')[0] == package):
            module = (node.module or '').removeprefix(package).strip('.')
            for a in node.names:
                known[a.asname or a.name] = (module, a.name) if module else (a.name, None)
    return known


def body_of(cls):
    "Methods, fields and constants of a class, by name."
    found = {}
    for node in cls.body:
        if isinstance(node, FUNCTION):
            found[node.name] = node
        for target in getattr(node, 'targets', []) or [getattr(node, 'target', None)]:
            if isinstance(target, ast.Name):
                found[target.id] = node
    return found


class Package:
    "The classes of a package, whose modules are given as {name: syntax tree}."

    def __init__(self, trees, package='ntf_lit'):
        self.nodes = {module: list(ast.walk(tree)) for module, tree in trees.items()}
        self.known = {module: imported(tree, package) for module, tree in trees.items()}
        self.classes = {
            (module, node.name): Own(node, [], body_of(node)) for module, node in self.each(ast.ClassDef)
        }
        for (module, _), own in self.classes.items():
            own.bases.extend(filter(None, (self.find(base, module) for base in own.node.bases)))

    def each(self, kind):
        "All nodes of a kind, each with its module."
        for module, nodes in self.nodes.items():
            yield from ((module, node) for node in nodes if isinstance(node, kind))

    def find(self, node, module):
        "The class of ours, as (module, name), that an expression in a module names; None for any other."
        if isinstance(node, ast.Subscript):
            node = node.value
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            key = (self.known[module].get(node.value.id, ('',))[0], node.attr)
        else:
            key = (module, getattr(node, 'id', None))
        while key not in self.classes and key[1] in self.known.get(key[0], {}):
            key = self.known[key[0]][key[1]]
        return key if key in self.classes else None

    def ancestors(self, key):
        "The package's own classes above one."
        return list(dict.fromkeys(a for b in self.classes[key].bases for a in (b, *self.ancestors(b))))

    def depth(self, key):
        "How many levels of our own a class stands on, itself counted."
        return 1 + max((self.depth(b) for b in self.classes[key].bases), default=0)

    def subclasses(self, key):
        return [k for k, own in self.classes.items() if key in own.bases]


def patched(fn):
    "The classes that a function is patched onto, as expressions; empty if it is not."
    for d in fn.decorator_list:
        name, args = (d.func, d.args) if isinstance(d, ast.Call) else (d, [])
        name = getattr(name, 'id', getattr(name, 'attr', ''))
        if name == 'patch_to':
            return split_union(args[0])
        if name == 'patch':
            return split_union(fn.args.args[0].annotation)
    return []


def split_union(node):
    "The members of `A|B` or `(A, B)`."
    if isinstance(node, ast.BinOp):
        return [*split_union(node.left), *split_union(node.right)]
    return node.elts if isinstance(node, ast.Tuple) else [node]


def patches(pkg):
    "Each patched method, as (module, class, function); the class is None if it is not ours."
    for module, fn in pkg.each(FUNCTION):
        yield from ((module, pkg.find(cls, module), fn) for cls in patched(fn))


def implemented(node):
    "Whether a member of a class is a method that does something."
    if not isinstance(node, FUNCTION) or any('abstract' in ast.unparse(d) for d in node.decorator_list):
        return False
    text = [s for s in node.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    return not all(isinstance(s, ast.Pass) or 'NotImplemented' in ast.unparse(s) for s in text)


def deep_classes(pkg):
    "Classes that stand on more than two levels of our own."
    for module, name in pkg.classes:
        if (depth := pkg.depth((module, name))) > MAX_DEPTH:
            yield module, f'{name} stands on {depth} levels, {MAX_DEPTH} at most'


def made_bases(pkg):
    "Calls of a class that others are built on: a class is abstract or final."
    for module, node in pkg.each(ast.Call):
        if (key := pkg.find(node.func, module)) and pkg.subclasses(key):
            yield module, f'line {node.lineno} makes a {key[1]}, which has subclasses'


def overridden(pkg):
    "Methods that do something and are replaced below; dunder methods are there for it."
    members = {key: dict(own.body) for key, own in pkg.classes.items()}
    for module, key, fn in patches(pkg):
        if key and fn.name in members[key]:
            yield module, f'{fn.name} is patched onto {key[1]}, which has one'
        if key:
            members[key][fn.name] = fn
    for key, own in members.items():
        for above in pkg.ancestors(key):
            for name in own.keys() & members[above].keys():
                old, new = members[above][name], own[name]
                constant = getattr(old, 'value', None) is not None
                clash = implemented(old) or (constant and implemented(new))
                if clash and not re.fullmatch(r'__\w+__', name):
                    yield key[0], f'{key[1]}.{name} overrides that of {above[1]}'


def put_on_classes(pkg):
    "Attributes of our classes that are set from outside of them."
    for module, node in pkg.each(ast.Attribute | ast.Call):
        if isinstance(node, ast.Call):
            on = node.args[0] if ast.unparse(node.func) == 'setattr' else None
        else:
            on = node.value if isinstance(node.ctx, ast.Store | ast.Del) else None
        if on and (key := pkg.find(on, module)):
            yield module, f'line {node.lineno} sets an attribute of {key[1]}: {ast.unparse(node)}'


def free_self(pkg):
    "Functions outside of classes with a parameter `self`, unless they are patched onto one."
    methods = {id(node) for _, cls in pkg.each(ast.ClassDef) for node in cls.body}
    for module, fn in pkg.each(FUNCTION | ast.Lambda):
        names = {a.arg for a in ast.walk(fn.args) if isinstance(a, ast.arg)}
        free = id(fn) not in methods and (isinstance(fn, ast.Lambda) or not patched(fn))
        if free and 'self' in names:
            yield (
                module,
                f'line {fn.lineno}: {getattr(fn, "name", "a lambda")} has a parameter self, in no class',
            )


# --- Public names say what they are ---


def public_names(tree):
    "What a module's `__all__` lists."
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '__all__':
            return ast.literal_eval(node.value)
    return []


def private_exports(tree):
    "Names in `__all__` that call themselves private."
    yield from (f'{name} is in __all__' for name in public_names(tree) if name[0] == '_')


def own_nodes(fn):
    "The nodes of a function without those of functions inside it."
    todo = list(fn.body)
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, FUNCTION | ast.Lambda | ast.ClassDef):
            todo.extend(ast.iter_child_nodes(node))


def gives(fn):
    "Whether a function returns or yields something."
    for node in own_nodes(fn):
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if isinstance(node, ast.Return) and node.value is not None and ast.unparse(node.value) != 'None':
            return True
    return False


@functools.cache
def comment_lines(text):
    "The lines of a text that have a comment."
    return {t.start[0] for t in tokens(text) if t.type == tokenize.COMMENT}


def parameters(fn):
    "The parameters that a function is to explain."
    found = [a for a in ast.walk(fn.args) if isinstance(a, ast.arg) and a is not fn.args.kwarg]
    return [a for a in found if a.arg not in ('self', 'cls')]


def lacks(fn, comments):
    "What a function does not say of itself, in the places where docments looks for it."
    if not ast.get_docstring(fn):
        yield 'docstring'
    at = {a.lineno: a.arg for a in parameters(fn)}
    if fn.returns:
        at[fn.returns.lineno] = 'return'
    told = {name for n, name in at.items() if n in comments or (n - 1 in comments and n - 1 not in at)}
    if silent := [a.arg for a in parameters(fn) if a.arg not in told]:
        yield f'comment beside {", ".join(silent)}'
    if gives(fn) and not (fn.returns and 'return' in told):
        yield 'description of what it returns, `)->type: # what`'


def public_functions(tree, methods=False):
    "The functions of `__all__`; with `methods`, the public methods of its classes, properties left out."
    public = set(public_names(tree))
    for node in tree.body:
        if not methods and isinstance(node, FUNCTION) and node.name in public and not patched(node):
            yield node
        if methods and isinstance(node, ast.ClassDef) and node.name in public:
            for fn in node.body:
                if isinstance(fn, FUNCTION) and fn.name[0] != '_' and 'property' not in decorators(fn):
                    yield fn
        if methods and isinstance(node, FUNCTION) and node.name[0] != '_':
            if public & {getattr(c, 'id', '') for c in patched(node)} and 'as_prop' not in decorators(node):
                yield node


def decorators(fn):
    return ' '.join(map(ast.unparse, fn.decorator_list))


def undocumented(tree, text, **kw):
    "Public functions that do not say what they do, take and return."
    comments = comment_lines(text)
    for fn in public_functions(tree, **kw):
        if missing := list(lacks(fn, comments)):
            yield f'{fn.name} lacks: {"; ".join(missing)}'


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


def aliases(nodes):
    "What each imported name stands for."
    known = {}
    for node in nodes:
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


# A text that has none of these words has no such use, whatever it calls things
SUSPICIOUS = re.compile(
    rf'\b(?:{"|".join(BANNED_MODULES | {name.rpartition(".")[2] for name in BANNED_NAMES})}|allow_pickle)\b'
)
LOADING = ast.Import | ast.ImportFrom | ast.Call | ast.Name | ast.Attribute


def code_running_loads(tree):
    "Uses of anything that can run code held in a file or a string."
    nodes = [n for n in ast.walk(tree) if isinstance(n, LOADING)]
    known = aliases(nodes)
    for node in nodes:
        line = node.lineno
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


if __name__ == '__main__':
    import report

    report.main(*sys.argv[1:])
