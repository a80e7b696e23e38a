set -eu
# sum(axis=0) of SciPy's sparse arrays of float32 depends on the format: compressed rows are added up one
# after the other in float32, compressed columns in pairs, and mean(axis=0) by a third way.
# Here the columns of long data are added up in float64, whatever the data are in.
# Run it with bash. It ends with 0 as long as the package behaves like this.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check scipy==1.17.1 numpy==2.3.3
cat > "$folder/run.py" <<'PYTHON'
import sys
import numpy as np
import scipy
from scipy.sparse import csr_array


def column(rows, value):
    "One full column of one value."
    return csr_array(np.full((rows, 1), value, np.float32))


print('SciPy', scipy.__version__, '- csr_array.sum(axis=0): the sum of the elements over the given axis')
print('Asked for: one answer for one matrix, near the sum of its entries.')
rows, right = column(2**18, 1/3), 2**18*float(np.float32(1/3))
by_rows, by_columns = float(rows.sum(axis=0)[0]), float(rows.tocsc().sum(axis=0)[0])
print(f'{2**18} entries of 1/3: right {right:.1f}, by rows {by_rows:.1f}, by columns {by_columns:.1f}')
ones = column(2**24 + 2**20, 1)
total, mean = float(ones.sum(axis=0)[0]), float(ones.mean(axis=0)[0])
print(f'{2**24 + 2**20} entries of 1: sum by rows {total:.0f}, mean {mean:.3f}')
sys.exit(not (abs(by_rows/right - 1) > 5e-4 and abs(by_columns/right - 1) < 1e-6 and total == 2**24))
PYTHON
"$folder/env/bin/python" "$folder/run.py"
