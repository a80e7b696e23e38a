"""How far a checkout keeps to the rules of form, and its measures: `python tests/rules.py [checkout]`."""

import ast
import collections
import json
import re
from pathlib import Path

import numpy as np
import rules

TEXTS = 'tests', 'tools', 'docs', 'benchmarks'


class Checkout:
    "What the rules of form look at in one copy of the repository."

    def __init__(self, root):
        self.root = Path(root).resolve()
        files = {p.relative_to(self.root).as_posix(): p for p in rules.project_files(self.root)}
        read = lambda pattern: {
            name: p.read_text(encoding='utf-8') for name, p in files.items() if re.match(pattern, name)
        }
        self.notebooks = {name: json.loads(text) for name, text in read(r'nbs/.*\.ipynb$').items()}
        self.texts = read(rf'({"|".join(TEXTS)})/.*\.py$|setup\.py$')
        modules = read(r'ntf_lit/(?!_modidx)\w+\.py$')
        self.modules = {Path(name).stem: text for name, text in modules.items()}
        self.trees = {module: ast.parse(text) for module, text in self.modules.items()}
        self.package = rules.Package(self.trees)

    def each_notebook(self, rule):
        return [(name, complaint) for name, nb in self.notebooks.items() for complaint in rule(nb)]

    def each_text(self, rule):
        return [(name, complaint) for name, text in self.texts.items() for complaint in rule(text)]

    def each_module(self, rule):
        return [(f'ntf_lit/{m}.py', complaint) for m, tree in self.trees.items() for complaint in rule(tree)]

    def whole(self, rule):
        return [(f'ntf_lit/{module}.py', complaint) for module, complaint in rule(self.package)]

    def undocumented(self, **kw):
        return [
            (f'ntf_lit/{m}.py', complaint)
            for m, tree in self.trees.items()
            for complaint in rules.undocumented(tree, self.modules[m], **kw)
        ]


# Each rule of form, by the name that report and tests call it
RULES = {
    'depth': lambda c: c.whole(rules.deep_classes),
    'base made': lambda c: c.whole(rules.made_bases),
    'override': lambda c: c.whole(rules.overridden),
    'set on class': lambda c: c.whole(rules.put_on_classes),
    'free self': lambda c: c.whole(rules.free_self),
    'width': lambda c: c.each_notebook(rules.wide_cells) + c.each_text(rules.wide_lines),
    'joined': lambda c: c.each_notebook(rules.joined_in_cells) + c.each_text(rules.joined_statements),
    'shapes': lambda c: c.each_notebook(rules.loose_checks),
    'cell lines': lambda c: c.each_notebook(rules.long_cells),
    'checks': lambda c: c.each_notebook(rules.few_checks),
    'alt text': lambda c: c.each_notebook(rules.unspoken_figures),
    'private': lambda c: c.each_module(rules.private_exports),
    'functions': lambda c: c.undocumented(),
    'methods': lambda c: c.undocumented(methods=True),
}


# --- Measures ---


def spread(values):
    "Median, 90th percentile and maximum."
    return *np.percentile(values, [50, 90]), max(values)


def share(part, whole):
    return part / whole if whole else float('nan')


def class_measures(pkg):
    depths = {key: pkg.depth(key) for key in pkg.classes}
    private = [key for key in pkg.classes if key[1][0] == '_']
    yield 'classes', len(depths)
    yield 'deepest own chain', max(depths.values())
    yield 'classes on four or more own levels', sum(d > 3 for d in depths.values())
    yield 'mean depth', share(sum(depths.values()), len(depths))
    yield 'private classes', len(private)
    yield 'private classes with exactly one subclass', sum(len(pkg.subclasses(k)) == 1 for k in private)


