set -eu
# NMF of scikit-learn with the Kullback-Leibler loss gives components of zeros for data of the size 1e-8,
# without a word.
# Here data are brought to one size by a power of two first, so that a fit is the same in any unit.
# Run it with bash. It ends with 0 as long as the package behaves like this.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    scikit-learn==1.9.1 numpy==2.3.3 scipy==1.17.1
cat > "$folder/run.py" <<'PYTHON'
import sys
import warnings
import numpy as np
import sklearn
from sklearn.decomposition import NMF

warnings.simplefilter('ignore')  # that 500 sweeps were all used
rng = np.random.default_rng(0)
X = rng.random((30, 4)) @ rng.random((4, 20))


def error(X):
    how = dict(solver='mu', beta_loss='kullback-leibler', init='random', random_state=0, max_iter=500, tol=0)
    model = NMF(4, **how)
    W = model.fit_transform(X)
    return np.linalg.norm(X - W @ model.components_)/np.linalg.norm(X), float(model.components_.max())


found = {unit: error(unit*X) for unit in (1., 1e-4, 1e-8)}
print('scikit-learn', sklearn.__version__, "- NMF(solver='mu', beta_loss='kullback-leibler')")
print('Asked for: a model that is multiplied as the data are; this divergence is, too.')
for unit, (e, top) in found.items():
    print(f'The data times {unit:g}: relative error {e:.4f}, largest entry of the components {top:.3g}')
sys.exit(not (found[1.][0] < .02 and found[1e-4][0] < .02 and found[1e-8] == (1., 0.)))
PYTHON
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "$folder/env/bin/python" "$folder/run.py"
