set -eu
# check_estimator of scikit-learn is green for an estimator that takes tensors only (tags three_d_array,
# not two_d_array), whatever it does: all checks but one are left out.
# Here estimators of matrices go through all checks, and those of tensors through our own
# (tests/test_estimators.py).
# Run it with bash. It ends with 0 as long as the package behaves like this.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    scikit-learn==1.9.1 numpy==2.3.3 scipy==1.17.1
cat > "$folder/run.py" <<'PYTHON'
import sys
import numpy as np
import sklearn
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.estimator_checks import check_estimator


class Wrong(TransformerMixin, BaseEstimator):
    "Ignores its data, changes its settings in fit, and transforms before it was fitted."

    def __init__(self, rank=2):
        self.rank = rank

    def fit(self, X, y=None):
        self.rank = 99
        return None

    def transform(self, X):
        return np.full(7, np.nan)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array, tags.input_tags.two_d_array = True, False
        return tags


class OfMatrices(Wrong):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array, tags.input_tags.two_d_array = False, True
        return tags


def checked(estimator):
    found = [r['status'] for r in check_estimator(estimator, on_fail=None)]
    return {status: found.count(status) for status in sorted(set(found))}


tensors, matrices = checked(Wrong()), checked(OfMatrices())
print('scikit-learn', sklearn.__version__, '- check_estimator: does an estimator keep to conventions?')
print('Asked for: a failure, or a word that nearly nothing was checked.')
print('The same wrong estimator, said to take matrices:', matrices)
print('... said to take tensors of three modes:', tensors)
sys.exit(not (matrices.get('failed', 0) > 5 and 'failed' not in tensors and sum(tensors.values()) < 5))
PYTHON
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "$folder/env/bin/python" "$folder/run.py"
