"""Frame averaging (Puny et al., ICLR 2022, arXiv 2110.03336): any network made equivariant by a few chosen poses."""
