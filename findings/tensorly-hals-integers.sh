set -eu
# non_negative_parafac_hals of TensorLy gives factors of zeros for a tensor of whole numbers, without a
# word.
# Here data of whole numbers are computed as floats of 8 bytes.
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
from tensorly.decomposition import non_negative_parafac_hals

factors = [np.random.default_rng(k).random((d, 3)) for k, d in enumerate((6, 5, 4))]
counts = np.rint(50*cp_to_tensor((None, factors))).astype(np.int64)


def error(X):
    model = non_negative_parafac_hals(X, rank=3, init='random', random_state=0)
    return np.linalg.norm(counts - cp_to_tensor(model))/np.linalg.norm(counts), model.factors[0].dtype


of_floats, of_integers = error(counts.astype(float)), error(counts)
print('TensorLy', tensorly.__version__, '- non_negative_parafac_hals(tensor: ndarray, rank: int)')
print('Asked for: a nonnegative model near the tensor, whatever numbers it holds, or an error.')
print(f'The same counts as floats: relative error {of_floats[0]:.3f}, factors of {of_floats[1]}')
print(f'The same counts as whole numbers: relative error {of_integers[0]:.3f}, factors of {of_integers[1]}')
sys.exit(not (of_floats[0] < .05 and of_integers[0] == 1 and of_integers[1] == np.int64))
PYTHON
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "$folder/env/bin/python" "$folder/run.py"
