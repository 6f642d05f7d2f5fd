"""The list of the measures of families: a new one is two functions and one line here."""

from __future__ import annotations

from app.reproduce import many_particles as crowd
from app.reproduce import pullers
from app.reproduce import self_propelled as movers
from app.reproduce import single_particle as alone
from app.reproduce.measure_protocol import FamilyMeasure

FAMILIES: dict[str, FamilyMeasure] = {
    "plateau": FamilyMeasure(alone.plateau, alone.draw_plateau),
    "crossover": FamilyMeasure(alone.crossover, alone.draw_crossover),
    "cluster": FamilyMeasure(crowd.cluster, crowd.draw_cluster),
    "crystal": FamilyMeasure(crowd.crystal, crowd.draw_crystal),
    "dimer": FamilyMeasure(movers.dimer, movers.draw_dimer),
    "hill": FamilyMeasure(movers.hill, movers.draw_hill),
    "swarm": FamilyMeasure(movers.swarm, crowd.draw_cluster),
    "drift": FamilyMeasure(movers.drift, movers.draw_drift),
    "search": FamilyMeasure(pullers.search, pullers.draw_search),
}
