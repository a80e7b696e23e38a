"""The reference pages: every exported name with its parameters, returns, attributes and methods.

All is read from the notebooks and from the modules that they make; no list of either stands here.
"""

import ast
import importlib
import inspect
import io
import re
import textwrap
import tokenize
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import nbformat

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = 'ntf_lit'
EXPORTS = 'export', 'exports', 'exporti'


# --- Where a name is made ---


def directives(source):
    return dict(m.groups() for m in re.finditer(r'^#\|\s*([\w-]+):?[ \t]*(.*)$', source, re.M))


def is_exported(source):
    return bool(directives(source).keys() & set(EXPORTS))


class Notebook(NamedTuple):
    "What the site needs to know of a notebook that stands in the package's row."

    path: Path
    number: str  # '21', '50a'
    title: str
    claim: str  # The line below the title
    module: str | None  # The module it makes


@cache
def notebook(path):
    cells = nbformat.read(path, 4).cells
    head = cells[0].source
    made = [directives(c.source).get('default_exp') for c in cells if c.cell_type == 'code']
    title = re.search(r'^# (.+)', head, re.M)
    claim = re.search(r'^> (.+)', head, re.M)
    number = re.match(r'\d+[a-z]?(?=_)', path.stem)
    return Notebook(
        path,
        number[0] if number else '',
        title[1] if title else path.stem,
        claim[1] if claim else '',
        next(filter(None, made), None),
    )


@cache
def notebooks():
    return [notebook(p) for p in sorted((ROOT / 'nbs').glob('[0-9]*.ipynb'))]


def patched(f):
    "Names of the classes that a function is patched onto, from `@patch` and the hint of its first argument."
    marks = [ast.unparse(d).partition('(')[0].rpartition('.')[2] for d in f.decorator_list]
    hint = f.args.args[0].annotation if f.args.args else None
    if not hint or not {'patch', 'patch_property'} & set(marks):
        return []
    return re.findall(r'\w+', ast.unparse(hint))


