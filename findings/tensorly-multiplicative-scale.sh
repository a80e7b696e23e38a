set -eu
# non_negative_parafac of TensorLy fits small numbers badly: the same tensor times 1e-10 has a hundred
# times the error.
# Here data are brought to one size by a power of two first, so that a fit is the same in any unit.
# Run it with bash. It ends with 0 as long as the package behaves like this.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    tensorly==0.10.0 numpy==2.3.3 scipy==1.16.2
cat > "$folder/run.py" <<'PYTHON'
import sys
import numpy as np
import tensorly
from tensorly.cp_tensor import cp_to_tensor
from tensorly.decomposition import non_negative_parafac

rng = np.random.default_rng(0)
X = cp_to_tensor((None, [rng.random((d, 3)) for d in (6, 5, 4)]))


def error(X):
    model = non_negative_parafac(X, rank=3, init='random', random_state=0, n_iter_max=300)
    return np.linalg.norm(X - cp_to_tensor(model))/np.linalg.norm(X)


errors = {unit: error(unit*X) for unit in (1., 1e-5, 1e-10)}
print('TensorLy', tensorly.__version__, '- non_negative_parafac (by its docstring a nonnegative CP model)')
print('Asked for: a model that is multiplied as the tensor is, since the problem is the same in every unit.')
for unit, e in errors.items():
    print(f'The tensor times {unit:g}: relative error {e:.4f}')
sys.exit(not (errors[1.] < .02 and errors[1e-10] > .2))
PYTHON
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "$folder/env/bin/python" "$folder/run.py"
