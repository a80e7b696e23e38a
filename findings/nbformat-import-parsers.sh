set -eu
# `import nbformat` builds dozens of parsers, and takes many times as long, once rfc3987-syntax is installed
# beside it: jsonschema imports that package for one of its formats whether or not anybody checks a format.
# JupyterLab brings it along. Here the tests do without it; what only reads notebooks has no use for it.
# Run it with bash. It ends with 0 as long as the packages behave like this.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    nbformat==5.11.1 jsonschema==4.26.0 rfc3987-syntax==1.1.0 lark==1.3.1
cat > "$folder/run.py" <<'PYTHON'
import subprocess
import sys
from importlib.metadata import version

IMPORT = '''
import sys, time
if sys.argv[1] == 'without': sys.modules['rfc3987_syntax'] = None # as where it is not installed
import lark
made, built = lark.Lark.__init__, 0

def count(self, *args, **kw):
    global built
    built += 1
    made(self, *args, **kw)

lark.Lark.__init__, began = count, time.process_time()
import nbformat
print(built, time.process_time() - began)
'''


def imported(how):
    "(parsers built, seconds of CPU time) by the import of nbformat in a new process."
    run = [sys.executable, '-c', IMPORT, how]
    out = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    return int(out.split()[0]), float(out.split()[1])


(few, short), (many, long) = imported('without'), imported('with')
print(*(f'{name} {version(name)}' for name in ('nbformat', 'jsonschema', 'rfc3987-syntax', 'lark')), sep=', ')
print('Asked for: formats are checked only where a checker of formats is passed (the documentation of')
print('jsonschema, "Validating Formats"), so an import builds no parser of addresses.')
print(f'Without rfc3987-syntax: {few} parsers built, {short:.2f} s of CPU time')
print(f'With it: {many} parsers built, {long:.2f} s of CPU time')
sys.exit(not (few == 0 and many > 20))
PYTHON
"$folder/env/bin/python" "$folder/run.py"
