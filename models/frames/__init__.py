"""Frame averaging (Puny et al., ICLR 2022, arXiv 2110.03336) makes any network equivariant with a few poses."""
