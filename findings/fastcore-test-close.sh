set -eu
# test_close of fastcore, which nbdev's notebooks check with, takes lists of different lengths and arrays
# of different shapes for close.
# Here the tests run the notebooks with a test_close that compares shapes first (tests/shapes.py).
# Run it with bash. It ends with 0 as long as the package behaves like this.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check fastcore==2.2.39 numpy==2.3.3
cat > "$folder/run.py" <<'PYTHON'
import sys
from importlib.metadata import version
import numpy as np
from fastcore.test import test_close, test_eq


def passes(check, a, b):
    try:
        check(a, b)
    except AssertionError:
        return False
    return True


lists, nothing = ([1., 2., 3.], [1., 2.]), ([1., 2., 3.], [])
arrays = np.ones((3, 1)), np.ones((1, 3))
print('fastcore', version('fastcore'), '- test_close(a, b, eps), by its docstring a check of nearness')
print('Asked for: a failure where one side has entries that the other has not, as with test_eq.')
for a, b in (lists, nothing, arrays):
    shapes = np.shape(a), np.shape(b)
    print(f'shapes {shapes}: test_close passes: {passes(test_close, a, b)}, test_eq: {passes(test_eq, a, b)}')
seen = all(passes(test_close, *pair) for pair in (lists, nothing, arrays))
sys.exit(not (seen and not passes(test_eq, *lists)))
PYTHON
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "$folder/env/bin/python" "$folder/run.py"
