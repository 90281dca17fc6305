import time,sys
from tests.simulation.mutants import MUTANTS
from tests.simulation.world import simulate
from tests.simulation.checks import Violation
from tests.simulation.faults import Faults
F=Faults.rough() if "rough" in sys.argv else None
for m in MUTANTS:
    if len(sys.argv)>2 and m.__name__ not in sys.argv[1:]: continue
    t=time.time()
    with m():
        for s in range(600):
            try: simulate(s, faults=F)
            except Violation as v:
                print(m.__name__, s, round(time.time()-t,1), str(v).splitlines()[0][:200],flush=True); break
        else: print(m.__name__,"NOT FOUND",flush=True)
