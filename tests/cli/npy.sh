# NumPy outputs of msModelSlim.
mkdir src; touch src/quant_weight.npy; "$REPAQ" convert src out --to awq
