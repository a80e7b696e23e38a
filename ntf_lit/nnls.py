import numpy as np
from scipy.optimize import nnls as _n
def nnls_gram(G,F,support=None):
    if hasattr(G,'detach'):
        import torch; return torch.from_numpy(nnls_gram(G.numpy(),F.numpy()))
    dt=F.dtype; G=G.astype(float); F=F.astype(float)
    w,U=np.linalg.eigh(G); k=w>1e-13*max(w.max(),1e-300); A=(U[:,k]*np.sqrt(w[k])).T
    if not k.any(): return np.zeros_like(F).astype(dt)
    b=(F@U[:,k]/np.sqrt(w[k]))
    return np.stack([_n(A,x)[0] for x in b]).astype(dt)
