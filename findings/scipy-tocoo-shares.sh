set -eu
# tocoo() of SciPy's compressed rows hands out the matrix's own values, that of compressed columns a copy,
# both with default arguments.
# Here coordinates are never written into: what is scaled is scaled in an array of our own.
# Run it with bash. It ends with 0 as long as the package behaves like this.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check scipy==1.17.1 numpy==2.3.3
cat > "$folder/run.py" <<'PYTHON'
import inspect
import sys
import numpy as np
import scipy
from scipy.sparse import csc_array, csr_array

X = np.arange(12.).reshape(3, 4)


def shared(M):
    "Whether values of the coordinates are those of the matrix; and what writing into them does to it."
    M = M.copy()
    C = M.tocoo()
    alike = np.shares_memory(M.data, C.data)
    C.data *= 0
    return alike, float(abs(M.toarray()).sum())


rows, columns = shared(csr_array(X)), shared(csc_array(X))
print('SciPy', scipy.__version__, '- tocoo() with default arguments, then the result set to zero in place')
print('Asked for: one method, and values that are shared from both formats, or from neither.')
print('The defaults in its signatures:', *(inspect.signature(f.tocoo) for f in (csr_array, csc_array)))
print(f'From compressed rows: shares values: {rows[0]}, sum afterwards {rows[1]:g} of {X.sum():g}')
print(f'From compressed columns: shares values: {columns[0]}, sum afterwards {columns[1]:g}')
sys.exit(not (rows == (True, 0.) and columns == (False, X.sum())))
PYTHON
"$folder/env/bin/python" "$folder/run.py"
