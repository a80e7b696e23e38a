set -eu
# Slices of a tensor in a safetensors file are not those of NumPy: an end beyond the last row and a
# negative begin are errors.
# Here files are read whole, by a reader of our own (nbs/02a_files.ipynb).
# Run it with bash. It ends with 0 as long as the package behaves like this.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check safetensors==0.6.2 numpy==2.3.3
cat > "$folder/run.py" <<'PYTHON'
import sys
import tempfile
from importlib.metadata import version
import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

X = np.arange(12.).reshape(6, 2)


def tried(get):
    try:
        return get().tolist()
    except Exception as e:
        return f'{type(e).__name__}: {str(e)[:80]}'


with tempfile.TemporaryDirectory() as folder:
    save_file({'X': X}, f'{folder}/x.safetensors')
    with safe_open(f'{folder}/x.safetensors', framework='np') as f:
        part = f.get_slice('X')
        found = {name: tried(lambda: part[s]) for name, s in
                 {'[1:3]': slice(1, 3), '[4:10]': slice(4, 10), '[-2:]': slice(-2, None)}.items()}
print('safetensors', version('safetensors'), '- safe_open(...).get_slice(name): a part of a tensor')
print('Asked for: the rows that NumPy and torch give for the same slice.')
print('NumPy [4:10]:', X[4:10].tolist(), ' [-2:]:', X[-2:].tolist())
for name, rows in found.items():
    print('safetensors', name, rows)
refused = all(isinstance(found[s], str) for s in ('[4:10]', '[-2:]'))
sys.exit(not (found['[1:3]'] == X[1:3].tolist() and refused))
PYTHON
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "$folder/env/bin/python" "$folder/run.py"
