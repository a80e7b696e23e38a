set -eu
# factor_match_score of TLViz gives 1 to a model that lacks a component of the other, though its documentation
# announces an error; with return_permutation=True the error comes.
# Here a component without a partner counts as one that is not found.
# Run it with bash. It ends with 0 as long as the package behaves like this.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    tlviz==0.1.1 tensorly==0.9.0 numpy==2.3.3 scipy==1.16.2
cat > "$folder/run.py" <<'PYTHON'
import sys
from importlib.metadata import version
import numpy as np
from tlviz.factor_tools import factor_match_score

factors = [np.random.default_rng(k).random((d, 3)) for k, d in enumerate((5, 6, 7))]
truth = np.ones(3), factors
fewer = np.ones(2), [f[:, :2] for f in factors]
print('TLViz', version('tlviz'), '- factor_match_score(cp_tensor1, cp_tensor2, allow_smaller_rank=False)')
print('Asked for: ValueError where cp_tensor2 has fewer components than cp_tensor1, as documented.')
score = float(factor_match_score(truth, fewer))
print(f'Three components against two of them: score {score:.3f}, no error')
try:
    factor_match_score(truth, fewer, return_permutation=True)
    refused = 'nothing'
except ValueError as error:
    refused = f'ValueError: {error}'
print('The same with return_permutation=True:', refused)
sys.exit(not (abs(score - 1) < 1e-12 and refused.startswith('ValueError')))
PYTHON
"$folder/env/bin/python" "$folder/run.py"
