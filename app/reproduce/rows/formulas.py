"""The formulas of the predictions as text, for the tables. The functions are in control/theory and in the rows."""

from __future__ import annotations

FORMULAS = {
    "P1": "MSD = 4Dt",
    "P2": "MSD = 4D(t − t_E/3) + 4σ²",
    "P3": "D = ⟨Δx²⟩/2Δt + ⟨ΔxΔx′⟩/Δt, σ² = R⟨Δx²⟩ + (2R − 1)⟨ΔxΔx′⟩",
    "P4": "⟨x²⟩ = kT/k",
    "P7": "MSD(t) = 2Dt[1 − κt/(1 + z)], t ≤ τ",
    "P8": "max MSD = D(1 + z)/2κ, z > 1",
    "P9": "D_eff = D/(1 + z)²",
    "P10": "MSD = 2D_eff t + B",
    "P11": "MSD of P7, one wave fitted to it (the mode: λ = −κ + W₁(z eᶻ)/τ)",
    "P12": "q = kTκ(z − 1)/(z + 1)",
    "P13": "D_eff = [D(1 − a²)/2κΔt + (1 − a)²σ²/2Δt]/(1 + (1 − a)m)²",
    "P14": "⟨x²⟩ = (D/κ)(1 + sin z)/cos z",
    "P15": "⟨x²⟩ = D[l − b sinh lτ]/l[κ − b cosh lτ]",
    "P16": "⟨x²⟩ = 2DΔt(1 + αδ)/α(1 − αδ)(2 − α + 2αδ)",
    "P17": "v = κR/(1 + z)",
    "P18": "D_φ = 4D/(vτ)²",
    "P19": "D_L = v⁴τ²/8D + D/2(1 + z)²",
    "P20": "v = (b/τ)√(2 ln(Aτ/γb²))",
    "P21": "⟨δ²⟩ = (D/κ)(1 + z)",
    "P22": "V = κ(R_b − R_a)/2(1 + z)",
    "P23": "lattice constant = R",
    "P24": "lattice constant = R, rings R and √2 R",
    "P25": "⟨ψ₆⟩ = √(π/8) ρ e^(−ρ²/4)[I_5/2(ρ²/4) + I_7/2(ρ²/4)], ρ² = a²/2u²",
    "P26": "⟨x²⟩ = (D/κf)[1 + (1 − f)²(κfT)²/3]",
    "P28": "½kT(1 − e^(−2κΔt))",
    "P29": "⟨e^(−W/kT)⟩ = √(k₁/k₂)",
    "P30": "lag = γu/k",
    "P32": "phase = −atan(ω/κ) − ω · latency",
}
