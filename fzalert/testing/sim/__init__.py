"""Simulated worlds: the real engine over the real store, in virtual time, under every fault.

```python
result = run(seed)
assert not result.broken, str(result)      # names the seed that gives this very history again
```
"""

from fzalert.testing.sim.chance import Chance, Fault, Trace
from fzalert.testing.sim.channel import SimAdapter
from fzalert.testing.sim.laws import Broken
from fzalert.testing.sim.world import Result, World, run

__all__ = ["Broken", "Chance", "Fault", "Result", "SimAdapter", "Trace", "World", "run"]
