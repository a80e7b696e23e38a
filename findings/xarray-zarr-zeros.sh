set -eu
# xarray opens the zeros of a plain zarr array (format 2) as NaN: the fill value of the store, 0 unless
# another is given, is taken for missing.
# Here NaN is refused where no mask was given, so that such data do not pass for complete; open them with
# mask_and_scale=False.
# Run it with bash. It ends with 0 as long as the package behaves like this.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check xarray==2026.9.0 zarr==3.1.3 numpy==2.3.3
cat > "$folder/run.py" <<'PYTHON'
import sys
import tempfile
import numpy as np
import xarray as xr
import zarr

X = np.array([[0., 1., 2.], [3., 0., 5.]])
with tempfile.TemporaryDirectory() as folder:
    group = zarr.open_group(folder, mode='w', zarr_format=2)
    array = group.create_array('X', shape=X.shape, dtype=X.dtype, fill_value=0.)
    array[:] = X
    array.attrs['_ARRAY_DIMENSIONS'] = ['sample', 'term']
    as_usual = xr.open_zarr(folder, consolidated=False)['X'].values
    as_written = xr.open_zarr(folder, consolidated=False, mask_and_scale=False)['X'].values
    by_zarr = zarr.open_group(folder, mode='r')['X'][:]
print('xarray', xr.__version__, 'zarr', zarr.__version__, '- open_zarr (by its docstring a reader of zarr)')
print('Asked for: the numbers that were written, zeros too; zarr itself gives them.')
for name, a in (('zarr', by_zarr), ('open_zarr', as_usual), ('open_zarr, mask_and_scale=False', as_written)):
    print(f'{name}: {a.tolist()}')
lost = np.isnan(as_usual) == (X == 0)
sys.exit(not (lost.all() and (as_written == X).all() and (by_zarr == X).all()))
PYTHON
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "$folder/env/bin/python" "$folder/run.py"