def definitions(source):
    "What an exported cell makes: functions, classes, constants; `Class.method` where a method is patched on."
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and (owners := patched(node)):
            yield from (f'{owner}.{node.name}' for owner in owners)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (t.id for t in node.targets if isinstance(t, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


@cache
def homes():
    "{name: notebook} of all that the notebooks export, and {(module, name): notebook}, for names made twice."
    found = {}
    for nb in notebooks():
        for cell in nbformat.read(nb.path, 4).cells:
            if cell.cell_type == 'code' and is_exported(cell.source):
                for name in definitions(cell.source):
                    found[nb.module, name] = nb
                    found.setdefault(name, nb)
    return found


def anchor(name):
    "The anchor of the cell that makes a name."
    return f'code-{name}'


def to_code(module, name):
    "A link to the cell that makes a name."
    nb = homes().get((module, name)) or homes().get(name)
    if not nb:
        return ''
    page = f'../explanations/{nb.path.stem}.html#{anchor(name)}'
    return f'<a class="to-code" href="{page}">code in {nb.number}</a>'


# --- Texts ---


def plain(text):
    "Text in which only code spans mean something to Markdown, also inside a table; quoted words are code."
    text = re.sub(r"(?<![\w`])('[\w.-]+')(?![\w`])", r'`\1`', str(text).replace('``', '`'))
    parts = re.split(r'(`[^`]*`)', text)
    parts[::2] = [re.sub(r'([\\*_\[\]<>$|{}#~^])', r'\\\1', p) for p in parts[::2]]
    parts[1::2] = [p.replace('|', '\\|') for p in parts[1::2]]
    return ' '.join(''.join(parts).split('\n'))


def table(head, rows):
    return [
        '',
        f'| {" | ".join(head)} |',
        '|---' * len(head) + '|',
        *(f'| {" | ".join(r)} |' for r in rows),
        '',
    ]


def sections(doc):
    "A docstring as {title: text}: the text before the first underlined title is ''."
    doc = inspect.cleandoc(doc or '')
    marks = [m for m in re.finditer(r'^([A-Z][\w ]*)\n-{3,}[ \t]*(?:\n|$)', doc, re.M)]
    ends = [m.start() for m in marks[1:]] + [len(doc)]
    found = {'': doc[: marks[0].start()] if marks else doc}
    return found | {m[1]: doc[m.end() : end] for m, end in zip(marks, ends)}


def items(text):
    "(name, type, meaning) of a section in numpydoc's form: a line `name : type`, its meaning indented below."
    starts = [m for m in re.finditer(r'^(\S.*)$', text, re.M)]
    ends = [m.start() for m in starts[1:]] + [len(text)]
    for m, end in zip(starts, ends):
        name, _, kind = m[1].partition(' : ')
        yield name.strip(), kind.strip(), ' '.join(text[m.end() : end].split())


def paragraphs(text):
    "The paragraphs of a docstring; examples as code."
    for part in re.split(r'\n\s*\n', text.strip()):
        if part.startswith('>>>'):
            yield f'```python\n{part}\n```'
        elif part:
            yield plain(part)


# --- Functions ---


def header_comment(source):
    "The comment at the end of a function's header, after `):`; what it returns, though no `->` stands there."
    tokens = list(tokenize.generate_tokens(io.StringIO(textwrap.dedent(source)).readline))
    depth = started = 0
    for token, after in pairwise(tokens):
        if token.type == tokenize.NAME and token.string == 'def':
            started = 1
        depth += (token.string in '([{' and token.type == tokenize.OP) - (
            token.string in ')]}' and token.type == tokenize.OP
        )
        if started and token.string == ':' and token.type == tokenize.OP and not depth:
            return after.string.lstrip('# ') if after.type == tokenize.COMMENT else None


@cache
def classes_of(module):
    "{name: syntax tree} of the classes in a module's file."
    body = ast.parse(inspect.getsource(importlib.import_module(module))).body
    return {node.name: node for node in body if isinstance(node, ast.ClassDef)}


@cache
def source_tree(f):
    "The syntax tree of a function or a class; None where there is no source."
    try:
        if inspect.isclass(f):
            return classes_of(f.__module__).get(f.__name__)
        return ast.parse(textwrap.dedent(inspect.getsource(f))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return None


def field_comments(cls):
    "{field: the comment behind it} of a class in whose body fields stand, a dataclass or a named tuple."
    lines = inspect.getsource(importlib.import_module(cls.__module__)).splitlines()
    fields = [n for n in source_tree(cls).body if isinstance(n, ast.AnnAssign)] if source_tree(cls) else []
    behind = {ast.unparse(n.target): lines[n.end_lineno - 1].encode()[n.end_col_offset :] for n in fields}
    return {name: text.decode().lstrip(' #') for name, text in behind.items() if b'#' in text}


@cache
def hints(f):
    "{parameter: its type as it is written}, fields of a dataclass and the return too."
    found = {}
    for owner in reversed(ancestry(f)) if inspect.isclass(f) else [f]:
        tree = source_tree(owner)
        for node in getattr(tree, 'body', []) if inspect.isclass(owner) else [tree]:
            if isinstance(node, ast.AnnAssign):
                found[ast.unparse(node.target)] = node.annotation
            elif isinstance(node, ast.FunctionDef) and (node is tree or node.name == '__init__'):
                a = node.args
                found |= {
                    x.arg: x.annotation for x in [*a.posonlyargs, *a.args, *a.kwonlyargs] if x.annotation
                }
                found |= {'return': node.returns} if node.returns and node is tree else {}
    return {name: ast.unparse(hint).strip('"\'') for name, hint in found.items()}


@cache
def docmented(f):
    "What fastcore finds beside the parameters of a function or a class."
    from fastcore.docments import docments

    try:
        return {k: v.docment for k, v in docments(f, full=True).items() if v.docment}
    except Exception:
        return {}


@cache  # it is asked for several times, and reads the source each time
def told(f):
    "What the source says beside each parameter of a function, and of what it returns."
    found = {}
    for owner in reversed(ancestry(f)) if inspect.isclass(f) else [f]:
        found |= docmented(owner)
        found |= field_comments(owner) if inspect.isclass(f) else {}
    if not found.get('return'):
        try:
            found['return'] = header_comment(inspect.getsource(f)) or ''
        except (OSError, TypeError, SyntaxError, tokenize.TokenError):
            pass
    return found


def default(value):
    "A default as it is written; what has no short form is three dots."
    text = value.__name__ if inspect.isclass(value) or inspect.isroutine(value) else repr(value)
    try:
        ast.parse(text, mode='eval')
    except SyntaxError:
        return '...'
    return text if len(text) <= 60 else '...'


def parameters(f):
    "The parameters of a function or a class but `self`."
    try:
        found = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p for p in found if p.name not in ('self', 'cls')]


def is_explained(f, doc):
    "Whether words stand beside a parameter, so that there is a table, which has the types too."
    said = told(f).keys() - {'return'}
    return inspect.isclass(f) or bool(said or doc.get('Parameters') or told(f).get('return'))


def signature(name, f):
    "The name with its parameters, as one calls it, with their types where no table has them."
    parts, named = [], False
    hinted, typed = hints(f), not is_explained(f, sections(f.__doc__))
    for p in parameters(f):
        if p.kind is p.KEYWORD_ONLY and not named:
            parts.append('*')
        named |= p.kind in (p.KEYWORD_ONLY, p.VAR_POSITIONAL)
        bare = str(p.replace(annotation=p.empty, default=p.empty))
        bare += f': {hinted[p.name]}' if typed and p.name in hinted else ''
        parts.append(bare if p.default is p.empty else f'{bare}={default(p.default)}')
    given = '' if inspect.isclass(f) else hinted.get('return', '')
    return f'{name}({", ".join(parts)})' + (f' -> {given}' if given else '')


def parameter_table(f, doc):
    "A row per parameter, and what is returned; the words beside it, or else those of the docstring."
    if not is_explained(f, doc):
        return []  # the signature says as much
    said, hinted, rows = told(f), hints(f), []
    described = items(doc.get('Parameters', ''))
    written = {name: (kind.partition(', default=')[0], text) for name, kind, text in described}
    for p in parameters(f):
        kind, text = written.get(p.name, ('', ''))
        value = '' if p.default is p.empty else f'`{default(p.default)}`'
        rows.append([f'`{p.name}`', kind or hinted.get(p.name, ''), value, said.get(p.name) or text])
    if not inspect.isclass(f) and said.get('return'):
        rows.append(['*returns*', hinted.get('return', ''), '', said['return']])
    if not any(kind or meaning for _, kind, _, meaning in rows):
        return []
    rows = [[name, plain(kind), value, plain(meaning)] for name, kind, value, meaning in rows]
    if not any(kind for _, kind, _, _ in rows):
        return table(['parameter', 'default', 'meaning'], [[a, c, d] for a, _, c, d in rows])
    return table(['parameter', 'type', 'default', 'meaning'], rows)


def words(doc):
    "Everything of a docstring that no table shows."
    lines = [*paragraphs(doc[''])]
    for title, text in doc.items():
        if title not in ('', 'Parameters', 'Attributes'):
            found = [*items(text)]
            lines.append(f'**{title}**')
            if all(meaning for _, _, meaning in found):
                lines += ['\n'.join(table(['', 'meaning'], [[f'`{n}`', plain(m)] for n, _, m in found]))]
            else:
                lines += paragraphs(textwrap.dedent(text))
    return '\n\n'.join(lines)


# --- Classes ---


def ancestry(cls):
    "The class and those above it that are ours."
    return [c for c in cls.__mro__ if c.__module__.partition('.')[0] == PACKAGE]


def members(cls):
    "(name, attribute, owner) of what a class has by itself, from those above it that are ours, by `@patch`."
    seen = set()
    for owner in ancestry(cls):
        for name, thing in vars(owner).items():
            if name[0] != '_' and name not in seen:
                seen.add(name)
                yield name, thing, owner


def function_of(thing):
    "The function behind a method, a property, a class method or one that is there only sometimes."
    if isinstance(thing, property):
        return thing.fget
    for inner in '__func__', 'fn', 'func', '__wrapped__':
        if not inspect.isfunction(thing):
            thing = getattr(thing, inner, thing)
    return inspect.unwrap(thing) if inspect.isfunction(thing) else None


def attributes(cls):
    "(name, type or shape, meaning) that docstrings of the class and those above it list under Attributes."
    seen = set()
    for owner in ancestry(cls):
        for name, shape, meaning in items(sections(vars(owner).get('__doc__')).get('Attributes', '')):
            if name not in seen:
                seen.add(name)
                yield name, shape, meaning


def borrowed(cls):
    "Public methods of classes that are not ours, scikit-learn's for instance, as {package: names}."
    found, own = {}, {name for name, _, _ in members(cls)}
    for owner in cls.__mro__:
        package = owner.__module__.partition('.')[0]
        if package in (PACKAGE, 'builtins', 'abc', 'typing', 'enum'):
            continue
        for name, thing in vars(owner).items():
            if name[0] != '_' and function_of(thing) and name not in own:
                found.setdefault(package, []).append(name)
                own.add(name)
    return found


def member(name, thing, owner):
    "The entry of one method or property."
    f = function_of(thing)
    if f is None:
        return ''
    is_value = isinstance(thing, property) or type(thing).__name__ == 'cached_property'
    doc = sections(f.__doc__)
    head = [f'::::{{py:{"property" if is_value else "method"}}} {name if is_value else signature(name, f)}']
    body = [words(doc), to_code(owner.__module__.rpartition('.')[2], f'{owner.__name__}.{name}')]
    if not is_value:
        body += parameter_table(f, doc)
    elif said := told(f).get('return'):
        body += [plain(said)]
    return '\n'.join([*head, '', *body, '::::', ''])


def class_body(cls):
    "Fields, attributes, methods."
    doc = sections(cls.__doc__ if '__doc__' in vars(cls) else '')
    if re.match(rf'{cls.__name__}\(.*\)$', doc[''].strip(), re.S):
        doc[''] = ''  # a dataclass without a docstring
    lines = [words(doc), '', to_code(cls.__module__.rpartition('.')[2], cls.__name__)]
    lines += parameter_table(cls, doc)
    listed = {name: [f'`{name}`', plain(shape), plain(text)] for name, shape, text in attributes(cls)}
    if listed:
        lines += ['**Attributes**', *table(['attribute', 'type or shape', 'meaning'], listed.values())]
    lines += filter(None, (member(*m) for m in members(cls) if m[0] not in listed))
    for package, names in borrowed(cls).items():
        lines += [f'From {package}: {", ".join(f"`{n}`" for n in names)}.', '']
    return lines


# --- Pages ---


def entry(name, thing):
    "The reference of one exported name."
    if inspect.isclass(thing):
        kind_, body = 'class', class_body(thing)
    else:
        doc = sections(thing.__doc__)
        body = [
            words(doc),
            '',
            to_code(thing.__module__.rpartition('.')[2], name),
            *parameter_table(thing, doc),
        ]
        kind_ = 'function'
    return '\n'.join([f':::::{{py:{kind_}}} {signature(name, thing)}', '', *body, ':::::', ''])


@cache
def modules():
    "{module: notebook} for every notebook that makes one; first those whose names the package itself gives."
    found = {nb.module: nb for nb in notebooks() if nb.module and nb.module != '__init__'}
    front = importlib.import_module(PACKAGE)
    first = [getattr(front, name).__module__.rpartition('.')[2] for name in front.__all__]
    return {m: found[m] for m in dict.fromkeys([m for m in first if m in found] + [*found])}


def exported(module):
    "{name: class or function} that a module exports and makes; classes that the package gives come first."
    m, front = importlib.import_module(f'{PACKAGE}.{module}'), importlib.import_module(PACKAGE)
    found = {n: getattr(m, n) for n in m.__all__ if callable(getattr(m, n))}
    found = {n: f for n, f in found.items() if getattr(f, '__module__', m.__name__) == m.__name__}
    order = lambda n: front.__all__.index(n) if n in front.__all__ else len(front.__all__)
    return {n: found[n] for n in sorted(found, key=order)}


def home(name):
    "The exported thing of this name, wherever it is made."
    return next(exported(m)[name] for m in modules() if name in exported(m))


@cache
def page(module):
    "The reference of one module: classes, then functions."
    nb, found = modules()[module], exported(module)
    lines = [
        f'# {plain(module)}',
        '',
        f'{plain(nb.claim)}. Derived in [{nb.number} · {nb.title}](../explanations/{nb.path.name}).',
        '',
        f'```{{py:module}} {PACKAGE}.{module}\n```',
    ]
    classes = {n: f for n, f in found.items() if inspect.isclass(f)}
    functions = {n: f for n, f in found.items() if n not in classes}
    for head, things in ('Classes', classes), ('Functions', functions):
        if things:
            lines += ['', f'## {head}', '', *(entry(n, f) for n, f in things.items())]
    return '\n'.join(lines) + '\n'


def summary(thing):
    "The first sentence of a docstring."
    return plain(sections(thing.__doc__)[''].strip().partition('\n')[0])


def contents():
    "The page that says what is where: the names of the package, then all modules."
    front = importlib.import_module(PACKAGE)
    link = lambda m, name: f'<a href="{m}.html#{PACKAGE}.{m}.{name}"><code>{name}</code></a>'
    rows = [
        [link(m, name), summary(getattr(front, name))]
        for name in front.__all__
        for m in [getattr(front, name).__module__.rpartition('.')[2]]
    ]
    lines = ['# Reference', '', 'What `from ntf_lit import ...` gives:', *table(['estimator', ''], rows)]
    lines += ['Modules, each with the notebook that it is made from:', '']
    rows = [
        [f'[`{m}`]({m}.md)', f'[{nb.number}](../explanations/{nb.path.name})', plain(nb.claim)]
        for m, nb in modules().items()
    ]
    return '\n'.join([*lines, *table(['module', 'notebook', ''], rows)])
