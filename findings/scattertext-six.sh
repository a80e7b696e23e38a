set -eu
# scattertext cannot be imported in an environment that pip has just made for it: it imports six, which it
# does not name as a requirement, and beside pandas 3.1.1 and python-dateutil 4.0.0 nothing brings it along.
# Here the browsers stand beside it only in a table of the docs; six has to be installed by hand to try it.
# Run it with bash. It ends with 0 as long as the package behaves like this.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    scattertext==0.2.2 pandas==3.1.1 python-dateutil==4.0.0
cat > "$folder/run.py" <<'PYTHON'
import sys
from importlib.metadata import requires, version

try:
    import scattertext
    seen = f'imported {scattertext.__name__}'
except ModuleNotFoundError as error:
    seen = f'{type(error).__name__}: {error}'
named = sorted(r.split()[0] for r in requires('scattertext'))
print('scattertext', version('scattertext'), '- requires', ', '.join(named))
print('with pandas', version('pandas'), 'and python-dateutil', version('python-dateutil'))
print('Asked for: pip install scattertext, then import scattertext.')
print('Seen:', seen)
sys.exit(not ("No module named 'six'" in seen and 'six' not in named))
PYTHON
"$folder/env/bin/python" "$folder/run.py"
