"""List of the measurements for families: a new one needs two functions and one line here."""

from __future__ import annotations

from app.reproduce import many_particles as crowd
from app.reproduce import pullers
from app.reproduce import self_propelled as movers
from app.reproduce import single_particle as alone
from app.reproduce.measure_protocol import Way

FAMILIES: dict[str, Way] = {
    "plateau": Way(alone.plateau, alone.draw_plateau),
    "crossover": Way(alone.crossover, alone.draw_crossover),
    "cluster": Way(crowd.cluster, crowd.draw_cluster),
    "crystal": Way(crowd.crystal, crowd.draw_crystal),
    "dimer": Way(movers.dimer, movers.draw_dimer),
    "hill": Way(movers.hill, movers.draw_hill),
    "swarm": Way(movers.swarm, crowd.draw_cluster),
    "drift": Way(movers.drift, movers.draw_drift),
    "search": Way(pullers.search, pullers.draw_search),
}