def line_measures(checkout):
    notebooks = list(checkout.notebooks.values())
    exported = [rules.source(c) for nb in notebooks for c in rules.exported_cells(nb)]
    shown = [rules.source(c) for nb in notebooks for c in rules.shown_cells(nb)]
    for kind, texts in (
        ('exported', exported),
        ('shown', shown),
        ('tests, tools, ...', checkout.texts.values()),
    ):
        count = lambda rule: sum(1 for text in texts for _ in rule(text))
        yield f'lines, {kind}', sum(len(text.splitlines()) for text in texts)
        yield f'lines over {rules.MAX_WIDTH}, {kind}', count(rules.wide_lines)
        yield f'statements after `;`, {kind}', count(rules.joined_statements)


def cell_measures(checkout):
    notebooks = [nb for nb in checkout.notebooks.values() if rules.exported_cells(nb)]
    cells = [c for nb in notebooks for c in rules.exported_cells(nb)]
    lines = [len(rules.code_lines(c)) for c in cells]
    yield 'exported cells', len(cells)
    yield 'lines of an exported cell: median, p90, most', spread(lines)
    yield 'characters of an exported cell: median, p90, most', spread([len(rules.source(c)) for c in cells])
    yield 'exported cells of 20 lines or more', sum(n >= 20 for n in lines)
    checks = sum(1 for nb in notebooks for _ in rules.checks(nb))
    yield 'checks in exporting notebooks', checks
    yield 'exported lines per check', share(sum(lines), checks)
    yield 'runs of three or more exported cells', sum(1 for nb in notebooks for _ in rules.crowded(nb))
    figures = [
        o for nb in checkout.notebooks.values() for o in rules.outputs(nb) if 'image/png' in o.get('data', {})
    ]
    yield 'pictures', len(figures)


def name_measures(checkout):
    modules = {m: tree for m, tree in checkout.trees.items() if m != '__init__'}
    yield 'public names (all modules)', sum(len(rules.public_names(tree)) for tree in modules.values())
    for kind, methods in ('functions', False), ('methods', True):
        found = [fn for tree in modules.values() for fn in rules.public_functions(tree, methods)]
        missing = [c for _, c in checkout.undocumented(methods=methods)]
        yield f'public {kind}', len(found)
        hints = [bool(a.annotation) for fn in found for a in rules.parameters(fn)]
        yield f'parameters of public {kind} with a hint, of 1', share(sum(hints), len(hints))
        for word in 'docstring', 'comment beside', 'description of what it returns':
            yield f'public {kind} without {word}', sum(word in c for c in missing)


def measures(checkout):
    "Pairs of a measure's name and its value."
    yield from class_measures(checkout.package)
    yield from line_measures(checkout)
    yield from cell_measures(checkout)
    yield from name_measures(checkout)


# --- The table ---


def table(found):
    "Files by rules: how many complaints each has."
    counts = collections.Counter((name, rule) for rule, complaints in found.items() for name, _ in complaints)
    names = sorted({name for name, _ in counts})
    yield ' ' * 34 + ''.join(rule.rjust(len(rule) + 2) for rule in found)
    for name in names:
        yield name.ljust(34) + ''.join(str(counts[name, rule] or '.').rjust(len(rule) + 2) for rule in found)
    yield 'all'.ljust(34) + ''.join(str(len(found[rule])).rjust(len(rule) + 2) for rule in found)


def words(value):
    numbers = value if isinstance(value, tuple) else (value,)
    return ', '.join(f'{v:,}' if isinstance(v, int) else f'{v:.4g}' for v in numbers)


def main(root=None, *only):
    "Print the table and the measures; with more words, every complaint of those files or rules."
    checkout = Checkout(root or Path(__file__).resolve().parents[1])
    found = {name: rule(checkout) for name, rule in RULES.items()}
    for rule, complaints in found.items():
        for name, complaint in complaints:
            if any(word in (rule, name, Path(name).stem) for word in only):
                print(f'{name}: {rule}: {complaint}')
    if not only:
        print('\n'.join(table(found)), '\n')
        for name, value in measures(checkout):
            print(f'{name:55} {words(value)}')
