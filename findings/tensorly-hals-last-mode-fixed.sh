set -eu
# non_negative_parafac_hals of TensorLy with the last mode fixed reports errors that are not the model's, and
# stops by them; where the last mode has another size than the one before, it ends in an error of NumPy's.
# Here any mode can be fixed, and the objective is that of what comes back.
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
from tensorly.cp_tensor import CPTensor, cp_to_tensor
from tensorly.decomposition import non_negative_parafac_hals


def fit(shape, fixed):
    "The error that is reported, and that of the model that comes back."
    generator = np.random.default_rng(0)
    truth = [generator.random((d, 3)) for d in shape]
    start = [truth[k] if k == fixed else generator.random((d, 3)) for k, d in enumerate(shape)]
    X = cp_to_tensor((None, truth))
    model, errors = non_negative_parafac_hals(X, rank=3, init=CPTensor((np.ones(3), start)), n_iter_max=200,
                                              fixed_modes=[fixed], return_errors=True)
    return float(errors[-1]), float(np.linalg.norm(X - cp_to_tensor(model))/np.linalg.norm(X))


print('TensorLy', tensorly.__version__, '- non_negative_parafac_hals(fixed_modes: modes not to update)')
print('Asked for: the error of the model at each iteration, as with any other fixed mode.')
first, last = fit((6, 6, 6), 0), fit((6, 6, 6), 2)
print(f'6 x 6 x 6, mode 0 fixed: reported {first[0]:.1e}, true {first[1]:.1e}')
print(f'6 x 6 x 6, mode 2 fixed: reported {last[0]:.1e}, true {last[1]:.1e}')
try:
    fit((6, 6, 4), 2)
    refused = 'nothing'
except ValueError as error:
    refused = f'{type(error).__name__}: {error}'
print(f'6 x 6 x 4, mode 2 fixed: {refused}')
sys.exit(not (abs(first[0] - first[1]) < 1e-6 and last[0] > .1 > 1e-3 > last[1] and 'broadcast' in refused))
PYTHON
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "$folder/env/bin/python" "$folder/run.py"
