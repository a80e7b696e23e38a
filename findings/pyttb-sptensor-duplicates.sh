set -eu
# sptensor of pyttb takes a subscript that occurs twice and then answers in three ways: full() keeps the last
# value, innerprod() counts both, norm() adds up their squares one by one.
# Here entries of one place are added up when data are taken in.
# Run it with bash. It ends with 0 as long as the package behaves like this.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check pyttb==1.8.6 numpy==2.3.3 scipy==1.16.2
cat > "$folder/run.py" <<'PYTHON'
import sys
from importlib.metadata import version
import numpy as np
import pyttb

subscripts = np.array([[0, 0, 0], [0, 0, 0], [1, 1, 1]])
values = np.array([[1.], [2.], [3.]])


def answers(X):
    "The sum of all entries in two ways, and the norm in two ways."
    ones = pyttb.tenones((2, 2, 2))
    return float(X.full().data.sum()), float(X.innerprod(ones)), float(X.norm()), float(X.full().norm())


print('pyttb', version('pyttb'), '- sptensor(subs, vals, shape): subscripts of the nonzeros, and the values')
print('Asked for: one tensor, or an error that names the double subscript.')
for name, X in (('sptensor', pyttb.sptensor(subscripts, values, (2, 2, 2))),
                ('sptensor.from_aggregator', pyttb.sptensor.from_aggregator(subscripts, values, (2, 2, 2)))):
    full, inner, norm, of_full = answers(X)
    print(f'{name}: sum {full:.0f} of full(), {inner:.0f} by innerprod(); '
          f'norm {norm:.3f}, of full() {of_full:.3f}')
given = answers(pyttb.sptensor(subscripts, values, (2, 2, 2)))
sys.exit(not np.allclose(given, (5, 6, 14**.5, 13**.5)))
PYTHON
"$folder/env/bin/python" "$folder/run.py"
